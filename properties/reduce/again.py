# SPDX-License-Identifier: MIT

"""Says why a program that failed does not fail when it is executed again."""

import reprlib
import sys
from collections.abc import Callable, Iterator, Sized
from types import ModuleType

from model.candidate import Candidate
from model.errors import BadInput
from model.program import Program
from properties.judging.judge import judge

#: Number of times that the program is executed to see whether it ever fails.
RUNS = 5

#: The packages whose classes keep nothing from one program to the next.
OURS = frozenset({"builtins", "model", "properties", "abc", "typing"})


def why_not(program: Program, signature: str, make: Callable[[], Candidate]) -> str:
    """Why *program*, which failed with *signature*, does not fail again, in one line."""
    failed = 0
    kept: dict[str, None] = {}
    for _ in range(RUNS):
        candidate = make()
        before = dict(_lasting(candidate))
        try:
            verdict = judge(program, candidate)
        except BadInput as err:
            return f"it was not reduced: {err.reason}"
        if verdict.inapplicable:
            return f"it was not reduced: {verdict.inapplicable}"
        if verdict.oddity:
            return f"it was not reduced: it meets the known oddity {verdict.oddity.name}"
        failed += verdict.worst is not None and verdict.worst.signature == signature
        kept |= {name: None for name, value in _lasting(candidate) if before.get(name) != value}
    if kept:
        names = ", ".join([*kept][:3])
        return f"it did not fail by itself: the candidate keeps {names} from program to program"
    if failed:
        return (
            f"it failed in {failed} of {RUNS} runs: the candidate does not do the same thing twice"
        )
    return f"it did not fail in {RUNS} runs by itself: by chance, or by what earlier programs left"


def _lasting(candidate: Candidate) -> Iterator[tuple[str, object]]:
    """What *candidate*'s classes and their modules hold, by name, as far as it can be compared."""
    for cls in type(candidate).__mro__:
        if cls.__module__.partition(".")[0] in OURS:
            continue
        for owner, held in ((f"{cls.__name__}.", cls), ("", sys.modules.get(cls.__module__))):
            for name, value in list(vars(held).items()) if held else ():
                if not (name.startswith("__") or callable(value) or isinstance(value, ModuleType)):
                    yield f"{owner}{name}", _seen(value)


def _seen(value: object) -> object:
    """What is compared of *value*: its text and length, and those of its attributes."""
    try:
        size = len(value) if isinstance(value, Sized) else 0
        return size, reprlib.repr(value), reprlib.repr(getattr(value, "__dict__", None))
    except Exception:
        return None
