# SPDX-License-Identifier: MIT

"""The start of the command ``headcount``: what has to hold before anything else is imported."""

import os
import signal
import sys

#: The exit status if nothing can be printed, or nothing can be done where the command was started;
#: and that which shells report for a program killed by SIGINT.
BAD_INPUT, INTERRUPTED = 2, 130

#: SIGINT is Ctrl-C; SIGTERM is how others ask a program to end.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Command:
    """Whether the command is told of an interrupt by `KeyboardInterrupt`, or ends at once."""

    listens = False


def main() -> None:
    """Run the command line."""
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, interrupt)
    _open_streams()
    if not _somewhere():
        sys.stderr.write("headcount: the working folder is gone: go to another one\n")
        sys.exit(BAD_INPUT)
    try:
        _run()
    except BrokenPipeError:
        os._exit(0)
    except OSError as err:
        _cannot_print(err)


def listen() -> None:
    """From now on interrupts raise `KeyboardInterrupt`, if they are handled here."""
    _Command.listens = True


def interrupt(_number: int, _frame: object) -> None:
    """Handle SIGINT or SIGTERM."""
    if _Command.listens:
        raise KeyboardInterrupt
    # Modules are being imported: a traceback would show where.
    os.write(2, b"headcount: interrupted\n")
    os._exit(INTERRUPTED)


def _run() -> None:
    # Imported late, so that an interrupt before is no traceback of an import.
    from properties.cli import main as command  # noqa: PLC0415
    from properties.importing import Foreign  # noqa: PLC0415

    try:
        command()
    except SystemExit as end:
        # What cannot be written is told here, not by the interpreter at its end.
        if not sys.stdout.closed:
            sys.stdout.flush()
        if Foreign.imported and isinstance(end.code, int):
            # Its threads may never end, and what it asked to be done at the end change the status.
            sys.stderr.flush()
            os._exit(end.code)
        raise


def _open_streams() -> None:
    """Open closed standard streams on nothing, and let them print what their encoding lacks."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # Else the next file that is opened would be what is printed to.
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")


def _somewhere() -> bool:
    """Whether the working folder exists."""
    try:
        os.getcwd()  # noqa: PTH109 - pathlib is imported later
    except FileNotFoundError:
        return False
    return True


def _cannot_print(err: OSError) -> None:
    sys.stderr.write(f"headcount: cannot print: {err.strerror or err}\n")
    # Standard output keeps what could not be written, and would fail again.
    sys.stderr.flush()
    os._exit(BAD_INPUT)
