"""What a QEMU test is: @test(seconds=...) on a function without arguments. It fails by an exception; Skip is a reason
why it cannot be run here."""
import os

from disk import OUT
from machine import Failure

tests = []


class Skip(Exception):
    pass


class Test:
    def __init__(self, function, seconds, alone):
        self.function, self.seconds, self.alone = function, seconds, alone
        self.name = function.__name__


def test(seconds=150, alone=False):
    """seconds: the limit, for a machine that runs something else too. alone: no other test beside it."""
    def mark(function):
        tests.append(Test(function, seconds, alone))
        return function
    return mark


def check(condition, text):
    if not condition:
        raise Failure(text)


def need(path, what):
    if not os.path.exists(path):
        raise Skip(f"{what} is not here ({path})")


def log_path(name):
    return f"{OUT}/log/qemu-{name}.log"
