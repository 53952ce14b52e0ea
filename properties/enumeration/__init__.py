# SPDX-License-Identifier: MIT

"""Every program of a scope, in order of size."""
