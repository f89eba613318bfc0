"""Guests are files: what a Linux guest does with /vm and its like, mounted by virtio-9p, in a shell."""
import re

from disk import GUEST, File
from lab import check, entry, lab
from suite import test

MORE = "namespace /dev /vm /img /blk /boot:ro\n"


class Shell:
    """The shell on a guest's console."""

    def __init__(self, goblin, name):
        self.goblin, self.name = goblin, name
        goblin.attach(name)
        goblin.expect(rf"{name}#", 90)

    def run(self, command, seconds=30):
        """Returns (exit status, output)."""
        if self.goblin.shown != self.name:
            self.goblin.attach(self.name)
        self.goblin.at = len(self.goblin.text)
        self.goblin.send(f"{command}; echo \"<$?>\"\r")
        found = self.goblin.expect(r"([\s\S]*?)<(\d+)>", seconds)
        typed = re.search(r'\$\s*\?\s*>\s*"\s*', found.group(1)) # the command as the shell echoes it, perhaps wrapped
        return int(found.group(2)), found.group(1)[typed.end():]

    def ok(self, command, seconds=30):
        status, text = self.run(command, seconds)
        check(status == 0, f"{command}: exit {status}: {text}")
        return text

    def mount(self, *names):
        for name in names:
            self.ok(f"mkdir -p /{name} && mount -t 9p -o trans=virtio,version=9p2000.L {name} {'/mnt' if name == 'dev' else '/' + name}")


def boss(**more):
    return entry("boss", options="job=shell", more=MORE, **more)


@test(seconds=240)
def files_of_guests():
    """A guest with /vm reads another one's status and console, stops and starts it, waits for its end, makes a new one."""
    with lab("files_of_guests", boss(cpus=2), entry("other", options="job=tick"),
             entry("hello", kernel="hello", memory="64M", autostart=False)) as goblin:
        goblin.monitor()
        shell = Shell(goblin, "boss")
        shell.ok("mkdir -p /mnt")
        shell.mount("vm", "img", "blk", "boot", "dev")
        check(set(shell.ok("ls /vm").split()) == {"boss", "ctl", "hello", "other"}, "ls /vm")
        text = shell.ok("cat /vm/other/status")
        check(re.search(r"^state running$", text, re.M) and re.search(r"^memory 167772160$", text, re.M), text)
        shell.ok("timeout 5 cat /vm/other/cons | grep -m 1 tick")
        shell.ok("cat /vm/other/cons >/tmp/cons & sleep 3; kill %1; tail -n 1 /tmp/cons | grep tick")
        shell.ok("(cat /vm/other/wait >/tmp/why; echo ended) & sleep 1; echo stop >/vm/other/ctl; wait; cat /tmp/why | grep 'stopped by the user'")
        check("state off" in shell.ok("cat /vm/other/status"), "other is off")
        status, text = shell.run("echo stop >/vm/other/ctl")
        check(status and "Invalid" in text, text)
        check("does not run" in shell.ok("cat /vm/other/ctl"), "the reason stands in ctl")
        shell.ok("echo start >/vm/other/ctl && grep 'state running' /vm/other/status")
        shell.ok("echo reset >/vm/other/ctl && sleep 2 && grep 'starts 3' /vm/other/status")
        # a new guest, from a file that was loaded for another
        shell.ok("mkdir /vm/new && echo 'linux /guests/hello memory=64M options=quiet' >/vm/new/ctl && cat /vm/new/status")
        shell.ok("echo start >/vm/new/ctl && cat /vm/new/wait | grep 'powered off'", 60)
        shell.ok("grep -q hello /vm/new/cons & sleep 2; kill $! 2>/dev/null; grep started /vm/new/log")
        shell.ok("echo clone new new2 >/vm/ctl && ls -d /vm/new2 && rmdir /vm/new && echo remove new2 >/vm/ctl && test ! -e /vm/new")
        status, text = shell.run("echo memory 3M >/vm/hello/ctl")
        check(status and "multiple of 2M" in shell.ok("cat /vm/hello/ctl"), text)
        status, text = shell.run("rmdir /vm/other")
        check(status and "busy" in text, text)


@test(seconds=240)
def files_of_the_machine():
    """/img, /blk, /boot and /dev hold what they say; what is read only stays so."""
    with lab("files_of_the_machine", boss(disk="PARTLABEL=first"), partitions=[("first", 16, None)],
             files={"/data/note.txt": "not loaded\n"}) as goblin:
        goblin.monitor()
        shell = Shell(goblin, "boss")
        shell.ok("mkdir -p /mnt")
        shell.mount("vm", "img", "blk", "boot", "dev")
        check(shell.ok("ls /img").split() == ["vmlinuz"], "ls /img")
        shell.ok("cmp /img/vmlinuz /boot/linux/vmlinuz && test $(stat -c %s /img/vmlinuz) -gt 1000000", 90)
        check(set(shell.ok("find /boot -type f").split()) == {"/boot/linux/vmlinuz", "/boot/linux/test.img"}, "find /boot")
        shell.ok("dd if=/dev/urandom of=/dev/vda bs=64k count=4 conv=fsync 2>/dev/null; dd if=/dev/vda bs=64k count=4 2>/dev/null | sha256sum >/tmp/a")
        shell.ok("ls /blk; grep -l 'partlabel first' /blk/*/info; cat /blk/vda2/info")
        shell.ok("dd if=/blk/vda2/data bs=64k count=4 2>/dev/null | sha256sum | cmp - /tmp/a", 60)
        shell.ok("cat /mnt/time && test $(head -c 100 /mnt/random | wc -c) = 100 && test $(head -c 50 /mnt/zero | wc -c) = 50")
        status, text = shell.run("echo x >/mnt/full")
        check(status and "No space" in text, text)
        shell.ok("echo words >/mnt/cons")
        status, text = shell.run("echo x >/boot/linux/vmlinuz")
        check(status, "a file of /boot was written")


@test(seconds=120)
def no_namespace_no_files():
    """A guest whose entry names no trees has none to mount, and one with /vm:ro can look but not touch."""
    with lab("no_namespace_no_files", entry("none", options="job=shell"),
             entry("looks", options="job=shell", more="namespace /vm:ro\n")) as goblin:
        goblin.monitor()
        shell = Shell(goblin, "none")
        status, _ = shell.run("mount -t 9p -o trans=virtio,version=9p2000.L vm /mnt")
        check(status, "a tree that was not given could be mounted")
        shell = Shell(goblin, "looks")
        shell.mount("vm")
        shell.ok("grep running /vm/none/status")
        status, text = shell.run("echo stop >/vm/none/ctl")
        check(status and "Read-only" in text, text)
        status, text = shell.run("mkdir /vm/x")
        check(status and "Read-only" in text, text)
