# SPDX-License-Identifier: MIT

"""Compiled functions as a candidate, and what they may do to the process they run in."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from attrs import evolve

from model.abilities import Abilities
from model.candidate import Unavailable
from model.errors import BadInput
from model.kernel.source.candidate import KernelSource, chosen, load
from model.kernel.source.process import FFI, SECONDS, SECONDS_AGAIN, Worker
from model.kernel.source.segments import segments
from model.memory import NoProgress, Oops, Panic
from model.parse import parse_program
from properties.judging.judge import judge
from tests.helpers import TOY, gone

START = '# headcount 1\nsemantics("5.13")\na = mapping("driver", orders=[2, 2, 1, 0])\n'

#: One of each call, and most of what the world does.
ALL = """
h1 = pin_user_pages(a[1:6] + a[8:11])
h2 = get_user_pages(a[4:6])
h3 = pin_user_pages_fast_only(a[0:3] + a[10:11], changed=3)
set_page_dirty(a[8:9])
map(a[0:1])
unpin_user_page(h1[0:1])
unpin_user_pages(h1[1:3])
unpin_user_pages_dirty_lock(h1[7:5:-1], make_dirty=True)
unpin_user_page_range_dirty_lock(h1[3:5], make_dirty=True)
clean(a[0:11])
put_page(h2[0:2])
get_page(a[10:11], n=3)
m1 = ib_umem_get(a[0:8], max_segment=8192, nmap=1)
m2 = ib_umem(sg(h3[0:3], 9000), writable=False)
ib_umem_release(m1)
ib_umem_release(m2, dirty=False)
m3 = ib_umem_get(a[0:8], append_fails=0)
m4 = ib_umem_get(a[0:8], nmap=0)
unmap(a[4:11])
unpin_user_pages(h1[5:6], npages=-14)
unpin_user_pages(h1[5:6])
alloc_pages(a[4:8], orders=[1, 0, 0])
h4 = pin_user_pages(a[4:8] + a[9:10])
unpin_user_page_range_dirty_lock(h4[0:0], make_dirty=True)
h5 = pin_user_pages(a[0:0])
m5 = ib_umem_get(a[0:0])
"""


def program(*lines, start=START):
    """The program of some statements."""
    return parse_program(start + "\n".join(lines) + "\n")


def ending(source, *lines):
    """What a program raises at its last step."""
    run = source().execute(program(*lines))
    for _ in lines[:-1]:
        next(run)
    with pytest.raises((Oops, NoProgress, Panic)) as told:
        next(run)
    return told.value


@pytest.mark.parametrize("model", ["vmemmap", "classic"])
def test_all_calls(compiled, toy, model):
    """Each step shows what the reference shows."""
    verdict = judge(program(*ALL.split("\n")), compiled(toy, model)())

    assert ("agrees", 26) == (verdict.kind, verdict.steps), verdict.worst


def test_thp(compiled, toy):
    """A huge page is split when nothing else holds it, and grabbed in one go."""
    lines = (
        'b = mapping("thp", orders=[9, 9])',
        "h1 = pin_user_pages_fast_only(b[100:700] + b[3:4]*3, changed=600)",
        "split_huge_page(b[0:1])",
        "unpin_user_pages(h1[0:600])",
        "set_page_dirty(b[512:513])",
        "split_huge_page(b[600:601])",
        "h2 = pin_user_pages_fast_only(b[510:514])",
        "unpin_user_pages_dirty_lock(h2[0:4], make_dirty=True)",
    )

    assert "agrees" == judge(program(*lines), compiled(toy)()).kind


def test_journal(compiled, toy):
    """The snapshot tells puts, dirty locks and events in their order, and warnings by line."""
    source = compiled(toy)
    lines = (
        "h1 = pin_user_pages(a[0:3] + a[10:11])",
        "unpin_user_pages_dirty_lock(h1[0:4], make_dirty=True)",
        "unpin_user_pages(h1[0:0], npages=-1)",
    )
    first, second, third = source().execute(program(*lines))

    assert ["grab", "stat"] * 4 == [event.what for event in first.events]
    assert ["dirty", "stat", "put", "dirty", "stat", "put"] == [e.what for e in second.events]
    assert [3, 1024] == [event.refs for event in second.events if event.what == "put"]
    assert (2, 2) == (second.puts, second.dirty_locks)
    assert (4, 4) == (second.acquired, second.released)
    (warning,) = third.warnings
    assert warning.startswith("mm/gup.c:")
    assert "npages" in warning


def test_subtracted_before_the_put(compiled, edited):
    """References that go without a test belong to the put that follows on the same page."""
    source = compiled(
        edited(
            (
                "if (atomic_sub_and_test(all, &page->_refcount))",
                (
                    "if (all > 1)\n\t\tatomic_sub(all - 1, &page->_refcount);\n"
                    "\tif (atomic_sub_and_test(1, &page->_refcount))"
                ),
            )
        )
    )
    lines = ("h1 = pin_user_pages(a[0:3] + a[4:5])", "unpin_user_pages(h1[0:4])")
    *_, last = source().execute(program(*lines))

    assert [3, 1] == [event.refs for event in last.events if event.what == "put"]
    assert "agrees" == judge(program(*lines), source()).kind


def test_subtracted_for_ever(compiled, edited):
    """References that go without any test are a put all the same, and the page is not freed."""
    source = compiled(
        edited(
            (
                "if (atomic_sub_and_test(all, &page->_refcount))",
                "atomic_sub(all, &page->_refcount);\n\tif (0)",
            )
        )
    )
    lines = ("h1 = pin_user_pages(a[0:2] + a[4:5])", "unmap(a[0:1])", "unpin_user_pages(h1[0:3])")
    verdict = judge(program(*lines), source())

    assert "allocated" == verdict.finding.what
    assert (("a+0", 2), ("a+4", 1)) == verdict.finding.puts


#: What real code may do, and what is told of it.
CRASHES = {
    "null": ("all = *(volatile int *)8;", Oops, "NULL pointer dereference, address: 0x8"),
    "wild": ("all = *(volatile int *)0x123456789000;", Oops, "an address without a struct page"),
    "bug": ("BUG_ON(refs == 3);", Oops, r"kernel BUG at mm/gup\.c:\d+: refs == 3"),
    "trap": ("__builtin_trap();", Panic, "the worker was killed by SIGILL"),
    "divide": ("all /= *(volatile int *)&refs - 3;", Panic, "the worker was killed by SIGFPE"),
    "spins": ("for (;;)\n\t\tatomic_read(&page->_refcount);", NoProgress, "does not return"),
    "counts": ("for (;;)\n\t\tatomic_inc(&page->_refcount);", NoProgress, "not done after"),
    "eats": ("for (;;)\n\t\tkzalloc(1 << 20, GFP_KERNEL);", Panic, "allocates 1048576 bytes"),
    "locks": ("lock_page(page);\n\tlock_page(page);", NoProgress, "waits for a page lock"),
    "beyond": ("all = compound_head(page + 11)->flags;", Oops, "a frame that is in no mapping"),
    "far": ("all = page[5000].flags;", Oops, "frame 0x2388 is in no mapping"),
    "deep": ("put_compound_head(page, refs, flags);", Panic, "the worker was killed by SIG"),
}


@pytest.mark.parametrize("name", CRASHES)
def test_crashes(compiled, edited, name, monkeypatch):
    """Whatever the code does is told at its step, and the next program finds a fresh worker."""
    statement, kind, said = CRASHES[name]
    if name == "spins":
        monkeypatch.setattr("model.kernel.source.process.SECONDS", 0)
    source = compiled(
        edited(
            (
                "if (flags == FOLL_PIN) {",
                f"if (refs == 3) {{\n\t{statement}\n\t}}\n\tif (flags == FOLL_PIN) {{",
            )
        )
    )
    lines = ("h1 = pin_user_pages(a[0:4])", "unpin_user_page(h1[3:4])", "unpin_user_pages(h1[0:3])")
    err = ending(source, *lines)

    assert isinstance(err, kind if name != "deep" else (Oops, Panic))
    if name != "deep":
        assert pytest.raises(kind, match=said).matches(err)
    assert "agrees" == judge(program(*lines[:2], "unpin_user_pages(h1[0:2])"), source()).kind


def test_a_crash_is_a_finding(compiled, edited):
    """The runner tells a crash with what the journal had by then."""
    source = compiled(
        edited(
            (
                "\tif (atomic_sub_and_test(all,",
                "\tBUG_ON(flags == FOLL_PIN);\n\tif (atomic_sub_and_test(all,",
            )
        )
    )
    verdict = judge(program("h1 = pin_user_pages(a[0:1])", "unpin_user_page(h1[0:1])"), source())

    assert ("diverges", "oops") == (verdict.kind, verdict.finding.what)
    assert "kernel BUG at mm/gup.c:" in verdict.finding.summary
    assert not verdict.finding.notes


def test_memory_without_a_page(compiled, toy):
    """Without VMEMMAP the edge of a section is an edge, whatever the frames say."""
    lines = (
        'b = mapping("base", orders=[0, 0], pfn=0x13ff)',
        "h1 = pin_user_pages(b[0:2])",
        "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=False)",
    )
    odd = judge(program(*lines), compiled(toy, "classic")())

    assert ("odd", "sections") == (odd.kind, odd.oddity.name)
    assert "agrees" == judge(program(*lines), compiled(toy)()).kind


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("page[1]._refcount.counter++;", "refcount"),
        ("page[4]._refcount.counter++;", "refcount"),
        ("page->flags |= 1UL << 20;", "warnings"),
        ("page[1].compound_head += 128;", "warnings"),
    ],
)
def test_stray_writes(compiled, edited, statement, what):
    """A write beside the counters is seen though nothing tells of it."""
    source = compiled(
        edited(("if (flags == FOLL_PIN) {", f"{statement}\n\tif (flags == FOLL_PIN) {{"))
    )
    lines = ("h1 = pin_user_pages(a[0:1])", "unpin_user_page(h1[0:1])")
    verdict = judge(program(*lines), source())

    assert what == verdict.finding.what


def test_dirtied_without_its_lock(compiled, edited):
    """A page that is dirtied without its lock sets off a warning of the shim's."""
    source = compiled(edited(("set_page_dirty_lock(head)", "set_page_dirty(head)")))
    lines = ("h1 = pin_user_pages(a[0:1])", "unpin_user_pages_dirty_lock(h1[0:1], make_dirty=True)")
    verdict = judge(program(*lines), source())

    assert "warnings" == verdict.finding.what


def test_used_after_it_was_freed(compiled, edited):
    """A page that is touched when it was freed is a law broken, as with any candidate."""
    source = compiled(
        edited(
            (
                (
                    "\t\tmod_node_page_state(page_pgdat(page), NR_FOLL_PIN_RELEASED, refs);\n"
                    "\t\tif (hpage_pincount_available(page))\n"
                    "\t\t\tatomic_sub(refs, compound_pincount_ptr(page));\n\t}\n"
                ),
                "\t\tmod_node_page_state(page_pgdat(page), NR_FOLL_PIN_RELEASED, refs);\n\t}\n",
            ),
            (
                "\t\t__put_page(page);\n}",
                (
                    "\t\t__put_page(page);\n"
                    "\tif (flags == FOLL_PIN && hpage_pincount_available(page))\n"
                    "\t\tatomic_sub(refs, compound_pincount_ptr(page));\n}"
                ),
            ),
        )
    )
    lines = ("h1 = pin_user_pages(a[0:1])", "unmap(a[0:1])", "unpin_user_page(h1[0:1])")
    verdict = judge(program(*lines), source())

    assert verdict.finding.what in {"used_after_free", "freed_while_pinned"}


def test_programs_take_turns(compiled, toy):
    """The program that began last has the worker; the one before says so when it goes on."""
    source = compiled(toy)
    lines = ("h1 = pin_user_pages(a[0:1])", "unpin_user_page(h1[0:1])")
    first = source().execute(program(*lines))
    next(first)
    next(source().execute(program(*lines)))

    with pytest.raises(RuntimeError, match="another program has started"):
        next(first)


OUTSIDE = {
    signal.SIGKILL: "was killed by SIGKILL from outside, as the system does if memory runs out",
    signal.SIGTERM: "was killed by SIGTERM from outside",
    signal.SIGHUP: "was killed by SIGHUP from outside",
    signal.SIGRTMIN + 1: f"was killed by signal {signal.SIGRTMIN + 1} from outside",
}


@pytest.mark.parametrize("whose", ["worker", "child"])
@pytest.mark.parametrize("number", OUTSIDE)
def test_killed_from_outside(compiled, toy, whose, number):
    """A worker, or its child, that somebody ends is no bug of the tree."""
    source = compiled(toy)
    lines = ("h1 = pin_user_pages(a[0:1])", "unpin_user_page(h1[0:1])")
    run = source().execute(program(*lines))
    next(run)
    pid = source.worker._process.pid if whose == "worker" else source.worker._shared.pid
    os.kill(pid, number)
    assert gone(source.worker._shared.pid)

    with pytest.raises(Unavailable, match=OUTSIDE[number]):
        next(run)
    verdict = judge(program(*lines), source())
    assert "agrees" == verdict.kind, verdict


@pytest.mark.parametrize(
    ("room", "said"),
    [(1 << 31, "not enough address space for struct pages"), (1 << 28, "no memory to share")],
)
def test_no_room(compiled, toy, room, said):
    """Too little memory for the worker is no bug of the tree."""
    source = compiled(toy)
    next(source().execute(program("h1 = pin_user_pages(a[0:1])")))
    resource.prlimit(source.worker._process.pid, resource.RLIMIT_AS, (room, room))
    os.kill(source.worker._shared.pid, signal.SIGABRT)
    with pytest.raises(Panic):
        next(source().execute(program("h1 = pin_user_pages(a[0:1])")))

    with pytest.raises(Unavailable, match=f"the worker cannot run here: {said}"):
        next(source().execute(program("h1 = pin_user_pages(a[0:1])")))
    source.worker.close()


def test_no_worker(tmp_path):
    """A program that cannot be started, or does not stay, is no bug of the tree."""
    (tmp_path / "empty").touch(0o755)
    with pytest.raises(Unavailable, match="the worker cannot start: Exec format error"):
        Worker(tmp_path / "empty").ask("HC_BEGIN")
    with pytest.raises(Unavailable, match="the worker cannot start a process: too many"):
        Worker(Path("/bin/true")).ask("HC_BEGIN")


def test_interrupted(compiled, toy, monkeypatch):
    """Who interrupts a step leaves no process behind."""
    source = compiled(toy)
    lines = ("h1 = pin_user_pages(a[0:1])", "unpin_user_page(h1[0:1])")
    run = source().execute(program(*lines))
    next(run)
    pid, process = source.worker._shared.pid, source.worker._process

    class Interrupted:
        def __init__(self, channel):
            self.channel = channel

        def send(self, data):
            raise KeyboardInterrupt

        def close(self):
            self.channel.close()

    source.worker._channel = Interrupted(source.worker._channel)
    with pytest.raises(KeyboardInterrupt):
        next(run)

    assert process.returncode is not None
    assert gone(pid)
    source.worker.close()
    assert "agrees" == judge(program(*lines), source()).kind


def test_closed_twice(compiled, toy):
    """A worker that is closed, or was never begun, is closed again for nothing."""
    source = compiled(toy)
    source.worker.close()
    next(source().execute(program("h1 = pin_user_pages(a[0:1])")))
    os.kill(source.worker._shared.pid, signal.SIGKILL)
    source.worker.close()
    source.worker.close()


def test_nothing_is_left_running(compiled, edited):
    """Who is killed in the middle of a step takes the worker along, though that never ends."""
    source = compiled(
        edited(("if (flags == FOLL_PIN) {", "for (;;)\n\t\t;\n\tif (flags == FOLL_PIN) {"))
    )
    begun = (
        "import sys\n"
        "from pathlib import Path\n"
        "from model.kernel.source import process\n"
        "process.SECONDS = 1e6\n"
        "worker = process.Worker(Path(sys.argv[1]))\n"
        "worker.ask('HC_BEGIN', [(0x1000, 1, 0, 0, 1, 0)])\n"
        "print(worker._process.pid, worker._shared.pid, flush=True)\n"
        "worker.ask('HC_UNPIN_USER_PAGE', [(0x1000, 1, 1, 0, 0, 0)], 1)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", begun, str(source.library.path)], stdout=subprocess.PIPE, text=True
    ) as asking:
        left = [int(pid) for pid in asking.stdout.readline().split()]
        asking.kill()

    assert all(map(gone, left))


def test_dropped(compiled, toy, monkeypatch):
    """A worker that nobody has any more takes its process along."""
    worker = Worker(compiled(toy).library.path)
    worker.ask("HC_BEGIN", [(0x1000, 1, 0, 0, 1, 0)])
    process, life = worker._process, worker._shared.pid
    del worker

    assert process.returncode is not None
    assert gone(life)


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        (range(3, 3), []),
        (range(3, 9, 2), [(3, 3, 2)]),
        ([], []),
        ([7], [(7, 1, 0)]),
        ([7, 7, 7], [(7, 3, 0)]),
        ([1, 2, 3, 9, 8, 7], [(1, 3, 1), (9, 3, -1)]),
        ([1, 5, -1, 5], [(1, 2, 4), (-1, 2, 6)]),
    ],
)
def test_segments(pages, found):
    """A list of pages goes over as stretches."""
    assert found == [segment[:3] for segment in segments(pages)]
    assert list(pages) == [s + i * step for s, n, step in found for i in range(n)]


PATCH = (
    "--- a/mm/gup.c\n+++ b/mm/gup.c\n@@ -1,2 +1,3 @@\n // SPDX-License-Identifier: MIT\n"
    "+int toy_more;\n #include <linux/mm.h>\n"
)


def test_load(tmp_path):
    """A tree is named by its directory, with the memory model and patches behind it."""
    patch = tmp_path / "a.patch"
    patch.write_text(PATCH)
    plain, classic = load(str(TOY)), load(f"{TOY},classic,patch={patch}")

    assert "kernel-source 5.13.0-toy (vmemmap)" == plain.abilities.name
    assert "kernel-source 5.13.0-toy (classic)" == classic.abilities.name
    assert {"5.13"} == plain.abilities.semantics
    assert "sections" in classic.abilities.oddities
    assert "sections" not in plain.abilities.oddities


@pytest.mark.parametrize("name", ["a,classic", "a,patch=b", "a,b.patch", ",", "a,m32,base=1"])
@pytest.mark.parametrize(("more", "model"), [("", "vmemmap"), (",classic", "classic")])
def test_comma_in_the_name_of_a_patch(tmp_path, name, more, model):
    """A patch's name may look like a patch and options, if there is a file of this name."""
    patch = tmp_path / name
    patch.write_text(PATCH)

    tree, found, configs = chosen(f"{TOY},patch={patch}{more}")

    assert "int toy_more;" in tree.files["mm/gup.c"]
    assert (model, ()) == (found, configs)
    with pytest.raises(BadInput, match=r"a: No such file"):
        chosen(f"{TOY},patch={tmp_path}/a,m32")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "needs a directory"),
        (",classic", "needs a directory"),
        ("," * 5000, "File name too long"),
        (f"{TOY},modern", "'modern' is not one of classic, debug_vm, hvo, m32, patch=FILE, base="),
        (f"{TOY},m32,hvo", "hvo needs VMEMMAP, which 32 bits do not have: leave m32 out"),
        (f"{TOY},patch=nowhere", "nowhere: No such file"),
        (f"{TOY},patch=a,b,classic", "a,b: No such file"),
        (f"{TOY},base=nowhere", "--base: .*toy (is no git work tree|has no commit)"),
    ],
)
def test_load_refused(text, complaint):
    """What is no tree, or no patch, is told."""
    with pytest.raises(BadInput, match=complaint):
        load(text)


SINGLE = 'b = mapping("base", orders=[0]*515)'


@pytest.mark.parametrize("pages", [513, 514, 515])
def test_an_allocation_fails(compiled, toy, pages):
    """The batch that finds no memory fails inside the tree, or after it: each pin goes once."""
    made = program(SINGLE, f"m1 = ib_umem_get(b[0:{pages}], append_fails=1)")

    assert "agrees" == judge(made, compiled(toy)()).kind


def test_an_allocation_fails_and_is_undone_twice(compiled, toy):
    """A tree that releases by itself what its caller releases as well is found."""
    text = toy.files["lib/scatterlist.c"]
    more = "if (!sgl)\n\t\tunpin_user_pages(pages, n);\n\tif (!sgl)\n\t\treturn"
    undone = text.replace("if (!sgl)\n\t\treturn", more)
    source = compiled(evolve(toy, files={**toy.files, "lib/scatterlist.c": undone}))
    made = program(SINGLE, "m1 = ib_umem_get(b[0:513], append_fails=1)")

    assert text != undone
    assert "refcount" == judge(made, source()).finding.what


#: What a reviewer may ask for, in the place of the toy's own way to say it.
RIGHT = {
    "table": (
        "static int toy_each(struct page *head)",
        (
            "static const int toy_bias[] = { 1, [1] = GUP_PIN_COUNTING_BIAS };\n\n"
            "static int toy_each(struct page *head)"
        ),
        "? 1 : GUP_PIN_COUNTING_BIAS",
        "? toy_bias[0] : toy_bias[1]",
    ),
    "pointer": (
        "void unpin_user_page(struct page *page)",
        (
            "static void (*const toy_put)(struct page *, int, unsigned int) ="
            " put_compound_head;\n\n"
            "void unpin_user_page(struct page *page)"
        ),
        "put_compound_head(compound_head(page), 1, FOLL_PIN)",
        "toy_put(compound_head(page), 1, FOLL_PIN)",
    ),
    "clamp": ("return rest < left ? rest : left;", "return clamp_t(unsigned long, left, 1, rest);"),
    "min3": ("return rest < left ? rest : left;", "return min3(rest, left, umax(rest, left));"),
    "overflow": (
        "int all = flags == FOLL_PIN ? refs * toy_each(page) : refs;",
        (
            "int all = refs;\n\n\tif (flags == FOLL_PIN && "
            'check_mul_overflow(refs, toy_each(page), &all))\n\t\tpr_warn_once("many\\n");'
        ),
    ),
    "keys": (
        "static int toy_each(struct page *head)",
        (
            "static DEFINE_STATIC_KEY_FALSE(toy_key);\n"
            "static DEFINE_PER_CPU(unsigned long, toy_puts);\n\n"
            "static int toy_each(struct page *head)"
        ),
        "\tint all =",
        "\tif (static_branch_unlikely(&toy_key))\n\t\tthis_cpu_inc(toy_puts);\n\tint all =",
    ),
    "trace": ("\tint all =", "\ttrace_toy(page, refs);\n\tprefetchw(page);\n\tint all ="),
    "trylock": (
        "set_page_dirty_lock(head);   \\",
        "if (trylock_page(head)) { set_page_dirty(head); unlock_page(head); } \\",
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_edits(compiled, edited, name):
    """What is written in another way and counts the same agrees."""
    words = RIGHT[name]
    source = compiled(edited(*zip(words[::2], words[1::2], strict=True)))

    assert "agrees" == judge(program(*ALL.split("\n")), source()).kind


@pytest.mark.parametrize(
    ("kind", "order", "test"),
    [
        ("hugetlb", 9, "PageHuge(page)"),
        ("hugetlb", 9, "folio_test_hugetlb(page)"),
        ("thp", 9, "PageAnon(page)"),
        ("base", 0, "folio_test_anon(page)"),
        ("device-dax", 0, "is_zone_device_page(page)"),
        ("device-dax", 0, "folio_is_zone_device(page)"),
    ],
)
def test_kinds_are_seen(compiled, edited, kind, order, test):
    """A kernel that treats a kind of page otherwise has pages of that kind."""
    source = compiled(
        edited(
            ("if (flags == FOLL_PIN) {", f"if ({test})\n\t\treturn;\n\tif (flags == FOLL_PIN) {{")
        )
    )
    of_kind, other = (
        judge(
            program(
                f'b = mapping("{k}", orders=[{order}])',
                "h1 = pin_user_pages(b[0:1])",
                "unpin_user_page(h1[0:1])",
            ),
            source(),
        )
        for k in (kind, "page-cache")
    )

    assert ("diverges", "agrees") == (of_kind.kind, other.kind)


def test_kinds_survive_a_split(compiled, edited):
    """What a huge page was split into is of its kind."""
    source = compiled(
        edited(("if (flags == FOLL_PIN) {", "WARN_ON(PageAnon(page));\n\tif (flags == FOLL_PIN) {"))
    )
    lines = (
        'b = mapping("thp", orders=[9])',
        "split_huge_page(b[0:1])",
        "h1 = pin_user_pages(b[7:8])",
        "unpin_user_page(h1[0:1])",
    )

    assert "warnings" == judge(program(*lines), source()).finding.what


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("pages[0] = NULL;", "warns: the caller's list of pages was changed"),
        ("lock_page(pages[0]);", "warns: a page is left locked"),
        ("WARN_ON(npages == 1);", "warns: mm/gup.c:"),
    ],
)
def test_warnings_in_full(compiled, edited, statement, said):
    """A warning stands below the table in full."""
    tail = "\tif (make_dirty)\n\t\ttoy_unpin(pages, npages, true);\n\telse"
    more = tail.replace("y)\n", "y) {\n").replace("\telse", f"\t\t{statement}\n\t}} else")
    source = compiled(edited((tail, more)))
    lines = ("h1 = pin_user_pages(a[0:1])", "unpin_user_pages_dirty_lock(h1[0:1], make_dirty=True)")
    finding = judge(program(*lines), source()).finding

    assert any(note.startswith(said) for note in finding.notes)


def test_who_reads_on_finds_nothing(compiled, edited):
    """Behind a list there is no page, though there were more of the same head before."""
    source = compiled(
        edited(("i < npages && compound_head(pages[i]) == head", "compound_head(pages[i]) == head"))
    )
    lines = (
        "h1 = pin_user_pages(a[0:4]*2 + a[4:5])",
        "unpin_user_pages(h1[0:9], npages=-14)",
        "unpin_user_pages(h1[0:4])",
    )

    assert ["oops", "oops"] == [judge(program(*lines), source()).finding.what for _ in range(2)]


def test_a_slow_machine_is_no_endless_loop(compiled, toy, monkeypatch):
    """A step that took too long once is carried out again, after the steps before it."""
    source = compiled(toy)
    asked = []
    carry_out = Worker._ask

    def slow_once(worker, op, *rest):
        asked.append(op)
        if asked.count("HC_UNPIN_USER_PAGE") == 1 and op == "HC_UNPIN_USER_PAGE":
            worker._endless = True
            raise NoProgress("does not return")
        return carry_out(worker, op, *rest)

    monkeypatch.setattr(Worker, "_ask", slow_once)
    lines = ("h1 = pin_user_pages(a[0:1])", "unpin_user_page(h1[0:1])")

    assert "agrees" == judge(program(*lines), source()).kind
    assert 2 * ["HC_BEGIN", "HC_PIN_USER_PAGES", "HC_UNPIN_USER_PAGE"] == asked
    assert 10 * SECONDS == source.worker._shared.tenths


def test_the_clock_is_shorter_the_second_time(compiled, edited, monkeypatch):
    """Who shrinks what never returns does not wait as long for each try."""
    monkeypatch.setattr("model.kernel.source.process.SECONDS", 0.3)
    source = compiled(
        edited(("if (flags == FOLL_PIN) {", "for (;;)\n\t\t;\n\tif (flags == FOLL_PIN) {"))
    )
    lines = ("h1 = pin_user_pages(a[0:1])", "unpin_user_page(h1[0:1])")
    ending(source, *lines)

    assert 10 * SECONDS_AGAIN == source.worker._shared.tenths
    source.worker.close()
    ending(source, *lines)
    assert 10 * SECONDS_AGAIN == source.worker._shared.tenths


class Answers:
    """A worker in which a call pins two folios, and looks at a third, in the state it was in."""

    owner = None

    def ask(self, *_request, **_how):
        return SimpleNamespace(
            **dict.fromkeys(("acquired", "released", "puts", "dirty_locks"), 0),
            returned=2,
            nmap=-1,
            longest=-1,
            warnings=FFI.new("char[]", b""),
        )

    def heads(self):
        return [[24, 1, 0, 2], [16, 2, 1, 6], [20, 2, 1, 6]]

    def events(self):
        return []

    def ran(self):
        return ()


def test_a_handle_of_folios():
    """It holds as many of the folios that the call has found as that returned, in order."""
    trace = '# headcount 1\nsemantics("6.12")\na = mapping("hugetlb", orders=[2]*3, pfn=16)\n'
    made = parse_program(trace + "h1 = memfd_pin_folios(a[1:12], max_folios=2)\n")
    table = made.table()
    worker = Answers()
    candidate = KernelSource(worker, Abilities("answers"))
    worker.owner = candidate
    shown = candidate._take(made.steps[0], table)

    assert 2 == shown.returned
    assert [16, 20] == table["h1"]
    assert {16, 20, 24} == shown.heads.keys()
