# SPDX-License-Identifier: MIT

"""Reads diffs: a patch, a mail, an mbox, the output of ``git diff``; one `Part` for each file."""

import email
import re
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise

from attrs import frozen

from model.kernel.source.lines import TOKEN, lines, uncommented

#: Files of these types are code; others are not looked at.
CODE = (".c", ".h", ".S", ".rs")

#: The line between the mails of an mbox.
POSTMARK = re.compile(r"^From \S+ +\w{3} \w{3} +\d+ [\d:]+ \d{4}.*$", re.MULTILINE)

#: The first header of a mail.
HEADER = re.compile(r"[A-Za-z][A-Za-z-]*: ")

#: The signature at the end of a mail; git writes its version there.
SIGNATURE = re.compile(r"\n-- \n.*\Z", re.DOTALL)

HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)", re.MULTILINE)

#: A line on which the head of a function begins.
HEAD = re.compile(r"[a-z][\w \t*]*[ \t*]\w+\([^;{}]*$")

#: A line of a comment that may begin before the hunk.
STAR = re.compile(r"\*(?:\s|/|$)")


@frozen
class Part:
    """What a diff changes in one file.

    :param file: The path after the change, without ``b/``; before it if the file is deleted.
    :param old: The path before the change; empty if the file is new.
    :param text: The part of the diff, from its first header line on.
    :param strip: How many directories its paths begin with that are not the tree's: ``a/``.
    """

    file: str
    old: str
    text: str
    strip: int = 1

    def changed(self) -> Iterator[tuple[int, str]]:
        """Line and function of each changed line of code, as far as the hunks show.

        A removed line stands at the line that follows it now, unless lines are added in its place.
        The function is the last one whose head the hunk shows, or empty. Of a file that is deleted
        altogether no line is left.
        """
        if re.search(r"^\+\+\+ /dev/null", self.text, re.MULTILINE):
            return
        heads = [*HUNK.finditer(self.text)]
        stops = [*(head.start() for head in heads[1:]), len(self.text)]
        for head, stop in zip(heads, stops, strict=False):
            hunk = _Hunk.read(head, self.text[head.end() : stop].split("\n")[1:])
            yield from hunk.changed(self.file.endswith((".c", ".h")))


@frozen
class _Hunk:
    """A hunk of a diff.

    :param start: The number of its first line after the change.
    :param function: What the hunk's head names as the function.
    :param lines: Its lines, with the marks of the diff.
    """

    start: int
    function: str
    lines: list[str]

    @staticmethod
    def read(head: re.Match[str], rest: Iterable[str]) -> "_Hunk":
        """The hunk with *head*, whose lines are the first of *rest*."""
        old, start, new = (1 if n is None else int(n) for n in head.groups()[:3])
        found = []
        for line in rest:
            if old <= 0 and new <= 0:
                break
            found.append(line or " ")
            old -= found[-1][0] in " -"
            new -= found[-1][0] in " +"
        return _Hunk(start, _named(head[4]), found)

    def changed(self, c: bool) -> Iterator[tuple[int, str]]:
        """As `Part.changed`; *c* is whether it is a hunk of a C file."""
        code = self._code("-", c) | self._code("+", c)
        at, function = self.start, self.function
        for mark, block in groupby(enumerate(self.lines), lambda one: one[1][0] in "+-"):
            lines = [*block]
            added = [n for n, line in lines if line[0] == "+"]
            first = at
            for _, line in lines:
                if line[0] in " +":
                    function = _named(line) if HEAD.match(line[1:]) else function
                    at += 1
            if not mark or _tokens(lines, "-") == _tokens(lines, "+"):
                continue
            places = [first + n for n, one in enumerate(added) if one in code]
            if not places and any(n in code for n, _ in lines):
                places = [at]
            yield from ((place, function) for place in places)

    def _code(self, mark: str, c: bool) -> set[int]:
        """The indices of the lines of code that have *mark*."""
        numbers = [n for n, line in enumerate(self.lines) if line[0] in (" ", mark)]
        text = "\n".join(self.lines[n][1:] for n in numbers)
        end = text.find("*/") + 2
        if 1 < end <= (text.find("/*") + 1 or end):  # the comment begins before the hunk
            text = "\n" * text[:end].count("\n") + text[end:]
        found = lines(text)
        return {
            n
            for at, n in enumerate(numbers, 1)
            if self.lines[n][0] == mark
            and found.text[at - 1]
            and not STAR.match(found.text[at - 1])
            and not (c and found.no_code(at))
        }


def _tokens(found: Iterable[tuple[int, str]], mark: str) -> list[str]:
    return TOKEN.findall(uncommented("\n".join(line[1:] for _, line in found if line[0] == mark)))


def parts(text: str) -> list[Part]:
    """The parts of the diff in *text*, in order; several if it changes a file several times."""
    return [part for mail in _mails(text) for part in _parts(mail)]


def _parts(text: str) -> Iterator[Part]:
    lines = text.splitlines(keepends=True)
    starts: list[int] = []
    headed = False  # whether the lines since the last start have no hunk yet
    for i, line in enumerate(lines):
        if line.startswith("diff --git "):
            starts.append(i)
            headed = True
        elif _names_files(lines[i : i + 3]):
            if not headed:
                starts.append(i)
            headed = False
    for start, end in pairwise((*starts, len(lines))):
        yield _part("".join(lines[start:end]))


def _mails(text: str) -> Iterator[str]:
    """The texts of the mails in *text*, without transfer encoding and signature.

    What is no mail is unchanged, but for a byte order mark and the ends of its lines.
    """
    text = text.removeprefix("\ufeff")  # the byte order mark of other systems' editors
    marks = [found.start() for found in POSTMARK.finditer(text)]
    for start, end in pairwise(sorted({0, *marks, len(text)})):
        yield SIGNATURE.sub("\n", _body(text[start:end]).replace("\r\n", "\n"))


def _body(mail: str) -> str:
    """The text of *mail*; *mail* itself if it is none."""
    headers = POSTMARK.sub("", mail, count=1).lstrip("\n")
    if not HEADER.match(headers):
        return mail
    found = []
    for one in email.message_from_bytes(headers.encode()).walk():
        if one.get_content_maintype() == "text" and one.get_content_subtype() != "html":
            content = one.get_payload(decode=True)
            assert isinstance(content, bytes)
            found.append(_decoded(content, one.get_content_charset() or ""))
    return "\n".join(found)


def _decoded(content: bytes, charset: str) -> str:
    """*content* as text: in UTF-8 if it is that, whatever its mail says."""
    for name in ("utf-8", charset):
        try:
            return content.decode(name)
        except (UnicodeDecodeError, LookupError):
            pass
    return content.decode("utf-8", errors="replace")


def _names_files(lines: list[str]) -> bool:
    """Whether *lines* are the two names of a file, and the header of the first hunk."""
    marks = zip(lines, ("--- ", "+++ ", "@@ -"), strict=False)
    return len(lines) == 3 and all(line.startswith(mark) for line, mark in marks)


def _part(text: str) -> Part:
    def path(mark: str) -> str:
        found = re.search(rf"^{re.escape(mark)} ([^\t\n]+)", text, re.MULTILINE)
        name = found[1].strip().strip('"') if found else ""
        return "" if name == "/dev/null" else name

    old, new = path("---"), path("+++")
    if not old and not new:  # only renamed, or only its mode changed
        header = re.match(r"diff --git (\S+) (\S+)$", text, re.MULTILINE)
        old, new = header.groups() if header else ("", "")
    strip = 0 if _bare(old, new) else 1
    if strip:
        old, new = (name.partition("/")[2] for name in (old, new))
    return Part(new or old, old.removesuffix(".orig"), text, strip)


def _bare(old: str, new: str) -> bool:
    """Whether the paths are those of the tree, as with ``git diff --no-prefix``."""
    letter = len((new or old).partition("/")[0]) == 1
    return not letter and (not old or not new or old.removesuffix(".orig") == new)


def _named(context: str) -> str:
    """The function that *context* names, the text after the numbers of a hunk."""
    found = re.search(r"(\w+)\s*\(", context)
    return found[1] if found else ""
