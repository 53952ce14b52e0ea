# SPDX-License-Identifier: MIT

"""Text from files, made harmless for a terminal: an escape sequence is shown, not obeyed."""

from unicodedata import category

#: Categories of characters that no text should have: controls, marks that change how text around
#: them looks, halves of characters, and ends of lines and paragraphs.
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def visible(text: str) -> str:
    r"""*text* in one line, with ``\x1b`` and the like in place of what cannot be seen."""
    if text.isprintable():
        return text
    return "".join(_shown(one) for one in text)


def _shown(character: str) -> str:
    if character == "\t" or category(character) not in HIDDEN:
        return character
    return character.encode("unicode_escape").decode()
