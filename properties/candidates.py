# SPDX-License-Identifier: MIT

"""Turns the text after ``--candidate`` into a function that makes the candidate."""

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Protocol, runtime_checkable

from attrs import evolve, frozen

from model.attributes import ATTRIBUTES
from model.candidate import Candidate, InProcess, Unavailable
from model.errors import BadInput
from model.optimised import PARTS, Optimised
from model.semantics import DEFAULT, SEMANTICS, Semantics, semantics
from model.steps import STEPS
from model.under_test import Changed, UnderTest
from properties.coverage.sketch import SketchLines
from properties.importing import harmless
from properties.judging.contained import Container
from properties.judging.guard import said
from properties.judging.watchdog import Hang, Watchdog
from properties.overrides import Overrides
from properties.processes.alone import survived
from properties.processes.forked import MEMORY

#: Methods of the optimised model that had another name before 0.2.0: an override under the
#: old name would have no effect, and nobody would notice.
RENAMED = MappingProxyType({"_ib_umem_release": "release_umem"})

#: Candidates that are written SCHEME:ARGUMENT: the module whose `load` makes them from the
#: argument, the packages it needs beside headcount, and the extra that installs these.
SCHEMES = {
    "kernel-source": (
        "model.kernel.source.candidate",
        ("cffi", "tree_sitter", "tree_sitter_c"),
        "kernel",
    ),
    "kernel-guest": ("model.kernel.guest.booted", (), ""),
}

#: The values of ``--cost``: agreement at a higher cost fails, passes, or fails with look-ups of
#: pages counted too. The first is the default.
COSTS = ("strict", "report", "lookups")

#: The default of ``--candidate``.
CANDIDATE = "optimised"

FORMS = "optimised, FILE.py:CLASS, package.module:CLASS, kernel-source:DIR or kernel-guest"


@runtime_checkable
class Tested(Protocol):
    """Knows what of a candidate ran."""

    def listening(self, number: int | None) -> AbstractContextManager[None]:
        """What runs in the ``with`` block, the round *number* of a search, is heard of.

        If it is None, the search has no rounds that could be looked at one by one.
        """

    def heard(self) -> object:
        """What this process has heard of, for `hear` in another one."""

    def hear(self, heard: Any) -> None:
        """Add what another process has *heard* of."""

    def under_test(self) -> UnderTest:
        """The functions under test, and how often each of their lines has run."""

    def changes(self, ran: UnderTest) -> Sequence[Changed] | None:
        """What became of each changed line, if *ran* is what ran; None if nothing was changed."""


@frozen(slots=False)
class Spec:
    """The text after ``--candidate``, and the function that makes candidates from it.

    :param tested: Knows what of the candidate ran; None if nobody knows.
    :param about: What a sketch overrides, told before it runs; empty of other candidates.
    :param own: Whether it is a class of somebody's own, of which nothing is known.
    :param forks: Whether several processes can each have candidates.
    """

    text: str
    make: Callable[[], Candidate]
    tested: Tested | None = None
    about: str = ""
    own: bool = False
    forks: bool = True

    @cached_property
    def container(self) -> Container | None:
        """Makes candidates in a process that contains them; None if none has to be contained."""
        return Container(self.make) if self.own else None

    @property
    def safe(self) -> Callable[[], Candidate]:
        """Makes candidates of which this process survives whatever they do; they are slower."""
        return self.container or self.make

    @property
    def memory(self) -> int | None:
        """Limit of memory, in bytes, of a process that has candidates; None: no limit."""
        return MEMORY if self.own else None


def load(text: str, cost: str = COSTS[0]) -> Spec:
    """The candidate that *text* names, whose *cost*, one of `COSTS`, is judged.

    :raises BadInput: if there is no such candidate, or it cannot be imported, made or used, or does
        not count look-ups.
    """
    spec = _named(text)
    return _looking(spec) if cost == "lookups" else spec


def _looking(spec: Spec) -> Spec:
    """*spec*, with candidates that show how many look-ups a step takes."""

    def make() -> Candidate:
        candidate = spec.make()
        if not isinstance(candidate, InProcess):
            raise BadInput(f"--cost lookups: {spec.text} does not count look-ups; sketches do")
        candidate.shows_lookups = True
        return candidate

    make()
    return evolve(spec, make=make)


def _named(text: str) -> Spec:
    if text == CANDIDATE:
        return Spec(text, Optimised)
    scheme = re.split("[:,]", text, maxsplit=1)[0]
    if scheme in SCHEMES:
        available(scheme)
        rest = text.removeprefix(scheme).removeprefix(":")
        made = importlib.import_module(SCHEMES[scheme][0]).load(rest)
        tested = made if isinstance(made, Tested) else None
        return Spec(text, made, tested, forks=scheme != "kernel-guest")
    where, colon, name = text.rpartition(":")
    if not colon or not where or not name:
        raise BadInput(f"candidate {text!r} is none of {FORMS}")
    survived(lambda: _own(text, where, name), f"{text}: importing it")
    return _own(text, where, name)


def _own(text: str, where: str, name: str) -> Spec:
    """The candidate of the class *name* in the file or package *where*."""
    here = Path.cwd()
    with harmless():
        spec = _imported(text, where, name)
    if Path.cwd() != here:
        raise BadInput(f"{text}: importing it leaves the working folder, in which traces are kept")
    return spec


def _imported(text: str, where: str, name: str) -> Spec:
    module = _from_file(Path(where)) if where.endswith(".py") else _from_package(where)
    make = getattr(module, name, None)
    if not isinstance(make, type):
        classes = sorted(
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
        )
        found = f"; it has {', '.join(classes)}" if classes else ""
        raise BadInput(f"{where} has no class {name}{found}")
    shown = where if where.endswith(".py") else Path(module.__file__ or where).name
    made = _checked(make, where, name)
    overrides = Overrides(make)
    overrides.check(where)
    about = f"{text} {overrides.text}" if overrides.own else ""
    return Spec(text, made, SketchLines(module, shown, overrides), about, own=True)


def counting_as(spec: Spec, version: str | None) -> Semantics:
    """The semantics of *version*.

    By default that is 5.13, or the latest of a candidate without 5.13, or of a sketch that
    overrides a call which 5.13 does not have.

    :raises BadInput: if the version is unknown, or the candidate does not follow it.
    """
    candidate = spec.make()
    abilities = candidate.abilities
    if version is None:
        known = (DEFAULT, *[*SEMANTICS.values()][::-1])
        rows = [row for row in known if row.version in abilities.semantics]
        overridden = (PARTS.get(name, name) for name in Overrides(type(candidate)).owners)
        calls = [STEPS[name] for name in overridden if name in STEPS]
        return next((row for row in rows if not any(c.lacked_by(row) for c in calls)), rows[0])
    found = semantics(version)
    if version not in abilities.semantics:
        raise BadInput(f"{spec.text} does not follow the semantics of {version}")
    return found


def available(scheme: str) -> None:
    """Raise `BadInput` if a package that *scheme* needs is not installed."""
    _, needed, extra = SCHEMES[scheme]
    for package in needed:
        if importlib.util.find_spec(package) is None:
            raise BadInput(
                f"{scheme} needs {package}: pip install 'headcount[{extra}]' "
                f"(in a checkout: pip install -e '.[{extra}]')"
            )


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise BadInput("no such file", file=str(path))
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as err:
        raise _import_error(err, str(path)) from None
    return module


def _from_package(where: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(where)
    except (Exception, SystemExit) as err:
        raise _import_error(err, where) from None


def _import_error(err: BaseException, where: str) -> BadInput:
    line = 0
    if isinstance(err, SyntaxError):
        line = err.lineno or 0
    else:
        for frame in traceback.extract_tb(err.__traceback__):
            if frame.filename == str(Path(where)) or frame.filename == str(Path(where).resolve()):
                line = frame.lineno or 0
    reason = f"cannot be imported: {type(err).__name__}: {said(err)}"
    return BadInput(reason, file=where, line=line if where.endswith(".py") else 0)


def _checked(make: type, where: str, name: str) -> Callable[[], Candidate]:
    """A function that makes candidates of *make*, if they have a method for each of their calls.

    :raises BadInput: if it does not.
    """
    if not issubclass(make, Candidate):
        msg = f"{name} is no subclass of model.optimised.Optimised, or of model.candidate.Candidate"
        raise BadInput(msg, file=where)
    try:
        candidate = make()
        abilities = candidate.abilities
        some = abilities.calls and abilities.kinds and abilities.orders and abilities.semantics
        missing = candidate.missing_calls()
    except (Exception, SystemExit) as err:
        what = f"{type(err).__name__}: {said(err)}"
        raise BadInput(f"{name} cannot be used: {what}", file=where) from None
    if not some:
        raise BadInput(f"{name} cannot be used: its abilities leave nothing to do", file=where)
    unknown = sorted(abilities.attributes - ATTRIBUTES)
    if unknown:
        listed = ", ".join(sorted(ATTRIBUTES))
        msg = f"{name} honours {', '.join(unknown)}; attributes of mappings are {listed}"
        raise BadInput(msg, file=where)
    for old, new in RENAMED.items():
        if hasattr(make, old):
            raise BadInput(f"{name} has a method {old}(), which is called {new}() now", file=where)
    if missing:
        raise BadInput(f"{name} lacks {', '.join(f'{call}()' for call in missing)}", file=where)

    watchdog = Watchdog()

    def made() -> Candidate:
        try:
            watchdog.watch(1)
            try:
                with redirect_stdout(sys.stderr):
                    return make()
            finally:
                watchdog.rest()
        except Hang:
            watchdog.rest()
            raise Unavailable(f"{where}: making {name} does not end any more") from None
        except (Exception, SystemExit) as err:
            what = f"{type(err).__name__}: {said(err)}"
            raise Unavailable(f"{where}: {name} cannot be made any more: {what}") from None

    return made
