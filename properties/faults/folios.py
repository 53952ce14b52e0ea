# SPDX-License-Identifier: MIT

"""Faults of the calls that unpin folios or add pins to them, and ways that are right."""

from collections.abc import Sequence

from model.optimised import ENOMEM, Optimised
from model.pagelist import NULL
from model.semantics import BIAS
from model.step import MIN_ERR_VALUE
from properties.faults.fault import fault

#: The versions of which the faults are tested: all have the calls.
VERSIONS = ("6.12", "6.18", "7.3")

#: Those that have folio_add_pins() too.
ADDING = ("6.18", "7.3")


@fault("folios", "mutation of unpin_folios(), 6.12", versions=VERSIONS)
class LastOfRunStays(Optimised):
    """A run of one folio is put with one pin too few.

    The run ends at j, and is counted from its second entry on. A list in which each folio is named
    once is the usual one; nothing leaks from that if runs of one are put apart.
    """

    def unpin_folios(self, folios: Sequence[int], nfolios: int) -> None:
        if nfolios >= MIN_ERR_VALUE:
            super().unpin_folios(folios, nfolios)
            return
        i = 0
        while i < nfolios:
            entries = self.folios_next(i, nfolios, folios)
            if folios[i] != NULL:
                self.put_compound_head(folios[i], max(1, entries - 1))
            i += entries


@fault("folios", "mutation", versions=VERSIONS)
class MergesFolios(Optimised):
    """Equal folios that are not adjacent are one run: A-B-A puts A three times, and B never.

    The scan looks for the last entry of the folio, and not for the first of another.
    """

    def folios_next(self, i: int, nfolios: int, folios: Sequence[int]) -> int:
        return max(j for j in range(i, nfolios) if folios[j] == folios[i]) + 1 - i


@fault("folios", "mutation", versions=VERSIONS)
class NullEndsFolios(Optimised):
    """The list of folios ends at the first NULL.

    Callers that give up half-way leave NULL at the end, which is right; others clear the entries of
    folios that they have given away.
    """

    def unpin_folios(self, folios: Sequence[int], nfolios: int) -> None:
        listed = list(folios)
        if nfolios < MIN_ERR_VALUE and NULL in listed:
            nfolios = listed.index(NULL)
        super().unpin_folios(folios, nfolios)


@fault("folios", "mutation of B27", versions=VERSIONS)
class ErrorIsFolios(Optimised):
    """unpin_folios() takes an error value for a number of folios, and leaves the list.

    What pins folios returns -errno if it cannot, and a caller passes that on as their number.
    """

    def unpin_folios(self, folios: Sequence[int], nfolios: int) -> None:
        for i in range(nfolios):
            if folios[i] != NULL:
                self.put_compound_head(folios[i], 1)


@fault("folios", "mutation", versions=VERSIONS)
class OnePinOfFolio(Optimised):
    """unpin_user_folio() drops one pin, however many pages it is called for.

    The pages of a large folio have a pin each: all but one stay.
    """

    def unpin_user_folio(self, folio: int, npages: int) -> None:
        self.put_compound_head(folio, min(npages, 1))


@fault("folios", "mutation", versions=VERSIONS)
class PinsInTenBits(Optimised):
    """unpin_user_folio() has room for 1,023 pins.

    A folio of 2 MiB has 512 pages, and more pins only if it is pinned again. In a kernel the number
    goes from an unsigned long into an int.
    """

    def unpin_user_folio(self, folio: int, npages: int) -> None:
        super().unpin_user_folio(folio, npages & 0x3FF)


@fault("folios", "mutation of folio_add_pin(), 6.12", versions=VERSIONS)
class AddsOneReference(Optimised):
    """A pin that is added to a folio without a pincount is one reference, not the bias.

    Its unpin drops the bias: the folio is freed while it is mapped.
    """

    def folio_add_pin(self, folio: int) -> None:
        if self.grabs_exactly(folio):
            super().folio_add_pin(folio)
        else:
            self.memory.page_ref_add(folio, 1)


@fault("folios", "folio_add_pin() of 6.12 to 7.3", versions=VERSIONS)
class AddsUncounted(Optimised):
    """A pin that is added to a folio is not counted in NR_FOLL_PIN_ACQUIRED.

    Its unpin is counted in NR_FOLL_PIN_RELEASED, so more pins are released than were acquired.
    """

    def folio_add_pin(self, folio: int) -> None:
        memory = self.memory
        if self.grabs_exactly(folio):
            memory.page_ref_add(folio, 1)
            memory.pincount_add(folio, 1)
        elif not memory.is_zero_page(folio):
            memory.page_ref_add(folio, BIAS)


@fault("folios", "mutation", versions=ADDING)
class AddsToPincountOnce(Optimised):
    """folio_add_pins() adds all references, and one to the pincount.

    The folio is not freed too early, but the pincount goes below 0, and who asks for pins is told
    that there are none.
    """

    def folio_add_pins(self, folio: int, pins: int) -> int:
        refused = super().folio_add_pins(folio, pins)
        if not refused and pins > 1 and self.grabs_exactly(folio):
            self.memory.pincount_add(folio, 1 - pins)
        return refused


@fault("folios", "mutation of try_grab_folio(), 6.12", versions=ADDING)
class AddsWhenFull(Optimised):
    """folio_add_pins() adds pins though the refcount is negative.

    The check stands in the way only when a count has gone past 2^31.
    """

    def folio_add_pins(self, folio: int, pins: int) -> int:
        if not self.memory.is_zero_page(folio):
            self.add_pins(folio, pins)
        return 0


@fault("folios", "mutation", versions=ADDING)
class RefusesInSilence(Optimised):
    """folio_add_pins() refuses a folio whose refcount is negative, and says that it did not.

    It adds no pins and returns 0: the caller unpins what it does not hold.
    """

    def folio_add_pins(self, folio: int, pins: int) -> int:
        refused = super().folio_add_pins(folio, pins)
        return 0 if refused == ENOMEM else refused


@fault("folios", "kind of B18: c56b6f3d801d", versions=VERSIONS)
class FoundTwice(Optimised):
    """memfd_pin_folios() keeps a reference to each folio that it has pinned.

    What makes a folio, or finds it, holds it until it is pinned; of two references one is dropped.
    Unpinned and unmapped, the folio is never freed.
    """

    def grab_found(self, folio: int) -> int:
        self.memory.page_ref_add(folio, 1)
        return super().grab_found(folio)


@fault("cost only", "mutation", versions=VERSIONS)
class FolioByFolio(Optimised):
    """unpin_folios() puts each entry of a run, not the run.

    Counts are right, and a list that names a folio for each of its pages takes as many atomics.
    """

    def folios_next(self, i: int, nfolios: int, folios: Sequence[int]) -> int:
        return 1


@fault("equivalent", "a way of one's own", versions=VERSIONS)
class FoliosSorted(Optimised):
    """unpin_folios() gathers the pins of each folio, and puts each folio once.

    Fewer puts than runs are fine, and which folio comes first does not matter.
    """

    def unpin_folios(self, folios: Sequence[int], nfolios: int) -> None:
        if nfolios < MIN_ERR_VALUE:
            folios = sorted(folio for folio in folios if folio != NULL)
            nfolios = len(folios)
        super().unpin_folios(folios, nfolios)


@fault("equivalent", "a way of one's own", versions=ADDING)
class AddsOneByOne(Optimised):
    """folio_add_pins() adds its pins one by one, after one look at the refcount.

    An addition for each pin costs more, but only puts and dirty locks are compared.
    """

    def folio_add_pins(self, folio: int, pins: int) -> int:
        refused = super().folio_add_pins(folio, 0)
        if not refused:
            for _ in range(pins):
                self.folio_add_pin(folio)
        return refused
