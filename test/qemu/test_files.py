"""Guests are files: what a Linux guest does with /vm and its like, mounted by virtio-9p, in a shell."""
import re

from disk import OUT
from goblin import ENTER, Goblin
from lab import check, entry, lab
from suite import log_path, need, test

MORE = "namespace /dev /vm /img /blk /boot:ro\n"


class Shell:
    """The shell on a guest's console."""

    def __init__(self, goblin, name, prompt=None):
        self.goblin, self.name = goblin, name
        goblin.attach(name)
        if prompt:
            prompt()
        else:
            goblin.expect(rf"{name}#", 90)

    def run(self, command, seconds=30):
        """Returns (exit status, output)."""
        if self.goblin.shown != self.name:
            self.goblin.attach(self.name)
        self.goblin.at = len(self.goblin.text)
        self.goblin.send(f"{command}; echo \"<$?>\"\r")
        found = self.goblin.expect(r"([\s\S]*?)<(\d+)>", seconds)
        # behind the command as the terminal echoes it, perhaps wrapped, perhaps twice
        typed = list(re.finditer(r'\$\s*\?\s*>\s*"\s*', found.group(1)))[-1]
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


MANY = r"""
fail() { echo "FAIL: $*"; cat /vm/ctl /vm/$1/ctl 2>/dev/null; exit 1; }
for round in $(seq 25); do
    for i in $(seq 20); do
        g=g$round-$i
        if [ $((i % 2)) = 0 ]; then echo clone idle $g >/vm/ctl || fail $g clone; else
            mkdir /vm/$g && echo "linux /guests/idle memory=32M options=s=1000" >/vm/$g/ctl || fail $g create; fi
        echo start >/vm/$g/ctl || fail $g start
    done
    for i in $(seq 20); do echo stop >/vm/g$round-$i/ctl || fail g$round-$i stop; done
    for i in $(seq 20); do
        g=g$round-$i
        grep -q 'stopped by the user' /vm/$g/wait || fail $g wait
        rmdir /vm/$g || fail $g remove
    done
done
echo "PASS many: $(ls /vm | wc -l) left"
"""


@test(seconds=600)
def five_hundred_guests():
    """A guest with /vm makes, clones, starts, stops and removes 500 guests while two Linuxes do checked disk I/O; afterwards as many
    pages are free as before."""
    with lab("five_hundred_guests", boss(), entry("idle", kernel="idle", options="s=1000", memory="32M", autostart=False),
             entry("one", disk="PARTLABEL=first", options="job=disk rounds=40 mib=2"),
             entry("two", disk="PARTLABEL=second", options="job=disk rounds=40 mib=2"),
             partitions=[("first", 16, None), ("second", 16, None)]) as goblin:
        goblin.monitor()
        shell = Shell(goblin, "boss")
        shell.mount("vm")
        shell.ok("cat /vm/one/status >/dev/null")
        goblin.table()
        before = goblin.free_pages
        goblin.attach("boss")
        goblin.send("cat >/tmp/many <<'END'\r" + MANY.strip().replace("\n", "\r") + "\rEND\r")
        goblin.expect(r"boss# \s*$", 30)
        check("PASS many: 5 left" in shell.ok("sh /tmp/many", 420), "not all 500 lived and died")
        for name in ("one", "two"):
            shell.ok(f"until timeout 2 cat /vm/{name}/cons >/tmp/said; grep -E 'PASS disk|FAIL' /tmp/said; do :; done", 180)
            shell.ok("! grep FAIL /tmp/said")
        goblin.table()
        check(abs(goblin.free_pages - before) < 16 * 1024, f"{before} pages were free before, {goblin.free_pages} are now")


@test(seconds=400)
def debian_runs_the_machine():
    """Debian of the disk image mounts /vm and does what docs/ns-vm.md shows with apps and a Linux beside it."""
    need(OUT + "/goblin.img", "the disk image")
    with Goblin([OUT + "/goblin.img"], log=log_path("debian_runs_the_machine"), extra=["-snapshot"]) as goblin:
        def login():
            goblin.expect("debian login: ", 180)
            goblin.type("root\n")
            goblin.expect("Password: ", 30)
            goblin.type("goblin\n")
            goblin.expect("root@debian:~#", 60)

        goblin.menu()
        goblin.select("Debian 12, beside the others")
        goblin.send(ENTER)
        goblin.monitor()
        shell = Shell(goblin, "debian", login)
        shell.ok("mkdir -p /vm && mount -t 9p -o trans=virtio,version=9p2000.L vm /vm", 60)
        shell.ok("echo start >/vm/tiny/ctl; echo start >/vm/lua/ctl; sleep 5; grep 'state running' /vm/tiny/status /vm/lua/status")
        shell.ok("cat /vm/lua/status; cat /vm/lua/cons >/tmp/cons & sleep 1; echo 'print(6 * 7, \"from lua\")' >/vm/lua/cons; sleep 5; "
                 "kill $!; grep '42.*from lua' /tmp/cons", 60)
        shell.ok("echo stop >/vm/tiny/ctl && grep stopped /vm/tiny/wait", 60)
        shell.ok("mkdir /vm/clock && echo 'app /apps/lua.img args=-v memory=64M namespace=/dev' >/vm/clock/ctl && echo start >/vm/clock/ctl")
        shell.ok("sleep 3; timeout 5 cat /vm/clock/cons | grep 'Lua 5'; cat /vm/clock/status", 60)
        shell.ok("echo clone lua lua2 >/vm/ctl && echo start >/vm/lua2/ctl && grep 'state running' /vm/lua2/status")
        shell.ok("echo power >/vm/lua2/ctl; echo stop >/vm/lua2/ctl; cat /vm/lua2/wait; rmdir /vm/lua2", 60)
