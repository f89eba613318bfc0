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
TEST_INITRD = OUT + "/cache/test.img"

os.environ["PATH"] += ":/usr/sbin:/sbin"
os.environ["MTOOLS_SKIP_CHECK"] = "1"

ESP_START, ESP_SIZE = 1, 96       # MiB


class File:
    """Content that is in a file of this machine."""

    def __init__(self, path):
        self.path = path


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
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
    table = ["--clear", f"--new=1:{ESP_START}M:+{ESP_SIZE}M", "--typecode=1:ef00", "--change-name=1:ESP"]
    start = ESP_START + ESP_SIZE
    for number, (label, mib, content) in enumerate(partitions, 2):
        table += [f"--new={number}:{start}M:+{mib}M", f"--typecode={number}:8300", f"--change-name={number}:{label}"]
        if content:
            run("dd", f"if={content.path}", f"of={path}", "bs=1M", f"seek={start}", "conv=notrunc,sparse")
        start += mib
    run("sgdisk", *table, path)
    run("mkfs.vfat", "-F", "32", "-s", "1", "-n", "ESP", f"--offset={ESP_START * 2048}", path, str(ESP_SIZE * 1024))
    with tempfile.TemporaryDirectory() as stage:
        for name, content in {"/EFI/BOOT/BOOTX64.EFI": File(loader), **files}.items():
            write(stage + name, content)
        tops = [stage + "/" + name for name in os.listdir(stage)]
        run("mcopy", "-s", "-i", f"{path}@@{ESP_START}M", *tops, "::/")
    return path


def read_partition(path, number, size):
    """The first bytes of a partition."""
    listing = subprocess.run(["sgdisk", f"--info={number}", path], check=True, capture_output=True, text=True).stdout
    first = next(int(line.split()[2]) for line in listing.split("\n") if line.startswith("First sector"))
    with open(path, "rb") as image:
        image.seek(first * 512)
        return image.read(size)
