# SPDX-License-Identifier: MIT

"""Which lines of the toy's functions ran."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from attrs import evolve

from model.errors import BadInput
from model.kernel.source import build as build_module
from model.kernel.source.build import compiler
from model.kernel.source.coverage import Counts, counters, reader
from model.kernel.source.tree import cache
from model.memory import Oops
from tests.helpers import program

PIN = ('a = mapping("driver", orders=[2, 0])', "h1 = pin_user_pages(a[0:5])")


def lines_of(source, name):
    """How often each line of code of the function *name* ran, in order."""
    functions = source.under_test().functions
    return [*next(one for one in functions if one.name == name).lines.values()]


def execute(source, *steps):
    return [*source().execute(program(*PIN, *steps))]


def test_lines_of_another_process(compiled, toy):
    """What runs in a forked process is counted here, once that process has told."""
    source = compiled(toy)
    before = lines_of(source, "put_compound_head")[0]
    pid = os.fork()
    if not pid:
        execute(source, "unpin_user_page(h1[0:1])")
        source.heard()
        os._exit(0)
    os.waitpid(pid, 0)
    source.hear(source.heard())

    assert before + 1 == lines_of(source, "put_compound_head")[0]


def test_lines(compiled, toy):
    """Each line of each function is counted, by the tree's own file and line."""
    source = compiled(toy)
    with source.listening(0):
        execute(source, "unpin_user_page(h1[0:1])", "unpin_user_pages(h1[1:5])")
    under = source.under_test()

    (put,) = [one for one in under.functions if one.name == "put_compound_head"]
    text = toy.files["mm/gup.c"].split("\n")
    assert "static void put_compound_head" in text[put.line - 1]
    assert "}" == text[put.last - 1]
    freed = next(n for n, line in enumerate(text, 1) if "__put_page(page);" in line)
    assert [freed] == put.never
    assert 3 == put.lines[freed - 1]
    assert 0 < put.taken < put.branches
    assert set(under.files) <= set(toy.files)
    assert not under.unknown


def test_counts_add_up(compiled, toy):
    """Counts of later programs, also in a process after a crash, are added."""
    source = compiled(toy)
    execute(source, "unpin_user_page(h1[0:1])", "unpin_user_page(h1[1:2])")
    assert [2, 2, 2] == lines_of(source, "unpin_user_page")
    execute(source, "unpin_user_page(h1[0:1])")
    assert [3, 3, 3] == lines_of(source, "unpin_user_page")
    source.worker.close()
    execute(source, "unpin_user_page(h1[0:1])")
    assert [4, 4, 4] == lines_of(source, "unpin_user_page")


def test_lost_with_a_crash(compiled, edited):
    """Counts that a process had when it crashed are lost; later ones are right."""
    source = compiled(edited(("if (!WARN_ON(IS_ERR_VALUE(npages)))", "BUG();\n\tif (npages)")))
    with pytest.raises(Oops):
        execute(source, "unpin_user_page(h1[0:1])", "unpin_user_pages(h1[1:2])")
    assert [0, 0, 0] == lines_of(source, "unpin_user_page")
    execute(source, "unpin_user_page(h1[0:1])")
    assert [1, 1, 1] == lines_of(source, "unpin_user_page")


def test_counters_of_a_step(compiled, toy):
    """A snapshot names the counters that its step changed, by function."""
    pin, page, pages = (
        {name.partition("#")[0] for name in shown.ran}
        for shown in execute(compiled(toy), "unpin_user_page(h1[0:1])", "unpin_user_pages(h1[1:2])")
    )

    assert "try_grab_page" in pin
    assert "put_compound_head" not in pin
    assert "unpin_user_page" in page
    assert "toy_unpin" not in page
    assert {"unpin_user_pages", "toy_unpin"} <= pages
    assert "unpin_user_page" not in pages


def test_no_gcov(compiled, toy, monkeypatch):
    """Without gcov the functions run as ever, and it is said why nothing is known of lines."""
    monkeypatch.setattr(build_module, "reader", lambda cc: None)
    source = compiled(toy)
    shown = execute(source, "unpin_user_page(h1[0:1])")

    assert () == tuple(shown[-1].ran)
    assert source.under_test().unknown.startswith("needs gcc with its gcov")


def test_gcov_of_another_version(monkeypatch, tmp_path):
    """A gcov is used only if it is of the compiler's own version."""
    assert reader(compiler())
    other = tmp_path / "gcov"
    other.write_text("#!/bin/sh\necho gcov 4.7.0\n")
    other.chmod(0o755)
    cc = compiler()
    monkeypatch.setattr("model.kernel.source.coverage.shutil.which", lambda name: str(other))

    assert reader(cc) is None
    assert reader("/bin/false") is None


def test_gcov_fails(compiled, toy):
    """What gcov says when it fails is told."""
    source = compiled(toy)
    broken = Counts(source.library.notes, "/bin/false")

    assert "gcov cannot read the counts: no output" == broken.read(["mm/gup.c"]).unknown


def test_counts_of_a_killed_process(compiled, toy):
    """What a killed process leaves behind is removed by the next one."""
    source = compiled(toy)
    pid = os.fork()
    if not pid:
        _kept = Counts(source.library.notes, "/bin/false")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    places = cache() / "counts"

    assert [*places.glob(f"*-{pid}-*")]
    Counts(source.library.notes, "/bin/false")
    assert not [*places.glob(f"*-{pid}-*")]


def test_no_counters(tmp_path):
    """A library without counters is refused."""
    library = tmp_path / "a.so"
    subprocess.run([compiler(), "-shared", "-x", "c", "/dev/null", "-o", library], check=True)

    with pytest.raises(BadInput, match="shows no counters"):
        counters(library, compiler(), ())


def test_nothing_changed(compiled, toy):
    """Of a tree that nobody changed nothing is told as changed."""
    source = compiled(toy)

    assert source.changes(source.under_test()) is None
    assert [] == compiled(evolve(toy, edits=toy.edits.also(toy.files, (), ()))).changes(
        source.under_test()
    )
