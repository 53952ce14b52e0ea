# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.kernel.source.diff import parts

PART = """\
--- a/mm/huge.c
+++ b/mm/huge.c
@@ -10,7 +10,8 @@ int before(void)
 \tone();
-\ttwo();
+\t/* a comment */
+\tthree();

-\t * removed comment
-\tfour();
 \tfive();
@@ -40,3 +40,3 @@

 static void next(struct page *page)
-{
+{ one();
-- no line of a hunk
"""


def test_changed():
    """Added code, and the places of removed code, with the function whose head was shown last."""
    (part,) = parts(PART)

    assert ("mm/huge.c", "mm/huge.c") == (part.file, part.old)
    assert [(12, "before"), (14, "before"), (42, "next")] == [*part.changed()]


def hunk(*lines, file="mm/huge.c", start=1):
    """A part of one hunk with *lines*."""
    old, new = (sum(line[0] in marks for line in lines) for marks in (" -", " +"))
    head = f"--- a/{file}\n+++ b/{file}\n@@ -{start},{old} +{start},{new} @@\n"
    (part,) = parts(head + "".join(f"{line}\n" for line in lines))
    return part


@pytest.mark.parametrize(
    ("lines", "changed"),
    [
        (["+\t*next = nr;", "+\t *next = nr;"], [1, 2]),
        (["+\t/* why */ one();", "+\tone(); // why"], [1, 2]),
        ([" of a comment", "-old", "+new", " */", "+\tone();"], [4]),
        ([" \t * of a comment", "-\t * old", "+\t * new"], []),
        (["+#include <linux/mm.h>", "+int f(int a,", "+      int b);", "+EXPORT_SYMBOL(f);"], []),
        (["-int f(int a);", "+struct page;"], []),
        (["+static int f;", "+\tint local;", "+\tf();"], [1, 3]),
        (["-\tone( two );", "+        one(two);", " ", "-\tthree();", "+\tfour();"], [3]),
        (["-\tone(two,", "-\t    three);", "+\tone(two, three);"], []),
        ([" \tone();", "-\ttwo();", "+\t/* two */", " \tthree();"], [3]),
        (["+\tone();", "\\ No newline at end of file"], [1]),
    ],
)
def test_code(lines, changed):
    """Comments, space, prototypes, declarations and the like in a hunk are no code."""
    assert changed == [line for line, _ in hunk(*lines).changed()]


def test_other_languages():
    """What is no code in C may be code in Rust; comments are the same."""
    rust = ["+// why", "+#[inline]", "+let a;"]
    assert [2, 3] == [line for line, _ in hunk(*rust, file="rust/lib.rs").changed()]


def test_cut_off():
    """A hunk whose end is missing is read as far as it goes."""
    (part,) = parts("--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,3 @@\n+\tone();\n")
    assert [(1, "")] == [*part.changed()]


def test_new_and_deleted():
    """The name of a new file is that after the change, that of a deleted one that before it."""
    new, gone = parts(
        "--- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1 @@\n+int a;\n"
        "--- a/mm/old.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-int a;\n"
    )

    assert ("mm/new.c", "", [(1, "")]) == (new.file, new.old, [*new.changed()])
    assert ("mm/old.c", "mm/old.c", []) == (gone.file, gone.old, [*gone.changed()])


def test_renamed():
    """A file that is only renamed, or whose mode changes, is a part without lines."""
    (part,) = parts("diff --git a/mm/a.c b/mm/b.c\nrename from mm/a.c\nrename to mm/b.c\n")
    (odd,) = parts("diff --git odd\n")

    assert ("mm/b.c", "mm/a.c", []) == (part.file, part.old, [*part.changed()])
    assert "" == odd.file


@pytest.mark.parametrize(
    ("old", "new", "strip"),
    [
        ("mm/gup.c", "mm/gup.c", 0),
        ("mm/gup.c.orig", "mm/gup.c", 0),
        ("/dev/null", "mm/gup.c", 0),
        ("i/mm/gup.c", "w/mm/gup.c", 1),
        ("linux.orig/mm/gup.c", "linux/mm/gup.c", 1),
        ("./mm/gup.c", "./mm/gup.c", 1),
        ("/dev/null", "b/mm/gup.c", 1),
    ],
)
def test_prefixes(old, new, strip):
    """Paths have the prefixes of git or diff before them, or none."""
    (part,) = parts(f"--- {old}\n+++ {new}\n@@ -1 +1 @@\n-one();\n+two();\n")
    assert ("mm/gup.c", strip) == (part.file, part.strip)


MAIL = "From: a@example.org\nMIME-Version: 1.0\n"


@pytest.mark.parametrize(
    "head",
    [
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n",
        "Content-Type: text/plain; charset=us-ascii\n\n",
        "Content-Type: text/plain; charset=x-nothing\nContent-Transfer-Encoding: 8bit\n\n",
    ],
)
def test_eight_bit_mail(head):
    """Letters beyond ASCII are kept, whatever the mail says that they are."""
    (part,) = parts(MAIL + head + PART.replace("a comment", "caf\u00e9 \u2013"))
    assert "caf\u00e9 \u2013" in part.text


def test_other_letters():
    """A mail in another encoding is decoded; what is in none is replaced."""
    head = "Content-Type: text/plain; charset={}\nContent-Transfer-Encoding: quoted-printable\n\n"
    text = PART.replace("a comment", "caf=E9")
    assert "caf\u00e9" in parts(MAIL + head.format("iso-8859-1") + text)[0].text
    assert "caf\ufffd" in parts(MAIL + head.format("x-nothing") + text)[0].text


def test_html_alternative():
    """The copy in HTML that some mails have is left out, and so is a patch that is quoted."""
    both = (
        f'{MAIL}Content-Type: multipart/alternative; boundary="x"\n\n'
        f"--x\nContent-Type: text/plain\n\n{PART}\n--x\nContent-Type: text/html\n\n{PART}\n--x--\n"
    )
    assert 1 == len(parts(both))
    assert [] == parts(MAIL + "\n" + "".join(f"> {line}\n" for line in PART.splitlines()))


def test_git_headers():
    """The lines that git adds belong to the part that follows them."""
    first, second = parts(
        f"diff --git a/x.c b/x.c\nindex 1..2\n{PART}diff --git a/y.c b/y.c\n{PART}"
    )

    assert first.text.startswith("diff --git a/x.c")
    assert first.text.count("\n") == second.text.count("\n") + 1


def test_mail_with_attachment():
    """A patch that is attached to a mail is read."""
    mail = (
        "From: a@example.org\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="x"\n\n'
        "--x\nContent-Type: text/plain\n\nHello\n"
        f"--x\nContent-Type: text/x-patch\n\n{PART}\n--x\n"
        "Content-Type: image/png\n\nnothing\n--x--\n"
    )

    assert ["mm/huge.c"] == [part.file for part in parts(mail)]
