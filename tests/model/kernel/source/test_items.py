# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.kernel.source.items import items


def cut(text):
    """What *text* defines, by name."""
    return {name: item for item in items("f.c", text) for name in item.names}


def test_function():
    """A function is taken whole, with its annotations, its line, and a head for a prototype."""
    found = cut("\n\nstatic __must_check int *\nf(int a)\n{\n\treturn g(a); /* h() */\n}\nint x;\n")

    assert {"f", "x"} == found.keys()
    assert ("function", 3) == (found["f"].kind, found["f"].line)
    assert found["f"].text.startswith("static __must_check int *\nf(int a)\n{")
    assert "static __must_check int *\nf(int a)" == found["f"].head
    assert {"int", "a", "return", "g", "static", "__must_check"} == found["f"].uses


@pytest.mark.parametrize(
    "text",
    [
        "bool __must_check f(struct page *page, unsigned int flags)\n{\n\treturn true;\n}\n",
        "static inline struct folio *f(struct page *p,\n\t\tunsigned long n)\n{\n\treturn 0;\n}\n",
        "void f(void)\n{\n\tfor_each(a, b, c)\n\t\tg(sizeof(struct x),\n\t\t\tn);\n}\n",
        "MACRO(odd) more\nvoid f(void)\n{\n}\n",
        "__printf(1, 2) int f(const char *a, ...)\n{\n\treturn 0;\n}\n",
    ],
)
def test_what_the_grammar_of_c_does_not_know(text):
    """A function is found where something in it, or before it, is no plain C."""
    assert "function" == cut(text)["f"].kind
    assert (
        text[text.index("f(") :].strip() == cut(text)["f"].text[cut(text)["f"].text.index("f(") :]
    )


def test_annotations_are_blank_for_the_grammar():
    """What they stand before, or behind, is taken whole with them."""
    found = cut(
        "struct s {\n\tint a;\n} _struct_page_alignment;\n\n"
        "__maybe_unused struct s *f(struct s *p,\n\t\tint a)\n{\n\treturn p;\n}\n"
    )

    assert ("type", "struct s {\n\tint a;\n} _struct_page_alignment") == (
        found["struct s"].kind,
        found["struct s"].text,
    )
    assert found["f"].text.startswith("__maybe_unused struct s *f(")


def test_macros():
    """A macro ends where no backslash continues its line; what follows it is found."""
    found = cut("#define A(x) \\\n\tg(x, \\\n\t  h)\n#define B 1\nint f(void)\n{\n\treturn 0;\n}\n")

    assert {"A": 1, "B": 4, "f": 5} == {name: item.line for name, item in found.items()}
    assert "#define A(x) \\\n\tg(x, \\\n\t  h)" == found["A"].text
    assert {"x", "g", "h", "define"} == found["A"].uses


@pytest.mark.parametrize(
    "text",
    [
        "#define A 1 /* a comment\n\t     * that goes on * / */",
        "#define A 1 /* one */ + /* two\n */ 2",
        "#define A 1 // one /* and no more",
        '#define A "http://one" \\\n\t"two"',
    ],
)
def test_a_macro_with_a_comment(text):
    """A comment that a macro begins belongs to it as a whole; the next definition does not."""
    found = cut(f"{text}\n#define B 2 /* another */\nint f(void)\n{{\n\treturn 0;\n}}\n")

    assert ["A", "B", "f"] == [*found]
    assert text == found["A"].text


def test_types():
    """Structures by their tag, with what is said of them after their body; enums by constants."""
    found = cut(
        "struct s {\n\tint a;\n} __aligned(64);\nunion u { int b; };\n"
        "enum e { ONE, TWO = 2 };\nenum { THREE };\ntypedef struct t { int c; } t_t;\n"
        "typedef unsigned long l_t;\nstruct only_said;\n"
    )

    assert {"struct s", "union u", "enum e", "ONE", "TWO", "THREE", "t_t", "struct t", "l_t"} == (
        found.keys()
    )
    assert found["struct s"].text.endswith("} __aligned(64)")
    assert found["ONE"] is found["TWO"]


def test_a_type_and_a_variable_at_once():
    """A structure that is declared with a variable of it is a type, and defines both names."""
    found = cut("static struct s { int a; } one;\nint two = 2;\n")

    assert {"struct s": "type", "one": "type", "two": "variable"} == {
        name: item.kind for name, item in found.items()
    }


def test_variables():
    """A variable needs no value; what is only declared is none, nor is a local one."""
    found = cut(
        "static bool one;\nint *two[2] = { 0 }, three;\nint (*four)(void);\nextern int no;\n"
        "int *no_function(int no);\nvoid f(void)\n{\n\tint no;\n\t((\n}\n\tint no;\n"
    )

    assert {"one", "two", "three", "four"} == {
        name for name, item in found.items() if item.kind == "variable"
    }
    assert "int *two[2] = { 0 }, three;" == found["three"].text


def test_words_that_only_sparse_and_the_linker_know():
    """A typedef for sparse is one of its name, and a weak function one as any other."""
    found = cut(
        "typedef unsigned int __bitwise gfp_t;\n__weak int f(void)\n{\n\treturn 0;\n}\n"
        "int __weak\ng(void)\n{\n\treturn 0;\n}\n"
    )

    assert {"gfp_t": "type", "f": "function", "g": "function"} == {
        name: item.kind for name, item in found.items()
    }
    assert "typedef unsigned int __bitwise gfp_t;" == found["gfp_t"].text


def test_what_a_type_points_to_may_come_later():
    """Of a type's members only those follow that it holds whole."""
    found = cut(
        "struct s {\n\tstruct a *p;\n\tstruct b b;\n\tstruct c c[N];\n\tunion d d : 1;\n};\n"
    )

    assert {"struct b", "struct c", "union d", "N", "p", "b", "c", "d"} == found["struct s"].follows
    assert "struct a" in found["struct s"].uses


def test_members_and_strings_are_no_uses():
    """What stands behind a dot or an arrow, or in quotes, is no name of something else."""
    found = cut('int f(struct s *p)\n{\n\treturn p->lock + p->a.head + g("word");\n}\n')

    assert {"int", "f", "struct s", "p", "return", "g"} == found["f"].uses | {"f"}
