# SPDX-License-Identifier: MIT

"""A booted kernel as a candidate: programs run in an emulated machine, the guest.

``packages`` downloads a Debian kernel, ``image`` compiles the module and the agent (the C
files in ``inside/``) into an initramfs, ``emulator`` starts and stops QEMU, ``guest`` sends
programs to it, ``layout`` places their pages, ``candidate`` translates steps and
answers, and ``booted`` is the specification ``kernel-guest``.
"""
