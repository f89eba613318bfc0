"""Puts a test's machine together: a disk with boot entries, and Goblin on it."""
import contextlib
import os
import tempfile

from disk import EFI, GUEST, KERNEL, TEST_INITRD, File, make_disk
from goblin import Goblin
from machine import Failure
from suite import check, log_path, need

DETERMINISTIC = bool(os.environ.get("DETERMINISTIC"))


def entry(name, *, kernel=None, options="", cpus=1, memory="160M", disk=None, autostart=True, more="", title=None):
    """The files of a boot entry. kernel: a test guest's name; none: Linux with the test initrd, options say its job."""
    if kernel:
        files = {f"/guests/{kernel}": File(f"{GUEST}/{kernel}.bzimage")}
        lines = [f"linux /guests/{kernel}", f"options {options}"]
    else:
        files = {"/linux/vmlinuz": File(KERNEL), "/linux/test.img": File(TEST_INITRD)}
        lines = ["linux /linux/vmlinuz", "initrd /linux/test.img", f"options console=ttyS0 console=hvc0 quiet name={name} {options}"]
    lines += [f"title {title or name}", "run vm", f"cpus {cpus}", f"memory {memory}"]
    lines += [f"disk {disk}"] if disk else []
    lines += ["autostart yes"] if autostart else []
    files[f"/loader/entries/{name}.conf"] = "\n".join(lines) + "\n" + more
    return files


@contextlib.contextmanager
def lab(name, *entries, partitions=(), timeout=1, loader=EFI, files=None, **machine):
    """A running machine whose disk has these entries. name: of the test."""
    need(EFI, "the EFI program")
    every = {"/loader/loader.conf": f"timeout {timeout}\n", **(files or {})}
    for some in entries:
        every.update(some)
    with tempfile.TemporaryDirectory(prefix="goblin-test-") as folder:
        disk = make_disk(folder + "/disk.img", every, partitions, loader)
        with Goblin([disk], log=log_path(name), deterministic=DETERMINISTIC, **machine) as goblin:
            goblin.disk = disk
            try:
                yield goblin
            except Failure as failure:
                raise Failure(f"{failure}\n{goblin.post_mortem()}") from None


def ticks(goblin, name, seconds=60):
    """Fails unless that Linux guest counts on."""
    goblin.attach(name)
    first = int(goblin.expect(rf"{name}: tick (\d+)", seconds).group(1))
    while True: # what is painted when attaching is old
        number = int(goblin.expect(rf"{name}: tick (\d+)", seconds).group(1))
        if number >= first + 3:
            return


@contextlib.contextmanager
def beside_linux(goblin):
    """What is done in it happens beside the guest `linux` (job=disk), which must not notice, and leaves no page behind."""
    goblin.attach("linux")
    goblin.expect("linux: disk round 1", 120)
    goblin.table()
    before = goblin.free_pages
    yield
    goblin.attach("linux")
    check(goblin.expect("linux: (PASS disk|FAIL.*)", 120).group(1) == "PASS disk", "the Linux beside them saw something else on its disk")
    ticks(goblin, "linux")
    goblin.table()
    check(goblin.free_pages == before, f"{before} pages were free before, {goblin.free_pages} are now")


def run_guest(goblin, name, seconds=60):
    """Starts a guest from the status screen, waits for its end; returns (why it ended, its console)."""
    goblin.select_guest(name)
    goblin.send("s")
    if goblin.expect(rf"^{name}: (started, |not started: )", 20).group(1) == "started, ":
        why = goblin.expect(rf"^{name}: (powered off|panicked(?!, its crash)|triple fault|broke a rule)(.*)\n", seconds)
    else:
        why = goblin.expect(r"()(.*)\n", 5)
    start = len(goblin.text)
    goblin.attach(name)
    while goblin.read(0.3):
        pass
    return why.group(1) + why.group(2), goblin.text[start:]
