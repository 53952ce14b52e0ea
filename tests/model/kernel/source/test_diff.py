# SPDX-License-Identifier: MIT

from __future__ import annotations

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
+{ }
-- no line of a hunk
"""


def test_changed():
    """Added code, and the places of removed code, with the function whose head was shown last."""
    (part,) = parts(PART)

    assert ("mm/huge.c", "mm/huge.c") == (part.file, part.old)
    assert [(12, "before"), (14, "before"), (42, "next")] == [*part.changed()]


def test_new_and_deleted():
    """The name of a new file is that after the change, that of a deleted one that before it."""
    new, gone = parts(
        "--- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1 @@\n+int a;\n"
        "--- a/mm/old.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-int a;\n"
    )

    assert ("mm/new.c", "", [(1, "")]) == (new.file, new.old, [*new.changed()])
    assert ("mm/old.c", "mm/old.c", [(0, "")]) == (gone.file, gone.old, [*gone.changed()])


def test_renamed():
    """A file that is only renamed, or whose mode changes, is a part without lines."""
    (part,) = parts("diff --git a/mm/a.c b/mm/b.c\nrename from mm/a.c\nrename to mm/b.c\n")
    (odd,) = parts("diff --git odd\n")

    assert ("mm/b.c", "mm/a.c", []) == (part.file, part.old, [*part.changed()])
    assert "" == odd.file


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
