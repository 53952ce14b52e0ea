# SPDX-License-Identifier: MIT

"""What a run of pytest in this checkout does beyond the plugin `headcount_pytest`.

It tests headcount itself, on all processors, and with ``--candidate`` only the candidate.
Someone else's repository needs nothing of this.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

import headcount_pytest
from properties.pytest_plugin import PROFILES, usual_profile

pytest_plugins = ["pytester"]

#: Maximum number of processes; more gain nothing, as the longest file is one process's work.
MOST_PROCESSES = 8

for name, profile in PROFILES.items():
    settings.register_profile(name, profile)
settings.load_profile(usual_profile())


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin where headcount is not installed but lies on PYTHONPATH."""
    if not pluginmanager.has_plugin("headcount"):
        pluginmanager.register(headcount_pytest, "headcount")
        headcount_pytest.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run all tests on all processors, and measure no benchmarks, unless told otherwise.

    These are no `addopts`, for pytest without the extra ``tests`` knows no such options.
    """
    if hasattr(config, "workerinput"):
        return
    option = config.option
    asked = ("benchmark_enable", "benchmark_only")
    measured = any(getattr(option, name, False) for name in asked)
    if hasattr(option, "benchmark_disable") and not measured:
        option.benchmark_disable = True
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    alone = measured or option.usepdb or not whole
    if getattr(option, "numprocesses", 0) is None and not alone:
        option.numprocesses = min(len(os.sched_getaffinity(0)), MOST_PROCESSES)
        option.dist = "worksteal"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """With ``--candidate`` and no files named, test the candidate and not headcount."""
    given = config.getoption("headcount_candidate", None)
    if given and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        config.args[:] = [str(config.rootpath / "tests" / "traces")]
