# SPDX-License-Identifier: MIT

"""What was recorded is written and read back, and nothing else is taken for it."""

from __future__ import annotations

import lzma

import pytest
from attrs import evolve

from model.candidate import Snapshot
from model.errors import BadInput
from model.memory import Oops
from model.optimised import Optimised
from model.page import Event, HeadState
from model.parse import parse_program
from model.recording import RecordedKernel, recorded, write_recordings
from tests.recording_reader import parse_recording, read_texts

TEXT = """\
# recorded 6.1.0-56
# headcount 1
semantics("6.1")
a = mapping("driver", orders=[0, 0, 1])
h1 = pin_user_pages(a[0:4])
unpin_user_pages_dirty_lock(h1[1:4], make_dirty=True)
unpin_user_pages(h1[0:1], npages=-14)
> 4 4 0 | a[0]=1025,0,AP a[1]=1025,0,AP a[2]=3,2,AP | |
> - 4 3 | a[1]=1,0,DA a[2]=1,0,DA | dirty(a[1],0) put(a[1],1024,D) put(a[2],1,D)*2 |
> - 4 3 | | | mm/gup.c:33; mm/gup.c:34
"""


def test_reads_back():
    """What was read is written as it was, and has everything in it."""
    recording = parse_recording(TEXT)
    first, second, third = recording.snapshots

    assert recording.text() == TEXT
    assert "6.1.0-56" == recording.kernel
    assert (4, None) == (first.returned, second.returned)
    assert HeadState(3, 2, dirty=False, allocated=True) == first.heads[0x1002]
    assert {0x1000, 0x1001, 0x1002} == first.maybe_pinned
    assert Event("put", 0x1002, 1, dirty=True) == second.events[-1]
    assert (3, 1) == (second.puts, second.dirty_locks)
    assert ("mm/gup.c:33", "mm/gup.c:34") == third.warnings


def test_records_what_is_shown():
    """Any candidate can be recorded; grabs are left out, and a free page has no looks."""
    program = parse_program(
        '# headcount 1\nsemantics("6.1")\na = mapping("base", orders=[0])\n'
        "h1 = pin_user_pages(a[0:1])\nunmap(a[0:1])\nunpin_user_page(h1[0:1])\n"
    )
    recording = recorded("none", program, Optimised())
    lines = recording.text().splitlines()[-3:]

    assert "> 1 1 0 | a[0]=1025,0,AP | |" == lines[0]
    assert "> - 1 1 | a[0]=0,0, | put(a[0],1024) |" == lines[2]
    assert parse_recording(recording.text()).text() == recording.text()


def test_recorded():
    """The program that was recorded is shown again, and its beginning; no other is."""
    recording = parse_recording(TEXT)
    program = recording.program
    candidate = RecordedKernel(recording)

    assert list(recording.snapshots) == list(candidate.execute(program))
    assert {"6.1"} == candidate.abilities.semantics
    assert "recording of 6.1.0-56" == candidate.abilities.name
    other = evolve(program, steps=(program.steps[0], *program.steps[:2]))
    shown = candidate.execute(other)
    next(shown)
    with pytest.raises(BadInput, match="step 2 was not recorded"):
        next(shown)
    with pytest.raises(BadInput, match="step 1 was not recorded"):
        next(candidate.execute(evolve(program, mappings=())))


def test_oops():
    """A step that ends in an Oops is the last line, and shown again."""
    program = parse_program(
        '# headcount 1\nsemantics("6.1", misuse=True)\na = mapping("base", orders=[0])\n'
        "h1 = pin_user_pages(a[0:1])\nunpin_user_pages(NULL + h1[0:1])\n"
    )
    recording = recorded("none", program, Optimised())
    shown = RecordedKernel(parse_recording(recording.text())).execute(program)

    assert recording.text().endswith(
        "\n> 1 1 0 | a[0]=1025,0,AP | |\n> ! NULL has no struct page\n"
    )
    assert recording.snapshots[0].heads == next(shown).heads
    with pytest.raises(Oops, match="NULL has no struct page"):
        next(shown)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("# recorded 6.1.0-56\n", "", 1, "begins with '# recorded' and the kernel"),
        ("# headcount 1", "# headcount 9", 2, "format"),
        ("> - 4 3 | | | mm", "> ! Oops\n> - 4 3 | | | mm", 11, "3 steps, but 4 lines of snapshots"),
        ("> 4 4 0 | a", "> ! Oops | a", 8, "not the line of a snapshot"),
        ("[0, 0, 1]", "[0, 0, 77]", 4, "order 77"),
        ("h1 = pin_user_pages(a[0:4])", "h1 = pin_user_pages(a[0:9])", 5, "beyond a"),
        ("> - 4 3 | | | mm/gup.c:33; mm/gup.c:34\n", "", 9, "3 steps, but 2 lines of snapshots"),
        ("a[0]=1025,0,AP", "a[9]=1025,0,AP", 8, r"a\[9\] is not a page of the program"),
        ("a[0]=1025,0,AP", "b[0]=1025,0,AP", 8, r"b\[0\] is not a page of the program"),
        ("a[0]=1025,0,AP", "a[0]=x", 8, r"not part of a snapshot: 'a\[0\]=x'"),
        ("put(a[1],1024,D)", "put(a[1])", 9, "not part of a snapshot"),
        ("> 4 4 0 |", "> 4 4 |", 8, "not the line of a snapshot"),
        ("> 4 4 0 |", f"> {'4' * 5000} 4 0 |", 8, "not the line of a snapshot"),
        ("a[0]=1025,0,AP", f"a[{'0' * 5000}]=1025,0,AP", 8, "not part of a snapshot"),
        ("a[0]=1025,0,AP", f"a[0]={'1' * 5000},0,AP", 8, "not part of a snapshot"),
        ("put(a[1],1024,D)", "put(a[1],1)*1048577", 9, "a journal of more than 1,048,576 events"),
        ("put(a[1],1024,D)", f"put(a[1],1)*{'9' * 5000}", 9, "not part of a snapshot"),
    ],
)
def test_bad_recordings(old, new, line, reason):
    """What does not fit is told with its line."""
    assert old in TEXT
    with pytest.raises(BadInput, match=reason) as told:
        parse_recording(TEXT.replace(old, new, 1))

    assert line == told.value.line


def test_empty():
    """Nothing is no recording."""
    with pytest.raises(BadInput, match="begins with"):
        parse_recording("")


def test_page_of_no_mapping():
    """What shows a page that the program does not have cannot be written."""
    recording = parse_recording(TEXT)
    strange = Snapshot(
        returned=None,
        heads={0x9999: HeadState(1, 0, dirty=False, allocated=True)},
        acquired=0,
        released=0,
    )
    with pytest.raises(BadInput, match="frame 0x9999 is in no mapping"):
        evolve(recording, snapshots=(strange,)).text()


def test_files(tmp_path):
    """Several are kept in one file, packed, always in the same bytes."""
    recording = parse_recording(TEXT)
    path = tmp_path / "deep" / "some.recording"
    write_recordings(path, [recording, evolve(recording, kernel="other")])
    first = path.read_bytes()
    write_recordings(path, [recording, evolve(recording, kernel="other")])

    assert first == path.read_bytes()
    assert [TEXT, TEXT.replace("6.1.0-56", "other")] == read_texts(path)


def test_plain_file(tmp_path):
    """They may be kept as text, too."""
    path = tmp_path / "some.recording"
    path.write_text(TEXT * 2)

    assert [TEXT, TEXT] == read_texts(path)


@pytest.mark.parametrize(
    "data",
    [
        b"nothing that is packed",
        lzma.compress(b"\xff\xfe"),
        lzma.compress(TEXT.encode())[:-9],
        lzma.compress(TEXT.encode()) + b"more",
        None,
    ],
)
def test_bad_files(tmp_path, data):
    """What is no such file is told with its name."""
    path = tmp_path / "some.recording"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BadInput, match=r"some\.recording: "):
        read_texts(path)


@pytest.mark.parametrize("name", ["plain", "packed"])
def test_large_files(tmp_path, name):
    """No more is read, and no more is unpacked, than a bound that is named."""
    path = tmp_path / "some.recording"
    if name == "plain":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        path.write_bytes(lzma.compress(bytes((1 << 26) + 1), preset=0))
    with pytest.raises(BadInput, match=r"some\.recording: has more than 64 MiB"):
        read_texts(path)
