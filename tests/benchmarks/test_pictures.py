# SPDX-License-Identifier: MIT

from __future__ import annotations

import subprocess
import sys

import pytest
from attrs import evolve
from click.testing import CliRunner

from properties.faults import FAULTS
from properties.grading.trial import Trial, run, text

pytest.importorskip("matplotlib", reason="needs the extra 'pictures'")

from tests.benchmarks.pictures import grades_of, main


def results(*faults):
    """The results of two searches on *faults*, with two seeds."""
    return [
        run(Trial(search, FAULTS[fault].spec, "5.13", seed, 400, levels=False, reduce=False))
        for fault in faults
        for search in ("soak", "laws")
        for seed in range(2)
    ]


def test_grades_of():
    """Of real faults only, in their order; the last result of a trial counts."""
    first, *rest = results("CutAtNpages", "NoTailOffset", "OneWalker")
    again = evolve(first, steps=first.steps + 1)
    grades = grades_of([first, *rest, again])

    names = ["NoTailOffset", "NoTailOffset", "CutAtNpages", "CutAtNpages"]
    assert names == [fault for fault, _ in grades]
    assert again in grades["CutAtNpages", "soak"].results
    assert first not in grades["CutAtNpages", "soak"].results


def test_bad_input(tmp_path):
    """A file that holds no results, or one in the place of the directory: one line, status 2."""
    (tmp_path / "bad.json").write_text("{}x")
    (tmp_path / "some.json").write_text(text(results("NoTailOffset")))
    for file, directory, message in (
        ("bad.json", "drawn", "bad.json: holds no results"),
        ("some.json", "bad.json", "bad.json: File exists"),
    ):
        done = CliRunner().invoke(main, [str(tmp_path / file), str(tmp_path / directory)])
        assert 2 == done.exit_code, done.output
        assert message in done.output


def test_need_their_extra():
    """Without matplotlib there is one clear line."""
    code = (
        "import sys; sys.modules['matplotlib'] = None; sys.argv = ['pictures'];"
        "import runpy; runpy.run_module('tests.benchmarks.pictures', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (2, "matplotlib is not installed; pip install 'headcount[pictures]'\n") == (
        done.returncode,
        done.stderr,
    )


def test_drawn(tmp_path):
    """The heat map and the curve are drawn, in the same bytes again."""
    (tmp_path / "some.json").write_text(text(results("NoTailOffset")))
    files = ("heat", "curve")
    for name in ("drawn", "again"):
        done = CliRunner().invoke(main, [str(tmp_path / "some.json"), str(tmp_path / name)])
        assert 0 == done.exit_code, done.output
    drawn, again = (
        [(tmp_path / name / f"faults-{file}.svg").read_text() for file in files]
        for name in ("drawn", "again")
    )

    assert all("<svg" in picture for picture in drawn)
    assert "NoTailOffset" in drawn[0]
    assert drawn == again
