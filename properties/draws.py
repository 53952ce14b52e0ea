# SPDX-License-Identifier: MIT

"""What Hypothesis draws from a seed, whatever modules are imported."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants


@contextmanager
def by_seed_alone() -> Iterator[None]:
    """Hypothesis draws no constants of the modules that happen to be imported.

    It would take one draw in twenty from them, so that a seed drew other programs in a process that
    had imported more, in tests, or where headcount is not installed from a work tree. There is no
    setting for it; a Hypothesis that lacks the two names is left as it is.
    """
    with (
        patch.object(providers, "_get_local_constants", Constants, create=True),
        patch.object(providers, "CONSTANTS_CACHE", {}, create=True),
    ):
        yield
