# SPDX-License-Identifier: MIT

"""What a candidate in Python overrides of the model, and what it seems to have misspelt."""

import ast
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from types import FunctionType

from attrs import frozen

from model.errors import BadInput
from model.steps import STEPS

#: Methods that are not called in a search without a finding.
SELDOM = frozenset({"partial", "missing_calls"})


@frozen(slots=False)
class Overrides:
    """What the class of a candidate overrides.

    :param make: The class.
    """

    make: type

    @cached_property
    def own(self) -> Sequence[type]:
        """The class, and those of its bases that are neither of the models nor of Python."""
        home = self.make.__module__  # which may have the name of a module of Python
        return [
            cls
            for cls in self.make.__mro__
            if _package(cls) != "model"
            if cls.__module__ == home or _package(cls) not in sys.stdlib_module_names
        ]

    @cached_property
    def known(self) -> frozenset[str]:
        """The names that can be overridden: those of the models' classes, and all calls."""
        models = [cls for cls in self.make.__mro__ if _package(cls) == "model"]
        return frozenset(STEPS).union(*map(vars, models))

    @cached_property
    def owners(self) -> dict[str, type]:
        """What is overridden, in the order of the source, and the class that has it."""
        found: dict[str, type] = {}
        for cls in self.own:
            for name in vars(cls):
                if name in self.known and not name.startswith(("__", "_abc_")):
                    found.setdefault(name, cls)
        return found

    @property
    def counted(self) -> dict[str, type]:
        """Those of `owners` that are methods which each search should call."""
        return {
            name: cls
            for name, cls in self.owners.items()
            if function_of(vars(cls)[name]) and name not in SELDOM
        }

    @property
    def uncounted(self) -> bool:
        """Whether there is code, but no method to count: ``__init__``, a property, an attribute."""
        code = [name for cls in self.own for name, value in vars(cls).items() if function_of(value)]
        return not self.own or (not self.counted and bool(code or self.owners))

    @property
    def text(self) -> str:
        """What is overridden, in words."""
        return f"overrides {', '.join(self.owners) or 'nothing'}"

    def check(self, where: str) -> None:
        """Refuse methods that override nothing and that no code names: they are misspelt.

        :param where: The candidate's file or module.
        :raises BadInput: if there is one.
        """
        beside = _beside(self.make)
        strays = [
            (cls, name, function)
            for cls in self.own
            if cls.__module__ in beside
            for name, value in vars(cls).items()
            if not name.startswith("_") and name not in self.known
            if (function := function_of(value))
        ]
        named = _named(beside.values()) if strays else None
        if named is None:
            return
        for cls, name, function in strays:
            if name in named:
                continue
            close = get_close_matches(name, sorted(self.known), 1, 0.75)
            hint = f"did you mean {close[0]}()?" if close else f"call it _{name}() if that is right"
            raise BadInput(
                f"{cls.__name__}.{name}() overrides nothing, and nothing calls it: {hint}",
                file=where if cls.__module__ == self.make.__module__ else cls.__module__,
                line=function.__code__.co_firstlineno,
            )


def _package(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def _named(files: Iterable[Path]) -> set[str] | None:
    """The names that code in *files* uses; None if it also uses names that it computes."""
    found: set[str] = set()
    for file in files:
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):
            return None
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.Call) and _computes(node):
                return None
    return found


def function_of(value: object) -> FunctionType | None:
    """The function of a method or static method, without its decorators; None of other things."""
    value = None if isinstance(value, classmethod) else value
    while (inner := getattr(value, "__wrapped__", None)) is not None:
        value = inner
    return value if isinstance(value, FunctionType) else None


def _computes(call: ast.Call) -> bool:
    """Whether *call* looks an attribute up by a name that is not written there."""
    called = call.func.id if isinstance(call.func, ast.Name) else ""
    named = len(call.args) > 1 and isinstance(call.args[1], ast.Constant)
    return called in {"getattr", "vars", "dir"} and not named


def _beside(make: type) -> dict[str, Path]:
    """The files of the module of *make*, and of the loaded ones in the same folder, by name."""
    files = {}
    for name, module in [*sys.modules.items()]:
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and file.endswith(".py"):
            files[name] = Path(file)
    home = files.get(make.__module__, Path())
    return {name: file for name, file in files.items() if file.parent == home.parent}
