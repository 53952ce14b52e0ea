# SPDX-License-Identifier: MIT

"""Compiles the extracted functions to a program, the worker, in the user's cache.

It recognises the kernel version by the functions that a tree defines.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from attrs import astuple, frozen

from model.errors import BadInput
from model.kernel.command import digest, run
from model.kernel.source.coverage import NOTES, OBJECT, Counters, counters, reader
from model.kernel.source.cut import FAST, FILELESS, LAST, MEASURED, SHIM, UNWALKED, WALK, Cut, cut
from model.kernel.source.segments import OPERATIONS
from model.kernel.source.tree import Tree, cache
from model.leftovers import temporary
from model.memfd import MemfdPinFolios
from model.semantics import SEMANTICS, Semantics

#: As in the kernel: integers wrap, pointers may alias, NULL checks after a use are kept.
FLAGS = (
    "-std=gnu11",
    "-O2",
    "-g",  # so that linker errors give file and line in the tree
    "-fPIC",
    "-w",
    "-Werror=implicit-function-declaration",
    "-fno-strict-aliasing",
    "-fno-strict-overflow",
    "-fno-delete-null-pointer-checks",
    "-fno-common",
    f"-DHC_CALLS={OPERATIONS}",
)

#: Flag for all files, and those for the extract alone, if the extract's lines are counted
#: (`model.kernel.source.coverage`).
COUNTED = "-DHC_COUNTED"
PROFILED = ("-fprofile-arcs", "-ftest-coverage")

#: Files of the shim that do not need the tree's struct page; compiled separately.
BESIDE = ("memmap.c", "journal.c", "serve.c", "worker.c")

#: Memory models and their compiler flags.
MODELS = {"vmemmap": ("-DHC_VMEMMAP",), "classic": ()}

#: Other parts of the kernel configuration that can be chosen, and their compiler flags.
#: ``debug_vm``: CONFIG_DEBUG_VM. ``hvo``: CONFIG_HUGETLB_PAGE_OPTIMIZE_VMEMMAP, of which the
#: struct pages show that tails hold a mask; no struct page is shared. ``m32``: a 32-bit kernel,
#: whose long and pointers have 32 bits; its physical addresses have 64 (PAE).
CONFIGS = {"debug_vm": ("-DHC_DEBUG_VM",), "hvo": ("-DHC_HVO",), "m32": ("-m32",)}

#: Versions with functions. A tree follows the first version of which it defines all functions;
#: some of them have nothing to do with pins, and came with the version.
ERAS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("7.3", ("gup_put_folio", "try_grab_folio_fast", "vma_is_cow_mapping")),
    ("7.1", ("gup_put_folio", "try_grab_folio_fast", "compound_info_has_mask")),
    ("6.18", ("gup_put_folio", "try_grab_folio_fast", "page_range_contiguous")),
    ("6.12", ("gup_put_folio", "try_grab_folio", "try_grab_folio_fast")),
    ("6.1", ("gup_put_folio", "try_grab_folio", "try_grab_page", "is_zero_folio")),
    ("5.18", ("gup_put_folio", "try_grab_folio", "try_grab_page")),
    ("5.13", ("put_compound_head", "try_grab_compound_head", "compound_range_next")),
    ("5.11", ("put_compound_head", "try_grab_compound_head", "try_grab_page")),
)

#: The same of what counts otherwise on 32 bits.
ERAS_32: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("6.15-32", ("gup_put_folio", "try_grab_folio_fast", "folio_large_order")),
)

#: Known oddities of versions before 6.2, of those from 5.13 to 6.9, and of those since 6.12.
_BEFORE_6_2 = ("one-grab", "devmap-longterm", "read-only-region")
_BEFORE_6_10 = ("one-grab-slow", "hugetlb-longterm")
_OF_6_12 = ("one-grab", "one-grab-slow", "null-in-run", "uncounted-pin")

#: Known oddities of each version's source: names in `properties.judging.oddities`.
ODDITIES_BY_VERSION = {
    "5.11": _BEFORE_6_2,
    "5.13": (*_BEFORE_6_2, *_BEFORE_6_10, "product", "run-of-zero"),
    "5.18": (*_BEFORE_6_2, *_BEFORE_6_10, "run-of-zero"),
    "6.1": (*_BEFORE_6_2, *_BEFORE_6_10, "run-of-zero"),
    "6.12": (*_OF_6_12, "devmap-longterm", "run-of-zero"),
    "6.15-32": _OF_6_12,
    "6.18": (*_OF_6_12, "run-of-zero"),
    "7.1": (*_OF_6_12, "run-of-zero"),
    "7.3": (*_OF_6_12, "run-of-zero"),
}

#: The call that is left out if a tree's cannot be compiled.
PINS_FOLIOS = MemfdPinFolios.call

#: A program that needs what a worker needs.
SMALL = "#include <unistd.h>\nint main(void) { _exit(0); }\n"

#: Maximum number of libraries in the cache; the least recently used are deleted.
KEPT = 64


@frozen
class Library:
    """Compiled functions of a tree.

    :param tree: What it was compiled from.
    :param path: The worker; for time measurements a shared object.
    :param semantics: The version in `model.semantics` whose rules the tree follows.
    :param model: The memory model, ``vmemmap`` or ``classic``.
    :param configs: The rest of the configuration: those of `CONFIGS` that were chosen.
    :param oddities: Names of the oddities that the tree is known for.
    :param names: The file and line of each extracted definition, ``mm/gup.c:264``, by its name.
    :param unwalked: Why headcount walks page tables in the place of the tree; else empty.
    :param fileless: Why memfd_pin_folios() of the tree is not called, though it has it; else empty.
    :param counters: Where its counters of executed lines lie; None if it has none.
    :param gcov: The program that reads them; None if there is none for the compiler.
    """

    tree: Tree
    path: Path
    semantics: str
    model: str
    configs: tuple[str, ...]
    oddities: tuple[str, ...]
    names: dict[str, str]
    unwalked: str = ""
    fileless: str = ""
    counters: Counters | None = None
    gcov: str | None = None

    @property
    def version(self) -> str:
        """The kernel version from the tree's Makefile, ``6.1.192``."""
        return self.tree.version

    @property
    def config_flags(self) -> tuple[str, ...]:
        """The compiler flags of its configuration."""
        return config_flags(self.model, self.configs)

    @property
    def notes(self) -> Path:
        """The compiler's notes on the lines that it counts."""
        return self.path.with_suffix(".gcno")


def config_flags(model: str, configs: Sequence[str] = ()) -> tuple[str, ...]:
    """The compiler flags of memory *model* with *configs*, keys of `MODELS` and `CONFIGS`."""
    return (*MODELS[model], *chain.from_iterable(CONFIGS[config] for config in configs))


def build(
    tree: Tree, model: str, configs: Sequence[str] = (), *, measured: bool = False
) -> Library:
    """The library of *tree* for memory *model*, from the cache or newly compiled.

    :param configs: Those of `CONFIGS` that are chosen.
    :param measured: Whether to compile for time measurements, without the journal.
    :raises BadInput: if there is no compiler, a definition is missing, or the tree does not have
        the configuration.
    """
    cc = compiler()
    if not cc:
        raise BadInput("kernel-source needs a C compiler, and none is installed (apt install gcc)")
    gcov = None if measured else reader(cc)
    flags = (*FLAGS, *config_flags(model, configs), *(("-DHC_MEASURE",) if measured else ()))
    flags += (COUNTED, *PROFILED) if gcov else ()
    place = cache() / "libraries"
    stem = place / _digest(tree, cc, flags)
    library, facts = stem.with_suffix(".so"), stem.with_suffix(".json")
    try:
        known = _kept(facts, library, *([stem.with_suffix(".gcno")] if gcov else []))
        if known is None:
            _make(tree, cc, flags, (model, *configs), stem, measured=measured)
            _forget(place)
            known = json.loads(facts.read_text())
        os.utime(library)
    except OSError as err:
        msg = f"cannot write the compiled library to the cache: {err.strerror or err}"
        raise BadInput(msg, file=str(err.filename or place)) from None
    del known["hash"]
    known["oddities"] = tuple(known["oddities"])
    if gcov:
        known["counters"] = Counters(known["counters"][0], tuple(known["counters"][1]))
    return Library(tree, library, model=model, configs=tuple(configs), gcov=gcov, **known)


def _kept(facts: Path, *files: Path) -> dict[str, Any] | None:
    """What is in *facts*; None if it or one of *files* is absent, or is not as it was written."""
    try:
        known: dict[str, Any] = json.loads(facts.read_text())
        same = known["hash"] == hash_of(files)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return known if same else None


def hash_of(files: Iterable[Path]) -> str:
    """A hash of what is in *files*."""
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()


def compiler() -> str | None:
    """The path of the C compiler: ``$CC`` (or cc), gcc or clang; None if none is installed."""
    names = (os.environ.get("CC") or "cc", "gcc", "clang")
    return next(filter(None, map(shutil.which, names)), None)


def _make(
    tree: Tree,
    cc: str,
    flags: tuple[str, ...],
    config: tuple[str, ...],
    stem: Path,
    *,
    measured: bool,
) -> None:
    model, *configs = config
    if "m32" in configs and not makes_programs(cc, CONFIGS["m32"]):
        msg = f"m32: {cc} makes no 32-bit program that runs here (apt install gcc-multilib)"
        raise BadInput(msg)
    last = MEASURED if measured else LAST
    extracted = cut(tree, cc, config_flags(model, configs), last)
    semantics = recognised(tree, extracted, configs)
    if "hvo" in configs and not SEMANTICS[semantics].tail_mask:
        msg = f"hvo: tails hold a mask from 7.1 on, and this tree counts as {semantics}"
        raise BadInput(msg, file=tree.where)
    unwalked = fileless = ""
    if not measured and not extracted.known.intersection(FAST):
        unwalked = f"it has none of {', '.join(f'{name}()' for name in FAST)}"
    with temporary(stem.parent) as work:
        made, facts, notes = work / "library.so", work / "facts.json", work / NOTES
        if not unwalked:
            walked = flags if measured else (*flags, WALK)
            unwalked = _compile(cc, walked, extracted.source, made, program=not measured)
        if unwalked and measured:
            raise BadInput(unwalked, file=tree.where)
        if unwalked and PINS_FOLIOS in extracted.names:
            # Perhaps it is this call alone that cannot be compiled.
            extracted = cut(tree, cc, config_flags(model, configs), FILELESS)
            fileless = unwalked
            unwalked = _compile(cc, walked, extracted.source, made, program=True)
        if unwalked:
            fileless = ""
            extracted = cut(tree, cc, config_flags(model, configs), UNWALKED)
            again = _compile(cc, flags, extracted.source, made, program=True)
            if again:
                raise BadInput(again, file=tree.where)
        known = {
            "semantics": semantics,
            "oddities": known_for(SEMANTICS[semantics], model, configs),
            "names": extracted.names,
            "unwalked": unwalked,
            "fileless": fileless,
            "hash": hash_of([made, notes] if notes.exists() else [made]),
        }
        if notes.exists():
            known["counters"] = astuple(counters(made, cc, extracted.names))
            notes.rename(stem.with_suffix(".gcno"))
        facts.write_text(json.dumps(known))
        facts.rename(stem.with_suffix(".json"))
        made.rename(stem.with_suffix(".so"))


def makes_programs(cc: str, flags: Sequence[str]) -> bool:
    """Whether *cc* makes programs with *flags* that run here."""
    with temporary(cache() / "work") as work:
        made = str(work / "small")
        done = run([cc, *flags, "-x", "c", "-", "-o", made], stdin=SMALL, TMPDIR=str(work))
        try:
            return not done.returncode and not run([made]).returncode
        except OSError:  # the system runs none
            return False


def recognised(tree: Tree, extracted: Cut, configs: Sequence[str] = ()) -> str:
    """The version in `model.semantics` whose rules *tree* follows with *configs*, or BadInput."""
    for version, names in ERAS_32 + ERAS if "m32" in configs else ERAS:
        if all(name in extracted.known for name in names):
            return version
    put = next((n for n in ("gup_put_folio", "put_compound_head") if n in extracted.known), "")
    if not put:
        msg = "mm/gup.c has neither put_compound_head() (5.11) nor gup_put_folio() (5.18)"
        raise BadInput(msg, file=tree.where)
    wanted = next(names for _, names in reversed(ERAS) if put in names)
    missing = ", ".join(f"{name}()" for name in wanted if name not in extracted.known)
    raise BadInput(f"mm/gup.c has {put}(), but lacks {missing}", file=tree.where)


def known_for(row: Semantics, model: str, configs: Sequence[str] = ()) -> tuple[str, ...]:
    """The known oddities of a tree with the semantics *row*.

    :param model: Its memory model, a key of `MODELS`.
    :param configs: The rest of its configuration, keys of `CONFIGS`.
    """
    plain = row.version == "5.13" or row.in_section
    sections: tuple[str, ...] = ("sections",) if model == "classic" and plain else ()
    if model == "classic" and row.version in {"5.11", "5.13"}:
        sections += ("sections-walk",)
    every = ODDITIES_BY_VERSION[row.version]
    if "m32" in configs:  # has no devices' pages
        every = tuple(name for name in every if name != "devmap-longterm")
    checked: tuple[str, ...] = ("wrapped-put",) if row.version in {"5.11", "5.13"} else ()
    checked += ("zero-unpinned",) if row.adds_pins else ()
    return every + sections + (checked if "debug_vm" in configs else ())


def _compile(cc: str, flags: Sequence[str], source: str, made: Path, *, program: bool) -> str:
    """Compile *source*, and link it to the library *made*; what is wrong with it, or nothing.

    :param program: Whether to make a worker, with the files `BESIDE`, and not a shared object.
    """
    compiled = made.with_name(OBJECT)
    extract = [cc, *flags, f"-I{SHIM}", "-c", "-x", "c", "-", "-o", str(compiled)]
    counts, gcov = (("counts.c",), ("-lgcov",)) if COUNTED in flags else ((), ())
    beside = BESIDE if program else ()
    files = [*(str(SHIM / name) for name in (*beside, *counts)), str(compiled), *gcov]
    plain = [flag for flag in flags if flag not in PROFILED]
    shared = () if program else ("-shared", "-Wl,-z,defs")
    library = [cc, *plain, *shared, *files, "-o", str(made)]
    for command in (extract, library):
        # What a compiler that is killed leaves behind is removed with the rest.
        done = run(command, stdin=source, TMPDIR=str(made.parent))
        if done.returncode:
            return _complaint(done.stderr.replace(f"{Path.cwd()}/", ""))
    return ""


def _complaint(text: str) -> str:
    """The first error of the compiler or linker output *text*, in one line."""
    missing = re.search(
        r"^(.+?:\d+):.*?(?:implicit declaration of function|undefined reference to"
        r"|unknown type name) ['`](\w+)'",
        text,
        re.MULTILINE,
    )
    if missing:
        return (
            f"{missing[1]} uses {missing[2]}, which is neither in the files that headcount reads "
            "from the tree nor in headcount's shim"
        )
    refused = re.search(
        r"/shim/.*: static assertion failed.*[:] \"?([^\"\n]+)\"?$", text, re.MULTILINE
    )
    if refused:
        return f"cannot be run: {refused[1]}"
    error = re.search(r"^(.+?:\d+):(?:\d+:)? (?:fatal )?error: (.+)$", text, re.MULTILINE)
    if error:
        return f"cannot be compiled: {error[1]}: {error[2]}"
    return f"cannot be compiled: {(text.strip().splitlines() or ['no compiler output'])[0]}"


def _digest(tree: Tree, cc: str, flags: tuple[str, ...]) -> str:
    """A hash of everything that the library is made from."""
    names = ("cut.py", "items.py", "conditions.py", "build.py", "coverage.py")
    sources = [*sorted(SHIM.iterdir()), *(Path(__file__).with_name(name) for name in names)]
    return digest(cc, sources, *flags, *chain.from_iterable(sorted(tree.files.items())))


def _forget(place: Path) -> None:
    libraries = sorted(place.glob("*.so"), key=lambda path: path.stat().st_mtime)
    for path in libraries[:-KEPT]:
        path.unlink(missing_ok=True)
        for suffix in (".json", ".gcno"):
            path.with_suffix(suffix).unlink(missing_ok=True)
