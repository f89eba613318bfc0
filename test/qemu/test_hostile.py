"""Guests that break every rule there is, one surface each, beside a healthy one that must not notice."""
import os
import re

from disk import ROOT
from lab import beside_linux, check, entry, lab, run_guest, ticks
from machine import Failure
from suite import test


def gauntlet(name, guests, partitions=()):
    """Runs each guest to its end. guests: (name, test guest, options, vCPUs, what must be seen: PASS or a reason)."""
    entries = [entry("healthy", options="job=tick")]
    for guest, kernel, options, cpus, _ in guests:
        entries.append(entry(guest, kernel=kernel, options=options, cpus=cpus, memory="64M", autostart=False,
                             disk="PARTLABEL=scratch" if partitions else None))
    with lab(name, *entries, partitions=partitions) as goblin:
        goblin.monitor()
        ticks(goblin, "healthy")
        goblin.table()
        before = goblin.free_pages
        wrong = []
        for guest, kernel, options, _, wanted in guests:
            why, console = run_guest(goblin, guest, 90)
            # PASS is the guest's word; a guest that is to be stopped must have come so far, and the monitor says why
            passed = re.search(rf"PASS {kernel}", console) and why.startswith("powered off")
            stopped = re.search(rf"BEGIN {kernel}", console) and re.match("broke a rule|panicked|triple fault", why)
            ok = {"PASS": passed, "PASS or stopped": passed or stopped, "stopped": stopped}.get(wanted, why.startswith(wanted))
            if not ok or "FAIL" in console:
                wrong.append(f"{guest} ({kernel} {options}): {why}: " +
                             " / ".join(line for line in console.split("\n") if "FAIL" in line or "BEGIN" in line))
        ticks(goblin, "healthy")
        goblin.table()
        check(goblin.free_pages == before, f"{before} free pages before, {goblin.free_pages} after")
        check(not wrong, "\n".join(wrong))


@test(seconds=300)
def hostile_cpu():
    """MSRs, CPUID, control registers, ports, ACPI, APIC, page tables, device memory."""
    gauntlet("hostile_cpu", [(kernel, kernel, "", cpus, "PASS") for kernel, cpus in
                             (("msrs", 1), ("cpuid", 1), ("crs", 1), ("ports", 1), ("acpi", 1), ("apic", 2), ("mmio", 1),
                              ("paging", 1), ("exits", 1))] +
             [(f"mmio{case}", "mmio", f"case={case}", 1, "stopped") for case in range(1, 6)] +
             [("panic", "panic", "", 1, "panicked"), ("triple", "triple", "", 1, "triple fault")])


def ring_cases():
    """How many cases test/guest/rings.c has."""
    with open(ROOT + "/test/guest/rings.c", encoding="utf-8") as source:
        return len(re.findall(r"^    \{ \"\w+\", \w+, \d+ \},$", source.read(), re.M))


def rings(name, first, end):
    gauntlet(name, [(f"rings{case:02}", "rings", f"case={case}", 2, "PASS or stopped") for case in range(first, end)],
             [("scratch", 8, None)])


@test(seconds=300)
def hostile_rings_1():
    """Virtio rings with loops, wrapping lengths, addresses outside of memory."""
    rings("hostile_rings_1", 0, ring_cases() // 2)


@test(seconds=300)
def hostile_rings_2():
    """More of them: misplaced rings, noise, races, the console's queues."""
    rings("hostile_rings_2", ring_cases() // 2, ring_cases())


@test()
def never_halting():
    """Guests that never halt, on all vCPUs, with interrupts off: the healthy one ticks, the user stops them."""
    with lab("never_halting", entry("healthy", options="job=tick"), entry("spin", kernel="spin", cpus=2, memory="64M"),
             entry("hlt0", kernel="hlt0", memory="64M")) as goblin:
        goblin.monitor()
        ticks(goblin, "healthy", 120)
        for name in ("spin", "hlt0"):
            goblin.select_guest(name)
            goblin.send("k")
            goblin.expect(rf"^{name}: stopped by the user", 30)
        ticks(goblin, "healthy")


def noise(goblin, seed, names):
    ends = r"powered off|rebooted|triple fault|broke a rule|panicked|stopped by the user"
    passed = 0
    goblin.monitor()
    with beside_linux(goblin):
        for name in names:
            goblin.select_guest(name)
            goblin.send("s")
            goblin.expect(rf"^{name}: started", 20)
            goblin.attach(name)
            try:
                said = goblin.expect(rf"(PASS|FAIL) noise.*|^--- {name}: ({ends})", 15)
            except Failure: # it has shut itself out of its own CPUs
                goblin.select_guest(name)
                goblin.send("k")
            else:
                passed += said.group(1) == "PASS"
                check(said.group(1) != "FAIL", f"{name} {names[name]}: {said.group()}")
            goblin.wait_guest(name, lambda guest: guest.state == "off", 20)
        check(passed, f"seed {seed}: no guest came to its end: that was no test")


@test(seconds=300)
def guest_noise():
    """Guests that do random things to MSRs, ports, PCI, devices and their own CPUs, two of them each, from a seed each (FUZZ_SEED), one with
    instructions the monitor does not know: only they may end. A Linux beside them writes and reads its disk back without a mistake; all pages come back."""
    seed = int(os.environ.get("FUZZ_SEED", "1"))
    names = {f"noise{i}": f"seed={seed + i} ms=1500 odd={i // 3}" for i in range(4)}
    names["brief"] = f"seed={seed} ms=50 odd=0" # comes to its end
    with lab("guest_noise", *[entry(name, kernel="noise", options=options, cpus=2, memory="64M", autostart=False) for name, options in names.items()],
             entry("linux", options="job=disk rounds=6 mib=4", disk="PARTLABEL=data"), partitions=[("data", 16, None)]) as goblin:
        try:
            noise(goblin, seed, names)
        except Failure:
            check(goblin.text.count("BdsDxe: starting") == 1, f"seed {seed}: QEMU has reset the whole machine") # the firmware says so at each start
            raise
