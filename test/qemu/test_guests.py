"""Guests beside each other: work, disks, life and death."""
import hashlib
import re
import time

from disk import read_partition
from lab import check, entry, lab, run_guest, ticks
from suite import test


@test()
def two_guests_with_disks():
    """Two Linux guests write and read their own partitions at the same time; the host finds the same bytes there."""
    with lab("two_guests_with_disks", entry("one", cpus=2, disk="PARTLABEL=first", options="job=disk"),
             entry("two", cpus=2, disk="vda3", options="job=disk"),
             partitions=[("first", 64, None), ("second", 64, None)]) as goblin:
        goblin.monitor()
        sums = {}
        for name in ("one", "two"):
            goblin.attach(name)
            goblin.expect(rf"{name}: PASS disk", 120)
            sums[name] = re.findall(rf"{name}: disk round 3 (\w+)", goblin.text)[-1]
        ticks(goblin, "one")
        goblin.power_off()
        for number, name in ((2, "one"), (3, "two")):
            found = hashlib.sha256(read_partition(goblin.disk, number, 8 << 20)).hexdigest()[:32]
            check(found == sums[name], f"partition {number} has {found}, {name} wrote {sums[name]}")


@test()
def two_vcpus_on_one_cpu():
    """Two guests of 2 vCPUs each on a machine with one CPU: all compute, both go on."""
    with lab("two_vcpus_on_one_cpu", entry("one", cpus=2, options="job=spin"), entry("two", cpus=2, options="job=spin"),
             cpus=1) as goblin:
        goblin.monitor()
        for name in ("one", "two"):
            goblin.attach(name)
            first = goblin.expect(rf"{name}: spin (\d+) (\d+) $", 120)
            goblin.read(3)
            goblin.at = len(goblin.text)
            second = goblin.expect(rf"{name}: spin (\d+) (\d+) $", 60)
            for cpu in (1, 2):
                check(int(second.group(cpu)) > int(first.group(cpu)), f"{name}: vCPU {cpu} stands still")


@test()
def five_guests_on_two_cpus():
    """Five Linux guests at once on two CPUs; each counts on."""
    names = ["a", "b", "c", "d", "e"]
    with lab("five_guests_on_two_cpus", *[entry(name, options="job=tick") for name in names], memory=1536) as goblin:
        goblin.monitor()
        for name in names:
            ticks(goblin, name, 120)
        table = goblin.table()
        check([guest.state for guest in table.values()] == ["running"] * 5, "not all five are running")


@test(seconds=240)
def hundred_starts():
    """A guest starts and ends 100 times; afterwards as many pages are free as before. Then it is killed 5 times."""
    with lab("hundred_starts", entry("hello", kernel="hello", memory="64M", autostart=False),
             entry("spin", kernel="spin", memory="64M", autostart=False)) as goblin:
        goblin.menu()
        goblin.select("hello")
        goblin.send("g")
        goblin.monitor()
        goblin.expect("hello: powered off", 60)
        goblin.table()
        before = goblin.free_pages
        goblin.select_guest("hello")
        for _ in range(100):
            goblin.send("s")
            goblin.expect("^hello: started", 30)
            goblin.expect("^hello: powered off", 30)
        goblin.table()
        check(goblin.free_pages == before, f"{before} free pages before, {goblin.free_pages} after")
        goblin.select_guest("spin")
        for _ in range(5):
            goblin.send("s")
            goblin.expect("^spin: started", 30)
            goblin.send("k")
            goblin.expect("^spin: stopped by the user", 30)
        goblin.table()
        check(goblin.free_pages == before, f"{before} free pages before, {goblin.free_pages} after the kills")


@test()
def ends_are_told_apart():
    """Power-off, reboot, panic and triple fault of Linux guests each show as what they are; the others go on."""
    with lab("ends_are_told_apart", entry("healthy", options="job=tick"),
             entry("off", options="job=poweroff", autostart=False),
             entry("panic", options="job=panic", autostart=False),
             entry("triple", kernel="triple", memory="64M", autostart=False),
             entry("again", options="job=reboot", autostart=False)) as goblin:
        goblin.monitor()
        why, _ = run_guest(goblin, "off", 90)
        check(why.startswith("powered off"), why)
        why, _ = run_guest(goblin, "panic", 90)
        check(why.startswith("panicked"), why)
        why, _ = run_guest(goblin, "triple", 60)
        check(why.startswith("triple fault"), why)
        goblin.select_guest("again")
        goblin.send("s")
        goblin.expect("^again: rebooted", 90)
        goblin.wait_guest("again", lambda guest: guest.state == "running")
        goblin.expect("^again: rebooted", 90)
        table = goblin.table()
        check(table["off"].state == "off" and table["off"].why.startswith("powered off"), table["off"].line)
        check(table["panic"].why.startswith("panicked"), table["panic"].line)
        check(table["triple"].why.startswith("triple fault"), table["triple"].line)
        ticks(goblin, "healthy")


@test()
def panic_without_its_driver():
    """A kernel that panics before it can load the pvpanic driver is found; one whose programs only print that is not."""
    nowhere = "rdinit=/none root=/dev/none console=ttyS0"
    with lab("panic_without_its_driver", entry("liar", options="console=ttyS0 job=liar"), entry("lost1", options=nowhere, autostart=False),
             entry("lost2", cpus=2, options=nowhere, autostart=False),
             entry("again", options=nowhere + " panic=4", autostart=False)) as goblin:
        goblin.monitor()
        goblin.attach("liar")
        goblin.expect("end Kernel panic", 90)
        ticks(goblin, "liar")
        goblin.table()
        before = goblin.free_pages
        for name in ("lost1", "lost2"):
            why, console = run_guest(goblin, name, 90)
            check(why.startswith("panicked") and "end Kernel panic" in console, f"{why}\n{console}")
        goblin.select_guest("again")
        goblin.send("s")
        goblin.expect("^again: rebooted", 90) # as its options say
        goblin.send("k")
        goblin.wait_guest("again", lambda guest: guest.state == "off")
        table = goblin.table()
        check(table["lost2"].why.startswith("panicked"), table["lost2"].line)
        check(goblin.free_pages == before, f"{before} free pages before, {goblin.free_pages} after")
        ticks(goblin, "liar")


@test(seconds=240)
def cpus_without_xsave():
    """A CPU without XSAVE, and one whose XSAVE cannot be switched on: two guests take turns on it."""
    for model in ("phenom", "Opteron_G5"):
        with lab("cpus_without_xsave", entry("one", options="job=disk", disk="PARTLABEL=data"), entry("two", cpus=2, options="job=tick"),
                 partitions=[("data", 16, None)], cpus=1, cpu=model + ",+svm,+npt") as goblin:
            goblin.monitor()
            ticks(goblin, "two", 90)
            goblin.attach("one")
            goblin.expect("one: PASS disk", 90)


@test()
def disks_on_other_buses():
    """Disks behind a bridge, and behind a bridge of another root bus, are found by what the firmware says of root buses."""
    extra = ["-device", "pcie-root-port,id=near,chassis=1,slot=1", "-device", "virtio-blk-pci,bus=near,drive=near",
             "-device", "pxb-pcie,id=other,bus_nr=96", "-device", "pcie-root-port,id=far,bus=other,chassis=2,slot=2",
             "-device", "virtio-blk-pci,bus=far,drive=far"]
    for name, size in ("near", 24), ("far", 40):
        extra += ["-drive", f"if=none,id={name},driver=null-co,read-zeroes=on,size={size}M"]
    with lab("disks_on_other_buses", entry("spin", kernel="spin", memory="64M"), extra=extra) as goblin:
        goblin.monitor()
        goblin.send("l") # the log
        for size in 24, 40:
            goblin.expect(rf"vd[bc]: virtio-blk, .*, {size}\.0 MiB", 20)


@test()
def nvme_disk():
    """The machine's only disk is NVMe: it boots from it and a guest works on a partition."""
    with lab("nvme_disk", entry("linux", cpus=2, disk="nvme0n1p2", options="job=disk"), disk_kind="nvme",
             partitions=[("data", 64, None)]) as goblin:
        goblin.monitor()
        goblin.attach("linux")
        goblin.expect("linux: PASS disk", 120)
        goblin.power_off()


@test()
def sata_disk():
    """The same with a SATA disk behind the machine's AHCI controller, as `qemu -drive file=` has it; the monitor says so."""
    with lab("sata_disk", entry("linux", cpus=2, disk="sda2", options="job=disk"), disk_kind="sata", partitions=[("data", 64, None)]) as goblin:
        goblin.monitor()
        goblin.attach("linux")
        goblin.expect("linux: PASS disk", 120)
        goblin.power_off()


@test()
def ram_disk():
    """A guest's disk is a file of the EFI system partition, in memory."""
    with lab("ram_disk", entry("linux", disk="/disk.raw", options="job=disk mib=4"),
             files={"/disk.raw": bytes(8 << 20)}) as goblin:
        goblin.monitor()
        goblin.attach("linux")
        goblin.expect("linux: PASS disk", 120)


@test()
def one_disk_one_owner():
    """A guest whose disk another one has is refused, and may start when the other is gone."""
    with lab("one_disk_one_owner", entry("owner", disk="PARTLABEL=data", options="job=tick"),
             entry("second", disk="vda2", autostart=False, options="job=disk"),
             partitions=[("data", 64, None)]) as goblin:
        goblin.monitor()
        ticks(goblin, "owner")
        goblin.select_guest("second")
        goblin.send("s")
        goblin.expect("^second: not started: .*owner", 20)
        goblin.select_guest("owner")
        goblin.send("k")
        goblin.expect("^owner: stopped by the user", 30)
        goblin.select_guest("second")
        goblin.send("s")
        goblin.expect("^second: started", 20)
        goblin.attach("second")
        goblin.expect("second: PASS disk", 90)


@test(seconds=240)
def big_memory():
    """A machine with 6 GiB gives 4 GiB to one guest."""
    with lab("big_memory", entry("linux", memory="4G"), memory=6144) as goblin:
        goblin.monitor()
        goblin.attach("linux")
        found = goblin.expect(r"linux: up on 1 CPUs with (\d+) MiB", 120)
        check(int(found.group(1)) > 3700, found.group())
        goblin.table()


@test(seconds=240)
def sixteen_vcpus():
    """16 vCPUs in one guest: IPIs from every one to every one, and a Linux that finds them all."""
    with lab("sixteen_vcpus", entry("ipis", kernel="cpu16", cpus=16, memory="64M", autostart=False),
             entry("linux", cpus=16, memory="512M")) as goblin:
        goblin.monitor()
        goblin.attach("linux")
        goblin.expect("linux: up on 16 CPUs", 180)
        why, console = run_guest(goblin, "ipis", 120)
        check("PASS cpu16" in console, f"{why}\n{console}")


@test()
def timers_are_exact():
    """APIC timers in all modes, against kvm-clock, beside another guest."""
    with lab("timers_are_exact", entry("healthy", options="job=tick"),
             entry("timers", kernel="timers", memory="64M", autostart=False, options="late=200")) as goblin:
        goblin.monitor()
        ticks(goblin, "healthy")
        why, console = run_guest(goblin, "timers", 60)
        check("PASS timers" in console, f"{why}\n{console}")
