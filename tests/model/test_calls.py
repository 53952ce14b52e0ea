# SPDX-License-Identifier: MIT

"""Adding a call touches few files: those that model/README.md lists.

A file names a call by its class, its name, or a method or function of that name. Names like ``Pin``
in model/steps.py do not count: they say what is to be done, not by which call.
"""

from __future__ import annotations

import ast
import io
import re
import token
import tokenize
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from model.steps import STEPS

ROOT = Path(__file__).parents[2]

#: Files that may name one call, outside faults and tests.
MOST_FILES = 12

DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
TEXT = {token.STRING, getattr(token, "FSTRING_MIDDLE", token.STRING)}
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
#: A name; the name of a file, as in ``ib_umem.h``, is none.
WORD = re.compile(r"\b\w+\b(?!\.[a-z])")
#: In C a call is named where it is called or defined. A struct of that name is another thing.
CALLED = re.compile(r"\b(\w+)\(")

NAMES = {name: call for call, cls in STEPS.items() for name in (call, f"_{call}", cls.__name__)}


def in_python(text: str) -> set[str]:
    """The calls that Python *text* names outside of comments and docstrings.

    A name of one word, like ``map``, is common: of those definitions count alone.
    """
    docstrings = {
        (node.body[0].lineno, node.body[0].col_offset)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None
    }
    found = set()
    before = ""
    for part in tokenize.generate_tokens(io.StringIO(text).readline):
        words = []
        if part.type == token.NAME:
            plain = part.string in STEPS and "_" not in part.string
            words = [] if plain and before != "def" else [part.string]
        elif part.type in TEXT and part.start not in docstrings:
            words = [word for word in WORD.findall(part.string) if "_" in word]
        found |= {NAMES[word] for word in words if word in NAMES}
        before = part.string
    return found


def in_c(text: str) -> set[str]:
    """The calls that C *text* calls or defines, outside of comments."""
    words = CALLED.findall(COMMENT.sub(" ", text))
    return {NAMES[word] for word in words if "_" in word and word in NAMES}


@cache
def mentions() -> dict[str, list[str]]:
    """For each call the files that name it."""
    found = defaultdict(list)
    for room in ("model", "properties"):
        for path in sorted((ROOT / room).rglob("*.*")):
            read = {".py": in_python, ".c": in_c, ".h": in_c}.get(path.suffix)
            if read is None or "faults" in path.relative_to(ROOT).parts:
                continue
            for call in read(path.read_text()):
                found[call].append(str(path.relative_to(ROOT)))
    return found


@pytest.mark.parametrize("call", STEPS)
def test_a_call_is_one_thing(call: str) -> None:
    """No more than `MOST_FILES` files name a call, the one of its class among them."""
    files = mentions()[call]

    assert STEPS[call].__module__.replace(".", "/") + ".py" in files
    assert len(files) <= MOST_FILES, f"{call} is named in {len(files)} files: " + ", ".join(files)


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("UnpinUserPages(pages=x)", {"unpin_user_pages"}),
        ("def _get_page(self): pass", {"get_page"}),
        ("step.call == 'put_page'", {"put_page"}),
        ("f'{x}: split_huge_page of {y}'", {"split_huge_page"}),
        ("def map(self): pass", {"map"}),
        ("'ib_umem.h'", set()),
        ("'clean'", set()),
        ("map(str, x)", set()),
        ("'a clean page'", set()),
        ('def f():\n    """What unpin_user_pages() does."""\n    # get_page', set()),
    ],
)
def test_python_is_read(text: str, calls: set[str]) -> None:
    """What names a call is told from comments, docstrings and ordinary words."""
    assert in_python(text) == calls


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("unpin_user_page(page);", {"unpin_user_page"}),
        ("static void put_page(struct page *page)", {"put_page"}),
        ("hc_unmap(page);", set()),
        ("/* put_page() */ x(); // get_page()", set()),
        ("struct ib_umem *umem;", set()),
        ("unpin_user_pages_fast(x);", set()),
    ],
)
def test_c_is_read(text: str, calls: set[str]) -> None:
    """What calls or defines a function of that name is told from comments and structs."""
    assert in_c(text) == calls
