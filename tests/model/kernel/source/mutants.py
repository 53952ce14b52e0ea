# SPDX-License-Identifier: MIT

"""Mutants of a kernel tree's own functions: one small change each, at a place in the syntax tree.

``python tests/model/kernel/source/mutants.py DIR`` runs the searches on each mutant and prints
which ones they found. The name of a mutant is its function, the change, and the number of the
place where the change is possible, so that no line of the kernel is quoted.
"""

from __future__ import annotations

import sys
import time
from itertools import count
from pathlib import Path

from attrs import evolve, frozen

from model.errors import BadInput
from model.kernel.source.build import MODELS, build
from model.kernel.source.candidate import Source
from model.kernel.source.items import _all, _parser, items
from model.kernel.source.tree import read
from model.semantics import SEMANTICS
from properties.search import Search, Tally
from properties.searches.registry import load

#: What an operator becomes.
OPERATORS = {
    "+": "-",
    "-": "+",
    "*": "+",
    "<": "<=",
    ">": ">=",
    "<=": "<",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    "&&": "||",
    "||": "&&",
    "*=": "=",
    "+=": "=",
    "-=": "+=",
}

#: The calls of folios.
FOLIOS = ("unpin_folio", "unpin_folios", "unpin_user_folio", "folio_add_pin", "folio_add_pins")

#: Functions that pin or unpin, in any era.
FUNCTIONS = frozenset(
    {
        *("try_get_compound_head", "try_grab_compound_head", "put_compound_head"),
        *("put_page_refs", "hpage_pincount_add", "hpage_pincount_sub"),
        *("compound_range_next", "compound_next", "try_get_folio", "try_grab_folio"),
        *("try_grab_folio_fast", "gup_put_folio", "try_grab_page"),
        *("gup_folio_range_next", "gup_folio_next", "unpin_user_page", "unpin_user_pages"),
        *("unpin_user_pages_dirty_lock", "unpin_user_page_range_dirty_lock"),
        *("__ib_umem_release", "ib_umem_get"),
        *FOLIOS,
    }
)


@frozen
class Mutant:
    """One change.

    :param name: ``gup_put_folio: delete #1``.
    :param start: Where in the file, in bytes, and up to where.
    """

    name: str
    file: str
    start: int
    stop: int
    text: bytes
    line: int

    def of(self, tree):
        """*tree* with the change made."""
        data = tree.files[self.file].encode()
        changed = data[: self.start] + self.text + data[self.stop :]
        return evolve(tree, files={**tree.files, self.file: changed.decode()})


def mutants(tree, functions=FUNCTIONS):
    """All mutants of *functions* in *tree*, in the order of the source."""
    for file in ("mm/gup.c", "drivers/infiniband/core/umem.c", "mm/memfd.c"):
        text = tree.files.get(file, "")
        for item in items(file, text):
            if item.kind == "function" and item.names[0] in functions:
                yield from _of_function(item, text)


def _of_function(item, text):
    data = text.encode()
    start = data.index(item.text.encode())
    body = item.text.index("{")
    blank = " " * body + item.text[body:]
    numbers = {}
    for node in _all(_parser().parse(("void f(void)" + blank[12:]).encode()).root_node):
        for what, begin, stop, new in _changes(node, item.text.encode()):
            if begin < body:
                continue
            number = next(numbers.setdefault(what, count(1)))
            name = f"{item.names[0]}: {what} #{number}"
            line = item.line + item.text.encode()[:begin].count(b"\n")
            yield Mutant(name, item.file, start + begin, start + stop, new, line)


def _changes(node, data):
    """What can be changed at *node*: its name, from where to where, and to what."""
    text = data[node.start_byte : node.end_byte].decode()
    if node.type in {"binary_expression", "assignment_expression"}:
        operator = node.child_by_field_name("operator")
        new = OPERATORS.get(operator.type) if operator else None
        if new:
            yield f"{operator.type} to {new}", operator.start_byte, operator.end_byte, new.encode()
    elif node.type == "number_literal" and text.isdecimal():
        yield "number + 1", node.start_byte, node.end_byte, str(int(text) + 1).encode()
    elif node.type == "if_statement":
        condition = node.child_by_field_name("condition")
        inner = data[condition.start_byte : condition.end_byte]
        yield "negate if", condition.start_byte, condition.end_byte, b"(!" + inner + b")"
    elif node.type == "expression_statement":
        yield "delete", node.start_byte, node.end_byte, b";"


def hunted(
    library, budgets=(("soak", 30), ("wide", 6), ("machine", 6), ("orders", 12), ("laws", 10))
):
    """What finds a mutant, and what it says; empty if nothing does."""
    source = Source("mutant", library)
    semantics = SEMANTICS[library.semantics]
    try:
        for name, rounds in budgets:
            for number in range(rounds):
                tally = Tally()
                search = Search(source, semantics, strict=True, watcher=tally)
                load(name)(search, number)
                if tally.worst:
                    return f"{name}: {tally.worst[1].signature}"
    finally:
        source.worker.close()
    return ""


def main(where, *words):
    """Put the mutants of the tree at *where* under test.

    :param words: Memory models, and functions: without any function all of FUNCTIONS are changed;
        ``walks`` is the rest of what is cut from mm/gup.c.
    """
    tree = read(where)
    models = [word for word in words if word in MODELS]
    functions = {word for word in words if word not in MODELS} or FUNCTIONS
    if "walks" in functions:
        places = build(tree, "vmemmap").names.items()
        functions = {name for name, place in places if place.startswith("mm/gup.c:")} - FUNCTIONS
    alive = found = broken = 0
    began = time.monotonic()
    for mutant in mutants(tree, functions):
        said = ""
        try:
            for model in models or ("vmemmap",):
                said = said or hunted(build(mutant.of(tree), model))
        except BadInput as err:
            broken += 1
            said = f"does not compile: {err.reason[:60]}"
        else:
            found += bool(said)
            alive += not said
        print(f"{mutant.name:52} line {mutant.line:5}  {said or 'SURVIVED'}", flush=True)  # noqa: T201
    spent = time.monotonic() - began
    print(f"{found} found, {alive} survived, {broken} did not compile; {spent:.0f} s")  # noqa: T201


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[4]))
    main(*sys.argv[1:])
