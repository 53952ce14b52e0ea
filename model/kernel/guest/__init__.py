# SPDX-License-Identifier: MIT

"""A booted kernel: where it comes from, what runs in it, and programs on it.

``packages`` gets a kernel of Debian's, ``image`` builds what runs inside (the C files in
``inside/``), ``emulator`` starts and stops the machine, ``guest`` talks to it, ``layout``
says where pages are to lie, ``candidate`` carries programs out, and ``booted`` is what a
person names.
"""
