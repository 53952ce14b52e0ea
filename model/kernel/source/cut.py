# SPDX-License-Identifier: MIT

"""Cuts what pins and unpins out of a kernel tree: those functions, and all that they use.

What they use is followed by name until the shim has it, so a helper that somebody adds
to ``mm/gup.c`` comes along by itself. Nothing that is cut is kept: it goes to the compiler.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from model.errors import BadInput
from model.kernel.source.conditions import COMMENT, active, settled, stacks
from model.kernel.source.items import WORD, Item, items


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from model.kernel.source.tree import Tree

SHIM = Path(__file__).with_name("shim")

#: Read before anything that is cut, and between the types and the functions.
FIRST = ("kernel.h", "umem.h")
SECOND = "pages.h"

#: Functions of this file come last, as what they call is made to fail for them.
UMEM = "drivers/infiniband/core/umem.c"
INJECT = "inject.h"

#: What a step is carried out by, after all that is cut.
LAST = ("era.h", "heads.c", "pin.c", "region.c", "world.c", "show.c", "driver.c")

#: The same where it is measured.
MEASURED = ("era.h", "measure.c")

#: Tests of flags, which the kernel makes by macro from the names of the flags.
FLAG = re.compile(r"(?:Page([A-Z]\w*)|folio_test_(\w+))$")

#: Functions that only some eras have, and that the shim asks for by name.
PROBES = tuple(
    sorted(
        {
            name
            for file in (INJECT, *LAST, *MEASURED)
            for name in re.findall(r"HC_HAS_(\w+)", COMMENT.sub("", (SHIM / file).read_text()))
        }
    )
)


@frozen
class Cut:
    """What was cut of a tree.

    :param source: The whole translation unit.
    :param names: Everything that was cut, by name, with where it stands.
    :param known: Everything that the tree defines, cut or not.
    """

    source: str
    names: dict[str, str]
    known: frozenset[str]


def cut(tree: Tree, compiler: str, flags: Iterable[str] = (), last: Sequence[str] = LAST) -> Cut:
    """Cut *tree*, read under the configuration of the shim and *flags* (``-DNAME``).

    :param last: What of the shim comes after it, and says what is cut.
    :raises BadInput: if what must be there is not.
    """
    known = index(tree, compiler, tuple(flags))
    roots = [word for name in (SECOND, *last) for word in words((SHIM / name).read_text())]
    for name in ("unpin_user_page", "unpin_user_pages", "unpin_user_pages_dirty_lock"):
        if known.get(name) is None or known[name].file != "mm/gup.c":
            msg = f"mm/gup.c has no {name}()"
            if re.search(rf"^\w[^\n;]*\b{name}\(", tree.files["mm/gup.c"], re.MULTILINE):
                msg = f"mm/gup.c cannot be read up to {name}(): a brace too many, or too few?"
            raise BadInput(msg, file=tree.where)
    chosen = dict(_closure(roots, known))
    source = "\n".join(_emit(list(dict.fromkeys(chosen.values())), known, last)) + "\n"
    names = {name: f"{item.file}:{item.line}" for name, item in chosen.items()}
    return Cut(source, names, frozenset(known))


def index(tree: Tree, compiler: str, flags: tuple[str, ...]) -> dict[str, Item]:
    """Every definition in *tree* that holds under *flags*, by name; the first file's counts."""
    under = {file: stacks(text) for file, text in tree.files.items()}
    wanted = {stack for found in under.values() for stack in found if stack is not None}
    holding = settled(wanted, compiler, SHIM / "config.h", flags)
    known: dict[str, Item] = {}
    for file, text in tree.files.items():
        for item in items(file, active(text, under[file], holding)):
            for name in item.names:
                known.setdefault(name, item)
    return known


def words(text: str) -> list[str]:
    """The names in C *text*, in their order."""
    bare = COMMENT.sub(" ", text)
    return [" ".join(word.split()) for word in WORD.findall(bare)]


@cache
def _supplied() -> frozenset[str]:
    """The names that the shim has."""
    found: set[str] = set()
    for file in ("config.h", "headcount.h", "shared.h", *FIRST, SECOND):
        for item in items(file, (SHIM / file).read_text()):
            found.update(item.names)
    return frozenset(found)


def _closure(roots: Iterable[str], known: dict[str, Item]) -> Iterator[tuple[str, Item]]:
    waiting = list(roots)
    seen = {*_supplied()}
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
        flag = FLAG.match(name)
        if item is None and flag:
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
    yield f'#include "{SECOND}"'
    yield from _flags(chosen, known)
    for item in kinds["function"]:
        yield f'#line {item.line} "{item.file}"'
        yield f"{item.head};"
    for item in kinds["variable"]:
        yield from _lines(item, ";")
    for item in kinds["function"]:
        if item.file != UMEM:
            yield from _lines(item)
    yield f'#include "{INJECT}"'
    for item in kinds["function"]:
        if item.file == UMEM:
            yield from _lines(item)
    for name in last:
        yield f'#include "{name}"'


def _lines(item: Item, end: str = "") -> Iterator[str]:
    yield f'#line {item.line} "{item.file}"'
    yield item.text.rstrip(";") + end


def _flags(chosen: list[Item], known: dict[str, Item]) -> Iterator[str]:
    """Tests of flags that something uses, and that the shim does not have by hand."""
    for name in sorted({word for item in chosen for word in item.uses}):
        if name.startswith("trace_") and name not in known:
            yield f"#define {name}(...) ((void)0)"  # nobody traces here
        flag = FLAG.match(name)
        if flag is None or name in known or name in _supplied():
            continue
        bit = "PG_" + (flag[2] or re.sub(r"(?<!^)(?=[A-Z])", "_", flag[1]).lower())
        if bit in known:
            yield f"#define {name}(page) hc_test(hc_head(page), {bit})"


def _ordered(types: list[Item]) -> list[Item]:
    """Types, each after those that it holds whole."""
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
