# SPDX-License-Identifier: MIT

"""What is installed without a checkout: a wheel has all that the packages read."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.resources import files

import pytest

from properties import layouts
from tests.helpers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
INCLUDED = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]

#: What the packages read beside Python, and the package that it lies in.
DATA = {
    "properties.layouts": ["fragmented.layout", "machine.layout", "process.layout"],
    "properties.grading": ["known.json"],
    "model.kernel.source": ["shim/driver.c", "shim/kernel.h"],
    "model.kernel.guest": ["inside/Kbuild", "inside/agent.c", "inside/module.c"],
}


@pytest.mark.parametrize(("package", "name"), [(p, n) for p, names in DATA.items() for n in names])
def test_data_is_in_a_package(package, name):
    """Data lies inside of what a wheel includes, and can be read as a resource."""
    place = files(package).joinpath(*name.split("/"))

    assert package.split(".")[0] in INCLUDED
    assert place.read_text()
    assert ROOT.joinpath(*package.split("."), name) == place


def test_nothing_is_left_out():
    """Git ignores nothing of the packages, for hatch leaves out what it ignores."""
    command = ["git", "ls-files", "--others", "--ignored", "--exclude-standard", *INCLUDED]
    ignored = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if ignored.returncode:
        pytest.skip("this is no git checkout")

    assert [] == [name for name in ignored.stdout.splitlines() if "__pycache__/" not in name]


def test_installed_code_names_no_tests():
    """No module of the packages needs the folder tests/, which no wheel has."""
    for name in INCLUDED:
        for path in [ROOT / name, *(ROOT / name).rglob("*.py")]:
            if path.is_file():
                assert not re.search(r"[\"']tests?[/.\"']|import tests", path.read_text()), path


def test_shipped_layouts():
    """The layouts that ``headcount verify`` uses are those of the package."""
    assert {path.name for path in layouts.DIRECTORY.glob("*.layout")} == {
        *DATA["properties.layouts"]
    }
    assert layouts.shipped()


def test_entry_points():
    """The plugin's module and the command exist, and the plugin imports nothing of headcount."""
    plugin = PROJECT["project"]["entry-points"]["pytest11"]["headcount"]
    command = PROJECT["project"]["scripts"]["headcount"]
    (place,) = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["sources"]
    code = (
        f"import sys\nsys.path.insert(0, {str(ROOT / place)!r})\nimport {plugin}\n"
        "print(*(name for name in sys.modules"
        " if name.split('.')[0] in {'model', 'properties', 'hypothesis', 'attrs'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert (ROOT / place / f"{plugin}.py").is_file()
    assert place in PROJECT["tool"]["hatch"]["build"]["dev-mode-dirs"]
    assert "properties.start:main" == command
    assert "" == done.stdout.strip()
