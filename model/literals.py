# SPDX-License-Identifier: MIT

"""Values in a trace: literals, and the operators ``+``, ``*`` and ``|``.

Each function converts a node of Python's syntax tree to a value without evaluating the node,
or raises `BadInput`.
"""

import ast
from collections.abc import Callable
from typing import Any

from model.errors import BadInput
from model.mapping import MAX_PFN
from model.pagelist import NULL_NAME, Group, PageList, Slice
from model.semantics import MAX_ORDER
from model.step import FLAGS, MIN_ERRNO, RACES, ULONG_VALUES, SgEntry


def whole_number(node: ast.expr) -> int:
    """The integer in *node*, from -4095 to 2^64-1."""
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    if not isinstance(node, ast.Constant) or type(node.value) is not int:
        raise BadInput(f"{shortened(node)} is not an integer")
    value = sign * node.value
    if not MIN_ERRNO <= value < ULONG_VALUES:
        raise BadInput(f"an integer is not in {MIN_ERRNO}..2^64-1")
    return value


def boolean(node: ast.expr) -> bool:
    """The value of ``True`` or ``False``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return node.value
    raise BadInput(f"{shortened(node)} is neither True nor False")


def string(node: ast.expr) -> str:
    """The string in *node*."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise BadInput(f"{shortened(node)} is not a string")


def race(node: ast.expr) -> str:
    """The kind of race in *node*."""
    kind = string(node)
    if kind not in RACES:
        raise BadInput(f"{shortened(node)} is no race; races are {', '.join(RACES)}")
    return kind


def identifier(node: ast.expr) -> str:
    """The name in *node*."""
    if isinstance(node, ast.Name):
        return node.id
    raise BadInput(f"{shortened(node)} is not a name")


def flags(node: ast.expr) -> tuple[str, ...]:
    """The flags of ``FLAG | FLAG``, in the order of `FLAGS`."""
    names = [identifier(operand) for operand in _operands(node, ast.BitOr)]
    for name in names:
        if name not in FLAGS:
            raise BadInput(f"unknown flag {name}; flags are {', '.join(FLAGS)}")
    return tuple(sorted(set(names), key=[*FLAGS].index))


def orders(node: ast.expr) -> tuple[int, ...]:
    """Each order in a sum of lists like ``[0, 0] + [9]*4``."""
    runs = [run for bracket in brackets(node) for run in bracket]
    if sum(count for _, count in runs) > 1 << MAX_ORDER:
        msg = f"{shortened(node)} has more orders than the largest compound page has pages"
        raise BadInput(msg)
    return tuple(order for order, count in runs for _ in range(count))


def brackets(node: ast.expr) -> list[list[tuple[int, int]]]:
    """The brackets of a sum like ``[0, 0] + [9]*4``, each as a list of (order, count)."""
    found = []
    for operand in _operands(node, ast.Add):
        term, times = _repeated(operand)
        if not isinstance(term, ast.List) or not term.elts:
            raise BadInput(f"{shortened(operand)} is not a list of orders")
        listed = [whole_number(element) for element in term.elts]
        if times != 1 and len(listed) != 1:
            raise BadInput(f"{shortened(operand)}: only a single order can be repeated")
        found.append([(order, times) for order in listed])
    return found


def pages(node: ast.expr) -> PageList:
    """The list of pages in *node*, a sum of slices and repeated groups."""
    return PageList(tuple(_term(operand) for operand in _operands(node, ast.Add)))


def _term(node: ast.expr) -> Slice | Group:
    term = _slice_or_group(node)
    group = term if isinstance(term, Group) else Group((term,), 1)
    # Not len(term), which raises OverflowError from 2^63 pages on.
    if sum(len(s.indices) * s.times for s in group.slices) * group.times > MAX_PFN:
        raise BadInput(f"{shortened(node)} lists more pages than there are frames")
    return term


def _slice_or_group(node: ast.expr) -> Slice | Group:
    term, times = _repeated(node)
    if _is_slice(term):
        return _slice(term, times)
    if isinstance(term, ast.BinOp) and times > 1:
        slices = []
        for operand in _operands(term, ast.Add):
            part, n = _repeated(operand)
            if not _is_slice(part):
                break
            slices.append(_slice(part, n))
        else:
            return Group(tuple(slices), times)
    msg = f"{shortened(node)} is neither a slice of pages like a[0:4] nor a repeated sum of slices"
    raise BadInput(msg)


def _is_slice(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) or (isinstance(node, ast.Name) and node.id == NULL_NAME)


def _slice(node: ast.expr, times: int) -> Slice:
    if not isinstance(node, ast.Subscript):
        return Slice(NULL_NAME, range(1), times)
    name = identifier(node.value)
    part = node.slice
    if not isinstance(part, ast.Slice) or part.lower is None:
        raise BadInput(f"{shortened(node)} is not a slice from one page to another like a[0:4]")
    start = whole_number(part.lower)
    step = 1 if part.step is None else whole_number(part.step)
    if part.upper is None and step > 0:
        raise BadInput(f"{shortened(node)} has no end")
    stop = -1 if part.upper is None else whole_number(part.upper)
    if start < 0 or step == 0 or (part.upper is not None and stop < 0):
        raise BadInput(f"{shortened(node)} has a negative index, or step 0")
    if max(start, stop) > MAX_PFN:
        raise BadInput(f"{shortened(node)} is beyond the end of any mapping")
    return Slice(name, range(start, stop, step), times)


def scatterlist(node: ast.expr) -> tuple[SgEntry, ...]:
    """The entries of a sum of ``sg(pages, bytes)``."""
    entries = []
    for operand in _operands(node, ast.Add):
        if (
            not isinstance(operand, ast.Call)
            or identifier(operand.func) != "sg"
            or len(operand.args) != 2
            or operand.keywords
        ):
            raise BadInput(f"{shortened(operand)} is not of the form sg(pages, bytes)")
        entries.append(SgEntry(pages(operand.args[0]), whole_number(operand.args[1])))
    return tuple(entries)


VALUES: dict[str, Callable[[ast.expr], Any]] = {
    "int": whole_number,
    "bool": boolean,
    "flags": flags,
    "orders": orders,
    "pages": pages,
    "race": race,
    "sgl": scatterlist,
    "umem": identifier,
}


def _operands(node: ast.expr, operator: type[ast.operator]) -> list[ast.expr]:
    """The operands of ``a + b + c`` (+ stands for *operator*), left to right."""
    operands = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, operator):
        operands.append(node.right)
        node = node.left
    return [node, *reversed(operands)]


def _repeated(node: ast.expr) -> tuple[ast.expr, int]:
    """Both operands of *node* if it is ``term*times``; *node* and 1 if it is anything else."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        times = whole_number(node.right)
        if not 1 <= times <= 1 << 32:
            raise BadInput(f"repeated {times} times, not 1 to 2^32 times")
        return node.left, times
    return node, 1


def shortened(node: ast.expr) -> str:
    """The text of *node* in at most 40 characters, for error messages."""
    try:
        text = ast.unparse(node)
    except RecursionError:
        return "something nested too deeply"
    except ValueError:  # an int with too many digits to print
        return "something too long"
    return text if len(text) <= 40 else text[:37] + "..."
