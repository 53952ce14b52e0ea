# SPDX-License-Identifier: MIT

"""What is needed to compile a kernel tree."""

from __future__ import annotations

from model.errors import BadInput
from model.kernel.source.build import compiler
from properties.candidates import available


def lacking():
    """Why no kernel tree can be compiled here, and what to install; empty if one can."""
    try:
        available("kernel-source")
    except BadInput as err:
        return str(err)
    return "" if compiler() else "no cc: apt install gcc"
