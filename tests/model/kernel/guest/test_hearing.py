# SPDX-License-Identifier: MIT

"""What the probes of a machine hear, and what is not judged where they do not."""

from __future__ import annotations

import pytest

from model.abilities import FIELDS, Unheard
from model.candidate import Unavailable
from model.kernel.guest.booted import Booted
from model.parse import parse_program
from properties.judging.judge import judge
from tests.model.kernel.guest.conftest import PINNED, PROGRAM

RANGE = "unpin_user_page_range_dirty_lock"


def test_abilities(booted, image):
    """A kernel has what its version has; all is heard, so all is judged."""
    gigantic = Booted(image, gigantic=True)
    abilities = booted.abilities

    assert "kernel-guest 6.1.0-0" == abilities.name
    assert {"6.1"} == abilities.semantics
    assert abilities == booted().abilities
    assert frozenset({9}) == abilities.makes("hugetlb")
    assert frozenset({18}) == gigantic.abilities.makes("hugetlb")
    assert () == abilities.unheard
    assert frozenset(FIELDS) == abilities.fields
    assert 1 == booted.guest.boots
    gigantic.guest.close()


@pytest.mark.parametrize(
    ("lines", "unheard"),
    [
        (
            ("trial unpin-page 0 0 512 => = 0 0 0 e d0:0:0*1",),
            (Unheard("put", "unpin_user_page", "gup_put_folio"),),
        ),
        (
            ("trial unpin-range 1 0 0 => = 0 0 0", "trial absent => . 0 folio_mark_dirty"),
            (
                Unheard("put", RANGE, "gup_put_folio"),
                Unheard("dirty", RANGE, "folio_mark_dirty", absent=True),
            ),
        ),
        (("trial warn => = 0 0 0",), (Unheard("warning", "", "__warn"),)),
        (
            ("trial pin 1 0 => = 6 0 0", "trial absent => . 0 gup_put_folio try_grab_folio_fast"),
            (Unheard("grab", "pin_user_pages", "try_grab_folio", absent=True),),
        ),
    ],
)
def test_deaf_probes(booted, fake, lines, unheard):
    """What is not heard in the trials is told, by call; without WARNs these are not compared."""
    fake(*lines)

    assert unheard == booted.abilities.unheard
    assert ("warnings" in booted.abilities.fields) == (unheard[0].event != "warning")


def test_trials_cannot_be_made(booted, fake):
    """A machine in which the calls fail is none."""
    fake("trial pin => ! page 0 is not the page that was mapped")
    with pytest.raises(Unavailable, match=r"does not boot: in the guest: page 0 is not the page"):
        booted.abilities  # noqa: B018 - it boots


def test_deaf_puts_are_not_judged(booted, fake):
    """Too many puts are dearer, but not where some of them are known to be unheard."""
    unpinned = "unpin-list => = 0 1 1 h 0:1:0:2 e p0:0:0*2"
    program = parse_program(PROGRAM.replace("clean(a[0:1])", "unpin_user_pages(h1[0:1])"))
    fake(PINNED, unpinned)
    assert "dearer" == judge(program, booted()).kind
    deaf = Booted(booted.image)
    fake(PINNED, unpinned, "trial unpin-list 0 0 0 => = 0 0 0")
    assert "agrees" == judge(program, deaf()).kind
    deaf.guest.close()
