# SPDX-License-Identifier: MIT

"""What several test files share: where things lie, and how a program is written."""

from __future__ import annotations

from pathlib import Path


ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
TRACES = TESTS / "traces"
RECORDINGS = TESTS / "recordings"
SKETCHES = TESTS / "sketches.py"
#: A kernel tree of our own, small enough to read.
TOY = TESTS / "model" / "kernel" / "source" / "toy"
