# SPDX-License-Identifier: MIT

"""Parses one line of a trace: a call with its arguments, optionally assigned to a name."""

import ast
import re
import warnings

from model.errors import BadInput

_NAME = re.compile(r"[a-z][a-z0-9_]{0,15}")


def read_statement(line: str) -> tuple[str, ast.Call]:
    """The name and the call of ``name = call(…)``, or "" and the call of ``call(…)``.

    :param line: One line without surrounding white space.
    :raises BadInput: if *line* has neither form.
    """
    try:
        with warnings.catch_warnings():
            # Python's SyntaxWarnings do not matter, as the line is not executed.
            warnings.simplefilter("ignore")
            body = ast.parse(line).body
    except SyntaxError as err:
        raise BadInput(f"not a statement: {err.msg}") from None
    except (ValueError, MemoryError, RecursionError):
        raise BadInput("not a statement: nested too deeply") from None
    match body:
        case [ast.Expr(value=ast.Call() as call)]:
            return "", call
        case [ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call)]:
            return name, call
    raise BadInput("not a call, and not an assignment of one")


def check_name(name: str) -> None:
    """Raise BadInput if a mapping or handle may not have *name*."""
    if not _NAME.fullmatch(name) or name == "sg":
        raise BadInput(f"bad name {name!r}: use up to 16 of a-z, 0-9 and _, a letter first; not sg")


def arguments_of(call: ast.Call, positional: list[str], keywords: set[str]) -> dict[str, ast.expr]:
    """The arguments of *call* by name: all of *positional*, any of *keywords*.

    :raises BadInput: if one is missing, unknown or repeated.
    """
    if len(call.args) != len(positional):
        wanted = ", ".join(positional)
        raise BadInput(f"{ast.unparse(call.func)}(…) takes {wanted} first, then keywords")
    arguments = dict(zip(positional, call.args, strict=True))
    for keyword in call.keywords:
        if keyword.arg in arguments:
            raise BadInput(f"{ast.unparse(call.func)}(…) has {keyword.arg} twice")
        if keyword.arg not in keywords:
            raise BadInput(f"{ast.unparse(call.func)}(…) has no keyword {keyword.arg}")
        arguments[keyword.arg] = keyword.value
    return arguments
