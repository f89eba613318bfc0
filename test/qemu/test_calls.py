"""Linux programs as app guests: the test programs of `goblin run`, in one app image, under the EFI program. What they print on their
terminal is what they print natively, but for what test/qemu/calls.differ lists with a reason."""
import difflib
import os
import pty
import re
import shutil
import subprocess
import tempfile

from disk import File, OUT, ROOT
from lab import check, lab
from machine import Failure
from suite import Skip, test
from test_apps import app

HOST = ROOT + "/test/host"
NAMES = re.search(r"^for name in (.*); do$", open(HOST + "/run", encoding="utf-8").read(), re.M).group(1).split()
LIST = ROOT + "/test/qemu/calls.differ"
READ = ["/etc/passwd", "/bin/true"] # files of this machine that the programs look at
LIMIT = 60 # seconds for a program

# Both sides run this: it is told a program's name and becomes that program. The paths are the same, too. (memory does less without arguments.)
SHELL = """ulimit -c 0
cd {folder}/in/work
read -r name
echo becomes $name
export HOST_TEST=yes
case $name in memory*) set -- ;; *) set -- one "two words" "" ;; esac
exec {folder}/in/$name "$@" <{folder}/in/input
"""


def build(folder, names):
    """What is to run, static and dynamic, and what that reads. Returns the programs' names."""
    programs = [(f"{name}-{kind}", name, flags) for name in names for kind, flags in (("static", ["-static"]), ("dynamic", []))]
    os.makedirs(folder + "/in/work")
    for program, name, flags in programs:
        subprocess.run(["clang", "-O1", "-g", "-w", "-pthread", *flags, "-o", f"{folder}/in/{program}", f"{HOST}/{name}.c", "-lm"], check=True)
    for name, text in (("input", "first line\nsecond"), ("go", SHELL.format(folder=folder))):
        with open(f"{folder}/in/{name}", "w", encoding="utf-8") as out:
            out.write(text)
    shutil.copy(OUT + "/cache/busybox", folder + "/in/busybox")
    return [program for program, _, _ in programs]


def image(folder, programs):
    """The app image with all of it. Its name."""
    made = folder + "/calls.img"
    found = subprocess.run(["ldd", f"{folder}/in/{programs[-1]}"], capture_output=True, text=True, check=True).stdout
    libraries = re.findall(r"/\S+", found)
    libraries += [os.path.dirname(path) + "/libgcc_s.so.1" for path in libraries if "/libc.so" in path] # opened when a thread ends early
    options = [word for path in [folder + "/in", *READ, *libraries] for word in ("--add", f"{os.path.realpath(path)}:{path}")]
    subprocess.run([OUT + "/goblin", "image", "make", made, "--cmd", f"{folder}/in/busybox sh {folder}/in/go", *options],
                   check=True, stdout=subprocess.DEVNULL)
    return made


def native(folder, program):
    """(what the program prints, how it ends), on a terminal of this machine."""
    shutil.rmtree(folder + "/in/work")
    os.mkdir(folder + "/in/work")
    pid, terminal = pty.fork()
    if not pid:
        os.execve(f"{HOST}/../../mk/ownnet", ["ownnet", folder + "/in/busybox", "sh", folder + "/in/go"], {"PATH": os.environ["PATH"]})
    os.write(terminal, program.encode() + b"\n")
    text = b""
    while True:
        try:
            text += os.read(terminal, 65536)
        except OSError: # nobody has it open any more
            break
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    text = text.decode("utf-8", "replace").replace("\r", "").split(f"becomes {program}", 1)[1]
    return text, f"status {status}" if status >= 0 else f"killed by signal {-status}"


def guest(goblin, program):
    """The same of the guest, which waits for the name."""
    goblin.attach("calls")
    while goblin.read(0.3): # once it is painted, what the guest prints goes out byte by byte
        pass
    goblin.send(program + "\n")
    goblin.expect(rf"^becomes {program}$", 30)
    start = goblin.at
    try:
        end = goblin.expect(r"\n--- calls: [a-z ]+ ---", LIMIT)
    except Failure:
        goblin.status()
        goblin.send("ky")
        goblin.wait_guest("calls", lambda row: row.state == "off", 10)
        return goblin.text[start:start + 4000], f"did not end in {LIMIT} s"
    return goblin.text[start:end.start()].split("\x18")[0], goblin.table()["calls"].why.removeprefix("ended: ")


def compare(program, here, there):
    """The lines that differ: [program, "- native" or "+ guest"]."""
    here, there = ([line.rstrip() for line in text.split("\n") if line.strip()] + [how] for text, how in (here, there))
    return [[program, f"{line[0]} {line[1:]}"] for line in difflib.unified_diff(here, there, n=0, lineterm="")
            if line[0] in "+-" and line[:4] not in ("--- ", "+++ ")]


def explained():
    """The list: [program, difference], two regular expressions each."""
    with open(LIST, encoding="utf-8") as listed:
        lines = [line.rstrip("\n") for line in listed if not line.startswith("#")]
    wrong = [line for line in lines if not re.fullmatch(r"\S+ .+ # .+", line)]
    check(not wrong, f"{LIST}: a line is `program line # reason`, and this is not: {wrong[:1]}")
    return [line.split(" # ")[0].split(" ", 1) for line in lines]


def judge(programs, differences):
    """Fails for a difference without an explanation, and for an explanation without a difference."""
    listed = [(who, what) for who, what in explained() if any(re.fullmatch(who, program) for program in programs)]
    same = lambda entry, found: re.fullmatch(entry[0], found[0]) and re.fullmatch(entry[1], found[1])
    new = [found for found in differences if not any(same(entry, found) for entry in listed)]
    gone = [entry for entry in listed if not any(same(entry, found) for found in differences)]
    check(not new, f"{len(new)} differences (- native, + guest) that {LIST} does not explain:\n" + "\n".join(" ".join(found) for found in new[:40]))
    check(not gone, f"{LIST} explains what no longer differs:\n" + "\n".join(" ".join(entry) for entry in gone))


def run(name, names, isolate=False):
    if os.getuid():
        raise Skip("the programs run as root in the guest, so they must natively")
    differences = []
    with tempfile.TemporaryDirectory(prefix="goblin-calls-") as folder:
        programs = build(folder, names)
        files = app("calls", memory="256M", cpus=2, isolate=isolate)
        files["/apps/calls.img"] = File(image(folder, programs))
        with lab(name, files, memory=1024) as goblin:
            goblin.monitor()
            for program in programs:
                if program != programs[0]:
                    goblin.send("s")
                    goblin.expect("^calls: started", 20)
                differences += compare(program, native(folder, program), guest(goblin, program))
    judge(programs, differences)


@test(seconds=400)
def calls_1():
    """Half of the programs that test the libos' system calls, static and dynamic, print under the EFI program what they print natively."""
    run("calls_1", NAMES[0::2])


@test(seconds=400)
def calls_2():
    """The other half."""
    run("calls_2", NAMES[1::2])


@test(seconds=400)
def calls_in_a_vm():
    """Those that meet the CPU most, faults, signals and several CPUs, inside a VM."""
    run("calls_in_a_vm", ["maps", "signals", "smp"], isolate=True)
