# SPDX-License-Identifier: MIT

"""One line of a trace as a statement: a name, perhaps, and a call with its arguments."""

from __future__ import annotations

import ast
import re
import warnings

from model.errors import BadInput


_NAME = re.compile(r"[a-z][a-z0-9_]{0,15}")


def read_statement(line: str) -> tuple[str, ast.Call]:
    """The name that is assigned to, "" if none is, and the call.

    :param line: without white space around it.
    :raises BadInput: if it is anything else.
    """
    try:
        with warnings.catch_warnings():
            # What Python finds odd in a line is no concern of its reader's.
            warnings.simplefilter("ignore")
            body = ast.parse(line).body
    except SyntaxError as err:
        msg = f"not a statement: {err.msg}"
        raise BadInput(msg) from None
    except (ValueError, MemoryError, RecursionError):
        msg = "not a statement: it nests too deeply"
        raise BadInput(msg) from None
    if len(body) == 1:
        statement = body[0]
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            return "", statement.value
        if (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
            and isinstance(statement.value, ast.Call)
        ):
            return statement.targets[0].id, statement.value
    msg = "not a call, nor a name for one"
    raise BadInput(msg)


def check_name(name: str) -> None:
    """Refuse what no mapping and no handle may be called.

    :raises BadInput: if *name* is such.
    """
    if not _NAME.fullmatch(name) or name == "sg":
        msg = f"{name!r} is no good name: up to 16 of a-z, 0-9 and _, a letter first"
        raise BadInput(msg)


def arguments_of(call: ast.Call, positional: list[str], keywords: set[str]) -> dict[str, ast.expr]:
    """The arguments of *call*: all that are *positional*, any of *keywords*.

    :raises BadInput: if one is missing, unknown or given twice.
    """
    if len(call.args) != len(positional):
        wanted = ", ".join(positional)
        msg = f"{ast.unparse(call.func)}(…) takes {wanted} first, then keywords"
        raise BadInput(msg)
    arguments = dict(zip(positional, call.args, strict=True))
    for keyword in call.keywords:
        if keyword.arg in arguments:
            msg = f"{ast.unparse(call.func)}(…) is given {keyword.arg} twice"
            raise BadInput(msg)
        if keyword.arg not in keywords:
            msg = f"{ast.unparse(call.func)}(…) has no keyword {keyword.arg}"
            raise BadInput(msg)
        arguments[keyword.arg] = keyword.value
    return arguments
