"""Disk images for tests: a GPT with an EFI system partition and further partitions. No root needed."""
import os
import shutil
import subprocess
import tempfile

from machine import ROOT

OUT = os.environ.get("OUT", ROOT + "/out")
EFI = OUT + "/BOOTX64.EFI"
KERNEL = OUT + "/cache/vmlinuz"
GUEST = OUT + "/guest"            # test guests, one file each
APP = OUT + "/app"                # test programs for the app ABI
TEST_INITRD = OUT + "/cache/test.img"

os.environ["PATH"] += ":/usr/sbin:/sbin"
os.environ["MTOOLS_SKIP_CHECK"] = "1"
os.environ["SOURCE_DATE_EPOCH"] = "1767225600" # for mtools: the same files make the same disk

ESP_START, ESP_SIZE = 1, 128      # MiB


class File:
    """Content that is in a file of this machine."""

    def __init__(self, path):
        self.path = path


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def write(path, content):
    if isinstance(content, File):
        shutil.copy(content.path, path)
    else:
        with open(path, "wb") as out:
            out.write(content.encode() if isinstance(content, str) else content)


def make_disk(path, files, partitions=(), loader=EFI):
    """files: {"/loader/entries/a.conf": text, bytes or File}; loader goes to EFI/BOOT/BOOTX64.EFI.
    partitions: (label, MiB, File or None) after the ESP, which is partition 1."""
    size = ESP_START + ESP_SIZE + sum(mib for _, mib, _ in partitions) + 1
    with open(path, "wb") as image:
        image.truncate(size << 20)
    table = ["--clear", "--disk-guid=47424C4E-0000-4000-8000-000000000000", f"--new=1:{ESP_START}M:+{ESP_SIZE}M", "--typecode=1:ef00", "--change-name=1:ESP",
             "--partition-guid=1:47424C4E-0000-4000-8000-000000000001"]
    start = ESP_START + ESP_SIZE
    for number, (label, mib, content) in enumerate(partitions, 2):
        table += [f"--new={number}:{start}M:+{mib}M", f"--typecode={number}:8300", f"--change-name={number}:{label}",
                  f"--partition-guid={number}:47424C4E-0000-4000-8000-{number:012}"]
        if content:
            run("dd", f"if={content.path}", f"of={path}", "bs=1M", f"seek={start}", "conv=notrunc,sparse")
        start += mib
    run("sgdisk", *table, path)
    run("mkfs.vfat", "-F", "32", "-s", "1", "-n", "ESP", "-i", "47424C4E", f"--offset={ESP_START * 2048}", path, str(ESP_SIZE * 1024))
    esp = f"{path}@@{ESP_START}M"
    files = {"/EFI/BOOT/BOOTX64.EFI": File(loader), **files}
    folders = {name[:at] for name in files for at in range(1, len(name)) if name[at] == "/"}
    run("mmd", "-i", esp, *["::" + folder for folder in sorted(folders)])
    with tempfile.TemporaryDirectory() as stage:
        for name in sorted(files): # in a fixed order, so that the same files make the same disk
            write(stage + "/file", files[name])
            run("mcopy", "-i", esp, stage + "/file", "::" + name)
    return path


def read_partition(path, number, size):
    """The first bytes of a partition."""
    listing = subprocess.run(["sgdisk", f"--info={number}", path], check=True, capture_output=True, text=True).stdout
    first = next(int(line.split()[2]) for line in listing.split("\n") if line.startswith("First sector"))
    with open(path, "rb") as image:
        image.seek(first * 512)
        return image.read(size)
