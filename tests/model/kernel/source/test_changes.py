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
    """A function that edits a file of the toy, runs STEPS, and tells what became of the lines.

    Compared with the toy, or with it after the changes *was*.
    """

    def tell(*changes, was=(), file="mm/gup.c"):
        new, old = (_changed(toy.files[file], pairs) for pairs in (changes, was))
        edits = toy.edits.also({**toy.files, file: old}, (), ())
        source = compiled(evolve(toy, files={**toy.files, file: new}, edits=edits))
        assert 2 == len([*source().execute(program(*STEPS))])
        changed = source.changes(source.under_test())
        assert all(one.file == file for one in changed)
        return [(one.function, one.fate) for one in changed]

    return tell


def _changed(text, pairs):
    for old, new in pairs:
        assert 1 == text.count(old)
        text = text.replace(old, new)
    return text


def before(line, *lines):
    """The change that puts *lines* before *line*."""
    return line, "".join(f"{one}\n" for one in lines) + line


UNPIN = "static void toy_unpin(struct page **pages, unsigned long npages, bool make_dirty)\n{\n"
GRAB = "\tif (flags & FOLL_GET) {\n"
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
            ("\t\t__put_page(page);\n", "\t\t/* freed */\n\n\t\t__put_page(page + 0); // now\n"),
            [("put_compound_head", NO_CODE)] * 2 + [("put_compound_head", NEVER)],
        ),
        (
            (
                "\tput_compound_head(compound_head(page), 1, FOLL_PIN);\n}\nEXPORT",
                "\tput_compound_head(compound_head(page),\n\t\t0 + 1,\n\t\tFOLL_PIN);\n}\nEXPORT",
            ),
            [("unpin_user_page", NEVER)] * 3,
        ),
        (
            (
                "\t\tput_compound_head(head, i - first, FOLL_PIN);",
                "\t\tput_compound_head(head,\n\t\t\t\t  0 + i - first,\n\t\t\t\t  FOLL_PIN);",
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
                "struct page *try_grab_compound_head(struct page *const page, int",
            ),
            [("try_grab_compound_head", RAN)],
        ),
        (
            (
                "void unpin_user_page(struct page *page)",
                "void unpin_user_page(struct page *const page)",
            ),
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
            [("toy_unpin", OFF), ("toy_unpin", OFF), ("toy_unpin", NO_CODE)],
        ),
        (("if ((wanted) && !PageDirty", "if (!!(wanted) && !PageDirty"), [("toy_dirty", RAN)]),
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
        (("EXPORT_SYMBOL(unpin_user_page);\n", ""), []),
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


GET = "\t\tatomic_add(refs, &head->_refcount);\n"
RETURN = "\t\treturn head;\n"
LEAVES = "\tif (WARN_ON_ONCE(atomic_read(&head->_refcount) < 1))\n\t\treturn NULL;\n"
RELEASED = "\t\tmod_node_page_state(page_pgdat(page), NR_FOLL_PIN_RELEASED, refs);\n"
EACH = "static int toy_each(struct page *head)\n{\n"
BODY = "\treturn hpage_pincount_available(head) ? 1 : GUP_PIN_COUNTING_BIAS;\n}\n"


@pytest.mark.parametrize(
    ("changes", "fates"),
    [
        pytest.param([(GET + RETURN, RETURN)], [NEVER], id="first of a block that never ran"),
        pytest.param([(GET, "\t\t/* nothing */\n")], [NO_CODE, NEVER], id="for a comment"),
        pytest.param([(GET, "\t\t;\n")], [NO_CODE, NEVER], id="for an empty statement"),
        pytest.param([(RETURN, "")], [NEVER], id="last of a block that never ran"),
        pytest.param([(GET + RETURN, "")], [NEVER], id="all of a block"),
        pytest.param([(GRAB + GET, "\tif (flags == 1) {\n")], [RAN, NEVER], id="at two depths"),
        pytest.param([(GRAB + GET + RETURN, "\tif (flags == 1) {\n")], [NEVER] * 2, id="emptied"),
        pytest.param([(GRAB + GET + RETURN + "\t}\n", "")], [RAN], id="with its condition"),
        pytest.param([(LEAVES, "")], [RAN], id="before code that ran"),
        pytest.param([(RELEASED, "")], [RAN], id="in a block that ran"),
        pytest.param(
            [("\t\ttoy_dirty(compound_head(page), make_dirty);\n", "")], [NEVER], id="never called"
        ),
        pytest.param(
            [("\telse\n\t\tunpin_user_pages(", "\n\t\tunpin_user_pages(")],
            [NO_CODE, NEVER],
            id="else",
        ),
        pytest.param([(BODY, "\t;\n}\n")], [NO_CODE, RAN], id="all of a function"),
    ],
)
def test_removed(told, changes, fates):
    """Removed code ran if a statement beside it in its block runs, not one around the block."""
    assert fates == [fate for _, fate in told(*changes)]


LABEL = "\tif (!refs)\n\t\tgoto out;\n\tbarrier();\nout:\n"


@pytest.mark.parametrize(
    ("now", "was", "fates"),
    [
        pytest.param(LABEL, ("\nout", "\n\trefs += 0;\nout"), [RAN], id="before a label"),
        pytest.param(SWITCH, ("\trefs++;\n", "\trefs++;\n\t\trefs--;\n"), [NEVER], id="in a case"),
        pytest.param("barrier();\n", ("bar", "bar();\nbar"), [RAN], id="not indented"),
        pytest.param("\tsizeof(refs);\n", ("\tsize", "\tbarrier();\n\tsize"), [RAN], id="nothing"),
        pytest.param(SWITCH, ("-7:\n", "-8:\n\t\trefs++;\n\tcase -7:\n"), [NEVER], id="a case"),
    ],
)
def test_removed_in(told, now, was, fates):
    """Code that was removed beside a label, or in a case, is told by its own block."""
    told_now = told((GRAB, now + GRAB), was=[(GRAB, now.replace(*was) + GRAB)])
    assert fates == [fate for _, fate in told_now]


def test_else(told):
    """What has no code of its own is told as the code after it; what is never called, as never."""
    was = "\ttoy_unpin(pages, npages, true);\n\telse\n"
    now = was.replace("\telse", "\t} else").replace("\ttoy", "{\ttoy")
    unused = (
        f"static inline int nobody(void)\n{{\n\treturn 7;\n}}\n\n{UNPIN}\t(void)sizeof(nobody());\n"
    )
    fates = told((was, now), (UNPIN, unused))
    assert {("nobody", NEVER), ("unpin_user_pages_dirty_lock", NEVER)} <= {*fates}


def test_slid(told):
    """One of two branches that end alike was added, or removed, and not the end of the other."""
    branch = "\tif (refs == 77)\n\t\treturn NULL;\n"
    assert [RAN] == [fate for _, fate in told(was=[(LEAVES, LEAVES + branch)])]
    assert [RAN] == [fate for _, fate in told(was=[(LEAVES, branch + LEAVES)])]
    added = [("try_grab_compound_head", RAN), ("try_grab_compound_head", NEVER)]
    assert added == told((LEAVES, LEAVES + branch))
    assert added == told((LEAVES, branch + LEAVES))


def test_removed_outside(told):
    """What is removed outside of functions is no code, or is not under test."""
    assert [("", OUTSIDE)] == told(was=[(EACH, f"module_param(toy);\n{EACH}")])
    assert [] == told(was=[(EACH, f"int toy(void);\n{EACH}")])


def test_always_inline(told):
    """A function that is inlined always is counted as any other."""
    line = "\tpage->compound_head = (unsigned long)head + 1;\n"
    changed = line.replace(" + 1", " + 1UL")
    assert [("set_compound_head", RAN)] == told((line, changed), file="include/linux/page-flags.h")


def test_used_on_a_later_line(told):
    """A macro ran if it stands anywhere in a statement that ran; in its head, or a declaration."""
    put = "\t\tput_compound_head(head, i - first, FOLL_PIN);"
    grab = "struct page *try_grab_compound_head(struct page *page, int refs,"
    changes = [
        (EACH, f"#define FIRST(n) n\n#define COUNT int\n#define MINE struct page\n{EACH}"),
        (put, "\t\tput_compound_head(head, i -\n\t\t\t\t  FIRST(first), FOLL_PIN);"),
        (grab, grab.replace("int refs", "COUNT refs")),
        (
            "\t\tstruct page *head = compound_head(pages[i]);\n",
            "\t\tMINE *head, *other;\n\n\t\thead = compound_head(pages[i]);\n",
        ),
        (GET, "\t\tatomic_add(refs, &head->_refcount + NEVER(0));\n"),
        ("#include <linux/mm.h>\n", "#include <linux/mm.h>\n#define NEVER(n) n\n"),
    ]
    fates = dict(told(*changes))
    assert (RAN, RAN, RAN) == (fates["FIRST"], fates["COUNT"], fates["MINE"])
    assert NEVER == fates["NEVER"]


def test_conditions(told):
    """A condition of the preprocessor is told as the code under it, also one that is removed."""
    line = "\tput_compound_head(compound_head(page), 1, FOLL_PIN);\n}\nEXPORT"
    one = f"#if 1\n{line}".replace("\n}", "\n#endif\n}")
    assert [("unpin_user_page", NEVER), ("unpin_user_page", NO_CODE)] == told((line, one))
    assert [("", NO_CODE)] * 2 == told((EACH, f"#if 1\n#endif\n{EACH}"))
    end = "\t\tunpin_user_pages(pages, npages);\n}\n"
    assert NO_CODE == told((end, f"{end}#if 1\n"))[0][1]
    name = "include/linux/mm_types.h"
    wide = "\tunsigned long wide[8];\n"
    was = f"#ifdef CONFIG_TOY_WIDE\n{wide}#endif\n"
    for now in (was.replace("WIDE", "W"), was.replace(wide, "")):
        assert [OFF] == [fate for _, fate in told((was, now), file=name)]
    name = "include/linux/mm.h"
    changes = [("#ifndef CONFIG_TOY_WIDE\n", ""), ("#else\n#error not this one\n#endif\n", "")]
    assert {RAN} == {fate for _, fate in told(*changes, file=name)}


def test_moved(told):
    """A definition that is moved, or only reformatted, is no changed code."""
    unpin = "static void put_compound_head"
    changes = told((EACH + BODY + "\n", ""), (unpin, EACH + BODY + "\n" + unpin))
    assert {NO_CODE} == {fate for _, fate in changes}
    assert [] == told((GRAB + GET, f"\tif ( flags&FOLL_GET )  {{ /* a reference */\n\t{GET}"))


def test_spaces_of_a_macro(told):
    """The space after a macro's name decides whether it has parameters."""
    name = "#define toy_dirty("
    assert [("toy_dirty", RAN)] == told((name, "#define toy_dirty(     "))
    assert [] == told((name + "head, wanted)  ", name + "head, wanted)"))


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

    assert [("struct page", RAN)] == told((line, f"{line} int more;"), file=name)


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
