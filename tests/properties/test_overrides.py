# SPDX-License-Identifier: MIT

"""What a sketch overrides is told; what it has misspelt is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from model.errors import BadInput
from model.optimised import Optimised
from properties.candidates import load
from properties.judging.judge import Run
from properties.overrides import Overrides
from properties.search import attempt
from tests.helpers import program, run

HEAD = "from model.optimised import Optimised\n\n\nclass Mine(Optimised):\n"
PUT = (
    "    def put_compound_head(self, head, refs):\n        super().put_compound_head(head, refs)\n"
)


HELPER = "    def helper(self, head):\n        pass\n"


def unpins(search, number):
    """A search that pins and unpins one page."""
    steps = program(
        'a = mapping("driver", orders=[1])',
        "h1 = pin_user_pages(a[0:1])",
        "unpin_user_page(h1[0:1])",
    )
    run = Run(search.candidate(), steps.mappings, search.semantics)
    assert not any(attempt(search, run, step).finding for step in steps.steps)
    search.watcher.ended(run)


def written(body, head=HEAD):
    Path("mine.py").write_text(head + body)
    return load("mine.py:Mine")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (
            "unpin_user_pages_range_dirty_lock",
            "did you mean unpin_user_page_range_dirty_lock()?",
        ),
        ("put_compound_heads", "did you mean put_compound_head()?"),
        ("draw_a_picture", "call it _draw_a_picture() if that is right"),
    ],
)
@pytest.mark.parametrize("decorator", ["", "    @staticmethod\n"])
def test_misspelt(home, name, hint, decorator):
    """A method that overrides nothing, and that nothing calls, is refused with the right name."""
    with pytest.raises(BadInput) as info:
        written(
            f"{PUT}{decorator}    def {name}(self, *rest):\n"
            f"        {name} = getattr(rest, 'index')\n"
        )

    said = f"mine.py:7: Mine.{name}() overrides nothing, and nothing calls it: {hint}"
    assert said == str(info.value)


def test_misspelt_status(home):
    """That is one line and exit status 2."""
    Path("mine.py").write_text(f"{HEAD}    def unpin_pages(self):\n        pass\n")
    result = run("verify", "--candidate", "mine.py:Mine")

    assert 2 == result.exit_code
    assert 1 == len(result.stderr.splitlines())
    assert "" == result.stdout


@pytest.mark.parametrize(
    "body",
    [
        f"{PUT}        self.helper(head)\n{HELPER}",
        f"{PUT}        self.kept(head)\n{HELPER}    kept = helper\n",
        f"{PUT}        getattr(self, 'helper')(head)\n{HELPER}",
        f"{PUT}        getattr(self, 'help' + 'er')(head)\n{HELPER}",
        f"{PUT}    @property\n    def size(self):\n        return 1\n",
        f"{PUT}    @classmethod\n    def named(cls):\n        return cls\n",
        f"{PUT}    limit = 512\n    def __repr__(self):\n        return ''\n",
        f"{PUT}    def _helper(self):\n        pass\n",
        f"{PUT}\nclass Other:\n    def helper(self):\n        pass\n",
    ],
)
def test_right(home, body):
    """What the sketch's own code uses, and what is no public method, is not taken for misspelt."""
    assert "mine.py:Mine overrides put_compound_head" == written(body).about


def test_helper_of_another_file(home, monkeypatch):
    """A method that a module beside the sketch calls is used."""
    monkeypatch.syspath_prepend(home)
    Path("beside_mine.py").write_text("def use(sketch):\n    sketch.helper()\n")
    body = f"{PUT}        use(self)\n    def helper(self):\n        pass\n"

    assert written(body, f"from beside_mine import use\n{HEAD}").about


def test_module_that_cannot_be_read(home, monkeypatch):
    """A module beside the sketch whose file is gone may call anything."""
    gone = SimpleNamespace(__file__=str(home / "gone_mine.py"))
    monkeypatch.setitem(sys.modules, "gone_mine", gone)

    assert written(f"{PUT}    def helper(self):\n        pass\n").about


def test_misspelt_in_another_file(home, monkeypatch):
    """A misspelt method of another module is told with that module."""
    monkeypatch.syspath_prepend(home)
    Path("mixin_of_mine.py").write_text("class Mixin:\n    def put_heads(self):\n        pass\n")
    head = f"from mixin_of_mine import Mixin\n{HEAD.replace('Mine(', 'Mine(Mixin, ')}"

    with pytest.raises(BadInput, match=r"^mixin_of_mine:2: Mixin\.put_heads\(\) overrides nothing"):
        written("    pass\n", head)


def test_counted():
    """Methods that each search should call are counted, for the class whose they are."""

    class Base(Optimised):
        shows_lookups = True

        def put_compound_head(self, head, refs):
            pass

        def undo_grab(self, head, refs):
            pass

    class Derived(Base):
        def put_compound_head(self, head, refs):
            pass

        def partial(self):
            pass

    overrides = Overrides(Derived)

    assert {"put_compound_head": Derived, "undo_grab": Base} == overrides.counted
    assert "overrides put_compound_head, partial, shows_lookups, undo_grab" == overrides.text


def test_mixin(home):
    """What a class beside the models overrides counts, and what it has misspelt is refused."""
    mixin = "class Mixin:\n    def put_compound_head(self, head, refs):\n        pass\n"
    head = HEAD.replace("Mine(", "Mine(Mixin, ").replace("class", f"{mixin}\n\nclass", 1)
    assert "mine.py:Mine overrides put_compound_head" == written("    pass\n", head).about

    with pytest.raises(BadInput, match=r"Mixin\.put_compound_heads\(\) overrides nothing"):
        written("    pass\n", head.replace("compound_head(", "compound_heads("))


def test_name_of_a_module_of_python(home):
    """A file may have the name of a module that Python has."""
    Path("code.py").write_text(f"{HEAD}    def unpin(self):\n        pass\n")

    with pytest.raises(BadInput, match=r"unpin\(\) overrides nothing"):
        load("code.py:Mine")


def test_no_sketch():
    """Of headcount's own models nothing is told."""
    assert "" == load("optimised").about == load("model.optimised:Optimised").about


@pytest.mark.parametrize(
    ("body", "verdict", "said", "status"),
    [
        (PUT, "agreed", "called   put_compound_head ", 0),
        (
            f"{PUT}    def undo_grab(self, head, refs):\n        pass\n",
            "partly under test",
            "; never undo_grab\n",
            3,
        ),
        (
            "    def undo_grab(self, head, refs):\n        pass\n",
            "not under test",
            "called   never undo_grab\n",
            3,
        ),
        ("    pass\n", "not under test", "called   nothing, as nothing is overridden\n", 3),
        (
            "    def __init__(self):\n        pass\n",
            "agreed",
            "mine.py:Mine overrides nothing\n",
            0,
        ),
    ],
)
@pytest.mark.parametrize(
    "words",
    [
        ("verify", "--search", f"{__name__}:unpins", "--rounds", 2, "--seed", 1),
        ("exhaustive", "--order", 1),
    ],
)
def test_called(home, body, verdict, said, status, words):
    """The end tells how often what is overridden was called; what was not is not agreed."""
    Path("mine.py").write_text(HEAD + body)
    result = run(*words, "--candidate", "mine.py:Mine")
    lines = result.output.splitlines()

    assert status == result.exit_code
    assert lines[0].startswith("sketch   mine.py:Mine overrides ")
    assert lines[1].startswith(f"{verdict} ")
    assert said in result.output

    told = json.loads(run(*words, "--candidate", "mine.py:Mine", "--json").output)
    calls = told["under_test"]["calls"]
    assert ("never" in said) == (0 in (calls or {}).values())


def test_replay_tells_it(home):
    """A replay names what is overridden, and asks of no trace that it calls all of it."""
    Path("mine.py").write_text(f"{HEAD}{PUT}    def undo_grab(self, head, refs):\n        pass\n")
    Path("a.trace").write_text(
        '# headcount 1\nsemantics("5.13")\na = mapping("driver", orders=[0])\n'
        "h1 = pin_user_pages(a[0:1])\nunpin_user_page(h1[0:1])\n"
    )
    result = run("replay", "a.trace", "--candidate", "mine.py:Mine")

    assert 0 == result.exit_code
    first = "sketch   mine.py:Mine overrides put_compound_head, undo_grab\n"
    assert result.output.startswith(first)
