# SPDX-License-Identifier: MIT

"""Extracts the functions that pin and unpin from a kernel tree, with all that they use.

The shim is headcount's C code around these functions (``shim/``). What a definition uses is
extracted too, unless the shim defines it; so a helper that an edit adds to ``mm/gup.c`` is
included. The extracted source is passed to the compiler and not stored.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path

from attrs import frozen

from model.errors import BadInput
from model.kernel.source.conditions import COMMENT, active, settled, stacks
from model.kernel.source.items import WORD, Item, items
from model.kernel.source.tree import Tree
from model.steps import STEPS

SHIM = Path(__file__).with_name("shim")

#: Shim headers: FIRST before all extracted definitions, SECOND between types and functions.
FIRST = ("kernel.h", "entries.h", "mm.h", "file.h", "umem.h")
SECOND = ("pages.h", "walk.h")

#: The functions of UMEM come last, after INJECT, whose macros make their allocations fail.
UMEM = "drivers/infiniband/core/umem.c"
INJECT = "inject.h"

#: Files of the shim that come after the extracted definitions: they carry out the steps. PIN calls
#: the tree's walks of the page tables, and FAULTS answers them; in a tree without walks, OWN stands
#: in their place. MEMFD calls memfd_pin_folios().
PIN, FAULTS, OWN, MEMFD = "pin.c", "faults.c", "unwalked.c", "memfd.c"
LAST = (
    *("era.h", "heads.c", "space.c", FAULTS, "own.c", PIN, MEMFD, "region.c"),
    *("world.c", "show.c", "unpin.h", "driver.c"),
)
#: What regions call to pin, which INJECT supplies where the tree's walks are not called.
PINS = [call for call, cls in STEPS.items() if cls.pins and cls.binds_handle and cls.slow_path]
FILELESS = tuple(name for name in LAST if name != MEMFD)
UNWALKED = tuple(OWN if name == PIN else name for name in FILELESS if name != FAULTS)

#: The compiler's flag for `LAST`.
WALK = "-DHC_WALK"

#: The functions one of which begins the fast path in every version.
FAST = ("gup_fast_fallback", "internal_get_user_pages_fast")

#: Files of the shim that replace those of `LAST` in a library for time measurements.
MEASURED = ("era.h", "unpin.h", "measure.c")

#: Between these the extracted functions are compiled without optimisation if their lines are
#: counted, so that each line of code has a count of its own.
EXACT = ("#ifdef HC_COUNTED", "#pragma GCC push_options", '#pragma GCC optimize ("O0")', "#endif")
USUAL = ("#ifdef HC_COUNTED", "#pragma GCC pop_options", "#endif")

#: Names of page flag tests, which the kernel generates by macro from the flag's name.
FLAG = re.compile(r"(?:Page([A-Z]\w*)|folio_test_(\w+))$")


def _tested(prefix: str, file: str) -> list[str]:
    """The names that *file* of the shim has behind *prefix*."""
    return re.findall(rf"{prefix}(\w+)", COMMENT.sub("", (SHIM / file).read_text()))


#: Functions that only some kernels have: the shim tests ``HC_HAS_NAME`` for them.
PROBES = sorted(
    {name for file in (*SECOND, INJECT, *LAST, *MEASURED) for name in _tested("HC_HAS_", file)}
)

#: Functions whose declaration says what they return: the shim tests ``HC_BOOL_NAME`` for bool.
BOOLS = sorted({name for file in SECOND for name in _tested("HC_BOOL_", file)})

#: Calls of ``mm/gup.c`` that every tree must have: those that unpin, and are in all versions.
NEEDED = [c for c, s in STEPS.items() if s.unpins and not s.releases_umem and not s.only_with]


@frozen
class Cut:
    """What was extracted from a tree.

    :param source: The translation unit to compile.
    :param names: The file and line of each extracted definition, ``mm/gup.c:264``, by its name.
    :param known: The names of all definitions in the files read, extracted or not.
    """

    source: str
    names: dict[str, str]
    known: frozenset[str]


def cut(tree: Tree, compiler: str, flags: Iterable[str] = (), last: Sequence[str] = LAST) -> Cut:
    """Extract from *tree* what the shim uses, under its ``config.h`` and *flags* (``-DNAME``).

    :param last: Files of the shim that follow what is extracted, and use it.
    :raises BadInput: if the tree lacks one of `NEEDED`.
    """
    known = index(tree, compiler, tuple(flags))
    shim = "\n".join((SHIM / name).read_text() for name in (*SECOND, *last))
    roots = [" ".join(word.split()) for word in WORD.findall(COMMENT.sub(" ", shim))]
    for name in NEEDED:
        if known.get(name) is None or known[name].file != "mm/gup.c":
            msg = f"mm/gup.c has no {name}()"
            if re.search(rf"^\w[^\n;]*\b{name}\(", tree.files["mm/gup.c"], re.MULTILINE):
                msg = f"mm/gup.c cannot be parsed up to {name}(): are its braces balanced?"
            raise BadInput(msg, file=tree.where)
    supplied = _supplied() if PIN in last else _supplied() | {*PINS}
    chosen = dict(_closure(roots, known, supplied))
    bools = [name for name in BOOLS if _returns_bool(name, tree)]
    all_items = list(dict.fromkeys(chosen.values()))
    source = "\n".join(
        [*(f"#define HC_BOOL_{name}" for name in bools), *_emit(all_items, known, last)]
    )
    source += "\n"
    names = {name: f"{item.file}:{item.line}" for name, item in chosen.items()}
    return Cut(source, names, frozenset(known))


def _returns_bool(name: str, tree: Tree) -> bool:
    """Whether the function *name* is declared in *tree* to return a bool."""
    return any(re.search(rf"\bbool\s+{name}\(", text) for text in tree.files.values())


def index(tree: Tree, compiler: str, flags: tuple[str, ...]) -> dict[str, Item]:
    """The definitions in *tree* under *flags*, by name; of several with one name, the first."""
    under = {file: stacks(text) for file, text in tree.files.items()}
    wanted = {stack for found in under.values() for stack in found if stack is not None}
    holding = settled(wanted, compiler, SHIM / "config.h", flags)
    known: dict[str, Item] = {}
    for file, text in tree.files.items():
        for item in items(file, active(text, under[file], holding)):
            for name in item.names:
                known.setdefault(name, item)
    return known


@cache
def _supplied() -> frozenset[str]:
    """The names that the shim defines."""
    files = ("config.h", "headcount.h", "shared.h", *FIRST, *SECOND)
    found = chain.from_iterable(items(file, (SHIM / file).read_text()) for file in files)
    return frozenset(name for item in found for name in item.names)


def _closure(
    roots: Iterable[str], known: dict[str, Item], supplied: Iterable[str]
) -> Iterator[tuple[str, Item]]:
    """What *roots* use of *known*, and what that uses, except names that are *supplied*."""
    waiting = list(roots)
    seen = {*supplied}
    while waiting:
        name = waiting.pop()
        if name in seen or name.startswith("hc_"):
            continue
        seen.add(name)
        item = known.get(name)
        if item is not None:
            yield name, item
            seen.update(item.names)
            waiting += sorted(item.follows)
        elif FLAG.match(name):
            waiting.append("enum pageflags")


def _emit(chosen: list[Item], known: dict[str, Item], last: Sequence[str]) -> Iterator[str]:
    kinds: dict[str, list[Item]] = {"macro": [], "type": [], "variable": [], "function": []}
    for item in sorted(chosen, key=lambda item: (item.file, item.line)):
        kinds[item.kind].append(item)
    for name in FIRST:
        yield f'#include "{name}"'
    yield from (f"#define HC_HAS_{name}" for name in PROBES if name in known)
    for item in kinds["macro"]:
        yield from _lines(item)
    tags = {w for i in chosen for w in i.uses | {*i.names} if re.match(r"(?:struct|union) ", w)}
    yield from (f"{tag};" for tag in sorted(tags))
    for item in _ordered(kinds["type"]):
        yield from _lines(item, ";")
    yield from (f'#include "{name}"' for name in SECOND)
    yield from _flags(chosen, known)
    for item in kinds["function"]:
        yield f'#line {item.line} "{item.file}"'
        yield f"{item.head};"
    for item in kinds["variable"]:
        yield from _lines(item, ";")
    yield from EXACT
    for item in kinds["function"]:
        if item.file != UMEM:
            yield from _lines(item)
    yield f'#include "{INJECT}"'
    for item in kinds["function"]:
        if item.file == UMEM:
            yield from _lines(item)
    yield from USUAL
    for name in last:
        yield f'#include "{name}"'


def _lines(item: Item, end: str = "") -> Iterator[str]:
    yield f'#line {item.line} "{item.file}"'
    yield item.text.rstrip(";") + end


def _flags(chosen: list[Item], known: dict[str, Item]) -> Iterator[str]:
    """Macros for flag tests and tracepoints that the items *chosen* use but no file defines."""
    for name in sorted({word for item in chosen for word in item.uses}):
        if name.startswith("trace_") and name not in known:
            yield f"#define {name}(...) ((void)0)"
        flag = FLAG.match(name)
        if flag is None or name in known or name in _supplied():
            continue
        bit = "PG_" + (flag[2] or re.sub(r"(?<!^)(?=[A-Z])", "_", flag[1]).lower())
        if bit in known:
            yield f"#define {name}(page) hc_test(hc_head(page), {bit})"


def _ordered(types: list[Item]) -> list[Item]:
    """*types*, sorted so that each comes after those that it contains by value."""
    by_name = {name: item for item in types for name in item.names}
    done: dict[int, Item] = {}

    def visit(item: Item, above: tuple[int, ...]) -> None:
        if id(item) in done or id(item) in above:
            return
        for name in sorted(item.follows):
            if name in by_name:
                visit(by_name[name], (*above, id(item)))
        done[id(item)] = item

    for item in types:
        visit(item, ())
    return list(done.values())
