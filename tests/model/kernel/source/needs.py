# SPDX-License-Identifier: MIT

"""What is needed to compile a kernel tree."""

from __future__ import annotations

from functools import cache

from model.errors import BadInput
from model.kernel.source.build import CONFIGS, compiler, makes_programs
from properties.candidates import available


def lacking():
    """Why no kernel tree can be compiled here, and what to install; empty if one can."""
    try:
        available("kernel-source")
    except BadInput as err:
        return str(err)
    return "" if compiler() else "no cc: apt install gcc"


@cache
def lacking_32():
    """Why no kernel tree can be compiled for 32 bits here; empty if one can."""
    makes = makes_programs(compiler(), CONFIGS["m32"])
    return "" if makes else "no 32-bit programs: apt install gcc-multilib"
