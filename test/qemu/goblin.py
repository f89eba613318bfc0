"""Goblin as its user meets it on the serial port: the boot menu, the status screen, the guests' consoles. The keys and texts
are those of docs/menu.md and docs/console.md."""
import re
import time

from machine import Failure, Machine

UP, DOWN, ENTER, ESC, TAB, CHORD = "\x1b[A", "\x1b[B", "\r", "\x1b", "\t", "\x1d"
HEAD = "NAME STATE VCPUS MEMORY CPU% EXITS/S WHY"


class Guest:
    """A row of the status table."""

    def __init__(self, line):
        name, state, vcpus, memory, cpu, exits, why = line.split(" ", 6)
        self.name, self.state, self.why, self.line = name, state, why, line
        self.vcpus, self.memory, self.cpu, self.exits = int(vcpus), int(memory.rstrip("M")), int(cpu), int(exits)


class Goblin(Machine):
    shown = ""      # the guest whose console is on the serial port; none: the status screen
    names = ()      # of the guests, in the order of the status screen
    free_pages = 0  # at the last table()

    # --- the menu ---

    def menu(self, seconds=60):
        """Waits for the menu and stops its countdown."""
        self.expect("Goblin boot menu", seconds)
        self.expect("Enter start", 10)
        self.stop_countdown()

    def stop_countdown(self):
        self.send("?")
        self.expect("close this help", 10)
        self.send("?")

    def select(self, title):
        """Moves to an entry of the menu."""
        marked = re.compile(r"^> (.*?)  ", re.M)
        key = DOWN
        for _ in range(60):
            if marked.findall(self.text)[-1] == title:
                return
            self.send(key)
            try:
                self.expect(marked.pattern, 3)
            except Failure: # nothing moved: this is the last, or the first
                if key == UP:
                    break
                key = UP
        raise Failure(f"no entry {title!r} in the menu\n{self.tail()}")

    # --- the monitor ---

    def monitor(self, seconds=60):
        """Waits for the status screen."""
        self.expect(r"Goblin \S+ +\d+ CPUs", seconds)
        self.shown = ""

    def status(self):
        if self.shown:
            self.send(CHORD)
            self.expect(r"Goblin \S+ +\d+ CPUs", 60)
            self.shown = ""
        while self.read(0.2): # the painting of the screen shows old lines of the log again
            pass
        self.at = len(self.text)

    def attach(self, name):
        """Shows a guest's console; a key that came while the machine was busy starting something is sent again."""
        self.select_guest(name)
        for _ in range(5):
            mark, end = len(self.raw), time.monotonic() + 4
            self.send(ENTER)
            while b"\x1b[2J" not in self.raw[mark:] and time.monotonic() < end:
                self.read(0.1)
            if b"\x1b[2J" in self.raw[mark:]:
                break
        self.shown = name

    def table(self):
        """The guests by name; sets free_pages."""
        self.status()
        self.send("t")
        found = self.expect(re.escape(HEAD) + r"\n((?:.*\n)*?)free pages: (\d+)\n", 90) # a large guest may be starting
        self.free_pages = int(found.group(2))
        guests = [Guest(line) for line in found.group(1).split("\n")
                  if re.match(r"\S+ (off|running|template|stopping) \d+ \d+M \d+ \d+ ", line)]
        self.names = [guest.name for guest in guests]
        return dict(zip(self.names, guests))

    def wait_guest(self, name, condition, seconds=60):
        """Waits until condition(row of the table) is true; returns the row."""
        end = time.monotonic() + seconds
        while True:
            guest = self.table()[name]
            if condition(guest):
                return guest
            if time.monotonic() > end:
                raise Failure(f"after {seconds} s still: {guest.line}\n{self.tail()}")
            self.read(0.5)

    def select_guest(self, name):
        """Moves to a guest's row of the status screen, and waits until that row is marked."""
        if not self.names:
            self.table()
        self.status()
        row = str(self.names.index(name) + 1)
        for _ in range(5):
            end = time.monotonic() + 4
            self.send(UP * len(self.names) + DOWN * self.names.index(name))
            self.read(0.2)
            while self.marked_row() != row and time.monotonic() < end:
                self.read(0.1)
            if self.marked_row() == row:
                return
        raise Failure(f"{name}: its row is not marked on the status screen\n{self.tail()}")

    def marked_row(self):
        """The number in the row of the status screen that was painted last with the mark; rows are painted when they change."""
        return (re.findall(r"^> *(\d+) \S", self.text[-100000:], re.M) or [""])[-1]

    def post_mortem(self):
        """After a failure: what the monitor says of its guests, if it still answers, and where the CPUs are."""
        if self.process.poll() is not None:
            return "post mortem: QEMU has ended"
        try:
            said = "\n".join(guest.line for guest in self.table().values()) if self.names else "no guest was listed"
        except Failure:
            said = "no table of the guests within 90 s"
        registers = self.qmp("human-monitor-command", **{"command-line": "info registers -a"})
        return f"post mortem: {said}\n" + "\n".join(re.findall(r"^(?:CPU#\d+|RIP=\S+ RFL=\S+).*", registers, re.M))

    def power_off(self):
        self.status()
        self.send("P")
        self.expect("Press y", 20)
        self.send("y")
        self.wait_end()


def demonstrate(machine):
    """What `make run` shows without a terminal: the menu, all guests up, the table, the end."""
    def tell(text):
        print(f"run: {time.monotonic() - machine.started:5.1f} s  {text}", flush=True)

    machine.expect("Goblin boot menu", 120)
    tell("the boot menu is there; it counts down")
    machine.monitor(60)
    tell("the monitor has the machine, guests are starting")
    machine.attach("tiny")
    machine.expect(r"tiny: Linux \S+ is up", 240)
    tell("tiny is up: " + machine.text[machine.text.rfind("tiny: Linux"):].split("\n")[0])
    machine.attach("debian")
    machine.expect(r"debian login:", 400)
    tell("debian is up, with a login")
    for name, prompt in (("lua", r"Lua 5\.\d"), ("python", r"Python 3\.\d+")):
        machine.attach(name)
        machine.expect(prompt, 120)
        tell(f"{name} is there, at its prompt")
    machine.read(2)
    rows = machine.table().values()
    tell("the status table:")
    print("\n".join([HEAD] + [row.line for row in rows] + [f"free pages: {machine.free_pages}"]), flush=True)
    if {row.name: row.state for row in rows} != dict(debian="running", tiny="running", lua="running", python="running", hello="off"):
        raise Failure("not all guests that should run are running")
    machine.power_off()
    tell("powered off")
