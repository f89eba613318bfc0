"""App guests: programs at CPL 3 beside the Linuxes, and where there is no virtualisation at all."""
import base64
import os
import re
import subprocess
import tempfile

from disk import APP, OUT, File
from lab import beside_linux, check, entry, lab, ticks
from machine import CPU_SVM
from suite import test
from test_files import Shell, boss


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
             app("vm-cpl3", "cpl3", args="vm", autostart=False, isolate=True), entry("linux", options="job=tick", memory="128M")) as goblin:
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


def language(name, args="", memory="128M", namespace="/dev", image=None, template=False, **more):
    """The boot entry of an app image made by `goblin image make`, as `make images` leaves it."""
    image = image or name
    files = app(name, image, args=args, memory=memory, namespace=namespace, **more)
    files[f"/apps/{image}.img"] = File(f"{OUT}/images/{image}.img")
    files[f"/loader/entries/{name}.conf"] += "template yes\n" if template else ""
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


class Clones(Shell):
    """The shell of a Linux guest with /vm, which makes clones."""

    def __init__(self, goblin):
        super().__init__(goblin, "boss")
        self.ok("mkdir -p /vm; mount -t 9p -o trans=virtio,version=9p2000.L vm /vm")

    def pages(self):
        """How many the monitor has free."""
        self.goblin.table()
        self.goblin.attach("boss")
        while self.goblin.read(0.5): # the screen is painted again
            pass
        return self.goblin.free_pages

    def template(self, name):
        self.ok(f"echo start >/vm/{name}/ctl")
        self.ok(f"until grep -q 'state template' /vm/{name}/status; do sleep 0.3; done", 120)

    def write(self, path, text):
        """Writes text that a terminal's line may be too short for, and a shell's quotes too few."""
        code = base64.b64encode(text.encode()).decode()
        self.ok("rm -f /tmp/text")
        for at in range(0, len(code), 60):
            self.ok(f"echo {code[at:at + 60]} >>/tmp/text")
        self.ok(f"base64 -d /tmp/text >/tmp/plain && cat /tmp/plain >{path}")

    def said(self, name, seconds=60):
        """What a clone printed behind SAYS, when it has ended well."""
        why = self.ok(f"cat /vm/{name}/wait", seconds)
        check("status 0" in why, f"{name}: {why}")
        text = self.ok(f"timeout 2 cat /vm/{name}/cons; true")
        check("SAYS" in text, f"{name}: {text}")
        return " ".join(text.split("SAYS", 1)[1].split("SAYS-END")[0].split())

    def number(self, name, key):
        return int(self.ok(f"awk '$1 == \"{key}\" {{ print $2 }}' /vm/{name}/status"))


@test(seconds=400)
def app_templates():
    """Python and Lua become templates. Clones have their own names, numbers, arguments, random numbers and consoles; a clone outlives its
    template and can be reset only while that is there; a program with threads is refused; all pages come back."""
    python = "import os, random, secrets, sys, tempfile, threading; " \
        "print('SAYS', os.uname().nodename, os.getpid(), sys.argv[1:], os.listdir('/proc/%d/task' % os.getpid()), " \
        "random.random(), secrets.token_hex(8), next(tempfile._get_candidate_names()), threading.get_native_id(), 'SAYS-END')"
    lua = "print([[SAYS]], io.open([[/proc/sys/kernel/hostname]]):read(), arg[1], math.random(0), [[SAYS-END]])"
    thread = "import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start(); open('/dev/template')"
    driver = "/usr/lib/goblin/template"
    with lab("app_templates", boss(), language("python", driver + ".py json random secrets tempfile threading", template=True, autostart=False),
             language("lua", driver + ".lua", template=True, autostart=False),
             language("cell", driver + ".lua", image="lua", template=True, autostart=False, isolate=True),
             language("stuck", f'-c "{thread}"', image="python", template=True, autostart=False),
             cpus=2, memory=1024) as goblin:
        goblin.monitor()
        shell = Clones(goblin)
        before = shell.pages()
        shell.template("python")
        shell.template("lua")
        shell.ok("echo start >/vm/stuck/ctl")
        check("ended: status 1" in shell.ok("cat /vm/stuck/wait", 60), "a program with threads ends with an error")
        check("no template: it has other threads" in shell.ok("cat /vm/stuck/log"), "and the log says why")
        for name in ("p1", "p2"):
            shell.write("/vm/ctl", f"clone python {name} -c \"{python}\" one 'two words' {name}\n")
        first, second = (shell.said(name) for name in ("p1", "p2"))
        for name, said in (("p1", first), ("p2", second)):
            check(said.startswith(name + " ") and f"['one', 'two words', '{name}']" in said, said)
        same = set(first.split()) & set(second.split())
        check(same == {"['one',", "'two", "words',"}, f"clones have something in common: {first} / {second}")
        for name in ("l1", "l2"):
            shell.write("/vm/lua/ctl", f"clone {name} -e '{lua}' {name}\n")
        first, second = (shell.said(name).split() for name in ("l1", "l2"))
        check(first[:2] == ["l1", "l1"] and second[:2] == ["l2", "l2"] and first[2] != second[2], f"{first} {second}")
        shell.template("cell") # its clones run inside a VM, as it does
        shell.write("/vm/cell/ctl", f"clone l4 -e '{lua}' l4\n")
        check(shell.said("l4").startswith("l4 l4 ") and "isolate vm" in shell.ok("cat /vm/l4/status"), "l4")
        shell.ok("echo stop >/vm/cell/ctl; until grep -q 'state off' /vm/cell/status; do sleep 0.2; done; rmdir /vm/l4")
        # one that goes on while its template goes away
        shell.write("/vm/ctl", "clone lua l3 -e 'for line in io.lines() do print([[SAYS]] .. line) end'\n")
        shell.ok("echo reset >/vm/l3/ctl; until grep -q 'starts 2' /vm/l3/status; do sleep 0.2; done")
        used, shared, all = shell.number("l3", "used"), shell.number("l3", "shared"), shell.number("lua", "used")
        check(0 < used < all and 0 < shared < all < used + shared + 200000, f"used {used}, shared {shared}; the template's {all}")
        text = shell.ok("cat /vm/l3/status")
        check("template lua" in text and "kind app" in text, text)
        status, text = shell.run("echo clone lua l3 >/vm/ctl")
        check(status and "exists" in text, text)
        shell.ok("echo stop >/vm/lua/ctl; until grep -q 'state off' /vm/lua/status; do sleep 0.2; done")
        shell.ok("echo hello >/vm/l3/cons; timeout 5 grep -m 1 SAYShello /vm/l3/cons")
        shell.ok("echo reset >/vm/l3/ctl; until grep -q 'state off' /vm/l3/status; do sleep 0.2; done")
        check("there is no template lua" in shell.ok("grep ^why /vm/l3/status"), "why")
        shell.ok("for n in p1 p2 l1 l2 l3; do rmdir /vm/$n || exit; done")
        shell.ok("echo stop >/vm/python/ctl; until grep -q 'state off' /vm/python/status; do sleep 0.2; done")
        after = shell.pages()
        check(after == before, f"{before} pages were free before, {after} are now")


@test(seconds=200)
def app_many_guests():
    """An app makes 400 guests through /vm and looks at each again: more files than a connection may hold. The status screen says how many it does
    not list; all pages come back."""
    with tempfile.TemporaryDirectory(prefix="goblin-test-") as folder:
        subprocess.run(["clang", "-O1", "-static", "-o", folder + "/guests", os.path.dirname(os.path.abspath(__file__)) + "/guests.c"], check=True)
        subprocess.run([OUT + "/goblin", "image", "make", folder + "/guests.img", folder + "/guests"], check=True, stdout=subprocess.DEVNULL)
        files = {"/apps/guests.img": File(folder + "/guests.img"),
                 "/loader/entries/guests.conf": "title guests\napp /apps/guests.img\nargs 400\nmemory 32M\nnamespace /dev /vm\n"}
        with lab("app_many_guests", files, entry("hello", kernel="hello", memory="64M"), memory=1024) as goblin:
            goblin.monitor()
            goblin.table()
            before = goblin.free_pages
            goblin.select_guest("guests")
            goblin.send("s")
            goblin.expect("^guests: started", 20)
            goblin.attach("guests")
            check(goblin.expect(r"MANY (made|FAIL.*)", 120).group(1) == "made", goblin.tail())
            goblin.status()
            goblin.send("t")
            goblin.expect("^and 338 more guests: only in /vm", 20)
            check("pages   338 more guests: only in /vm" in goblin.text, "the screen says it, too")
            goblin.attach("guests")
            goblin.send("\n")
            goblin.expect("MANY removed", 60)
            goblin.wait_guest("guests", lambda guest: guest.state == "off", 20)
            goblin.table()
            check(goblin.free_pages == before, f"{before} pages were free before, {goblin.free_pages} are now")


@test(seconds=300)
def app_fuzz():
    """Two apps that call the gate, ring the bell and fill their rings with noise, from a seed each (FUZZ_SEED), on two CPUs each, with trees given
    and not, one inside a VM: only they may end. A Linux beside them writes and reads its disk back without a mistake and counts on; all pages come back."""
    seed = int(os.environ.get("FUZZ_SEED", "1"))
    names = {f"fuzz{i}": dict(cpus=2, namespace=trees, autostart=False, isolate=i == 1, args=f"{seed + i} 8")
             for i, trees in enumerate(("/dev /vm:ro", "/dev /boot /img /blk /vm:ro"))}
    with lab("app_fuzz", *[app(name, "fuzz", **more) for name, more in names.items()],
             entry("linux", options="job=disk rounds=6 mib=4", memory="160M", disk="PARTLABEL=data"), partitions=[("data", 16, None)]) as goblin:
        goblin.monitor()
        with beside_linux(goblin):
            for name in names:
                goblin.select_guest(name)
                goblin.send("s")
            for name in names:
                said = goblin.expect(rf"^{name}: (PASS.*|FAIL.*|ended.*|broke a rule.*|not started: .*)\s*\n", 90).group(1)
                check(said.startswith("PASS"), f"{name}: seed {seed}: {said}")
            for name in names:
                goblin.wait_guest(name, lambda guest: guest.state == "off", 20)
