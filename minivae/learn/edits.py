"""Every single edit of a function that undoes, or makes, one of the slips that learners make.

An edit changes the syntax tree in place, is handed out, and is taken back when the next one is asked for.
"""

from __future__ import annotations

import ast
import io
import itertools
import tokenize
from collections.abc import Iterator
from typing import Any, NamedTuple

SIGN, OPERATOR, BRACKETS, ORDER = "the sign", "the operator", "the brackets", "the order of the two sides"
NAME, NUMBER, TEXT, INDEX, AXIS = "the name", "the number", "the text", "the index", "the axis of this sum"
FUNCTION, COMPARISON, POWER, KEEPDIMS = "the function", "the comparison", "the power", "keepdims"
ARGUMENTS, VALUES, ASSIGNMENT = "the order of the arguments", "the order of the values", "= or +="
IN_PLACE = "an array is changed in place; it has to be a new one, a copy"
WHOLE = "the dtype: an array of whole numbers cuts off what is written into it"
FACTOR, TERM = "there is one factor too many", "there is one term too many"
DROPPED = "there is one function too many"
MISSING = "one {} is missing"

OPERATORS = {
    **{"+": ("-", "*"), "-": ("+", "/", "*"), "*": ("/", "@", "**", "+", "-"), "/": ("*", "-", "+")},
    **{"//": ("/",), "@": ("*",), "**": ("*",), "%": ("/",)},
}
COMPARISONS = {
    **{"<": ("<=", ">", ">="), "<=": ("<", ">", ">="), ">": (">=", "<", "<="), ">=": (">", "<", "<=")},
    **{"==": ("!=",), "!=": ("==",)},
}
FAMILIES = (
    ("sum", "mean", "max", "min", "prod"),
    ("exp", "log", "sqrt", "square", "abs", "exp2", "log1p", "log2", "log10", "tanh", "expit"),
    *(("zeros_like", "ones_like"), ("zeros", "ones"), ("maximum", "minimum"), ("hstack", "vstack")),
)
WRAPPERS = ("exp", "log", "sqrt", "square", "abs", "log1p")
SUMS = ("sum", "mean", "max", "min", "prod", "norm", "reduce")
MODULES = ("np", "math", "numpy")
ADDED = (
    *((MISSING.format("function"), 2, f"np.{name}({{}})") for name in WRAPPERS),
    *((MISSING.format("index"), 2, f"({{}})[{index}]") for index in (":, None", "None", ":, 0", "0")),
    *((MISSING.format(".T") + ": it is transposed", 2, "({}).T"), (POWER, 2, "({}) ** 2")),
)
Alternative = tuple[str, float, str]


class Edit(NamedTuple):
    """One edit: where, of which kind, how large, and what stands there before and after."""

    line: int
    kind: str
    cost: float
    before: str
    after: str


class Slot(NamedTuple):
    """The place of an expression: a field of its owner, or one item of that."""

    owner: Any
    field: str
    item: int | None
    line: int
    in_index: bool

    @property
    def node(self) -> Any:
        """What stands there."""
        value = getattr(self.owner, self.field)
        return value if self.item is None else value[self.item]

    @property
    def is_factor(self) -> bool:
        """In a product: one factor more there is one factor more of the product."""
        return isinstance(self.owner, ast.BinOp) and isinstance(self.owner.op, (ast.Mult, ast.Div, ast.MatMult))

    def put(self, node: ast.expr) -> None:
        """Let something else stand there."""
        if self.item is None:
            setattr(self.owner, self.field, node)
        else:
            getattr(self.owner, self.field)[self.item] = node


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
    stored = (node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    names = list(dict.fromkeys([*(argument.arg for argument in function.args.args), *stored]))
    slots = [slot for slot in slots_of(function) if slot.line not in skip]
    alike: dict[tuple[str, str], list[Slot]] = {}
    for slot in slots:
        alike.setdefault((ast.dump(slot.node), getattr(slot.owner, "arg", "")), []).append(slot)
        if add or not late:
            yield from put_in([slot], added(slot, names) if late else exchanged(slot, names, texts))
    for group in (group for group in alike.values() if late and len(group) > 1):
        yield from put_in(group, itertools.chain(exchanged(group[0], names, texts), added(group[0], names)))
    bodies = [node.body for node in ast.walk(function) if isinstance(node, (ast.FunctionDef, ast.For, ast.If))]
    for body, i, before in [(lines, i, line) for lines in bodies for i, line in enumerate(lines)]:
        for kind, cost, text in lines_for(before, late) if before.lineno not in skip else []:
            body[i : i + 1] = after = ast.parse(text).body if "return" not in text else [returned(text)]
            yield Edit(before.lineno, kind, cost, ast.unparse(before), text)
            body[i : i + len(after)] = [before]


def put_in(slots: list[Slot], alternatives: Iterator[Alternative]) -> Iterator[Edit]:
    """Each alternative, at all these places, which hold the same."""
    originals = [slot.node for slot in slots]
    text = ast.unparse(originals[0])
    suffix, more = (f", everywhere that {text} stands", 1) if len(slots) > 1 else ("", 0)
    for kind, cost, after in alternatives:
        try:
            node = ast.parse(after, mode="eval").body
        except SyntaxError:
            continue
        for slot in slots:
            slot.put(node)
        argument = f"{slots[0].owner.arg}=" if isinstance(slots[0].owner, ast.keyword) else ""
        yield Edit(slots[0].line, kind + suffix, cost + more, argument + text, argument + after)
    for slot, original in zip(slots, originals, strict=True):
        slot.put(original)


def slots_of(node: ast.AST, line: int = 0, in_index: bool = False) -> Iterator[Slot]:
    """All places of expressions below a node that are read, in the order of the text."""
    for field, value in ast.iter_fields(node):
        if isinstance(node, ast.Expr) or (isinstance(node, ast.FunctionDef) and field != "body"):
            continue  # a docstring, the signature
        for item, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, (ast.expr, ast.keyword, ast.stmt)):
                here, inside = getattr(child, "lineno", line), in_index or field == "slice"
                is_module = isinstance(node, ast.Attribute) and ast.unparse(child).split(".")[0] in MODULES
                is_read = not isinstance(getattr(child, "ctx", None), ast.Store)
                if isinstance(child, ast.expr) and is_read and field != "func" and not is_module:
                    yield Slot(node, field, item, here, inside)
                if is_read or isinstance(child, ast.Subscript):
                    yield from slots_of(child, here, inside or not is_read)


def exchanged(slot: Slot, names: list[str], texts: tuple[str, ...]) -> Iterator[Alternative]:
    """What is exchanged or left out at one place."""
    node, text = slot.node, ast.unparse(slot.node)
    match node:
        case ast.BinOp(left, op, right):
            parts = chain(text)
            inner = isinstance(slot.owner, ast.BinOp) and f"({''.join(parts)})" not in chain(ast.unparse(slot.owner))
            yield from of_operation(ast.unparse(left), SYMBOLS[type(op)], ast.unparse(right))
            yield from () if inner else of_chain(parts)
        case ast.UnaryOp(op, operand):
            yield SIGN if isinstance(op, ast.USub) else COMPARISON, 1, ast.unparse(operand)
            if isinstance(op, ast.USub) and isinstance(operand, ast.BinOp):
                yield BRACKETS, 1.3, f"-{ast.unparse(operand)}"
        case ast.Compare(left, [op], [right]):
            for other in COMPARISONS.get(SYMBOLS.get(type(op), ""), ()):
                yield COMPARISON, 1, f"{ast.unparse(left)} {other} {ast.unparse(right)}"
        case ast.Name(name) if name in names:
            kind = INDEX if slot.in_index else NAME
            yield from ((kind, 1, other) for other in names if other != name)
            yield from ((kind, 1.5, number) for number in "210")
        case ast.Constant(value):
            yield from of_constant(slot, value, names, texts)
        case ast.Attribute(array, "T"):
            yield "there is one .T too many", 1, ast.unparse(array)
        case ast.Subscript(array):
            yield "there is one index too many", 1, ast.unparse(array)
            for index in (":, None", "None, :", ":, 0", "0", "1", "-1"):
                yield INDEX, 1, f"{ast.unparse(array)}[{index}]"
        case ast.IfExp(test, body, orelse):
            yield ORDER, 1, f"{ast.unparse(orelse)} if {ast.unparse(test)} else {ast.unparse(body)}"
        case ast.Tuple(items) | ast.List(items):
            n = len(items)
            changed = itertools.permutations(range(n)) if n <= 4 else exchanges(n)
            for order in changed:
                written = ", ".join(ast.unparse(items[i]) for i in order)
                written = f"[{written}]" if isinstance(node, ast.List) else f"({written},)"
                yield INDEX if slot.in_index else VALUES, 1, written
        case ast.Call():
            yield from of_call(node)


def exchanges(n: int) -> Iterator[list[int]]:
    """All orders of n in which two have changed places."""
    for i, j in itertools.combinations(range(n), 2):
        order = list(range(n))
        order[i], order[j] = j, i
        yield order


def of_constant(slot: Slot, value: Any, names: list[str], texts: tuple[str, ...]) -> Iterator[Alternative]:
    """What a number or a text could have been meant to be."""
    op, called = type(getattr(slot.owner, "op", None)), last_name(slot.owner)
    if isinstance(value, str):
        yield from ((TEXT, 1, repr(other)) for other in texts if other != value)
    elif isinstance(value, bool):
        yield KEEPDIMS if getattr(slot.owner, "arg", "") == KEEPDIMS else NAME, 1, repr(not value)
    elif isinstance(value, (int, float)):
        is_axis = getattr(slot.owner, "arg", "") == "axis" or (called in SUMS and isinstance(value, int))
        kind = INDEX if slot.in_index else AXIS if is_axis else NUMBER
        kind = POWER if op is ast.Pow and slot.field == "right" else kind
        near = [0, 1, 2, 3, 0.5, value + 1, value - 1, 2 * value, value / 2, 10 * value, value / 10, 100 * value]
        for other in {*near, value / 100, *([1 / value] if value else [])} - {value, -value}:
            is_left_out = (abs(other), op) in ((1, ast.Mult), (1, ast.Div), (1, ast.USub))
            kind_now = FACTOR if is_left_out else TERM if other == 0 and op in (ast.Add, ast.Sub) else kind
            yield kind_now, 1, repr(other)
        yield AXIS if is_axis else SIGN, 1.2, repr(-value)
        yield from ((kind, 1.5, name) for name in [*names, *(["None"] if is_axis else [])])


def of_operation(left: str, op: str, right: str) -> Iterator[Alternative]:
    """One side, or both in another order."""
    if op in "+-":
        yield from ((TERM, 1.4, left), (TERM, 1.4, right), *([(TERM, 1.4, f"-({right})")] if op == "-" else []))
    elif op == "**":
        yield from ((POWER, 1.2, left), *((FUNCTION, 1.3, f"np.{name}({left})") for name in WRAPPERS))
    else:
        yield from (
            (FACTOR, 1.4, left),
            (FACTOR, 1.4, right),
            *([(FACTOR, 1.5, f"1 / ({right})")] if op == "/" else []),
        )
    if op not in "+*":
        yield ORDER, 1.1, f"({right}) {op} ({left})"


def chain(text: str) -> list[str]:
    """Operands and the operators between them, as they stand in the text."""
    parts, depth = [""], 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if depth == 0 and token.string in OPERATORS and parts[-1] not in ("", "-"):
            parts += [token.string, ""]
        elif token.string.strip():
            space = " " if parts[-1][-1:].isalnum() and token.string[0].isalnum() else ""
            parts[-1] += space + token.string
        depth += (token.string in ("(", "[", "{")) - (token.string in (")", "]", "}"))
    return parts


def of_chain(parts: list[str]) -> Iterator[Alternative]:
    """Another operator, as it is typed; a pair of brackets more, less, or moved, those of a function's argument too."""
    for i in range(1, len(parts), 2):
        for other in OPERATORS[parts[i]]:
            kind = SIGN if {parts[i], other} == {"+", "-"} else OPERATOR
            yield kind, 1.6 if parts[i] == "-" and other != "+" else 1, " ".join([*parts[:i], other, *parts[i + 1 :]])
    texts = [paired(parts)]
    for i in range(0, len(parts), 2):
        minus, operand = ("-", parts[i][1:]) if parts[i].startswith("-") else ("", parts[i])
        node = ast.parse(operand, mode="eval").body
        if isinstance(node, ast.BinOp) and operand.startswith("("):
            inner = chain(operand[1:-1])
            opened = [*parts[:i], minus + inner[0], *inner[1:], *parts[i + 1 :]]
            texts += [iter([" ".join(opened)]), paired(opened)]
        elif isinstance(node, ast.Call) and len(node.args) == 1:
            texts.append(absorbing(parts, i, node))
    yield from ((BRACKETS, 1.3, text) for text in itertools.chain(*texts))


def paired(parts: list[str]) -> Iterator[str]:
    """One pair of brackets around some neighbours."""
    for i, j in itertools.combinations(range(0, len(parts), 2), 2):
        if (i, j) != (0, len(parts) - 1):
            yield " ".join([*parts[:i], "(", *parts[i : j + 1], ")", *parts[j + 1 :]])


def absorbing(parts: list[str], i: int, node: ast.Call) -> Iterator[str]:
    """A function's argument takes in what stands beside it: f(x) / 2 becomes f(x / 2)."""
    keywords = "".join(f", {ast.unparse(keyword)}" for keyword in node.keywords)
    for start, end in [(i, j) for j in range(i + 2, len(parts), 2)] + [(j, i) for j in range(0, i, 2)]:
        for inner in ("{}", "({})"):
            argument = [*parts[start:i], inner.format(ast.unparse(node.args[0])), *parts[i + 1 : end + 1]]
            call = f"{ast.unparse(node.func)}({' '.join(argument)}{keywords})"
            yield " ".join([*parts[:start], call, *parts[end + 1 :]])


def of_call(node: ast.Call) -> Iterator[Alternative]:
    """Another function, none, other arguments, and what stands inside or outside its brackets."""
    function, name = ast.unparse(node.func), last_name(node)
    arguments = [*map(ast.unparse, node.args), *map(ast.unparse, node.keywords)]
    for other in next((family for family in FAMILIES if name in family), ()):
        is_bare = function == name and other not in ("max", "min", "sum", "abs")
        renamed = f"np.{other}" if is_bare else function.removesuffix(name) + other
        yield FUNCTION, 1, f"{renamed}({', '.join(arguments)})"
    if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value).split(".")[0] not in MODULES:
        receiver = ast.unparse(node.func.value)
        yield from ((DROPPED, 1.3, receiver), (INDEX, 1.5, f"({receiver})[:, None]"))
    yield from ((DROPPED, 1.3, argument) for argument in arguments[: len(node.args)])
    for i, j in itertools.combinations(range(len(node.args)), 2):
        order = [*arguments[:i], arguments[j], *arguments[i + 1 : j], arguments[i], *arguments[j + 1 :]]
        yield ARGUMENTS, 1.1, f"{function}({', '.join(order)})"
    for i, argument in enumerate(arguments):
        if i > 0 and i >= len(node.args) - 1:
            keyword, _, value = argument.rpartition("=")
            kind = {"axis": AXIS, KEEPDIMS: KEEPDIMS}.get(keyword, "there is one argument too many")
            kind = WHOLE if value.strip("'\"").removeprefix("np.") in ("int", "int64", "int32", "intp") else kind
            yield kind, 1, f"{function}({', '.join(arguments[:i] + arguments[i + 1 :])})"
    parts = chain(arguments[0]) if len(node.args) == 1 else []
    for i, j in itertools.combinations_with_replacement(range(0, len(parts), 2), 2):
        inner = ", ".join([" ".join(parts[i : j + 1]), *arguments[1:]])  # f(x / 2) becomes f(x) / 2
        yield BRACKETS, 1.3, " ".join([*parts[:i], f"{function}({inner})", *parts[j + 1 :]])


def last_name(node: Any) -> str:
    """The last name of what a call calls: sum, for np.sum(x) and x.sum()."""
    return ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""


def added(slot: Slot, names: list[str]) -> Iterator[Alternative]:
    """What is added at one place: a function, a sign, a factor, a term, an index, an axis."""
    node, text = slot.node, ast.unparse(slot.node)
    unsuited = (ast.Tuple, ast.List, ast.Dict, ast.Lambda, ast.Slice)
    if slot.in_index or isinstance(node, unsuited) or isinstance(slot.owner, (ast.For, ast.keyword)):
        return
    if isinstance(node, ast.Constant) and not isinstance(node.value, (int, float)):
        return
    yield from ((kind, cost, template.format(text)) for kind, cost, template in ADDED)
    if last_name(node) in SUMS:
        yield from ((AXIS, 2, f"{text[:-1]}, axis={axis})") for axis in (0, 1))
        yield KEEPDIMS, 2, f"{text[:-1]}, keepdims=True)"
    if isinstance(node, ast.Name):
        yield IN_PLACE, 2, f"{text}.copy()"
    if not slot.is_factor:
        yield SIGN, 2, f"-({text})"
        sizes = [f"len({names[0]})", f"{names[0]}.shape[1]", f"{names[0]}[:, None]"]
        for factor, op in itertools.product(["2", *names, *sizes], "*/"):
            yield MISSING.format("factor"), 2.2, f"({text}) {op} {factor}"
    if slot.is_factor or not isinstance(slot.owner, ast.BinOp):
        for term, op in itertools.product(["1", *names], "+-"):
            yield MISSING.format("term"), 2.2, f"{text} {op} {term}"


def lines_for(statement: ast.stmt, late: bool) -> Iterator[Alternative]:
    """What may stand in the place of one statement."""
    text = ast.unparse(statement)
    match statement:
        case ast.AugAssign(target, op, value) if not late:
            left, right = ast.unparse(target), ast.unparse(value)
            yield ASSIGNMENT, 1, f"{left} = {right}"
            for other in OPERATORS.get(SYMBOLS[type(op)], ()):
                yield OPERATOR, 1, f"{left} {other}= {right}"
            yield IN_PLACE, 1, f"{left} = {left} {SYMBOLS[type(op)]} ({right})"
        case ast.Assign([target], value) if not late and not isinstance(target, ast.Tuple):
            yield ASSIGNMENT, 1, f"{ast.unparse(target)} += {ast.unparse(value)}"
    if not late and not isinstance(statement, (ast.Return, ast.FunctionDef)):
        yield "there is one line too many", 1.5, ""
    if late and isinstance(statement, (ast.Assign, ast.Return, ast.AugAssign)) and statement.value is not None:
        head, tree = text[: text.index(ast.unparse(statement.value))], ast.parse(ast.unparse(statement.value))
        loaded = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id not in MODULES]
        for a, b in itertools.combinations(sorted({node.id for node in loaded}), 2):
            swapped = {a: b, b: a}
            for node in loaded:
                node.id = swapped.get(node.id, node.id)
            yield f"two names are exchanged, {a} and {b}", 1.8, head + ast.unparse(tree)
            for node in loaded:
                node.id = swapped.get(node.id, node.id)


def returned(text: str) -> ast.stmt:
    """A return statement, which is one only in a function."""
    return ast.parse(f"def f():\n    {text}").body[0].body[0]  # type: ignore[attr-defined]


SYMBOLS = {type(ast.parse(f"a {op} b", mode="eval").body.op): op for op in OPERATORS}  # type: ignore[attr-defined]
SYMBOLS |= {type(ast.parse(f"a {op} b", mode="eval").body.ops[0]): op for op in COMPARISONS}  # type: ignore[attr-defined]
