"""The boot menu over the serial line, mistakes in entries, native starts, other loaders and our entries."""
import tempfile

from disk import APP, KERNEL, OUT, TEST_INITRD, File, run, write
from goblin import ENTER, Goblin
from lab import check, entry, lab
from machine import CPU_PLAIN
from suite import log_path, need, test

# what systemd-boot-efi installs for the beginning of a unified kernel image, under the name it has there; the image is whole
UNIFIED_LOADER = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
SYSTEMD_BOOT = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"


def native(name, options="", more=""):
    """A Linux entry that starts natively, on the serial port."""
    files = entry(name, autostart=False)
    path = f"/loader/entries/{name}.conf"
    files[path] = (f"title {name}\nlinux /linux/vmlinuz\ninitrd /linux/test.img\n"
                   f"options console=ttyS0 quiet name={name} {options}\n{more}")
    return files


@test()
def menu_by_keys():
    """Countdown stopped, entry chosen, its options edited, started as a guest."""
    with lab("menu_by_keys", entry("first", autostart=False), entry("second", autostart=False), timeout=30) as goblin:
        goblin.expect("Starting in 30 s", 60)
        goblin.stop_countdown()
        goblin.refuse(r"Starting in \d", 3)
        goblin.select("first")
        goblin.send("e")
        goblin.expect("options> ", 10)
        goblin.type(" name=edited", 0.1)
        goblin.expect("name=edited", 10)
        goblin.send(ENTER)
        goblin.monitor()
        goblin.attach("first")
        goblin.expect("edited: up on 1 CPUs", 60)


@test()
def menu_mistakes():
    """Each mistake shows with file, line and cure and blocks its entry only."""
    wrong = {
        "size": (dict(memory="5 apples"), r"/loader/entries/size\.conf:6: memory: .*is not a size"),
        "small": (dict(memory="3M"), r"/loader/entries/small\.conf:6: memory: "),
        "huge": (dict(memory="900G"), r"/loader/entries/huge\.conf:6: "),
        "cpus": (dict(cpus=99), r"/loader/entries/cpus\.conf:5: cpus: "),
        "slip": (dict(more="memroy 64M\n"), r"/loader/entries/slip\.conf:7: memroy: unknown key; did you mean memory\?"),
        "file": (dict(more="initrd /no/such/file\n"), r"/loader/entries/file\.conf:7: initrd: there is no file /no/such/file"),
    }
    entries = [entry(name, kernel="hello", title=f"mistake {name}", autostart=False, **{"memory": "64M", **how})
               for name, (how, _) in wrong.items()]
    with lab("menu_mistakes", entry("good", kernel="hello", memory="64M"), *entries, timeout=30) as goblin:
        goblin.menu()
        for name, (_, text) in wrong.items():
            goblin.select(f"mistake {name}")
            start = goblin.at
            goblin.read(1)
            goblin.at = start
            goblin.expect(text, 10)
            goblin.send("g") # refused, with the same text in the line of news
            goblin.expect(text, 10)
        goblin.select("good")
        goblin.send(ENTER)
        goblin.monitor()
        goblin.expect("good: powered off", 60)


@test()
def native_start():
    """Linux started natively owns the machine: all its memory and CPUs, its SVM."""
    with lab("native_start", native("alone"), entry("guest", kernel="hello", memory="64M"), timeout=30) as goblin:
        goblin.menu()
        goblin.select("alone")
        goblin.send(ENTER)
        found = goblin.expect(r"alone: up on (\d+) CPUs with (\d+) MiB", 90)
        check(found.group(1) == "2" and int(found.group(2)) > 1800, found.group())


@test()
def guest_entry_natively():
    """An entry written for a guest starts natively with key n."""
    with lab("guest_entry_natively", entry("guest", options="console=ttyS0"), timeout=30) as goblin:
        goblin.menu()
        goblin.send("n")
        goblin.expect("guest: up on 2 CPUs", 90)


@test(seconds=240)
def debian_natively():
    """The Debian of the disk image starts natively from the menu, lets root in, tells it what started it, and powers off."""
    need(OUT + "/goblin.img", "the disk image")
    with Goblin([OUT + "/goblin.img"], log=log_path("debian_natively"), extra=["-snapshot"]) as goblin:
        goblin.menu()
        goblin.select("Debian 12, natively")
        goblin.send(ENTER)
        goblin.expect("debian login: ", 180)
        goblin.type("root\n")
        goblin.expect("Password: ", 30)
        goblin.type("goblin\n")
        goblin.expect("root@debian:~#", 30)
        goblin.type("systemctl is-system-running; findmnt -no FSTYPE /; cd /sys/firmware/efi/efivars\n")
        goblin.expect("running|degraded", 30)
        goblin.expect("ext4", 30)
        for variable, text in (("Info", r"goblin \w+"), ("EntrySelected", r"\S+\.conf"), ("Entries", r"\S*debian\.conf\S*auto-poweroff"),
                               ("DevicePartUUID", r"[0-9a-f-]{36}")):
            goblin.type(f"cat Loader{variable}-* | tail -c +5 | tr -d '\\0' | sed 's/^/is: /'; echo\n")
            goblin.expect("is: " + text, 10)
        goblin.type("poweroff\n")
        goblin.wait_end(60)


@test(seconds=240)
def debian_as_guest():
    """The same Debian as a guest: login, its disk, its two CPUs; the power button shuts it down."""
    need(OUT + "/goblin.img", "the disk image")
    with Goblin([OUT + "/goblin.img"], log=log_path("debian_as_guest"), extra=["-snapshot"]) as goblin:
        goblin.menu()
        goblin.select("Debian 12, beside the others")
        goblin.send(ENTER)
        goblin.monitor()
        goblin.attach("debian")
        goblin.expect("debian login: ", 180)
        goblin.type("root\n")
        goblin.expect("Password: ", 30)
        goblin.type("goblin\n")
        goblin.expect("root@debian:~#", 30)
        goblin.type("echo CPUs $(nproc) on $(findmnt -no SOURCE /) under $(systemd-detect-virt)\n")
        goblin.expect("CPUs 2 on /dev/vda under kvm", 30)
        goblin.select_guest("debian")
        goblin.send("b")
        goblin.expect("^debian: powered off", 120)


@test()
def other_loader_reads_our_entries():
    """systemd-boot starts an entry that has all of Goblin's keys."""
    need(SYSTEMD_BOOT, "systemd-boot")
    keys = "run vm\ncpus 2\nmemory 512M\ndisk PARTLABEL=debian\nautostart yes\n"
    with lab("other_loader_reads_our_entries", native("ours", more=keys), loader=SYSTEMD_BOOT) as machine:
        machine.expect("ours: up on 2 CPUs", 90)


@test()
def unified_kernel_image():
    """A type 2 image of EFI/Linux starts natively, and its parts as a guest."""
    need(UNIFIED_LOADER, "systemd's program that begins a unified kernel image")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("osrel", "ID=test\nPRETTY_NAME=Unified\n"), ("cmdline", "console=ttyS0 quiet name=unified")):
            write(f"{folder}/{name}", text)
        parts = [("osrel", f"{folder}/osrel", 0x20000), ("cmdline", f"{folder}/cmdline", 0x30000),
                 ("linux", KERNEL, 0x2000000), ("initrd", TEST_INITRD, 0x3000000)]
        run("objcopy", *[word for name, path, address in parts for word in
                         (f"--add-section=.{name}={path}", f"--change-section-vma=.{name}={address:#x}")],
            UNIFIED_LOADER, folder + "/unified.efi")
        for key, cpus in (("n", 2), ("g", 1)):
            with lab("unified_kernel_image", files={"/EFI/Linux/unified.efi": File(folder + "/unified.efi")},
                     timeout=30) as goblin:
                goblin.menu()
                goblin.select("Unified")
                goblin.send(key)
                if key == "g":
                    goblin.monitor()
                    goblin.attach(goblin.names[0] if goblin.table() else "")
                goblin.expect(f"unified: up on {cpus} CPUs", 90)


@test()
def chain_load():
    """Another loader on the ESP is in the menu and starts."""
    need(SYSTEMD_BOOT, "systemd-boot")
    with lab("chain_load", native("linux"), files={"/EFI/other/loader.efi": File(SYSTEMD_BOOT)}, timeout=30) as goblin:
        goblin.menu()
        goblin.select("loader.efi (other)")
        goblin.send(ENTER)
        goblin.expect("Reboot Into Firmware Interface", 30) # systemd-boot's own menu


@test()
def machine_without_svm():
    """Guests are blocked with the reason, and apps inside a VM; the same entry starts natively."""
    isolated = {"/app.img": File(f"{APP}/hello.img"), "/loader/entries/hello.conf": "title hello\napp /app.img\nisolate vm\n"}
    with lab("machine_without_svm", entry("guest", options="console=ttyS0"), isolated, timeout=30, cpu=CPU_PLAIN) as goblin:
        goblin.menu()
        goblin.select("hello")
        goblin.expect(r"/loader/entries/hello\.conf:3: isolate: .*SVM.*; remove the line", 10)
        goblin.select("guest")
        goblin.expect(r"/loader/entries/guest\.conf:\d+: run: .*SVM", 10)
        goblin.send("g")
        goblin.expect(r"run: .*SVM", 10)
        goblin.send("n")
        goblin.expect("guest: up on 2 CPUs", 90)


@test()
def once_only():
    """An entry chosen for the next start only is what the next countdown is for, and not the one after."""
    with lab("once_only", native("first"), native("second"), timeout=30) as goblin:
        goblin.menu()
        goblin.select("first")
        goblin.send("o")
        goblin.expect("Once only, at the next start of the machine: first", 10)
        goblin.select("Reboot")
        goblin.send(ENTER)
        goblin.expect(r"Starting in \d+ s: first", 60)
        goblin.stop_countdown()
        goblin.select("Reboot")
        goblin.send(ENTER)
        goblin.expect(r"Starting in \d+ s: second", 60)


@test()
def what_was_started_last_is_the_default():
    """With `default @saved` the countdown is for what was started last; hidden files are not shown, the shell is."""
    files = {"/loader/loader.conf": "timeout 30\ndefault @saved\nauto-firmware no\n", "/loader/entries/._first.conf": b"\0\5\x16\7\0\2",
             "/shellx64.efi": File(SYSTEMD_BOOT)}
    with lab("what_was_started_last_is_the_default", native("first"), native("second"), files=files, timeout=30) as goblin:
        goblin.expect(r"Starting in \d+ s: second", 60)
        goblin.stop_countdown()
        check("EFI Shell" in goblin.text and "._first" not in goblin.text and "Firmware set-up" not in goblin.text, goblin.tail())
        goblin.select("first")
        goblin.send(ENTER)
        goblin.expect("first: up on 2 CPUs", 90)
        goblin.qmp("system_reset")
        goblin.expect(r"Starting in \d+ s: first", 60)


@test()
def power_off_from_the_menu():
    """The menu's power-off ends the machine."""
    with lab("power_off_from_the_menu", native("first"), timeout=30) as goblin:
        goblin.menu()
        goblin.select("Power off")
        goblin.send(ENTER)
        goblin.wait_end(30)
