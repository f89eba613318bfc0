"""App guests: programs at CPL 3 beside the Linuxes, and where there is no virtualisation at all."""
import re

from disk import APP, OUT, File
from lab import check, entry, lab, ticks
from machine import CPU_SVM
from suite import test


def app(name, image=None, *, args="", cpus=1, memory="32M", namespace="/dev", autostart=True, isolate=False):
    """The files of an app's boot entry. image: a file of out/app, its own name if None. isolate: it runs inside a VM."""
    image = image or name
    lines = [f"title {name}", f"app /apps/{image}.img", f"cpus {cpus}", f"memory {memory}"]
    lines += [f"args {args}"] if args else []
    lines += [f"namespace {namespace}"] if namespace else []
    lines += ["autostart yes"] if autostart else []
    lines += ["isolate vm"] if isolate else []
    return {f"/apps/{image}.img": File(f"{APP}/{image}.img"), f"/loader/entries/{name}.conf": "\n".join(lines) + "\n"}


def ends_well(goblin, name, seconds=60):
    """Waits for an app's PASS line in the log."""
    said = goblin.expect(rf"^{name}: (PASS.*|FAIL.*|ended.*|broke a rule.*|not started: .*)\s*\n", seconds).group(1)
    check(said.startswith("PASS"), f"{name}: {said}")
    goblin.expect(rf"^{name}: ended: status 0", 20)


# the machines an app is the same on: with SVM, without SVM, XSAVE and FSGSBASE; inside a VM, there without FSGSBASE, too
MACHINES = ({}, False), ({"cpu": "qemu64"}, False), ({}, True), ({"cpu": CPU_SVM + ",-fsgsbase"}, True)


@test()
def app_hello():
    """An app says what it was given, and its arguments, on each kind of machine. Its second CPU never starts."""
    for machine, isolate in MACHINES:
        with lab("app_hello", app("hello", args="one 'two words' \"three\"", cpus=2, isolate=isolate), **machine) as goblin:
            goblin.monitor()
            for line in ("argument 1: one", "argument 2: two words", "argument 3: three"):
                goblin.expect(rf"^hello: {line}$", 60)
            ends_well(goblin, "hello")


@test(seconds=300)
def app_hostile():
    """Hostile apps: every gate call with bad arguments, privileged instructions, the whole address range. Each is refused, pages come
    back, and a Linux beside them counts on; the same inside a VM; the same without SVM, alone."""
    with lab("app_hostile", app("gate", autostart=False), app("cpl3", autostart=False), app("vm-gate", "gate", autostart=False, isolate=True),
             app("vm-cpl3", "cpl3", autostart=False, isolate=True), entry("linux", options="job=tick", memory="128M")) as goblin:
        goblin.monitor()
        ticks(goblin, "linux", 120)
        goblin.table()
        before = goblin.free_pages
        for name in ("gate", "cpl3", "vm-gate", "vm-cpl3"):
            goblin.select_guest(name)
            goblin.send("s")
            ends_well(goblin, name)
        ticks(goblin, "linux")
        goblin.table()
        check(goblin.free_pages == before, f"{before} pages were free before, {goblin.free_pages} are now")
    with lab("app_hostile", app("gate"), app("cpl3"), cpu="qemu64") as goblin:
        goblin.monitor()
        check("PASS" in goblin.expect(r"^cpl3: (PASS.*|FAIL.*)\n", 60).group(1), "cpl3 failed")
        check("PASS" in goblin.expect(r"^gate: (PASS.*|FAIL.*)\n", 60).group(1), "gate failed")


@test(seconds=300)
def app_cpus():
    """An app with several CPUs: what one maps and takes away the others see at once, on more CPUs than the machine has, too. Two that
    compute on all CPUs for ever, one of them inside a VM, leave a Linux its share, and are killed; all pages come back."""
    with lab("app_cpus", app("two", "smp", cpus=2, autostart=False), app("four", "smp", cpus=4, autostart=False),
             app("vm-four", "smp", cpus=4, autostart=False, isolate=True), app("spin", "smp", cpus=4, args="spin", autostart=False),
             app("vm-spin", "smp", cpus=2, args="spin", autostart=False, isolate=True),
             entry("linux", options="job=tick", memory="128M"), cpus=3) as goblin:
        goblin.monitor()
        ticks(goblin, "linux", 120)
        goblin.table()
        before = goblin.free_pages
        for name in ("two", "four", "vm-four"):
            goblin.select_guest(name)
            goblin.send("s")
            ends_well(goblin, name)
        for name in ("spin", "vm-spin"):
            goblin.select_guest(name)
            goblin.send("s")
            goblin.expect(rf"^{name}: \d CPUs spin", 20)
        ticks(goblin, "linux")
        for name in ("spin", "vm-spin"):
            goblin.select_guest(name)
            goblin.send("ky")
            goblin.expect(rf"^{name}: stopped by the user", 20)
        goblin.table()
        check(goblin.free_pages == before, f"{before} pages were free before, {goblin.free_pages} are now")


@test(seconds=480)
def fair_share():
    """8 apps and a guest with 16 vCPUs compute for ever; a Linux started beside them comes up, computes, gets what each of them gets, and
    its kernel sees no CPU stuck."""
    apps = [f"app{number}" for number in range(8)]
    with lab("fair_share", entry("linux", options="job=spin", autostart=False), entry("many", kernel="spin", cpus=16, memory="64M"),
             *[app(name, "smp", args="spin") for name in apps]) as goblin:
        goblin.monitor(120)
        goblin.select_guest("linux")
        goblin.send("s")
        goblin.attach("linux")
        begin = len(goblin.text)
        for _ in range(5):
            goblin.expect(r"linux: spin (\d+) $", 200)
        said, shares = goblin.text[begin:], {name: guest.cpu for name, guest in goblin.table().items()}
        stuck = re.search(r".*(soft lockup|stall|blocked for more).*", said)
        check(not stuck, stuck and stuck.group())
        check(min(shares.values()) > 12 and max(shares.values()) < 32, f"20 % of a CPU is due to each: {shares}")


def language(name, args="", memory="128M", namespace="/dev", isolate=False):
    """The boot entry of an app image made by `goblin image make`, as `make images` leaves it."""
    files = app(name, args=args, memory=memory, namespace=namespace, isolate=isolate)
    files[f"/apps/{name}.img"] = File(f"{OUT}/images/{name}.img")
    return files


@test(seconds=360)
def app_languages():
    """Lua and Python from stock packages and a C program, from the images of goblin run: they compute, start threads, read files of the
    monitor, on each kind of machine."""
    lua = "-e 'print(1 << 40) for line in io.lines([[/vm/lua/status]]) do print(line) end'"
    python = ("-c 'import threading, json; t = [threading.Thread(target=lambda: print(sum(i * 0.5 for i in range(10000)))) for _ in range(3)]; "
              "[x.start() for x in t]; [x.join() for x in t]; print(json.dumps(2 ** 70))'")
    for machine, isolate in MACHINES:
        with lab("app_languages", language("lua", lua, namespace="/dev /vm", isolate=isolate), language("python", python, isolate=isolate),
                 language("hello", isolate=isolate), **machine) as goblin:
            goblin.monitor()
            for name, said in (("lua", r"1099511627776\s(.*\s)*kind app"), ("python", r"(24997500.0\s+){3}1180591620717411303424"), ("hello", "Hello from")):
                row = goblin.wait_guest(name, lambda guest: guest.state == "off", 100)
                check("ended: status 0" in row.line, row.line)
                start = len(goblin.text)
                goblin.attach(name)
                goblin.at = start
                goblin.expect(said, 30)
