# SPDX-License-Identifier: MIT

"""What of a sketch in Python ran: lines of the candidate's file, calls of what it overrides."""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from importlib.util import find_spec
from itertools import count
from types import CodeType, FunctionType, ModuleType
from typing import Any

from model.candidate import counted
from model.under_test import Changed, Function, UnderTest
from properties.overrides import Overrides

#: The package coverage makes a round take two and a half times as long. So the first TRACED_FIRST
#: rounds are traced, one of each search, and then one in TRACED_ONE_IN, until all lines have run.
TRACED_FIRST = 4
TRACED_ONE_IN = 32


class SketchLines:
    """Hears which lines of *module* run.

    With Python 3.12 it uses `sys.monitoring`, in every round, because a line costs time only once;
    with older versions the package coverage, in some rounds.

    Calls of what the candidate overrides are counted in every round.

    :param name: The name of the module's file in messages.
    """

    def __init__(self, module: ModuleType, name: str, overrides: Overrides) -> None:
        self._overrides = overrides
        self._calls: Counter[str] | None = None
        self._name = name
        self._file = module.__file__ or ""
        self._functions = [
            (name, code.co_firstlineno, sorted(_lines(code)))
            for name, code in _functions(module, self._file)
        ]
        self._heard = False
        self._ran: set[int] = set()
        self._unknown = ""
        self._tracer: Any = None
        self._sampled = False

    @contextmanager
    def listening(self, number: int | None) -> Iterator[None]:
        """Hear what runs in the ``with`` block, which is the round *number*, from 0.

        If it is None, calls are counted, and no lines.
        """
        listen = self._monitored if sys.version_info >= (3, 12) else self._traced
        self._heard |= number is not None
        with self._counting(), nullcontext() if number is None else listen(number):
            yield

    @contextmanager
    def _counting(self) -> Iterator[None]:
        """Count the calls in the ``with`` block of what the candidate overrides."""
        if self._calls is None and not self._overrides.uncounted:
            self._calls = Counter(dict.fromkeys(self._overrides.counted, 0))
        with ExitStack() as stack:
            for name, cls in self._overrides.counted.items():
                stack.enter_context(self._counted(cls, name))
            yield

    @contextmanager
    def _counted(self, cls: type, name: str) -> Iterator[None]:
        assert self._calls is not None
        method, ticks = vars(cls)[name], count()
        static = isinstance(method, staticmethod)
        counts = counted(method.__func__ if static else method, ticks.__next__)
        setattr(cls, name, staticmethod(counts) if static else counts)
        try:
            yield
        finally:
            setattr(cls, name, method)
            self._calls[name] += next(ticks)

    def heard(self) -> tuple[Any, ...]:
        """What was heard of since the last time: lines, calls, and what is not known."""
        calls = self._calls
        if calls is not None:
            self._calls = Counter(dict.fromkeys(calls, 0))
        return self._heard, self._ran, calls, self._unknown, self._sampled

    def hear(self, heard: tuple[Any, ...]) -> None:
        """Add what another process has *heard* of."""
        listened, ran, calls, unknown, sampled = heard
        self._heard |= listened
        self._ran |= ran
        if calls is not None:
            self._calls = self._calls or Counter()
            self._calls.update(calls)
        self._unknown = self._unknown or unknown
        self._sampled |= sampled

    def under_test(self) -> UnderTest:
        """The functions of the sketch, and whether each of their lines has run."""
        if self._unknown:
            return UnderTest(unknown=self._unknown, calls=self._calls)
        some = f"the first {TRACED_FIRST} rounds and one in {TRACED_ONE_IN}"
        sample = some if self._sampled and not self._whole() else ""
        functions = [self._shown(*one) for one in self._functions if self._heard]
        return UnderTest(functions, sample=sample, calls=self._calls)

    def _whole(self) -> bool:
        """Whether all lines have run."""
        return all(self._ran.issuperset(lines) for _, _, lines in self._functions)

    def changes(self, ran: UnderTest) -> Sequence[Changed] | None:
        """None: what was changed in a sketch is not known."""

    def _shown(self, name: str, first: int, lines: list[int]) -> Function:
        ran = {line: int(line in self._ran) for line in lines}
        return Function(name, self._name, first, lines[-1], ran)

    @contextmanager
    def _traced(self, number: int) -> Iterator[None]:
        if self._unknown or (number >= TRACED_FIRST and number % TRACED_ONE_IN) or self._whole():
            yield
            return
        if find_spec("coverage") is None:
            self._unknown = "needs Python 3.12, or the package coverage (pip install coverage)"
        elif sys.gettrace() is not None:
            self._unknown = "a debugger, or another tool for coverage, traces this process"
        if self._unknown:
            yield
            return
        if self._tracer is None:
            import coverage  # noqa: PLC0415 - an optional dependency

            # A pattern: in a name, "[" would mean something, or be refused.
            pattern = re.sub(r"[^\w./-]", "?", self._file)
            self._tracer = coverage.Coverage(
                data_file=None, config_file=False, include=[pattern], messages=False
            )
            self._tracer.set_option("run:disable_warnings", ["no-data-collected"])
            self._sampled = True
        self._tracer.start()
        try:
            yield
        finally:
            self._tracer.stop()
            self._ran.update(self._tracer.get_data().lines(self._file) or ())

    @contextmanager
    def _monitored(self, _number: int) -> Iterator[None]:
        if sys.version_info < (3, 12):
            raise NotImplementedError
        monitoring = sys.monitoring
        tool = next((n for n in range(6) if monitoring.get_tool(n) is None), None)
        if tool is None:
            self._unknown = "other tools use all places of sys.monitoring"
            yield
            return

        def line(code: CodeType, number: int) -> object:
            if code.co_filename == self._file:
                self._ran.add(number)
            return monitoring.DISABLE

        monitoring.use_tool_id(tool, "headcount")
        monitoring.register_callback(tool, monitoring.events.LINE, line)
        monitoring.restart_events()
        monitoring.set_events(tool, monitoring.events.LINE)
        try:
            yield
        finally:
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)


def _functions(module: ModuleType, file: str) -> Iterator[tuple[str, CodeType]]:
    """Name and code of the functions of *module*, and of the methods of its classes."""
    for name, value in vars(module).items():
        yield from _one(name, value, file)
        if isinstance(value, type) and value.__module__ == module.__name__:
            for key, method in vars(value).items():
                yield from _one(f"{name}.{key}", method, file)


def _one(name: str, value: object, file: str) -> Iterator[tuple[str, CodeType]]:
    for one in (value, getattr(value, "fget", None), getattr(value, "__func__", None)):
        while (inner := getattr(one, "__wrapped__", None)) is not None:
            one = inner  # noqa: PLW2901 - decorators stand around the function
        if isinstance(one, FunctionType) and one.__code__.co_filename == file:
            yield name, one.__code__
            return


def _lines(code: CodeType) -> set[int]:
    """The lines of *code*, and of the functions inside it, without the line with ``def``."""
    numbers = [line for _, _, line in code.co_lines() if line]
    found = {*numbers} - {*numbers[:1]} or {*numbers}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= {line for _, _, line in constant.co_lines() if line}
    return found
