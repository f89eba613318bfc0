"""One PC made of QEMU: how it is started, typed at, listened to and always ended. Used by mk/run, the tests and the bench.

The serial port is the process's standard input and output; keys of a real keyboard and pictures of the screen go through
QEMU's control socket (QMP)."""
import ctypes
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"

# what the EPYC model has and the emulator has not; taken out by name, or QEMU prints a warning for each and each CPU
NOT_EMULATED = "rdseed sha-ni fxsr-opt misalignsse 3dnowprefetch osvw topoext nrip-save xsavec".split()
CPU_SVM = "EPYC,+svm," + ",".join("-" + name for name in NOT_EMULATED)
CPU_PLAIN = CPU_SVM.replace("+svm", "-svm")

ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|[()][0-9A-B]|[=>78cDEHM\\])")


def kvm_or_why():
    """(True, "") if this host's KVM can run a machine that itself has SVM; else (False, the reason)."""
    try:
        with open("/proc/cpuinfo") as info:
            flags = re.search(r"^flags\s*:(.*)$", info.read(), re.M).group(1).split()
    except (OSError, AttributeError):
        return False, "/proc/cpuinfo is not readable"
    if "svm" not in flags:
        if "vmx" in flags:
            return False, "this CPU has vmx, and Goblin runs guests with svm only"
        return False, "no svm among the CPU's flags in /proc/cpuinfo"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False, "/dev/kvm is not usable by this user"
    try:
        with open("/sys/module/kvm_amd/parameters/nested") as nested:
            if nested.read().strip() not in ("1", "Y"):
                return False, "kvm_amd is loaded without nested=1"
    except OSError:
        return False, "kvm_amd is not loaded"
    return True, ""


class Failure(Exception):
    """Something that should have happened did not; str() says what."""


class Machine:
    """with Machine([disk], ...) as m: m.expect("login:"); m.send("root\\n")"""

    def __init__(self, disks=(), *, cpus=2, memory=2048, cpu=CPU_SVM, kvm=False, deterministic=False, log=None,
                 variables=None, disk_kind="virtio", bare=None, screen="none", extra=()):
        """disks: image paths, the first one is booted from. variables: where UEFI keeps its variables (a copy that
        stays; none: a fresh one). bare: (kernel, initrd, options) to start without firmware. disk_kind: virtio, nvme, sata."""
        self.log_path = log
        self.folder = tempfile.mkdtemp(prefix="goblin-")
        self.process = None
        self.qmp_file = None
        self.raw = b""    # all bytes from the serial port
        self.text = ""    # the same without escape sequences
        self.held = ""    # the beginning of an escape sequence
        self.at = 0       # expect() looks from here on
        self.when = []    # (bytes so far, seconds since start), one for each read
        self.arguments = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35",
                          "-smp", str(cpus), "-m", str(memory), "-vga", "std", "-display", screen,
                          "-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial",
                          "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off"]
        if deterministic:
            self.arguments += ["-accel", "tcg", "-cpu", cpu + ",-rdrand", "-icount", "shift=3,sleep=off", "-seed", "7",
                               "-rtc", "base=2026-01-01T00:00:00,clock=vm"]
        elif kvm:
            self.arguments += ["-accel", "kvm", "-cpu", "host"]
        else:
            self.arguments += ["-accel", "tcg,thread=multi", "-cpu", cpu]
        if bare:
            self.arguments += ["-kernel", bare[0], "-initrd", bare[1], "-append", bare[2]]
        else:
            if not variables:
                variables = self.folder + "/vars.fd"
            if not os.path.exists(variables):
                shutil.copy(OVMF_VARS, variables)
            self.arguments += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}",
                               "-drive", f"if=pflash,format=raw,file={variables}"]
        for number, disk in enumerate(disks):
            device = {"virtio": "virtio-blk-pci", "nvme": f"nvme,serial=disk{number}", "sata": f"ide-hd,bus=ide.{number}"}[disk_kind]
            self.arguments += ["-drive", f"if=none,id=disk{number},format=raw,file={disk},cache=unsafe",
                               "-device", f"{device},drive=disk{number},bootindex={number + 1}"]
        self.arguments += list(extra)

    def __enter__(self):
        if self.log_path:
            os.makedirs(os.path.dirname(os.path.abspath(self.log_path)), exist_ok=True)
        self.log = open(self.log_path or os.devnull, "wb")
        self.started = time.monotonic()

        def die_with_parent():
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)

        self.process = subprocess.Popen(self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        preexec_fn=die_with_parent)
        os.set_blocking(self.process.stdout.fileno(), False)
        return self

    def exec(self):
        """Becomes QEMU, on the terminal. Ctrl-C and all other keys go to the machine."""
        at = self.arguments.index("-qmp")
        del self.arguments[at:at + 2]
        shutil.rmtree(self.folder)
        os.execvp(self.arguments[0], self.arguments)

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
            self.read(0)
            self.process.stdin.close()
            self.process.stdout.close()
            self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- the serial port ---

    def read(self, seconds):
        """Takes in what the machine has written, waiting at most that long for something. False: nothing came."""
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        if not ready:
            return False
        data = self.process.stdout.read()
        if not data:
            if self.process.poll() is None:
                time.sleep(0.01) # the end of its output is seen before its exit
            return False
        self.raw += data
        self.when.append((len(self.raw), time.monotonic() - self.started))
        self.log.write(data)
        self.log.flush()
        # going to a place on the screen, or back from it, begins a line of text; a sequence that is cut in two waits for its other half
        text = self.held + data.decode("utf-8", "replace")
        last = text.rfind("\x1b")
        cut = last if last >= len(text) - 20 and last >= 0 and not ESCAPE.match(text, last) else len(text)
        text, self.held = text[:cut], text[cut:]
        self.text += ESCAPE.sub(lambda found: "\n" if found.group()[-1] in "H8" else "", text).replace("\r", "")
        return True

    def expect(self, pattern, seconds=60):
        """Waits until the regular expression is in the output, after what the last expect() found. Returns the match."""
        regex = re.compile(pattern, re.M)
        end = time.monotonic() + seconds
        while True:
            found = regex.search(self.text, self.at)
            if found:
                self.at = found.end()
                return found
            left = end - time.monotonic()
            if left <= 0:
                raise Failure(f"not seen in {seconds} s: {pattern!r}\n{self.tail()}")
            if not self.read(min(left, 0.5)) and self.process.poll() is not None and not self.read(0):
                if regex.search(self.text, self.at):
                    continue
                raise Failure(f"QEMU ended (status {self.process.returncode}) before {pattern!r}\n{self.tail()}")

    def refuse(self, pattern, seconds):
        """Fails if the regular expression comes up within that time."""
        end = time.monotonic() + seconds
        regex = re.compile(pattern, re.M)
        while time.monotonic() < end:
            self.read(min(0.5, max(0, end - time.monotonic())))
            if regex.search(self.text, self.at):
                raise Failure(f"should not have come: {pattern!r}\n{self.tail()}")

    def seconds_at(self, pattern):
        """When the first match of a bytes pattern was there, in seconds since the start of QEMU."""
        found = re.search(pattern, self.raw)
        if not found:
            raise Failure(f"never seen: {pattern!r}")
        return next(when for size, when in self.when if size >= found.end())

    def send(self, text):
        data = text.encode() if isinstance(text, str) else text
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def type(self, text, pause=0.02):
        """Sends it as a person would: a UART without flow control loses what comes too fast."""
        for char in text:
            self.send(char)
            self.read(pause)

    def wait_end(self, seconds=30):
        """Waits for QEMU to end by itself (the machine powered off). Fails if it does not, or not with status 0."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise Failure(f"still running after {seconds} s\n{self.tail()}")
            self.read(0.2)
        while self.read(0):
            pass
        if self.process.returncode != 0:
            raise Failure(f"QEMU ended with status {self.process.returncode}\n{self.tail()}")

    def tail(self, lines=25):
        """The last lines of output, for messages."""
        last = [line for line in self.text.split("\n") if line.strip()][-lines:]
        return "\n".join("    | " + line[:150] for line in last) + (f"\n    log: {self.log_path}" if self.log_path else "")

    # --- QMP: the keyboard, the screen, the state ---

    def qmp(self, command, **arguments):
        if not self.qmp_file:
            end = time.monotonic() + 10
            while True:
                sock = socket.socket(socket.AF_UNIX)
                try:
                    sock.connect(self.folder + "/qmp")
                    break
                except OSError:
                    sock.close()
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.05)
            self.qmp_file = sock.makefile("rw")
            self.qmp_file.readline()
            self.qmp("qmp_capabilities")
        self.qmp_file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.qmp_file.flush()
        while True:
            answer = json.loads(self.qmp_file.readline())
            if "error" in answer:
                raise Failure(f"QMP {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def keys(self, *names):
        """Presses keys together on the PS/2 keyboard: keys("ctrl", "bracket_right")."""
        self.qmp("send-key", keys=[{"type": "qcode", "data": name} for name in names])
        self.read(0.15)

    def screen(self):
        """What the frame buffer shows: (width, height, RGB bytes)."""
        path = self.folder + "/screen.ppm"
        self.qmp("screendump", filename=path)
        with open(path, "rb") as picture:
            data = picture.read()
        magic, width, height, _ = re.match(rb"(P6)\s+(\d+)\s+(\d+)\s+(\d+)\s", data).groups()
        assert magic == b"P6"
        return int(width), int(height), data[-int(width) * int(height) * 3:]
