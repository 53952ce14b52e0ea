# SPDX-License-Identifier: MIT

"""Which lines of the extracted functions ran, from the counters that gcc compiles in.

The counters of a library lie in its memory. A worker adds them to a file on request, and gcov turns
this file, and the notes that the compiler wrote beside the library, into lines of the tree's files.
"""

import json
import re
import shutil
import weakref
from collections import defaultdict
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import frozen

from model.errors import BadInput
from model.kernel.command import run
from model.kernel.source.tree import cache
from model.leftovers import temporary
from model.under_test import Function, UnderTest

#: Name of the compiled extract, of the compiler's notes on it, and of the file of its counts.
OBJECT, NOTES, DATA = "cut.o", "cut.gcno", "cut.gcda"

#: The walks of lists that are too long for the tree's (shim/own.c).
OWN_WALKS = ("own_slow", "own_fast")

#: A symbol in the output of ``nm -S``: address, size and name of an array of counters, or the
#: address of the function from which the client counts distances.
SYMBOL = re.compile(r"^(\w+) (\w+) \w (?:__gcov0\.(\S+)|(hc_serve))$", re.MULTILINE)


def reader(compiler: str) -> str | None:
    """The gcov of *compiler*'s own version; None if there is none, or the compiler is not gcc."""
    version = run([compiler, "-dumpfullversion"]).stdout.strip()
    major = version.partition(".")[0]
    if not major:
        return None
    for name in (f"gcov-{major}", "gcov"):
        found = shutil.which(name)
        if found and re.search(rf"\b{re.escape(version)}\b", run([found, "--version"]).stdout):
            return found
    return None


@frozen
class Counters:
    """Where the counters of a library lie.

    :param distance: From ``hc_serve()`` to the first counter, in bytes.
    :param names: For each counter the function and the counter's number in it, ``put#2``;
        empty for functions of the shim, and where the memory holds something else.
    """

    distance: int
    names: tuple[str, ...]


def counters(library: Path, compiler: str, of: Collection[str]) -> Counters:
    """Where the counters of *library* lie, with the names of those of the functions *of*."""
    nm = run([compiler, "-print-prog-name=nm"]).stdout.strip()
    arrays = []
    serve = 0
    for address, size, function, base in SYMBOL.findall(run([nm, "-S", str(library)]).stdout):
        if base:
            serve = int(address, 16)
        else:
            arrays.append((int(address, 16), int(size, 16) // 8, function))
    if not arrays:
        raise BadInput(f"{nm} shows no counters in the compiled library", file=str(library))
    arrays.sort()
    first = arrays[0][0]
    names = [""] * ((arrays[-1][0] - first) // 8 + arrays[-1][1])
    for address, size, function in arrays:
        at = (address - first) // 8
        if function in of:
            names[at : at + size] = [f"{function}#{n}" for n in range(size)]
    return Counters(first - serve, tuple(names))


class Counts:
    """The counts of the lines of a tree's workers, in a directory of their own.

    :param notes: The compiler's notes on the library.
    :param gcov: The path of gcov.
    """

    def __init__(self, notes: Path, gcov: str) -> None:
        self._gcov = gcov
        # Made at once, so that processes that are forked later share it.
        stack = ExitStack()
        self._place = stack.enter_context(temporary(cache() / "counts"))
        weakref.finalize(self, stack.close)
        shutil.copy(notes, self._place / NOTES)

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that make a worker put its counts here."""
        return {"GCOV_PREFIX": str(self._place), "GCOV_PREFIX_STRIP": "99"}

    def read(self, files: Collection[str]) -> UnderTest:
        """The functions of *files*, and how often each of their lines has run so far."""
        options = ("--json-format", "--stdout", "--branch-probabilities")
        done = run([self._gcov, *options, NOTES], self._place)
        try:
            found = json.loads(done.stdout)
        except ValueError:
            said = (done.stderr.strip().splitlines() or ["no output"])[0]
            return UnderTest(unknown=f"gcov cannot read the counts: {said}")
        functions = [one for file in found["files"] if file["file"] in files for one in _of(file)]
        where = {file: number for number, file in enumerate(files)}
        functions.sort(key=lambda one: (where[one.file], one.line))
        others = (one for file in found["files"] for one in file["functions"])
        walks = sum(one["execution_count"] for one in others if one["name"] in OWN_WALKS)
        return UnderTest(functions, long_lists=walks)


def _of(file: dict[str, Any]) -> list[Function]:
    """The functions of *file*, as gcov describes it."""
    lines: defaultdict[str, dict[int, int]] = defaultdict(dict)
    branches: defaultdict[str, list[int]] = defaultdict(list)
    for line in file["lines"]:
        owner = line.get("function_name", "")
        lines[owner][line["line_number"]] = line["count"]
        branches[owner] += [branch["count"] for branch in line["branches"]]
    return [
        Function(
            name=one["name"],
            file=file["file"],
            line=one["start_line"],
            last=one["end_line"],
            lines=lines[one["name"]],
            branches=len(branches[one["name"]]),
            taken=sum(count > 0 for count in branches[one["name"]]),
        )
        for one in file["functions"]
    ]
