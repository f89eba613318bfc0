"""`goblin run` on Linux' ordinary KVM: kvm_amd of the stock kernel, on the emulated processor. What users have, wherever this runs."""
import os
import re
import subprocess
import tempfile

from disk import KERNEL, OUT, ROOT
from machine import Failure, Machine
from suite import check, log_path, need, test

HOST = ROOT + "/test/host"
PROGRAMS = "files memory signals threads smp process hostile".split()


def build(folder):
    """The initial RAM disk: goblin with its libraries, the test programs, KVM's modules."""
    flags = ["clang", "-O1", "-w", "-pthread", "-static"]
    root = folder + "/root"
    os.makedirs(root + "/test")
    subprocess.run(["cp", "-r", ROOT + "/test/qemu/kvm/init", root], check=True)
    for name in PROGRAMS:
        subprocess.run([*flags, f"{HOST}/{name}.c", "-o", f"{root}/test/{name}", "-lm"], check=True)
    subprocess.run([*flags, "-O0", f"{HOST}/process.c", "-o", f"{root}/test/process-O0", "-lm"], check=True)
    subprocess.run([*flags, "-O2", f"{HOST}/calls.c", "-o", f"{root}/test/calls"], check=True)
    libraries = re.findall(r"(/\S+) \(", subprocess.run(["ldd", OUT + "/goblin"], capture_output=True, text=True, check=True).stdout)
    pairs = [f"{os.path.realpath(path)}={path}" for path in libraries] + [f"{OUT}/goblin=/bin/goblin", f"{OUT}/cache/modules=/modules"]
    subprocess.run([ROOT + "/mk/initrd", folder + "/initrd", OUT + "/cache/busybox", root, *pairs], check=True)
    return folder + "/initrd"


@test(seconds=320, alone=True)
def kvm_ordinary():
    """Programs under goblin run on ordinary KVM do what they do natively: files, memory, signals, threads on two CPUs, missed calls, faults."""
    need(OUT + "/goblin", "the goblin command")
    need(OUT + "/cache/modules/kvm-amd.ko", "KVM's module for AMD")
    with tempfile.TemporaryDirectory() as folder:
        with Machine(cpus=2, memory=1024, bare=(KERNEL, build(folder), "console=ttyS0 quiet"), log=log_path("kvm_ordinary"),
                     extra=["-no-reboot"]) as machine:
            machine.expect("KVM-END", 300)
            failed = re.findall(r"KVM-FAILED .*(?:\n.*){0,14}", machine.text)
            if failed:
                raise Failure("\n".join(failed))
            check(len(re.findall("KVM-SAME", machine.text)) == 11, "not all programs were run:\n" + machine.text[-2000:])
            native, guest = (dict(re.findall(rf"KVM-{who} (\S+) (\S+)", machine.text)) for who in ("NATIVE", "GUEST"))
            check(float(guest["getppid"]) < float(native["getppid"]) / 8, f"getppid: {guest['getppid']} ns, native {native['getppid']} ns")
