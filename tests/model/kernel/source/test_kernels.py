# SPDX-License-Identifier: MIT

"""Real kernels, where there are any: Debian's source packages, and trees that are named."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest
from attrs import evolve

from model.kernel.source.build import build
from model.kernel.source.candidate import Source, load
from model.kernel.source.tree import read
from model.parse import parse_program, read_program
from model.recording import RecordedKernel
from model.semantics import SEMANTICS
from properties.judging.judge import judge
from properties.search import Search, Tally
from properties.searches import registry
from tests.facts import FACTS, record
from tests.helpers import RECORDINGS, TESTS, program
from tests.model.kernel.source.needs import lacking_32
from tests.recording_reader import parse_recording, read_texts

TRACES = sorted((TESTS / "traces").glob("*.trace"))
RECORDED = sorted(RECORDINGS.glob("*.recording"))

#: The semantics that a tree must be told to have, and where it is found.
KERNELS = {
    "5.11": "HEADCOUNT_LINUX_5_11",
    "5.13": "HEADCOUNT_LINUX_5_13",
    "5.18": "HEADCOUNT_LINUX_5_18",
    "6.1": "/usr/src/linux-source-6.1.tar.xz",
    "6.12": "/usr/src/linux-source-6.12.tar.xz",
    "6.18": "HEADCOUNT_LINUX_6_18",
    "7.1": "HEADCOUNT_LINUX_7_1",
    "7.3": "/usr/src/linux-source-7.3.tar.xz",
}

#: The versions on which a trace shows a known oddity. Everywhere else it agrees.
ODD = {
    "one-grab": {"5.11", "5.13", "5.18", "6.1", "6.12", "6.18", "7.1", "7.3"},
    "one-grab-slow": {"5.13", "5.18", "6.1", "6.12", "6.18", "7.1", "7.3"},
    "hugetlb-longterm": {"5.13", "5.18", "6.1"},
    "read-only-region": {"5.11", "5.13", "5.18", "6.1"},
    "devmap-longterm": {"5.11", "5.13", "5.18", "6.1", "6.12"},
    "uncounted-pin": {"6.12", "6.18", "7.1", "7.3"},
    "null-in-run": {"6.12", "6.18", "7.1", "7.3"},
    "product": {"5.13"},
    "run-of-zero-at-2-32": {"5.13", "5.18", "6.1", "6.12", "6.18", "7.1", "7.3"},
}

#: Where a trace of `ODD` agrees: 32 bits have no devices' pages.
NOT_ODD_IN = {("devmap-longterm", "m32")}

#: The same by trace and configuration, where the oddity needs that configuration.
ODD_IN = {
    ("sections", "classic"): {"5.13", "6.18", "7.1", "7.3"},
    ("sections-gigantic", "classic"): {"5.13"},
    ("sections-walk", "classic"): {"5.11", "5.13"},
    ("wrapped-put", "debug_vm"): {"5.11", "5.13"},
    ("grab-refused", "debug_vm"): {"5.11", "5.13"},
    ("zero-unpinned", "debug_vm"): {"6.18", "7.1", "7.3"},
    ("product", "debug_vm"): {"5.11", "5.13"},
}

#: Each configuration, and the versions of which it is tested.
CONFIGURED = {
    "vmemmap": KERNELS.keys(),
    "classic": KERNELS.keys(),
    "debug_vm": {"5.11", "5.13", "6.1", "7.3"},
    "hvo": {"7.1", "7.3"},
    "m32": {"5.13", "6.1", "6.12", "7.3"},
}

#: The semantics of those that count otherwise on 32 bits.
COUNTS_32 = {"7.3": "6.15-32"}


#: Versions whose WARNs are read besides those of the quick one.
NEWER = ("6.12", "7.3")

#: Version and configuration of the kernel that each run of the tests compiles.
QUICK = ("6.1", "vmemmap")


def _trace(path):
    """A trace as a parameter."""
    marks = []
    if path.stem in {"one-tebibyte", "run-of-zero-at-2-32"}:
        marks = [pytest.mark.slow("takes five to fifteen seconds")]
    return pytest.param(path, marks=marks, id=path.stem)


@pytest.fixture(scope="module", autouse=True)
def _cache():
    """Kernels are unpacked into the user's cache, where they are the next time."""


@pytest.fixture(scope="module")
def mutants():
    """The module mutants.py beside this one."""
    spec = importlib.util.spec_from_file_location("mutants", Path(__file__).with_name("mutants.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kernels():
    """A function that compiles a kernel of some semantics, or skips."""
    made = {}

    def kernel(version, model):
        where = KERNELS[version]
        if where.startswith("/"):
            if not Path(where).is_file():
                package = Path(where).name.removesuffix(".tar.xz")
                pytest.skip(f"no {where}: apt install {package}, of Debian or its backports")
        elif not os.environ.get(where):
            pytest.skip(f"no tree of {version}: set {where} to one")
        where = os.environ.get(where, where)
        if model == "m32" and lacking_32():
            pytest.skip(lacking_32())
        if (version, model) not in made:
            made[version, model] = load(f"{where},{model}")
        return made[version, model]

    yield kernel
    for source in made.values():
        source.worker.close()


#: The mark of what compiles another tree than the quick one.
SECOND = pytest.mark.slow("compiles a second kernel")


def _recorded(path):
    """The recordings of a file as a parameter."""
    quick = path.stem.startswith(f"{QUICK[0]}-")
    return pytest.param(path, marks=[] if quick else [SECOND], id=path.stem)


def row(source):
    """The semantics of a compiled kernel."""
    return SEMANTICS[source.library.semantics]


def _parameter(version, model):
    """A kernel and its configuration; one of them is tested in each run of the tests."""
    marks = [] if (version, model) == QUICK else [SECOND]
    return pytest.param(version, model, marks=marks, id=f"{model}-{version}")


each_kernel = pytest.mark.parametrize(
    ("version", "model"),
    [_parameter(v, m) for v in KERNELS for m, versions in CONFIGURED.items() if v in versions],
)


@each_kernel
def test_recognised(kernels, version, model):
    """What a tree counts like is seen by what it holds."""
    source = kernels(version, model)

    counts = COUNTS_32.get(version, version) if model == "m32" else version
    assert counts == source.library.semantics
    assert "" == source.library.unwalked
    get = "__ib_umem_get_va" if version == "7.3" else "ib_umem_get"
    assert {"unpin_user_page", "__ib_umem_release", get} <= source.library.names.keys()


@pytest.mark.slow("pins four GiB")
@pytest.mark.parametrize(("pages", "walks"), [((1 << 20) - 1, 0), (1 << 20, 2)])
def test_long_lists(kernels, pages, walks):
    """A list that is too long for the tree's walks is told."""
    tested = kernels(*QUICK)
    before = tested.under_test().long_lists
    made = program(
        'a = mapping("hugetlb", orders=[18]*4)',
        f"h1 = pin_user_pages(a[0:{pages}])",
        f"h2 = pin_user_pages_fast_only(a[0:{pages}])",
        semantics="6.1",
    )

    assert judge(made, tested()).finding is None
    assert walks == tested.under_test().long_lists - before


@each_kernel
@pytest.mark.parametrize(("search", "rounds"), [("soak", 4), ("wide", 2), ("laws", 5)])
def test_counts_as_one_page_at_a_time(kernels, version, model, search, rounds):
    """A released kernel counts as the model of its version, but for what it is known for."""
    tally = Tally()
    source = kernels(version, model)
    watched = Search(source, row(source), strict=True, watcher=tally)
    for number in range(rounds):
        registry.load(search)(watched, number)

    assert tally.worst is None, tally.worst[1].summary
    assert tally.steps


@each_kernel
@pytest.mark.parametrize("path", [_trace(path) for path in TRACES])
def test_trace(kernels, version, model, path):
    """Each trace comes to the verdict that is written down for the version."""
    if path.stem == "one-tebibyte" and (version, model) != QUICK:
        pytest.skip("takes ten seconds, and does the same in 6.1 with VMEMMAP")
    source = kernels(version, model)
    program = evolve(read_program(path), semantics=row(source))
    verdict = judge(program, source())
    if verdict.kind == "inapplicable":
        pytest.skip(verdict.inapplicable)
    where = ODD.get(path.stem, set()) | ODD_IN.get((path.stem, model), set())
    odd = version in where and (path.stem, model) not in NOT_ODD_IN
    expected = "misuse" if program.misuse else "odd" if odd else "agrees"

    assert expected == verdict.kind, verdict


@pytest.mark.parametrize("path", [_recorded(path) for path in RECORDED])
def test_recorded(kernels, path):
    """The compiled source shows what the same kernel showed when it was booted."""
    source = kernels(path.stem.partition("-")[0], "vmemmap")
    for text in read_texts(path):
        known = parse_recording(text)
        verdict = judge(known.program, source(), reference=RecordedKernel(known))

        assert "agrees" == verdict.kind, verdict


@each_kernel
def test_facts(kernels, version, model):
    """Each tree, in each configuration, shows of the shared facts what was recorded."""
    source = kernels(version, model)
    if "wrapped-put" in source.library.oddities:
        pytest.skip("goes past 2^31, where this configuration has its oddity")
    files = FACTS.glob("kernel-source-*.recording")
    before = {_without_lines(text) for path in files for text in read_texts(path)}

    assert before.issuperset(_without_lines(one.text()) for one in record(source, row(source)))


def _without_lines(text):
    """The *text* of a recording without the kernel's name and the lines of its WARNs."""
    return re.sub(r"(?<=\.c):\d+", "", text.partition("\n")[2])


@pytest.mark.parametrize("version", ["6.1", *(pytest.param(v, marks=SECOND) for v in NEWER)])
def test_warns_with_the_kernels_own_line(kernels, version):
    """A WARN says where in the kernel's file it stands."""
    program = read_program(next(p for p in TRACES if p.stem == "error-npages"))
    snapshots = list(
        kernels(version, "vmemmap")().execute(evolve(program, semantics=SEMANTICS[version]))
    )
    (warning,) = snapshots[1].warnings

    assert warning.startswith("mm/gup.c:")
    assert "IS_ERR_VALUE(npages)" in warning


@pytest.mark.slow("compiles 7.3 twice")
@pytest.mark.parametrize(("configs", "kind"), [((), "agrees"), (("m32",), "diverges")])
def test_found_on_32_bits_alone(configs, kind):
    """Pins of order 1 counted exactly: on 32 bits its two pages have no room for the counter."""
    if configs and lacking_32():
        pytest.skip(lacking_32())
    if not Path(KERNELS["7.3"]).is_file():
        pytest.skip(f"no {KERNELS['7.3']}")
    tree = read(KERNELS["7.3"])
    file = "include/linux/mm.h"
    changed = tree.files[file].replace("return folio_order(folio) > 1;", "return true;")
    assert changed != tree.files[file]
    library = build(evolve(tree, files={**tree.files, file: changed}), "vmemmap", configs)
    source = Source("7.3", library)
    lines = ('a = mapping("driver", orders=[1])', "h1 = pin_user_pages(a[0:1])")
    text = "\n".join(["# headcount 1", f'semantics("{row(source).version}")', *lines, ""])
    verdict = judge(parse_program(text), source())
    source.worker.close()

    assert kind == verdict.kind, verdict


#: Mutants of the functions of 6.1 and 6.12: function, what is changed, the how many-th.
MUTANTS = (
    "gup_put_folio: negate if #1",
    "gup_put_folio: delete #1",
    "gup_put_folio: delete #2",
    "gup_put_folio: *= to = #1",
    "gup_folio_next: number + 1 #1",
    "gup_folio_next: - to + #1",
    "gup_folio_next: != to == #1",
    "gup_folio_range_next: - to + #1",
    "gup_folio_range_next: - to + #2",
    "gup_folio_range_next: negate if #1",
    "unpin_user_pages: += to = #1",
    "unpin_user_pages_dirty_lock: negate if #1",
    "unpin_user_page_range_dirty_lock: && to || #1",
    "__ib_umem_release: && to || #1",
)


#: The same of the calls of folios, which 6.12 has.
MUTANTS_OF_FOLIOS = (
    "unpin_folio: number + 1 #1",
    "unpin_folios: < to <= #2",
    "unpin_folios: negate if #1",
    "unpin_folios: negate if #3",
    "unpin_folios: - to + #1",
    "unpin_user_folio: delete #1",
    "folio_add_pin: negate if #2",
    "folio_add_pin: delete #5",
)


@pytest.mark.slow("compiles a kernel for each mutant")
@pytest.mark.parametrize(
    ("version", "name"),
    [("6.1", name) for name in MUTANTS] + [("6.12", name) for name in MUTANTS_OF_FOLIOS],
)
def test_mutants_are_found(mutants, version, name, monkeypatch, tmp_path):
    """A small change of a released kernel's own source is found, in state or in cost."""
    where = KERNELS[version]
    if not Path(where).is_file():
        pytest.skip(f"no {where}: apt install linux-source-{version}")
    tree = read(where)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (mutant,) = (one for one in mutants.mutants(tree) if one.name == name)

    assert mutants.hunted(build(mutant.of(tree), "vmemmap"), (("soak", 30), ("wide", 6)))
