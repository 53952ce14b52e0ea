# SPDX-License-Identifier: MIT

"""What became of changed lines, on edits of the toy."""

from __future__ import annotations

import pytest
from attrs import evolve

from model.kernel.source.diff import parts
from model.under_test import Fate
from tests.helpers import program

RAN, NEVER, OUTSIDE, OFF, NO_CODE = Fate

#: Pins a page of order 2 and one of order 0, and unpins both; nothing is freed, nothing is dirtied.
STEPS = (
    'a = mapping("driver", orders=[2, 0])',
    "h1 = pin_user_pages(a[0:5])",
    "unpin_user_pages(h1[0:5])",
)


@pytest.fixture
def told(compiled, toy):
    """A function that edits a file of the toy, runs STEPS, and tells what became of the lines."""

    def tell(*changes, file="mm/gup.c"):
        text = toy.files[file]
        for old, new in changes:
            assert 1 == text.count(old)
            text = text.replace(old, new)
        files = {**toy.files, file: text}
        source = compiled(evolve(toy, files=files, edits=toy.edits.also(toy.files, (), ())))
        assert 2 == len([*source().execute(program(*STEPS))])
        changed = source.changes(source.under_test())
        assert all(one.file == file for one in changed)
        return [(one.function, one.fate) for one in changed]

    return tell


def before(line, *lines):
    """The change that puts *lines* before *line*."""
    return line, "".join(f"{one}\n" for one in lines) + line


UNPIN = "static void toy_unpin(struct page **pages, unsigned long npages, bool make_dirty)\n{\n"
GRAB = "\tif (flags == FOLL_GET) {\n"
SWITCH = """\
\tswitch (refs) {
\tcase -7:
\t\trefs++;
\t\tbreak;
\tdefault:
\t\trefs += 0 * refs;
\t}
"""


@pytest.mark.parametrize(
    ("change", "fates"),
    [
        ((GRAB, "\tif (flags == 1) {\n"), [("try_grab_compound_head", RAN)]),
        (
            (
                "\t\tatomic_add(refs, &head->_refcount);\n",
                "\t\tatomic_add(1 * refs, &head->_refcount);\n",
            ),
            [("try_grab_compound_head", NEVER)],
        ),
        (
            ("\t\t__put_page(page);\n", "\t\t/* freed */\n\n\t\t__put_page(page); // now\n"),
            [("put_compound_head", NO_CODE)] * 2 + [("put_compound_head", NEVER)],
        ),
        (
            (
                "\tput_compound_head(compound_head(page), 1, FOLL_PIN);\n}\nEXPORT",
                "\tput_compound_head(compound_head(page),\n\t\t1,\n\t\tFOLL_PIN);\n}\nEXPORT",
            ),
            [("unpin_user_page", NEVER)] * 3,
        ),
        (
            (
                "\t\tput_compound_head(head, i - first, FOLL_PIN);",
                "\t\tput_compound_head(head,\n\t\t\t\t  i - first,\n\t\t\t\t  FOLL_PIN);",
            ),
            [("toy_unpin", RAN)] * 3,
        ),
        (
            (UNPIN, UNPIN + "\tint one, *two;\n\tint three = 3;\n\n"),
            [("toy_unpin", NO_CODE), ("toy_unpin", RAN), ("toy_unpin", NO_CODE)],
        ),
        (
            (GRAB, f"\tgoto out;\nout:\n{GRAB}"),
            [("try_grab_compound_head", RAN)] * 2,
        ),
        (
            (
                "struct page *try_grab_compound_head(struct page *page, int",
                "struct page *try_grab_compound_head(struct page *page,  int",
            ),
            [("try_grab_compound_head", RAN)],
        ),
        (
            ("void unpin_user_page(struct page *page)", "void unpin_user_page(struct page  *page)"),
            [("unpin_user_page", NEVER)],
        ),
        (
            before(
                "static unsigned long compound_range_next",
                "static int nobody(void)",
                "{",
                "\treturn 7;",
                "}",
            ),
            [("nobody", OUTSIDE), ("nobody", NO_CODE), ("nobody", OUTSIDE), ("nobody", NO_CODE)],
        ),
        (
            before(
                "#define toy_dirty(",
                "#include <linux/other.h>",
                "int nobody(int a,",
                "\t   int b);",
                "EXPORT_SYMBOL(nobody);",
            ),
            [("", NO_CODE)] * 4,
        ),
        (
            before("#define toy_dirty(", "module_param(nobody);", "#define NOBODY 1"),
            [("", OUTSIDE), ("NOBODY", OUTSIDE)],
        ),
        (
            before(
                "\tunsigned long i = 0, first;\n", "#ifdef CONFIG_NOBODY", "\tpanic();", "#endif"
            ),
            [("toy_unpin", NO_CODE), ("toy_unpin", OFF), ("toy_unpin", NO_CODE)],
        ),
        (("if ((wanted) && !PageDirty", "if ((wanted) &&  !PageDirty"), [("toy_dirty", RAN)]),
        (
            ("\tif (make_dirty)\n\t\ttoy_unpin(pages, npages, true);\n\telse\n", ""),
            [("unpin_user_pages_dirty_lock", NEVER)],
        ),
        (
            (
                "\twhile (i < npages) {\n\t\tstruct page *head",
                "\twhile (i < npages) {\n\t\t;\n\t\tstruct page *head",
            ),
            [("toy_unpin", NO_CODE)],
        ),
        (
            ("\tif (WARN_ON_ONCE(atomic_read(&head->_refcount) < 1))\n\t\treturn NULL;\n", ""),
            [("try_grab_compound_head", RAN)],
        ),
        (("EXPORT_SYMBOL(unpin_user_page);\n", ""), [("", OUTSIDE)]),
        (
            (
                UNPIN,
                f"static void nobody(void)\n{{\n\tbarrier();\n}}\n{UNPIN}(void)sizeof(nobody());\n",
            ),
            [
                *(("nobody", fate) for fate in (NEVER, NO_CODE, NEVER, NO_CODE)),
                ("toy_unpin", NEVER),
            ],
        ),
        (
            ("\t\tif ((wanted) && !PageDirty(head))    \\\n", ""),
            [("toy_dirty", RAN)],
        ),
        (
            (
                GRAB,
                f"{SWITCH}{GRAB}",
            ),
            [
                ("try_grab_compound_head", fate)
                for fate in (RAN, NEVER, NEVER, NEVER, RAN, RAN, NO_CODE)
            ],
        ),
    ],
)
def test_fates(told, change, fates):
    """Each changed line is told by what became of it."""
    assert fates == told(change)


@pytest.mark.parametrize(
    ("change", "file", "fates"),
    [
        (
            ("#define GUP_PIN_COUNTING_BIAS 1024", "#define GUP_PIN_COUNTING_BIAS 1024U"),
            "include/linux/mm.h",
            [("GUP_PIN_COUNTING_BIAS", RAN)],
        ),
        (
            (
                "\treturn (unsigned int)atomic_read(&page->_refcount) >=",
                "\treturn (unsigned long)atomic_read(&page->_refcount) >=",
            ),
            "include/linux/mm.h",
            [("page_maybe_dma_pinned", RAN)],
        ),
        (("#error not this one", "#error nor that one"), "include/linux/mm.h", [("", NO_CODE)]),
        (
            ("#define FOLL_GET 1\n", "#define FOLL_GET 1\n#define FOLL_TOY 8\n"),
            "include/linux/mm.h",
            [("FOLL_TOY", OUTSIDE)],
        ),
    ],
)
def test_headers(told, change, file, fates):
    """A macro ran if a line ran that uses it."""
    assert fates == told(change, file=file)


def test_a_type(told, toy):
    """A line of a type ran if a function ran that uses the type."""
    name = "include/linux/mm_types.h"
    line = next(line for line in toy.files[name].split("\n") if "pins;" in line)

    assert [("struct page", RAN)] == told((line, f"{line} "), file=name)


def test_a_definition_that_goes(compiled, toy):
    """A function that is removed altogether is no code that should run."""
    gone = "static int nobody(void)\n{\n\treturn 7;\n}\n"
    was = {**toy.files, "mm/gup.c": toy.files["mm/gup.c"] + gone}
    source = compiled(evolve(toy, edits=toy.edits.also(was, (), ())))

    assert [] == source.changes(source.under_test())


def test_unread(compiled, toy):
    """Code in files that are not read is not under test; files that are no code are left out."""
    diff = "--- a/{0}\n+++ b/{0}\n@@ -5 +5 @@ void f(int a)\n-\tone();\n+\ttwo();\n"
    unread = parts(diff.format("mm/huge.c") + diff.format("Documentation/pins.rst"))
    source = compiled(evolve(toy, edits=toy.edits.also(toy.files, unread, ())))

    (one,) = source.changes(source.under_test())
    assert ("mm/huge.c", 5, "f", OUTSIDE) == (one.file, one.line, one.function, one.fate)
