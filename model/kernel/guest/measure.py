# SPDX-License-Identifier: MIT

"""Time measurements in a booted kernel: ways to unpin the same pages."""

from statistics import median

from attrs import frozen

from model.candidate import Unavailable
from model.kernel.guest.answer import answer
from model.kernel.guest.emulator import Emulator, Ended
from model.kernel.guest.image import Image
from model.memory import NoProgress, Panic

#: The agent's names of kinds of memory, and their orders.
KINDS = {"base": 0, "thp": 9, "hugetlb": 9, "gigantic": 18}

#: Ways to unpin, as in ``enum hc_bench``.
ONE, LIST, DIRTY, RANGE = range(4)

#: Number of pages in a batch of ``ib_umem_get()``, and in a short scatterlist entry.
BATCH, ENTRY = 512, 16

#: Maximum seconds without an answer; clearing one page of 1 GiB takes seconds.
PATIENCE = 600.0

#: Memory in MiB that the guest needs in addition to the measured pages.
BESIDE = 512


@frozen
class Ways:
    """How long each way to unpin *npages* pages of a *kind* takes, in ns or instructions.

    :param one: ``unpin_user_page()`` for each page.
    :param batches: ``unpin_user_pages()`` for every 512 pages.
    :param listed: ``unpin_user_pages()`` of the whole list.
    :param dirty_one: ``unpin_user_pages_dirty_lock()`` for each page, as
        ``__ib_umem_release()`` did before the patch series.
    :param ranges: ``unpin_user_page_range_dirty_lock()`` on ranges, by the length of a range: at
        most a compound page, as only its pages are sure to have consecutive frames.
    """

    kind: str
    npages: int
    one: float
    batches: float
    listed: float
    dirty_one: float
    ranges: dict[int, float]


class Measure:
    """A guest for measurements, without kprobes; raises Unavailable if it does not boot.

    :param npages: Pages to unpin; a kind is left out if its compound pages cannot give this number.
    :param count: Whether to count instructions instead of time.
    """

    def __init__(self, image: Image, npages: int, *, count: bool) -> None:
        self._npages = npages
        self._pending = ""
        gigantic = npages >> KINDS["gigantic"]
        words = ["headcount=measure"]
        if gigantic:
            words += ["hugepagesz=1G", f"hugepages={gigantic}"]
        memory = BESIDE + (npages >> 8) * (2 if gigantic else 1) + (1024 if gigantic else 0)
        self._emulator = Emulator(image, memory, words, count=count)
        self.kinds = [kind for kind, order in KINDS.items() if not npages % (1 << order)]
        try:
            self._emulator.boot()
        except (Ended, Panic) as err:
            raise Unavailable(str(err)) from None

    def ways(self, kind: str, rounds: int) -> Ways:
        """For each way to unpin pages of *kind*, the median of *rounds* times; or Unavailable."""
        order = KINDS[kind]
        self._pending = f"area {kind} {self._npages}\n"  # the agent does not answer this

        def took(way: int, each: int) -> float:
            # The first measurement, with cold caches, is dropped.
            asked = f"bench {way} {each} 0 {self._npages} {order}"
            return float(median([self._ask(asked) for _ in range(rounds + 1)][1:]))

        # Only within a compound page are frames sure to be consecutive.
        lengths = sorted(each for each in {1, ENTRY, BATCH, 1 << order} if each <= 1 << order)
        return Ways(
            kind,
            self._npages,
            ranges={each: took(RANGE, each) for each in lengths},
            one=took(ONE, 1),
            batches=took(LIST, BATCH),
            listed=took(LIST, self._npages),
            dirty_one=took(DIRTY, 1),
        )

    def _ask(self, line: str) -> int:
        request, self._pending = f"{self._pending}{line}\n", ""
        try:
            (said,) = self._emulator.talk(request.encode(), 1, PATIENCE)
            returned = answer(said).returned
        except (Ended, Panic, NoProgress) as err:
            raise Unavailable(f"the guest cannot measure: {err}") from None
        if returned < 0:
            raise Unavailable(f"the guest cannot measure: error {returned} from {line}")
        return returned

    def close(self) -> None:
        """Stop the guest."""
        self._emulator.close()
