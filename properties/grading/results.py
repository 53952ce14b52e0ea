# SPDX-License-Identifier: MIT

"""A file of results of trials, so that they can be graded later without a new run."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_type_hints

from attrs import asdict, fields

from model.errors import BadInput
from properties.grading.trial import Found, Result, Trial


def text(results: Iterable[Result]) -> str:
    """*results* as a JSON list."""
    return json.dumps([asdict(result) for result in results], indent=1) + "\n"


def read(path: Path) -> list[Result]:
    """The results in the file at *path*.

    :raises BadInput: if it cannot be read or is not a list of results.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise BadInput(err.strerror or str(err), file=str(path)) from None
    except (ValueError, RecursionError):
        kept = None
    try:
        return [_result(one) for one in kept]
    except (TypeError, KeyError, ValueError):
        msg = "holds no results; headcount faults --json FILE writes them"
        raise BadInput(msg, file=str(path)) from None


def _result(kept: dict[str, Any]) -> Result:
    found = kept["found"]
    if found is not None:
        found = _made(Found, {**found, "size": tuple(map(int, found["size"]))})
    trial = _made(Trial, kept["trial"])
    result: Result = _made(Result, {**kept, "trial": trial, "found": found})
    return result


def _made(cls: type[Any], kept: dict[str, Any]) -> Any:
    """An object of *cls*, whose fields are the items of *kept*.

    :raises KeyError: if fields are missing or unknown.
    :raises TypeError: if a value has the wrong type.
    """
    if {field.name for field in fields(cls)} != kept.keys():
        raise KeyError
    for name, hint in get_type_hints(cls).items():
        kinds: Any = {float: (float, int), tuple[int, int, int, int]: tuple}.get(hint, hint)
        if not isinstance(kept[name], kinds):
            raise TypeError
    return cls(**kept)
