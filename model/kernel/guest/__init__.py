# SPDX-License-Identifier: MIT

"""A booted kernel as a candidate: programs run in an emulated machine, the guest."""
