# SPDX-License-Identifier: MIT

"""Interrupts that are asked for, and not raised: nothing can swallow them."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

from properties.start import SIGNALS, interrupt

#: Handlers of which `Interrupts` takes the place.
USUAL = (signal.SIG_DFL, signal.default_int_handler, interrupt)


class Interrupts:
    """In its ``with`` block SIGINT and SIGTERM are noted. A second one ends the process.

    Where an interrupt raises an exception, a callback of the garbage collector may swallow it.
    """

    def __init__(self) -> None:
        self.asked = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) in USUAL:
                    self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Whether an interrupt was asked for."""
        return self.asked

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.asked:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.asked = True
