# SPDX-License-Identifier: MIT

"""Parses the definitions of a C file: functions, macros, types, and the names that they use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING

from attrs import frozen

from model.kernel.source.conditions import COMMENT

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

#: Annotations of declarations that the C grammar does not know. They are blanked for the
#: parser and kept in the extracted text.
ANNOTATIONS = re.compile(
    r"(?<!define )(?<!define\t)\b(?:__must_check|__always_inline|__maybe_unused"
    r"|__init|__exit|__ref|__meminit|__sched|__bitwise|__weak"
    r"|__pure|__cold|__no_kcsan|__user|__rcu|__percpu|__iomem|__force|__attribute_const__|__malloc"
    r"|__deprecated|__visible|noinline|noinline_for_stack|asmlinkage|_struct_page_alignment"
    r"|__randomize_layout|__no_randomize_layout|____cacheline_aligned_in_smp|__read_mostly"
    r"|(?:__printf|__aligned|__releases|__acquires|__counted_by|__no_sanitize|__cacheline_group\w*"
    r"|__alloc_size|CACHELINE_PADDING)\([^()]*\))(?!\w)"
)
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"' + r"|'(?:\\.|[^'\\\n])*'")
#: Access to a member; the name does not refer to a definition with that name.
MEMBER = re.compile(r"(?:->|(?<!\.)\.)\s*[A-Za-z_]\w*")
#: A member that is a structure by value, not a pointer to one.
HELD = re.compile(r"((?:struct|union)\s+\w+)\s+\w+\s*(?:\[[^]]*\]\s*)*[;:,]")
WORD = re.compile(r"\b(?:(?:struct|union)\s+)?[A-Za-z_]\w*")

#: Syntax nodes that may contain top-level definitions.
INSIDE = frozenset(
    {
        "ERROR",
        "linkage_specification",
        "declaration_list",
        "preproc_if",
        "preproc_ifdef",
        "preproc_else",
        "preproc_elif",
    }
)

#: Syntax nodes that are one definition, even with a syntax error inside.
WHOLE = frozenset({"function_definition", "struct_specifier", "union_specifier", "enum_specifier"})

#: A macro definition with its continuation lines, and those of a comment that begins in it.
MACRO = re.compile(
    r"^[ \t]*#[ \t]*define[ \t]+(\w+)"
    r"(?://(?:[^\n\\]|\\\n|\\.)*|/\*(?:[^*]|\*(?!/))*\*/|[^\n\\]|\\\n|\\.)*",
    re.MULTILINE,
)

#: A variable that a macro defines at file scope: ``static DEFINE_PER_CPU(type, name);``
DEFINED = re.compile(
    r"^(?:static[ \t]+)?DEFINE_(?:STATIC_KEY_\w+|PER_CPU)\((?:[^();]*,[ \t]*)?(\w+)\)", re.MULTILINE
)


@frozen
class Item:
    """One definition of a C file.

    :param kind: ``function``, ``macro``, ``type`` or ``variable``.
    :param names: The names that it defines; an enum also defines its constants.
    :param text: Its text in the file.
    :param line: Its first line, from 1.
    :param head: Of a function, the text before its body.
    """

    kind: str
    names: tuple[str, ...]
    text: str
    file: str
    line: int
    head: str = ""

    @property
    def last(self) -> int:
        """Its last line."""
        return self.line + self.text.count("\n")

    @cached_property
    def uses(self) -> frozenset[str]:
        """The names in its text that it does not define."""
        return words(self.text) - {*self.names}

    @cached_property
    def follows(self) -> frozenset[str]:
        """The names in `uses` that must be declared earlier; a type may point to later types."""
        if self.kind != "type":
            return self.uses
        bare = COMMENT.sub(" ", self.text)
        whole = {" ".join(found.split()) for found in HELD.findall(bare)}
        return frozenset(w for w in self.uses if " " not in w or w in whole)


def words(text: str) -> frozenset[str]:
    """The names in the C code *text*, except those of members; ``struct page`` is one name."""
    bare = MEMBER.sub(" ", STRING.sub(" ", COMMENT.sub(" ", text)))
    return frozenset(" ".join(word.split()) for word in WORD.findall(bare))


@cache
def _parser() -> Parser:
    import tree_sitter_c  # noqa: PLC0415 - an optional dependency
    from tree_sitter import Language, Parser  # noqa: PLC0415

    return Parser(Language(tree_sitter_c.language()))


def items(file: str, text: str) -> Iterator[Item]:
    """The definitions in *text*, which is *file* with its inactive lines blanked."""
    for kind, pattern in (("macro", MACRO), ("variable", DEFINED)):
        for found in pattern.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield Item(kind, (found[1],), found[0].strip(), file, line)
    data = text.encode()
    blank = ANNOTATIONS.sub(lambda found: " " * len(found[0].encode()), text).encode()
    for node in _definitions(_parser().parse(blank).root_node):
        start = data.rfind(b"\n", 0, node.start_byte) + 1
        if data[start : node.start_byte].strip() and not ANNOTATIONS.fullmatch(
            data[start : node.start_byte].decode().strip()
        ):
            start = node.start_byte  # another definition is on the same line
        kind, names, body = _described(node, blank)
        stop = node.end_byte
        if kind == "type":  # attributes come after the body
            stop = max(stop, data.find(b";", stop - 1))
        whole = data[start:stop].decode()
        if names:
            head = data[start:body].decode().rstrip() if body else ""
            yield Item(kind, names, whole, file, data.count(b"\n", 0, start) + 1, head)


def _definitions(node: Node) -> Iterator[Node]:
    """The top-level definitions under *node*, including those inside syntax errors."""
    for child in node.children:
        if child.type in INSIDE or (child.has_error and child.type not in WHOLE):
            yield from _definitions(child)
        else:
            yield child


def _described(node: Node, data: bytes) -> tuple[str, tuple[str, ...], int]:
    """The kind of the definition *node*, its names, and the offset of a function's body."""
    if node.type == "function_definition":
        declared = _declared(node.child_by_field_name("declarator"))
        body = node.child_by_field_name("body")
        names: tuple[str, ...] = (_text(declared, data),) if declared and body else ()
        return "function", names, body.start_byte if body else 0
    if node.type in {"struct_specifier", "union_specifier", "enum_specifier"}:
        return "type", _tagged(node, data), 0
    if node.type == "type_definition":
        declared = _declared(node.child_by_field_name("declarator"))
        inner = node.child_by_field_name("type")
        names = _tagged(inner, data) if inner else ()
        return "type", (*((_text(declared, data),) if declared else ()), *names), 0
    if node.type == "declaration":
        inner = node.child_by_field_name("type")
        declarators = node.children_by_field_name("declarator")
        set_up = any(one.type == "init_declarator" for one in declarators)
        if set_up or _at_file_scope(node, data):
            found = filter(None, map(_declared, filter(_is_variable, declarators)))
            names = tuple(_text(one, data) for one in found)
        else:
            names = ()
        if inner and inner.child_by_field_name("body") and not set_up:
            return "type", (*_tagged(inner, data), *names), 0
        return "variable", names, 0
    return "", (), 0


def _at_file_scope(node: Node, data: bytes) -> bool:
    """Whether the declaration *node* is no ``extern`` one, and no local one in a syntax error."""
    words = [_text(c, data) for c in node.children if c.type == "storage_class_specifier"]
    return "extern" not in words and data.rfind(b"\n", 0, node.start_byte) + 1 == node.start_byte


def _is_variable(node: Node | None) -> bool:
    """Whether a declarator declares no function; a pointer to one is a variable."""
    while node is not None and node.type != "function_declarator":
        node = node.child_by_field_name("declarator")
    inner = node.child_by_field_name("declarator") if node else None
    return inner is None or inner.type == "parenthesized_declarator"


def _tagged(node: Node, data: bytes) -> tuple[str, ...]:
    body = node.child_by_field_name("body")
    if not body:
        return ()
    tag = node.child_by_field_name("name")
    word = node.type.removesuffix("_specifier")
    names = [f"{word} {_text(tag, data)}"] if tag else []
    if word == "enum":
        constants = (one for one in _all(body) if one.type == "enumerator")
        names += [_text(one.child_by_field_name("name"), data) for one in constants]
    return tuple(names)


def _all(node: Node) -> Iterator[Node]:
    for child in node.children:
        yield child
        yield from _all(child)


def _declared(node: Node | None) -> Node | None:
    """The identifier in a declarator, inside its pointers, arrays and parameter lists."""
    while node is not None and node.type not in {"identifier", "type_identifier"}:
        node = node.child_by_field_name("declarator") or next(
            (c for c in node.children if c.type.endswith(("identifier", "declarator"))), None
        )
    return node


def _text(node: Node | None, data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode() if node else ""
