# SPDX-License-Identifier: MIT

"""The lines of a C file: where statements begin and end, and which lines have no code."""

from __future__ import annotations

import re

from attrs import frozen

#: Text in which a comment is searched: strings are skipped.
COMMENT_OR_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/|//[^\n]*', re.DOTALL)

#: Lines inside a function that have no code of their own.
BARE = re.compile(r"[{}();\s]*|#.*")

#: The same, but for what belongs to the code after it: ``else``, ``do``, and conditions.
BEFORE = re.compile(r"\}?\s*(?:else|do)\b[{\s]*")
CONDITION = re.compile(r"#\s*(?:if|ifdef|ifndef|elif|else)\b")
DEFINE = re.compile(r"#\s*define\b")

LABEL = re.compile(r"(?:case\b.*|default\s*|\w+\s*):$")
CASE = re.compile(r"(?:case\b.*|default\s*):$")
DECLARATION = re.compile(
    r"(?!return\b|goto\b|break\b|continue\b|else\b)(?:\w+[\s*]+)+\w+(?:\[\w*\])*"
    r"(?:\s*,\s*\**\w+(?:\[\w*\])*)*;"
)

#: A line after which another statement begins, if its parentheses are closed.
ENDED = re.compile(r"[;{}:)]$|^$|^#|\b(?:else|do)$")

#: A line that opens a block, or that the next statement depends on.
OPENS = re.compile(r".*\{$|(?:\}\s*)?(?:if|for|while|switch|else|do|[a-z_]*for_each\w*)\b[^;]*$")

#: Text outside of functions that compiles to nothing here: prototypes, exports, includes.
OUTSIDE = re.compile(
    r"EXPORT_\w+\([^()]*\);?|#\s*(?:include|undef|pragma|error|warning)\b.*"
    r"|(?:\w+[\s*]+)+\w+\([^{}=]*\)[^{}=]*;|(?:struct|union|enum)\s+\w+;"
)

#: The smallest parts of C, as far as it matters whether two texts are the same code.
TOKEN = re.compile(
    r'"(?:\\.|[^"\\\n])*"|\w+|\+\+|--|->|<<=?|>>=?|&&|\|\||##|[-+*/%&|^!=<>]=|[^\w\s]'
)

#: What a tab is worth.
TAB = 8


def uncommented(text: str) -> str:
    """*text* without comments, with the same lines."""
    return COMMENT_OR_STRING.sub(
        lambda found: found[0] if found[0][0] == '"' else "\n" * found[0].count("\n"), text
    )


@frozen
class Lines:
    """The lines of a file, from 1.

    :param text: Each line without comments, and without space around it.
    :param levels: The column at which each line begins.
    """

    text: list[str]
    levels: list[int]

    def statement(self, line: int) -> tuple[int, int]:
        """The first and last line of the statement that *line* belongs to, or of its head."""
        first = last = line
        while first > 1 and (
            self._depth(first, line) < 0 or not ENDED.search(self.text[first - 2])
        ):
            first -= 1
        while last < len(self.text) and (
            self._depth(first, last) > 0 or not ENDED.search(self.text[last - 1])
        ):
            last += 1
        return first, last

    def _depth(self, first: int, last: int) -> int:
        """How many parentheses are open after the lines *first* to *last*."""
        text = "".join(self.text[first - 1 : last])
        return text.count("(") - text.count(")")

    def code(self, line: int) -> str:
        """The text of the statement that *line* belongs to."""
        first, last = self.statement(line)
        return " ".join(self.text[first - 1 : last])

    def level(self, line: int) -> int:
        """The column at which the statement of *line* begins."""
        return self.levels[self.statement(line)[0] - 1]

    def bare(self, line: int) -> bool:
        """Whether *line* has no code, and decides on none."""
        text = self.text[line - 1]
        return bool(BARE.fullmatch(text)) and not (CONDITION.match(text) or DEFINE.match(text))

    def no_code(self, line: int) -> bool:
        """Whether *line* has no code, wherever it is: as `bare`, or a declaration."""
        text = self.code(line)
        outside = self.level(line) == 0
        return self.bare(line) or bool((OUTSIDE if outside else DECLARATION).fullmatch(text))

    def beside(self, line: int, level: int, step: int) -> int:
        """The next line from *line* on, by *step*, that begins at *level* or is less deep.

        Blank lines and directives are passed over. 0 if there is none, or a label comes first on
        the way down.
        """
        while 1 <= line <= len(self.text):
            text = self.text[line - 1]
            label = LABEL.match(text) and not CASE.match(text)
            if label and step > 0:
                return 0
            if text and text[0] != "#" and not label and self.levels[line - 1] <= level:
                return line
            line += step
        return 0

    def opens(self, line: int) -> bool:
        """Whether *line* opens a block, or decides whether the statement after it runs."""
        text = self.text[line - 1]
        return bool(OPENS.fullmatch(text) or CASE.match(text))


def lines(text: str) -> Lines:
    """The lines of *text*."""
    found = uncommented(text).split("\n")
    levels = [len((line[: len(line) - len(line.lstrip())]).expandtabs(TAB)) for line in found]
    return Lines([line.strip() for line in found], levels)
