"""The screen and the keyboard: what the frame buffer shows, keys that are pressed on PS/2."""
import re
import time

from disk import OUT
from lab import check, entry, lab
from suite import need, test

COLUMNS, ROWS, WIDTH, HEIGHT = 80, 24, 8, 16 # of the terminal, of a character


def load_font():
    """Glyphs of the built font: 16 bytes, one a row of pixels -> character."""
    need(OUT + "/gen/font.c", "the built font")
    with open(OUT + "/gen/font.c", encoding="utf-8") as source:
        text = source.read()
    rows = re.findall(r"\{ ((?:0x[0-9A-F]{2}(?:, )?){16}) \}, /\* U\+([0-9A-F]+)", text)
    return {bytes(int(number, 16) for number in row.split(", ")): chr(int(code, 16)) for row, code in reversed(rows)}


def read_screen(goblin, font):
    """The text on the frame buffer, line by line: docs/console.md says where it stands."""
    width, height, data = goblin.screen()
    scale = max(1, min(width // (COLUMNS * WIDTH), height // (ROWS * HEIGHT)))
    left, top = (width - COLUMNS * WIDTH * scale) // 2, (height - ROWS * HEIGHT * scale) // 2

    def char_at(column, row):
        glyph = bytearray()
        for y in range(HEIGHT):
            byte = 0
            for x in range(WIDTH):
                at = ((top + (row * HEIGHT + y) * scale) * width + left + (column * WIDTH + x) * scale) * 3
                byte = byte << 1 | (max(data[at:at + 3]) > 100)
            glyph.append(byte)
        return font.get(bytes(glyph)) or font.get(bytes(byte ^ 0xFF for byte in glyph)) or "\ufffd"

    # an inverse space is a block
    return ["".join(char_at(column, row) for column in range(COLUMNS)).replace("\u2588", " ") for row in range(ROWS)]


def expect_screen(goblin, font, patterns, seconds=30):
    """Waits until every pattern matches some line of the screen."""
    end = time.monotonic() + seconds
    while True:
        screen = read_screen(goblin, font)
        missing = [pattern for pattern in patterns if not any(re.search(pattern, line) for line in screen)]
        if not missing:
            return
        check(time.monotonic() < end, f"not on the screen: {missing}\n" + "\n".join(screen))
        goblin.read(0.5)


@test()
def screen_shows_the_status():
    """A screenshot, read glyph by glyph, has the status screen and then the guest's console."""
    font = load_font()
    with lab("screen_shows_the_status", entry("linux", options="job=tick")) as goblin:
        goblin.monitor()
        goblin.table()
        expect_screen(goblin, font, [r"^ Goblin \S+ +2 CPUs", r"NAME .* EXITS/S +UPTIME", r"^>? *1 linux +running"])
        goblin.attach("linux")
        goblin.expect("linux: tick 3", 90)
        expect_screen(goblin, font, ["^linux: up on", "^linux: tick 3"])


@test()
def keys_of_a_ps2_keyboard():
    """A PS/2 keyboard types in a guest's shell and switches between the consoles."""
    with lab("keys_of_a_ps2_keyboard", entry("linux", options="job=shell"),
             entry("other", options="job=tick", autostart=False)) as goblin:
        goblin.monitor()
        goblin.attach("linux")
        goblin.expect("linux#", 90)
        for key in "echo":
            goblin.keys(key)
        goblin.keys("spc")
        goblin.keys("shift", "h")
        for key in "ey":
            goblin.keys(key)
        goblin.keys("shift", "minus")
        goblin.keys("7")
        goblin.keys("ret")
        goblin.expect(r"^Hey_7$", 20)
        goblin.keys("ctrl", "bracket_right")
        goblin.expect(r"Goblin \S+ +\d+ CPUs", 20)
        goblin.keys("ctrl", "bracket_right")
        goblin.expect("Hey_7", 20)
        goblin.keys("ctrl", "bracket_right")
        goblin.expect(r"Goblin \S+ +\d+ CPUs", 20)
        goblin.keys("shift", "p")
        goblin.expect("Press y", 20)
        goblin.keys("y")
        goblin.wait_end()


@test()
def scrollback():
    """PgUp on the status screen shows what has scrolled off a guest's terminal."""
    with lab("scrollback", entry("linux", options="job=shell")) as goblin:
        goblin.monitor()
        goblin.attach("linux")
        goblin.expect("linux#", 90)
        goblin.type("for i in $(seq 300); do echo line-$i; done\n")
        goblin.expect("^line-300$", 60)
        goblin.status()
        goblin.send("\x1b[5~" * 5)
        goblin.expect(r"^line-1[5-9]\d$", 20)
