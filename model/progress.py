# SPDX-License-Identifier: MIT

"""How far long work has come: the work tells it, and a command prints it if it likes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


def _nobody(_text: str) -> None:
    """Hear nothing."""


_HEARD: ContextVar[Callable[[str], None]] = ContextVar("heard", default=_nobody)


def tell(text: str) -> None:
    """Tell how far work has come that may take long; called often."""
    _HEARD.get()(text)


@contextmanager
def told_to(listener: Callable[[str], None]) -> Iterator[None]:
    """Have *listener* called with each text that is told in the ``with`` block."""
    token = _HEARD.set(listener)
    try:
        yield
    finally:
        _HEARD.reset(token)
