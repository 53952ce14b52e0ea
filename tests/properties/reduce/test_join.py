# SPDX-License-Identifier: MIT

from __future__ import annotations

from properties.reduce.join import fail_alone, join, register
from tests.properties.reduce.programs import offers

PAGES = 'a = mapping("driver", orders=[2, 2])\n'
TWO = (
    PAGES + "h1 = pin_user_pages(a[0:2])\nh2 = pin_user_pages(a[2:4])\nunpin_user_pages(h2[0:2])\n"
)


def test_join():
    """One handle is used instead of two, or two pins become one."""
    assert [
        PAGES + "h1 = pin_user_pages(a[0:2])\nunpin_user_pages(h1[0:2])\n",
        PAGES + "h1 = pin_user_pages(a[0:4])\nunpin_user_pages(h1[2:4])\n",
    ] == offers(join, TWO)


def test_what_cannot_be_joined():
    """A pin and an unpin, or two different calls, or a pin of the other's handle."""
    other = TWO.replace("h2 = pin_user_pages(", "h2 = get_user_pages(")
    nested = TWO.replace("h2 = pin_user_pages(a[2:4])", "h2 = pin_user_pages(h1[0:2])")

    one_handle = PAGES + "h1 = pin_user_pages(a[0:2])\nunpin_user_pages(h1[0:2])\n"
    assert [one_handle] == offers(join, other)
    assert [one_handle] == offers(join, nested)
    assert [] == offers(join, PAGES, "h1 = pin_user_pages(a[0:2])\nunpin_user_pages(h1[0:2])\n")


def test_fail_alone():
    """A registration alone, whose mapping fails and whose batches do not."""
    last = "m1 = ib_umem_get(a[0:1], append_fails=0)"

    assert [PAGES + "m1 = ib_umem_get(a[0:1], nmap=0)\n"] == offers(
        fail_alone, PAGES, "get_page(a[0:1])", last
    )
    assert [] == offers(fail_alone, PAGES, "unmap(a[0:1])")


def test_fail_alone_with_fewer_pages():
    """If the failing program could not pin all pages, the bug may show without the last ones."""
    assert [PAGES + f"m1 = ib_umem_get(a[0:{npages}], nmap=0)\n" for npages in (5, 4, 2)] == offers(
        fail_alone, PAGES, "unmap(a[4:5])", "m1 = ib_umem_get(a[0:5])"
    )


def test_register():
    """A region of pinned pages pins them itself; a merged entry is tried as well."""
    pinned = "h1 = pin_user_pages(a[0:4])\nh2 = pin_user_pages(a[7:8])\n"
    region = "m1 = ib_umem(sg(h1[2:4], 8192) + sg(h2[0:1], 4096), writable=False, nmap=1)\n"
    last = "ib_umem_release(m1)\n"

    assert [
        PAGES + f"m1 = ib_umem_get({pages}, writable=False{segment}, nmap=1)\n" + last
        for pages, segment in (
            ("a[2:4] + a[7:8]", ""),
            ("a[2:4] + a[7:8]", ", max_segment=4096"),
            ("a[2:3]*2", ""),
        )
    ] == offers(register, PAGES + pinned + region + last)
    assert [] == offers(register, PAGES, "m1 = ib_umem_get(a[0:2])", last)
