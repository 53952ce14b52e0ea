# SPDX-License-Identifier: MIT

"""Debian's packages: asked of the machine's apt, or of the same mirror's other suites."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from model.errors import BadInput
from model.kernel.command import run

TOOLS = ("apt-get", "apt-cache", "dpkg-deb")

#: The keys of Debian's archive, as Debian's own package has them.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

#: Settings for lists in a directory of their own: nothing of the machine's is read or changed,
#: only its mirror is used. A suite that cannot be read is an error.
SETTINGS = """\
Dir::Etc::SourceList "{place}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "{place}/lists";
Dir::State::status "/dev/null";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
APT::Update::Error-Mode "any";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


@frozen
class Apt:
    """apt with the machine's lists of packages, or with those that *settings* name."""

    settings: Path | None = None

    def _command(self, tool: str, verb: str, *words: str) -> list[str]:
        options = [f"-c={self.settings}"] if self.settings else []
        return [tool, verb, *options, *words]

    def names(self, start: str) -> list[str]:
        """The names of all packages that begin with *start*."""
        return self._ask("pkgnames", start).split()

    def depends(self, package: str) -> list[str]:
        """The names of the packages that *package* depends on; none if apt does not know it."""
        return re.findall(r"^ *\|?Depends: (\S+)$", self._ask("depends", package), re.MULTILINE)

    def _ask(self, *words: str) -> str:
        done = run(self._command("apt-cache", *words))
        return "" if done.returncode else done.stdout

    def download(self, packages: Sequence[str], place: Path) -> None:
        """Download *packages* to the directory *place*.

        :raises BadInput: with apt's reason, if one cannot be had.
        """
        checked(self._command("apt-get", "download", "-qq", *packages), place)

    def update(self) -> None:
        """Fetch the lists of packages.

        :raises BadInput: with apt's reason, if one cannot be fetched.
        """
        checked(self._command("apt-get", "update", "-qq"))


def of_this_machine() -> Apt:
    """Apt as it is set up.

    :raises BadInput: if there is none.
    """
    for tool in TOOLS:
        if not shutil.which(tool):
            raise BadInput(f"kernels come from Debian packages, and {tool} is not installed")
    return Apt()


def of_suites(suites: Sequence[str], place: Path) -> Apt:
    """Apt with the lists of *suites*, which are fetched into the empty directory *place*.

    :raises BadInput: if apt has no mirror of Debian, or lists cannot be fetched.
    """
    words = ["arch=amd64", "target=Packages"]
    words += [f"signed-by={KEYRING}"] if KEYRING.is_file() else []
    mirror = _mirror()
    lines = [f"deb [{' '.join(words)}] {mirror} {suite} main\n" for suite in suites]
    (place / "lists/partial").mkdir(parents=True)
    (place / "sources.list").write_text("".join(lines))
    settings = place / "apt.conf"
    settings.write_text(SETTINGS.format(place=place))
    apt = Apt(settings)
    apt.update()
    return apt


def _mirror() -> str:
    """The mirror from which this machine gets Debian itself, not its security updates."""
    form = "$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)"
    done = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    found = re.search(r"^Debian main [^\s-]+ (\S+)$", done.stdout, re.MULTILINE)
    if found is None:
        msg = "apt has no mirror of Debian, or no lists of it yet: run apt-get update as root"
        raise BadInput(msg)
    return found[1]


def checked(command: Sequence[str], place: Path | None = None) -> None:
    """Run *command* of apt or dpkg in *place*.

    :raises BadInput: with its reason, if it fails.
    """
    done = run(command, place)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if not line.startswith("W:")]
        reason = errors[0].removeprefix("E: ") if errors else f"status {done.returncode}"
        raise BadInput(f"{command[0]} {command[1]} fails: {reason}")
