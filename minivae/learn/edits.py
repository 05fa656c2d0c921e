"""Every single edit of a function that undoes, or makes, one of the slips that learners make.

An edit changes the syntax tree in place, is handed out, and is taken back when the next one is asked for.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

SIGN, OPERATOR, BRACKETS, ORDER = "the sign", "the operator", "the brackets", "the order of the two sides"
NAME, NUMBER, TEXT, INDEX, AXIS = "the name", "the number", "the text", "the index", "the axis of this sum"
FUNCTION, COMPARISON, POWER, KEEPDIMS = "the function", "the comparison", "the power", "keepdims"
TOO_MANY = "there is one {} too many"
MISSING = "one {} is missing"
ARGUMENTS, RETURNED = "the order of the arguments", "the order of the values"
ASSIGNMENT, IN_PLACE = "= or +=", "an array is changed in place; it has to be a new one, a copy"
WHOLE = "the dtype: an array of whole numbers cuts off what is written into it"

OPERATORS: dict[type, list[tuple[str, type]]] = {
    ast.Add: [(SIGN, ast.Sub), (OPERATOR, ast.Mult)],
    ast.Sub: [(SIGN, ast.Add), (OPERATOR, ast.Div), (OPERATOR, ast.Mult)],
    ast.Mult: [(OPERATOR, other) for other in (ast.Div, ast.MatMult, ast.Pow, ast.Add, ast.Sub)],
    ast.Div: [(OPERATOR, other) for other in (ast.Mult, ast.Sub, ast.Add)],
    ast.FloorDiv: [(OPERATOR, ast.Div)],
    ast.MatMult: [(OPERATOR, ast.Mult)],
    ast.Pow: [(OPERATOR, ast.Mult)],
}
COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.Gt, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}
FAMILIES = (
    ("sum", "mean", "max", "min", "prod"),
    ("exp", "log", "sqrt", "square", "abs", "exp2", "log1p", "log2", "log10", "tanh", "expit"),
    ("zeros_like", "ones_like"),
    ("zeros", "ones"),
    ("maximum", "minimum"),
    ("hstack", "vstack"),
)
WRAPPERS = ("exp", "log", "sqrt", "square", "abs", "log1p")
SUMS = ("sum", "mean", "max", "min", "prod", "norm", "reduce")
SYMBOLS = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.MatMult: "@",
    ast.Pow: "**",
    ast.FloorDiv: "//",
    ast.Mod: "%",
}


class Edit(NamedTuple):
    """One edit: where, of which kind, how large, and what stands there before and after."""

    line: int
    kind: str
    cost: float
    before: str
    after: str


class Slot(NamedTuple):
    """A place in the tree, with what it belongs to."""

    owner: Any
    field: str
    index: int | None
    line: int
    in_index: bool = False
    is_term: bool = True  # not a factor of a product, where one factor more is one factor of the product

    @property
    def node(self) -> Any:
        """What stands there."""
        value = getattr(self.owner, self.field)
        return value if self.index is None else value[self.index]

    def put(self, node: Any) -> None:
        """Let something else stand there; a list in the place of a statement is as many statements."""
        if self.index is None:
            setattr(self.owner, self.field, node)
        else:
            getattr(self.owner, self.field)[self.index] = node


def edits(function: ast.FunctionDef, texts: tuple[str, ...], skip: set[int], late: bool, add: bool) -> Iterator[Edit]:
    """The edits of one function, each in force until the next is asked for.

    Parameters
    ----------
    function : ast.FunctionDef
    texts : tuple of str
        Texts that an argument may be.
    skip : set of int
        Lines that are beyond suspicion.
    late : bool
        False: what is exchanged or left out. True: the same in several places, and what is added.
    add : bool
        Whether anything is added at all.
    """
    names = local_names(function)
    slots = [slot for slot in slots_of(function) if slot.line not in skip]
    for slot in slots if add or not late else []:
        before = slot.node
        for kind, cost, after in added(slot, names) if late else exchanged(slot, names, texts):
            slot.put(after)
            yield Edit(slot.line, kind, cost, ast.unparse(before), ast.unparse(after))
        slot.put(before)
    if late:
        yield from everywhere(slots, names, texts)
    yield from statement_edits(function, skip, late)


def everywhere(slots: list[Slot], names: list[str], texts: tuple[str, ...]) -> Iterator[Edit]:
    """The same edit at all places where the same stands."""
    alike: dict[str, list[Slot]] = {}
    for slot in slots:
        alike.setdefault(ast.dump(slot.node), []).append(slot)
    for group in (group for group in alike.values() if len(group) > 1):
        before = group[0].node
        originals = [slot.node for slot in group]
        for kind, cost, after in itertools.chain(exchanged(group[0], names, texts), added(group[0], names)):
            for slot in group:
                slot.put(after)
            text = ast.unparse(before)
            yield Edit(group[0].line, f"{kind}, everywhere that {text} stands", cost + 1, text, ast.unparse(after))
        for slot, original in zip(group, originals, strict=True):
            slot.put(original)


def local_names(function: ast.FunctionDef) -> list[str]:
    """Arguments and whatever is assigned."""
    stored = (node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return list(dict.fromkeys([argument.arg for argument in function.args.args] + list(stored)))


def slots_of(node: ast.AST, line: int = 0, in_index: bool = False) -> Iterator[Slot]:
    """All places of expressions and keywords below a node, in the order of the text."""
    if isinstance(node, ast.Expr):  # a docstring
        return
    for field, value in ast.iter_fields(node):
        if field in ("decorator_list", "args", "func", "returns") and not isinstance(node, ast.Call):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, (ast.expr, ast.keyword, ast.stmt)):
                continue
            here = getattr(child, "lineno", line)
            inside = in_index or field == "slice"
            is_module = isinstance(node, ast.Attribute) and ast.unparse(child).split(".")[0] in ("np", "math", "numpy")
            if isinstance(child, (ast.expr, ast.keyword)) and field != "func" and not is_module:
                product = isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div, ast.MatMult))
                yield Slot(node, field, index, here, inside, not product)
            if isinstance(child, ast.keyword) and child.arg in ("axis", "keepdims"):
                continue
            if not isinstance(child, ast.expr) or not isinstance(getattr(child, "ctx", None), ast.Store):
                yield from slots_of(child, here, inside)
            elif isinstance(child, ast.Subscript):
                yield from slots_of(child, here, True)


def exchanged(slot: Slot, names: list[str], texts: tuple[str, ...]) -> Iterator[tuple[str, float, Any]]:
    """What is exchanged or left out at one place."""
    node = slot.node
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return
    match node:
        case ast.BinOp():
            yield from of_operation(node)
            if not isinstance(slot.owner, ast.BinOp) or _needs_brackets(slot.owner, node):
                for kind, cost, text in of_chain(chain(node)):
                    with contextlib.suppress(SyntaxError):
                        yield kind, cost, ast.parse(text, mode="eval").body
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield SIGN, 1, operand
        case ast.UnaryOp(operand=operand):
            yield COMPARISON, 1, operand
        case ast.Compare(left, [op], [right]):
            for other in COMPARISONS.get(type(op), ()):
                yield COMPARISON, 1, ast.Compare(left, [other()], [right])
        case ast.Name(id=name):
            kind = INDEX if slot.in_index else NAME
            if name in names:
                yield from ((kind, 1, ast.Name(other, ast.Load())) for other in names if other != name)
                yield from ((kind, 1.5, ast.Constant(value)) for value in (2, 1, 0))
        case ast.Constant(value):
            kind = kind_of_constant(slot)
            for other in numbers_near(value, texts):
                op = type(getattr(slot.owner, "op", None))
                if (other, op) in ((1, ast.Mult), (1, ast.Div), (0, ast.Add), (0, ast.Sub)):
                    yield TOO_MANY.format("term" if other == 0 else "factor"), 1, ast.Constant(other)
                else:
                    turned = not isinstance(value, str) and other == -value
                    yield SIGN if turned else kind, 1.2 if turned else 1, ast.Constant(other)
            if type(value) in (int, float):
                yield from ((kind, 1.5, ast.Name(other, ast.Load())) for other in names)
        case ast.keyword(arg="axis"):
            for axis in (0, 1, -1, None):
                yield AXIS, 1, ast.keyword("axis", ast.Constant(axis))
        case ast.Attribute(value=inner, attr="T"):
            yield TOO_MANY.format(".T"), 1, inner
        case ast.Subscript(value=inner, slice=index):
            yield TOO_MANY.format("index"), 1, inner
            for text in (":, None", "None, :", ":, 0", "0", "1", "-1"):
                yield INDEX, 1, ast.Subscript(inner, ast.parse(f"v[{text}]", mode="eval").body.slice, ast.Load())  # type: ignore[attr-defined]
        case ast.IfExp(test, body, orelse):
            yield ORDER, 1, ast.IfExp(test, orelse, body)
        case ast.Tuple(elts) | ast.List(elts):
            for order in orders(len(elts)):
                yield INDEX if slot.in_index else RETURNED, 1, type(node)([elts[i] for i in order], ast.Load())
        case ast.Call():
            yield from of_call(node)


def kind_of_constant(slot: Slot) -> str:
    """What to call it, by its place."""
    if isinstance(slot.node.value, str):
        return TEXT
    if isinstance(getattr(slot.owner, "op", None), ast.Pow) and slot.field == "right":
        return POWER
    return (
        INDEX if slot.in_index else AXIS if called(slot.owner) in SUMS and isinstance(slot.node.value, int) else NUMBER
    )


def orders(n: int) -> Iterator[tuple[int, ...]]:
    """All other orders of a few, all exchanges of two of many."""
    if n <= 4:
        yield from itertools.islice(itertools.permutations(range(n)), 1, None)
        return
    for i, j in itertools.combinations(range(n), 2):
        order = list(range(n))
        order[i], order[j] = j, i
        yield tuple(order)


def numbers_near(value: Any, texts: tuple[str, ...]) -> list[Any]:
    """What a constant could have been meant to be."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, str):
        return [text for text in texts if text != value]
    if not isinstance(value, (int, float)):
        return []
    near = [0, 1, 2, 3, 0.5, value + 1, value - 1, 2 * value, value / 2, 10 * value, value / 10, 100 * value]
    near += [value / 100, -value] + ([1 / value] if value else [])
    return [other for other in dict.fromkeys(near) if other != value]


def of_operation(node: ast.BinOp) -> Iterator[tuple[str, float, Any]]:
    """The operator, one of its sides, their order, the brackets."""
    left, op, right = node.left, node.op, node.right
    match op:
        case ast.Add() | ast.Sub():
            yield TOO_MANY.format("term"), 1.4, left
            yield TOO_MANY.format("term"), 1.4, right
            if isinstance(op, ast.Sub):
                yield TOO_MANY.format("term"), 1.4, ast.UnaryOp(ast.USub(), right)
        case ast.Pow():
            yield POWER, 1.2, left
            for name in WRAPPERS:
                yield FUNCTION, 1.3, call(name, left)
        case _:
            yield TOO_MANY.format("factor"), 1.4, left
            yield TOO_MANY.format("factor"), 1.4, right
            if isinstance(op, ast.Div):
                yield TOO_MANY.format("factor"), 1.5, ast.BinOp(ast.Constant(1), ast.Div(), right)
    if isinstance(op, (ast.Sub, ast.Div, ast.MatMult, ast.Pow)):
        yield ORDER, 1.1, ast.BinOp(right, op, left)


def of_chain(parts: list[str]) -> Iterator[tuple[str, float, str]]:
    """Another operator, as it is typed, and other brackets."""
    for i in range(1, len(parts), 2):
        for kind, other in OPERATORS.get(next(op for op, symbol in SYMBOLS.items() if symbol == parts[i]), []):
            yield kind, 1, " ".join([*parts[:i], SYMBOLS[other], *parts[i + 1 :]])
    yield from ((BRACKETS, 1.3, text) for text in bracketings(parts))


def chain(node: ast.expr) -> list[str]:
    """Operands and operators between them, as they stand in the text, with the brackets that they need."""
    text = ast.unparse(node)
    parts: list[str] = []

    def visit(part: ast.expr) -> None:
        if isinstance(part, ast.BinOp):
            visit_side(part, part.left)
            parts.append(SYMBOLS[type(part.op)])
            visit_side(part, part.right)
        else:
            parts.append(ast.unparse(part))

    def visit_side(parent: ast.BinOp, side: ast.expr) -> None:
        is_open = isinstance(side, ast.BinOp) and not _needs_brackets(parent, side)
        if is_open:
            visit(side)
        else:
            written = ast.unparse(side)
            parts.append(f"({written})" if isinstance(side, (ast.BinOp, ast.Compare, ast.IfExp)) else written)

    if any(type(part.op) not in SYMBOLS for part in ast.walk(node) if isinstance(part, ast.BinOp)):
        return [text]
    visit(node)
    return parts


def _needs_brackets(parent: ast.BinOp, side: ast.BinOp) -> bool:
    mark = ast.BinOp(ast.Name("a", ast.Load()), side.op, ast.Name("b", ast.Load()))
    sides = (mark, ast.Name("c", ast.Load())) if side is parent.left else (ast.Name("c", ast.Load()), mark)
    return "(" in ast.unparse(ast.BinOp(sides[0], parent.op, sides[1]))


def bracketings(parts: list[str]) -> Iterator[str]:
    """The same text with a pair of brackets more, less, or moved; also those of a function's argument."""
    n = len(parts)
    yield from paired(parts)
    for i in range(0, n, 2):
        inner = parts[i].removeprefix("-")
        if inner.startswith("(") and isinstance(ast.parse(inner, mode="eval").body, ast.BinOp):
            minus = parts[i][: len(parts[i]) - len(inner)]
            opened = [minus + inner[1:-1]]
            yield " ".join(parts[:i] + opened + parts[i + 1 :])
            within = chain(ast.parse(inner, mode="eval").body)
            yield from paired(parts[:i] + [minus + within[0]] + within[1:] + parts[i + 1 :])
        elif parts[i].endswith(")"):
            operand = ast.parse(parts[i], mode="eval").body
            if isinstance(operand, ast.Call) and len(operand.args) == 1:
                yield from absorbing(parts, i, operand)


def paired(parts: list[str]) -> Iterator[str]:
    """One pair of brackets around some neighbours."""
    for i in range(0, len(parts), 2):
        for j in range(i + 2, len(parts), 2):
            if (i, j) != (0, len(parts) - 1):
                yield " ".join([*parts[:i], "(" + " ".join(parts[i : j + 1]) + ")", *parts[j + 1 :]])


def absorbing(parts: list[str], i: int, called: ast.Call) -> Iterator[str]:
    """A function's argument takes in what stands beside it: f(x) / 2 becomes f(x / 2)."""
    argument = ast.unparse(called.args[0])
    for start, end in [(i, j) for j in range(i + 2, len(parts), 2)] + [(j, i) for j in range(0, i, 2)]:
        for inner in dict.fromkeys([argument, f"({argument})"]):
            text = " ".join([*parts[start:i], inner, *parts[i + 1 : end + 1]])
            try:
                new = ast.Call(called.func, [ast.parse(text, mode="eval").body], called.keywords)
            except SyntaxError:
                continue
            yield " ".join([*parts[:start], ast.unparse(new), *parts[end + 1 :]])


def called(node: Any) -> str:
    """The last name of the function of a call: sum, for np.sum(x) and x.sum()."""
    function = getattr(node, "func", None)
    return getattr(function, "attr", getattr(function, "id", ""))


def of_call(node: ast.Call) -> Iterator[tuple[str, float, Any]]:
    """Another function, none, other arguments, and what stands inside or outside its brackets."""
    name = called(node)
    for other in next((family for family in FAMILIES if name in family), ()):
        if other != name:
            yield FUNCTION, 1, ast.Call(renamed(node.func, other), node.args, node.keywords)
    if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name):
        yield TOO_MANY.format("function"), 1.3, node.func.value
    elif isinstance(node.func, ast.Attribute) and node.func.value.id not in ("np", "math"):  # type: ignore[attr-defined]
        yield TOO_MANY.format("function"), 1.3, node.func.value
        yield INDEX, 1.5, ast.parse(f"{ast.unparse(node.func.value)}[:, None]", mode="eval").body
    for argument in node.args[:3]:
        yield TOO_MANY.format("function"), 1.3, argument
    for i, j in itertools.combinations(range(len(node.args)), 2):
        arguments = list(node.args)
        arguments[i], arguments[j] = arguments[j], arguments[i]
        yield ARGUMENTS, 1.1, ast.Call(node.func, arguments, node.keywords)
    whole = {"int", "np.int64", "np.int32", "'int'", "np.intp"}
    if len(node.args) > 1:
        kind = WHOLE if ast.unparse(node.args[-1]) in whole else TOO_MANY.format("argument")
        yield kind, 1, ast.Call(node.func, node.args[:-1], node.keywords)
    for i, keyword in enumerate(node.keywords):
        kinds = {"axis": AXIS, "keepdims": KEEPDIMS}
        kind = (
            WHOLE if ast.unparse(keyword.value) in whole else kinds.get(keyword.arg or "", TOO_MANY.format("argument"))
        )
        yield kind, 1, ast.Call(node.func, node.args, node.keywords[:i] + node.keywords[i + 1 :])
    if len(node.args) == 1 and isinstance(node.args[0], (ast.BinOp, ast.UnaryOp)):
        for text in expelling(node, chain(node.args[0])):
            yield BRACKETS, 1.3, ast.parse(text, mode="eval").body


def expelling(node: ast.Call, parts: list[str]) -> Iterator[str]:
    """A function's argument lets go of one end: f(x / 2) becomes f(x) / 2."""
    for i in range(0, len(parts), 2):
        for j in range(i, len(parts), 2):
            if (i, j) != (0, len(parts) - 1):
                try:
                    argument = ast.parse(" ".join(parts[i : j + 1]), mode="eval").body
                except SyntaxError:
                    continue
                new = ast.unparse(ast.Call(node.func, [argument], node.keywords))
                yield "(" + " ".join([*parts[:i], new, *parts[j + 1 :]]) + ")"


def renamed(function: ast.expr, name: str) -> ast.expr:
    """np.sum as np.mean, x.sum as x.mean, expit as np.exp."""
    if isinstance(function, ast.Attribute):
        return ast.Attribute(function.value, name, ast.Load())
    if name in ("max", "min", "sum", "abs"):
        return ast.Name(name, ast.Load())
    return ast.Attribute(ast.Name("np", ast.Load()), name, ast.Load())


def call(name: str, *arguments: ast.expr) -> ast.Call:
    """Such as np.exp(x)."""
    return ast.Call(ast.Attribute(ast.Name("np", ast.Load()), name, ast.Load()), list(arguments), [])


def added(slot: Slot, names: list[str]) -> Iterator[tuple[str, float, Any]]:
    """What is added at one place: a function, a sign, a factor, a term, an index, an axis."""
    node = slot.node
    if isinstance(node, ast.keyword) or isinstance(getattr(node, "ctx", None), ast.Store) or slot.in_index:
        return
    if isinstance(node, (ast.Tuple, ast.List, ast.Dict, ast.Lambda, ast.Slice)) or isinstance(slot.owner, ast.For):
        return
    for name in WRAPPERS:
        yield MISSING.format("function"), 2, call(name, node)
    if called(node) in SUMS:
        for axis in (0, 1):
            yield AXIS, 2, ast.Call(node.func, node.args, [*node.keywords, ast.keyword("axis", ast.Constant(axis))])
        if node.keywords:
            keep = ast.keyword("keepdims", ast.Constant(True))
            yield KEEPDIMS, 2, ast.Call(node.func, node.args, [*node.keywords, keep])
    if isinstance(node, ast.Constant) and not isinstance(node.value, (int, float)):
        return
    if not isinstance(node, ast.Constant):
        yield "a .T is missing: it is transposed", 2, ast.Attribute(node, "T", ast.Load())
        for text in (":, None", "None", ":, 0", "0"):
            index = ast.parse(f"v[{text}]", mode="eval").body.slice  # type: ignore[attr-defined]
            yield MISSING.format("index"), 2, ast.Subscript(node, index, ast.Load())
    if isinstance(node, ast.Name):
        yield IN_PLACE, 2, ast.Call(ast.Attribute(node, "copy", ast.Load()), [], [])
    yield POWER, 2, ast.BinOp(node, ast.Pow(), ast.Constant(2))
    if slot.is_term:
        yield SIGN, 2, ast.UnaryOp(ast.USub(), node)
        yield MISSING.format("factor"), 2, ast.BinOp(node, ast.Mult(), ast.Constant(2))
        yield MISSING.format("factor"), 2, ast.BinOp(node, ast.Div(), ast.Constant(2))
        sizes = [f"len({names[0]})", f"{names[0]}.shape[1]"]
        for factor in names + sizes:
            for op in (ast.Mult(), ast.Div()):
                yield MISSING.format("factor"), 2.2, ast.BinOp(node, op, ast.parse(factor, mode="eval").body)
        upstream = ast.parse(f"{names[0]}[:, None]", mode="eval").body
        yield MISSING.format("factor"), 2.3, ast.BinOp(upstream, ast.Mult(), node)
    if not isinstance(slot.owner, ast.BinOp) or not slot.is_term or isinstance(slot.owner.op, ast.Pow):
        for op in (ast.Add(), ast.Sub()):
            for term in (ast.Constant(1), *(ast.Name(name, ast.Load()) for name in names)):
                yield MISSING.format("term"), 2.2, ast.BinOp(node, op, term)


def statement_edits(function: ast.FunctionDef, skip: set[int], late: bool) -> Iterator[Edit]:
    """What is edited as a whole line: = for +=, a line too many, a line in or out of a loop, two names exchanged."""
    for body in [node.body for node in ast.walk(function) if isinstance(node, (ast.FunctionDef, ast.For, ast.If))]:
        for i, before in enumerate(list(body)):
            for kind, cost, after in changed_lines(before, late) if before.lineno not in skip else []:
                body[i : i + 1] = after
                new = "; ".join(ast.unparse(statement) for statement in after)
                yield Edit(before.lineno, kind, cost, ast.unparse(before), new)
                body[i : i + len(after)] = [before]


def changed_lines(statement: ast.stmt, late: bool) -> Iterator[tuple[str, float, list[ast.stmt]]]:
    """What may stand in the place of one statement."""
    match statement:
        case ast.AugAssign(target, op, value) if not late:
            yield ASSIGNMENT, 1, [ast.Assign([target], value, lineno=statement.lineno)]
            for kind, other in OPERATORS.get(type(op), []):
                yield kind, 1, [ast.AugAssign(target, other(), value)]
            load = ast.parse(ast.unparse(target), mode="eval").body
            new = ast.Assign([target], ast.BinOp(load, op, value), lineno=statement.lineno)
            yield IN_PLACE, 1, [new]
        case ast.Assign([target], value) if not late and not isinstance(target, ast.Tuple):
            yield ASSIGNMENT, 1, [ast.AugAssign(target, ast.Add(), value)]
        case ast.For(target, iterator, [*first, last]) if late:
            if first:
                yield "the indentation", 1.5, [ast.For(target, iterator, first, [], lineno=statement.lineno), last]
    if not late and not isinstance(statement, (ast.Return, ast.FunctionDef)):
        yield TOO_MANY.format("line"), 1.5, []
    if late and isinstance(statement, (ast.Assign, ast.Return, ast.AugAssign)) and statement.value is not None:
        loaded = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)} - {"np", "math"}
        for a, b in itertools.combinations(sorted(loaded), 2):
            new_statement = ast.parse(ast.unparse(statement)).body if not isinstance(statement, ast.Return) else None
            if new_statement is None:
                new_statement = [ast.Return(ast.parse(ast.unparse(statement.value), mode="eval").body)]
            for node in ast.walk(new_statement[0]):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in (a, b):
                    node.id = b if node.id == a else a
            yield f"two names are exchanged, {a} and {b}", 1.8, new_statement
