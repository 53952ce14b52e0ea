# SPDX-License-Identifier: MIT

"""Reads diffs: a patch, a mail, an mbox, the output of ``git diff``; one `Part` for each file."""

import email
import re
from collections.abc import Iterator
from itertools import pairwise

from attrs import frozen

#: The line between the mails of an mbox.
POSTMARK = re.compile(r"^From \S+ +\w{3} \w{3} +\d+ [\d:]+ \d{4}.*$", re.MULTILINE)

#: The first header of a mail.
HEADER = re.compile(r"[A-Za-z][A-Za-z-]*: ")

#: The signature at the end of a mail; git writes its version there.
SIGNATURE = re.compile(r"\n-- \n.*\Z", re.DOTALL)

HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")

#: A line on which the head of a function begins.
HEAD = re.compile(r"[a-z][\w \t*]*[ \t*]\w+\([^;{}]*$")

#: Lines of a patch that are only a comment, as far as a hunk shows.
COMMENT_LINE = re.compile(r"\s*(?:/\*.*|\*.*|//.*)?$")


@frozen
class Part:
    """What a diff changes in one file.

    :param file: The path after the change, without ``b/``; before it if the file is deleted.
    :param old: The path before the change; empty if the file is new.
    :param text: The part of the diff, from its first header line on.
    """

    file: str
    old: str
    text: str

    def changed(self) -> Iterator[tuple[int, str]]:
        """Line and function of each changed line that is neither blank nor a comment.

        A removed line stands at the line that follows it now, unless lines are added in its place.
        The function is the last one whose head the hunk shows, or empty.
        """
        at = old = new = 0  # the next line, and how many lines of the hunk are left
        function = ""
        added: list[int] = []
        removed = False
        for line in (*self.text.splitlines(), ""):
            code = not COMMENT_LINE.match(line[1:])
            if new and not line.startswith("-") and HEAD.match(line[1:]):
                function = _named(line)
            if line.startswith("+") and new:
                added += [at] * code
                at, new = at + 1, new - 1
                continue
            if line.startswith("-") and old:
                removed = removed or code
                old -= 1
                continue
            yield from ((one, function) for one in added or [at] * removed)
            added, removed = [], False
            hunk = HUNK.match(line)
            if hunk:
                old, at, new = (1 if n is None else int(n) for n in hunk.groups()[:3])
                function = _named(hunk[4])
            elif new:
                at, old, new = at + 1, old - 1, new - 1


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

    What is no mail is unchanged, but for the ends of its lines.
    """
    marks = [found.start() for found in POSTMARK.finditer(text)]
    for start, end in pairwise(sorted({0, *marks, len(text)})):
        yield SIGNATURE.sub("\n", _body(text[start:end]).replace("\r\n", "\n"))


def _body(mail: str) -> str:
    """The text of *mail*; *mail* itself if it is none."""
    headers = POSTMARK.sub("", mail, count=1).lstrip("\n")
    if not HEADER.match(headers):
        return mail
    found = []
    for one in email.message_from_string(headers).walk():
        if one.get_content_maintype() == "text":
            content = one.get_payload(decode=True)
            assert isinstance(content, bytes)
            found.append(content.decode(one.get_content_charset() or "utf-8", errors="replace"))
    return "\n".join(found)


def _names_files(lines: list[str]) -> bool:
    """Whether *lines* are the two names of a file, and the header of the first hunk."""
    marks = zip(lines, ("--- ", "+++ ", "@@ -"), strict=False)
    return len(lines) == 3 and all(line.startswith(mark) for line, mark in marks)


def _part(text: str) -> Part:
    def path(mark: str) -> str:
        found = re.search(rf"^{re.escape(mark)} ([^\t\n]+)", text, re.MULTILINE)
        name = found[1].strip().strip('"') if found else ""
        return "" if name == "/dev/null" else name.partition("/")[2]

    old, new = path("---"), path("+++")
    if not old and not new:  # only renamed, or only its mode changed
        header = re.match(r"diff --git \S+?/(\S+) \S+?/(\S+)$", text, re.MULTILINE)
        old, new = header.groups() if header else ("", "")
    return Part(new or old, old, text)


def _named(context: str) -> str:
    """The function that *context* names, the text after the numbers of a hunk."""
    found = re.search(r"(\w+)\s*\(", context)
    return found[1] if found else ""
