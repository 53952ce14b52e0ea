# SPDX-License-Identifier: MIT

"""The pytest plugin ``headcount``: what every pytest session loads where headcount is installed.

It is a module of its own and imports nothing of headcount before a session uses headcount: most
sessions are those of other projects, which may have packages called ``model`` and
``properties``. A session uses headcount if ``--candidate`` is given, `headcount_candidate` is set
in the configuration, a saved trace is collected, or a test asks for the fixture `search`. Only
then `properties.pytest_plugin` is imported.
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

#: The name by which pytest knows both the option ``--candidate`` and the setting.
CANDIDATE = "headcount_candidate"

OPTIONS: dict[str, dict[str, Any]] = {
    "--candidate": {
        "metavar": "SPEC",
        "help": "search for programs that this candidate counts wrongly: optimised, FILE.py:CLASS,"
        " package.module:CLASS, kernel-source:DIR or kernel-guest",
    },
    "--semantics": {
        "metavar": "VERSION",
        "help": "kernel version whose rules apply;"
        " default: 5.13 if the candidate has it, else its latest",
    },
    "--layout": {
        "metavar": "FILE",
        "action": "append",
        "default": [],
        "help": "search only on parts of this captured layout; can be repeated",
    },
    "--cost": {
        "choices": ["strict", "report", "lookups"],
        "default": "strict",
        "help": "whether equal counts at a higher cost fail (strict) or pass (report);"
        " lookups: they fail, and look-ups of pages are counted too",
    },
    "--untested": {
        "choices": ["fail", "report"],
        "default": "fail",
        "help": "whether changed lines of a kernel tree that did not run, and methods of a sketch"
        " that were never called, fail the run",
    },
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting ``headcount_candidate``; `add_options` adds the command line options."""
    parser.addini(
        CANDIDATE, "the candidate that headcount tests if --candidate is not given", default=""
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    """Add the options if this session uses them, after those of all other plugins.

    Their names are short, so other projects may have options of the same names.
    """
    yield
    named = any(arg.split("=")[0] in {"--candidate", "--help", "-h"} for arg in args)
    # pytest-xdist hands a worker the options' values and not the command line.
    if named or early_config.getini(CANDIDATE) or hasattr(early_config.option, CANDIDATE):
        add_options(parser)


def add_options(parser: pytest.Parser) -> None:
    """Add the plugin's options, which ``headcount verify`` has too.

    Adds none if another plugin has an option ``--candidate``.
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
    """Load the candidate if one is named, so that a wrong name is an error in one line."""
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
    """The input of a search, from the options: candidate, semantics, layouts, cost."""
    return active(request.config).search


def active(config: pytest.Config) -> Active:
    """The plugin that a session which uses headcount needs, loaded when first needed.

    :raises pytest.UsageError: if headcount or the candidate cannot be used.
    """
    found: Active | None = config.pluginmanager.get_plugin("headcount-active")
    if found is None:
        try:
            from properties.pytest_plugin import Active  # noqa: PLC0415 - see the top
        except ImportError as err:
            msg = f"headcount: cannot be imported in this project: {err}"
            raise pytest.UsageError(msg) from None
        found = Active(config)
        config.pluginmanager.register(found, "headcount-active")
    return found
