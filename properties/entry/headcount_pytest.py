# SPDX-License-Identifier: MIT

"""The pytest plugin ``headcount``: what every pytest run loads where headcount is installed.

It is a module of its own and imports nothing of headcount before a run uses it, for most
runs are those of other projects, which may have packages called ``model`` and
``properties``. A run uses headcount if it names ``--candidate``, sets `headcount_candidate`
in its configuration, collects a saved trace, or asks for the fixture `search`. Only then
`properties.pytest_plugin` is imported.
"""

from __future__ import annotations

from argparse import ArgumentError
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from properties.pytest_plugin import Active
    from properties.search import Search

#: Beginning of the first line of a saved trace.
FIRST = b"# headcount "

#: The name of the option and of the setting, among pytest's own.
CANDIDATE = "headcount_candidate"

OPTIONS: dict[str, dict[str, Any]] = {
    "--candidate": {
        "metavar": "SPEC",
        "help": "search programs that this candidate counts wrongly: optimised, FILE.py:CLASS,"
        " package.module:CLASS, kernel-source:DIR or kernel-guest",
    },
    "--semantics": {
        "metavar": "VERSION",
        "help": "kernel version whose counting rules apply; default: the candidate's, or 5.13",
    },
    "--layout": {
        "metavar": "FILE",
        "action": "append",
        "default": [],
        "help": "search only on parts of this captured layout; can be repeated",
    },
    "--cost": {
        "choices": ["strict", "report"],
        "default": "strict",
        "help": "whether equal counts at a higher cost fail (strict) or pass (report)",
    },
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting; the options follow when a run uses them."""
    parser.addini(
        CANDIDATE, "the candidate that headcount searches without --candidate", default=""
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    """Add the options if this run uses them, after those of all other plugins.

    Their names are short, so other projects may have options of the same names.
    """
    yield
    named = any(arg.split("=")[0] in {"--candidate", "--help", "-h"} for arg in args)
    # pytest-xdist hands a worker the options' values and not the command line.
    if named or early_config.getini(CANDIDATE) or hasattr(early_config.option, CANDIDATE):
        add_options(parser)


def add_options(parser: pytest.Parser) -> None:
    """Add the options that the command ``headcount verify`` has too.

    None of them, if another plugin has a ``--candidate``.
    """
    group = parser.getgroup("headcount")
    for name, attributes in OPTIONS.items():
        try:
            group.addoption(name, dest=f"headcount_{name[2:]}", **attributes)
        except (ValueError, ArgumentError):
            if name == "--candidate":
                return


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Load the candidate that is named, so that a wrong one ends the run in one line."""
    if config.getoption(CANDIDATE, None) or config.getini(CANDIDATE):
        active(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a saved trace, which is replayed on the candidate."""
    if file_path.suffix != ".trace":
        return None
    with file_path.open("rb") as file:
        if file.read(len(FIRST)) != FIRST:
            return None
    return active(parent.config).trace(file_path, parent)


@pytest.fixture(scope="session")
def search(request: pytest.FixtureRequest) -> Search:
    """What the options put under test, and where it is searched."""
    return active(request.config).search


def active(config: pytest.Config) -> Active:
    """What this run needs of headcount, loaded when it is first needed.

    :raises pytest.UsageError: if headcount or the candidate cannot be used.
    """
    found: Active | None = config.pluginmanager.get_plugin("headcount-active")
    if found is None:
        try:
            from properties.pytest_plugin import Active  # noqa: PLC0415 - see the top
        except ImportError as err:
            msg = f"headcount: cannot be imported beside what is here: {err}"
            raise pytest.UsageError(msg) from None
        found = Active(config)
        config.pluginmanager.register(found, "headcount-active")
    return found
