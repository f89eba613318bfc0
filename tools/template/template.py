"""Makes a template of Python. `python3 template.py MODULE...` imports the modules and says that it is ready (docs/template.md); each clone
goes on as `python3 ARGUMENT...` would with the clone's own arguments: -c COMMAND, -m MODULE, a script, or - and nothing for standard input."""
import gc
import importlib
import io
import os
import runpy
import sys
import types


def warm(modules):
    """Imports them; returns what they want done in the child of a fork."""
    wishes, register = [], os.register_at_fork

    def noting(**hooks):
        register(**hooks)
        if "after_in_child" in hooks:
            wishes.append(hooks["after_in_child"])

    os.register_at_fork = noting
    try:
        for name in modules:
            importlib.import_module(name)
    finally:
        os.register_at_fork = register
    gc.collect()
    gc.freeze()  # a collection would write to all of them, and so copy their pages
    return wishes


def words():
    with open("/dev/template", "rb") as file:
        return [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]


def main_module(file=None):
    module = types.ModuleType("__main__")
    if file:
        module.__file__ = file
    sys.modules["__main__"] = module
    return module.__dict__


def go(arguments):
    first, *rest = arguments or ["-"]
    if first in ("-c", "-m") and not rest:
        sys.exit(f"template.py: argument expected for {first}")
    if first == "-c":
        sys.argv, sys.path[0] = ["-c"] + rest[1:], ""
        exec(compile(rest[0], "<string>", "exec"), main_module())
    elif first == "-m":
        sys.argv, sys.path[0] = ["-m"] + rest[1:], os.getcwd()
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-":
        sys.argv, sys.path[0] = [first if arguments else ""] + rest, ""
        if sys.stdin.isatty():
            import code
            code.interact(exitmsg="", local=main_module())
        else:
            exec(compile(sys.stdin.read(), "<stdin>", "exec"), main_module())
    elif first.startswith("-"):
        sys.exit(f"template.py: {first}: this option cannot be given to a clone")
    elif os.path.isdir(first) or first.endswith((".zip", ".pyz")):
        sys.argv = arguments
        del sys.path[0]
        runpy.run_path(first, run_name="__main__")
    else:
        sys.argv, sys.path[0] = arguments, os.path.dirname(os.path.realpath(first))
        with io.open_code(os.path.abspath(first)) as file:
            program = compile(file.read(), first, "exec")
        exec(program, main_module(first))


def start():
    wishes = warm(sys.argv[1:])
    given = words()
    if not given:
        sys.exit("template.py: this guest is not to become a template; its boot entry says `template yes` if it is")
    for wish in wishes:  # random seeds itself anew, threading forgets the template's threads, and so on
        wish()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=stream.isatty() or stream is sys.stderr)
    try:
        go(given[1:])
    except Exception:
        kind, value, trace = sys.exc_info()
        sys.excepthook(kind, value, trace.tb_next.tb_next)  # without this file's two lines
        sys.exit(1)


start()
