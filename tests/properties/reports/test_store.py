# SPDX-License-Identifier: MIT

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
from attrs import evolve

from model.leftovers import marked
from model.parse import parse_program, read_program
from model.semantics import semantics
from properties.judging.judge import judge
from properties.reports.store import Store, write
from tests.helpers import ROOT

SMALL = """\
# headcount 1
semantics("5.13")
a = mapping("driver", orders=[2, 0])
h1 = pin_user_pages(a[3:5])
unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True)
"""
LARGE = SMALL.replace("unpin", "clean(a[0:1])\nunpin", 1)
NAME = "pincount-unpin_user_page_range_dirty_lock"


@pytest.fixture
def fails(sketches):
    """A program, and the finding on the sketch without the tail offset."""

    def make(text):
        program = parse_program(text)
        return program, judge(program, sketches.NoTailOffset()).finding

    return make


def store(sketches, home, name="NoTailOffset"):
    return Store(getattr(sketches, name), ("a comment",), home)


def test_written_at_once(sketches, home, fails):
    """What is kept is in its file when keep() returns, with where it comes from."""
    path = store(sketches, home).keep(*fails(LARGE))

    assert home / f"{NAME}.trace" == path
    kept = read_program(path)
    assert parse_program(LARGE).steps == kept.steps
    assert ("pincount after unpin_user_page_range_dirty_lock", "a comment") == kept.comments


def test_replaced_by_smaller_only(sketches, home, fails):
    """A smaller program takes the place of a larger one, never the other way."""
    traces = store(sketches, home)
    path = traces.keep(*fails(LARGE))

    assert path == traces.keep(*fails(SMALL))
    assert 2 == len(read_program(path).steps)
    assert path == traces.keep(*fails(LARGE))
    assert 2 == len(read_program(path).steps)


def test_own_file_is_not_parsed_again(sketches, home, fails, monkeypatch):
    """What a store wrote itself it knows: a long trace takes seconds to parse."""
    traces = store(sketches, home)
    path = traces.keep(*fails(LARGE))
    monkeypatch.setattr("properties.reports.store.read_program", lambda _: pytest.fail("parsed"))

    assert path == traces.keep(*fails(SMALL))
    monkeypatch.undo()
    assert 2 == len(read_program(path).steps)


def test_what_is_no_trace_is_left(sketches, home, fails):
    """Neither a pipe nor a file that is too large is read, nor replaced."""
    os.mkfifo(home / f"{NAME}.trace")
    with (home / f"{NAME}-2.trace").open("wb") as file:
        file.truncate(1 << 40)

    assert home / f"{NAME}-3.trace" == store(sketches, home).keep(*fails(SMALL))
    assert (home / f"{NAME}.trace").is_fifo()


def test_each_semantics_has_its_file(sketches, home, fails):
    """A program under other semantics does not replace one of the same signature."""
    traces = store(sketches, home)
    path = traces.keep(*fails(LARGE))
    before = path.read_bytes()
    program, finding = fails(SMALL)

    other = traces.keep(evolve(program, semantics=semantics("5.11")), finding)

    assert home / f"{NAME}-2.trace" == other
    assert before == path.read_bytes()


def test_smaller_from_another_run(sketches, home, fails):
    """What another run puts there meanwhile stays, if it is smaller."""
    traces = store(sketches, home)
    path = traces.keep(*fails(LARGE.replace("clean(a[0:1])\n", "clean(a[0:1])\n" * 2)))
    store(sketches, home).keep(*fails(SMALL))
    before = path.read_bytes()

    assert path == traces.keep(*fails(LARGE))
    assert before == path.read_bytes()


def test_something_else_from_another_run(sketches, home, fails):
    """What was put in the place of a trace meanwhile stays, if it is none."""
    traces = store(sketches, home)
    path = traces.keep(*fails(LARGE))
    path.write_bytes(b"\0\xff")

    assert home / f"{NAME}-2.trace" == traces.keep(*fails(SMALL))
    assert b"\0\xff" == path.read_bytes()


def test_kept_across_runs(sketches, home, fails):
    """A later run does not replace the smaller trace of an earlier one."""
    path = store(sketches, home).keep(*fails(SMALL))
    before = path.read_text()

    assert path == store(sketches, home).keep(*fails(LARGE))
    assert before == path.read_text()


def test_other_bugs_keep_their_file(sketches, home, fails):
    """A trace of the same name that does not fail on this candidate stays as it is."""
    other = home / f"{NAME}.trace"
    harmless = SMALL.replace("a[3:5]", "a[0:2]")
    other.write_text(harmless)

    path = store(sketches, home).keep(*fails(SMALL))

    assert harmless == other.read_text()
    assert home / f"{NAME}-2.trace" == path


def test_files_that_are_no_traces_stay(sketches, home, fails):
    """A file that cannot be read as a trace is not overwritten."""
    other = home / f"{NAME}.trace"
    other.write_bytes(b"\0\xff")

    assert home / f"{NAME}-2.trace" == store(sketches, home).keep(*fails(SMALL))
    assert b"\0\xff" == other.read_bytes()


def test_write_is_atomic(home, monkeypatch):
    """A write that is cut off leaves the old file, and nothing else."""
    path = home / "x" / "a.trace"
    write(path, "old\n")

    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(path, "new\n")

    assert "old\n" == path.read_text()
    assert [path] == list(path.parent.iterdir())


def test_comments_are_one_line_each(sketches, home, fails):
    """A kept trace can be read again whatever the summary says."""
    program, finding = fails(SMALL)
    path = store(sketches, home).keep(program, evolve(finding, summary="two\nlines"))

    assert program.steps == read_program(path).steps


RACE = """
import sys
from pathlib import Path
from model.parse import parse_program
from properties.judging.judge import judge
from properties.reports.store import Store
from tests.sketches import NoTailOffset

text = sys.stdin.readline().encode().decode("unicode_escape")
program = parse_program(text)
finding = judge(program, NoTailOffset()).finding
for number in range(int(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.readline()
    Store(NoTailOffset, (), Path(f"{number}")).keep(program, finding)
"""


def test_at_the_same_instant(home):
    """Of two processes that keep a program at once, the smaller one's stays, always."""
    times = 40
    texts = (SMALL, LARGE)
    with ExitStack() as stack:
        both = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", RACE, str(times)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    bufsize=1,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                )
            )
            for _ in texts
        ]
        for process, text in zip(both, texts, strict=True):
            process.stdin.write(text.encode("unicode_escape").decode() + "\n")
        for _ in range(times):
            for process in both:
                assert "ready\n" == process.stdout.readline()
            for process in both:
                process.stdin.write("go\n")

    for number in range(times):
        (kept,) = (home / f"{number}").iterdir()
        assert 2 == len(read_program(kept).steps)


def test_without_locks(sketches, home, fails, monkeypatch):
    """Where the file system knows no locks, programs are kept all the same."""

    def unknown(_handle, _how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)

    assert store(sketches, home).keep(*fails(SMALL)).exists()


def test_leavings(sketches, home):
    """What a killed process left behind goes; what one is writing stays."""
    pid = int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))
    mine = marked(f".{NAME[:40]}")
    (home / mine).touch()
    (home / mine.replace(f"-{os.getpid()}-", f"-{pid}-")).touch()
    store(sketches, home)

    assert [mine] == [path.name for path in home.iterdir()]


def test_round(sketches, home, fails):
    """The comment has the round, also for smaller programs that come without it."""
    traces = store(sketches, home)
    path = traces.keep(*fails(LARGE), "--rounds", "7")
    assert "a comment --rounds 7" == read_program(path).comments[-1]

    traces.keep(*fails(SMALL))
    assert "a comment --rounds 7" == read_program(path).comments[-1]
