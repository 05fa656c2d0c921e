"""Every single edit of a function's text that undoes, or makes, one of the slips that learners make.

The text holds a character for each byte of UTF-8, because the positions in a syntax tree count bytes.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

SIGN, OPERATOR, BRACKETS, ORDER = "the sign", "the operator", "the brackets", "the order of the two sides"
NAME, NUMBER, TEXT, INDEX, AXIS = "the name", "the number", "the text", "the index", "the axis of this sum"
FUNCTION, COMPARISON, POWER, KEEPDIMS = "the function", "the comparison", "the power", "keepdims"
ARGUMENTS, VALUES, ASSIGNMENT = "the order of the arguments", "the order of the values", "= or +="
IN_PLACE = "an array is changed in place; it has to be a new one, a copy"
WHOLE = "the dtype: an array of whole numbers cuts off what is written into it"
SURPLUS, MISSING = "there is one {} too many", "one {} is missing"

OPERATORS = {
    **{"+": ("-", "*"), "-": ("+",), "*": ("/", "@", "**", "+", "-"), "/": ("*", "-", "+")},
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
    *((MISSING.format("function"), 2.15, f"np.{name}({{}})") for name in WRAPPERS),
    *((MISSING.format("index"), 2, f"({{}})[{index}]") for index in (":, None", "None", ":, 0", "0")),
    *((MISSING.format(".T") + ": it is transposed", 2, "({}).T"), (POWER, 2, "({}) ** 2")),
)
SYMBOLS = {
    **{type(ast.parse(f"a {op} b", mode="eval").body.op): op for op in OPERATORS},  # type: ignore[attr-defined]
    **{type(ast.parse(f"a {op} b", mode="eval").body.ops[0]): op for op in COMPARISONS},  # type: ignore[attr-defined]
}
Alternative = tuple[str, float, str]
Arguments = Mapping[str, Sequence[Any]]


class Edit(NamedTuple):
    """One edit: where, of which kind, how large, what stands there before and after, and the whole text with it."""

    line: int
    kind: str
    cost: float
    before: str
    after: str
    text: str


class Place(NamedTuple):
    """An expression, what it belongs to, and whether it is part of an index."""

    node: Any
    owner: Any
    in_index: bool


def bytewise(text: str) -> str:
    """A text with a character for each byte of it."""
    return text.encode().decode("latin-1")


def readable(text: str) -> str:
    """The text again."""
    return text.encode("latin-1").decode(errors="replace")


class Source:
    """A text, and where the parts of its syntax tree stand in it."""

    def __init__(self, text: str):
        self.text, self.tree = text, ast.parse(text.encode("latin-1"))
        self.starts = [0, *itertools.accumulate(len(line) + 1 for line in text.split("\n"))]

    def span(self, node: Any) -> tuple[int, int]:
        """From the first character of a node to behind its last."""
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: Any) -> str:
        """What stands there."""
        start, end = self.span(node)
        return self.text[start:end]

    def put(self, spans: list[tuple[int, int]], new: str) -> str:
        """The whole text with something else at these places."""
        text = self.text
        for start, end in sorted(spans, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def edit(self, nodes: list[Any], alternative: Alternative, shown: Any = None) -> Edit:
        """The edit that puts an alternative in the place of all these nodes; ``shown`` is what a reader is shown."""
        kind, cost, new = alternative
        before, label = self.of(nodes[0]), f"{shown.arg}=" if isinstance(shown, ast.keyword) else ""
        if len(nodes) > 1:
            kind, cost = f"{kind}, everywhere that {before} stands", cost + 1
        text = self.put([self.span(node) for node in nodes], new)
        return Edit(nodes[0].lineno, readable(kind), cost, readable(label + before), readable(label + new), text)


def edits(text: str, arguments: Arguments, skip: set[int], late: bool) -> Iterator[Edit]:
    """The edits of all functions in a text.

    Parameters
    ----------
    text : str
    arguments : mapping of str to list
        What the arguments may be, by name.
    skip : set of int
        Lines that are beyond suspicion.
    late : bool
        False: what is exchanged or left out. True: the same in several places, and what is added.
    """
    source = Source(text)
    for function in (node for node in source.tree.body if isinstance(node, ast.FunctionDef)):
        known = {bytewise(argument.arg): 0 for argument in function.args.args}  # each name, and the line that makes it
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                known.setdefault(bytewise(node.id), node.lineno)
            if isinstance(node, ast.stmt) and node is not function and node.lineno not in skip and not late:
                yield from (source.edit([node], alternative) for alternative in of_statement(source, node))
        alike: dict[tuple[str, str], list[Place]] = {}
        for place in places(source, function):
            if place.node.lineno not in skip:
                alike.setdefault((source.of(place.node), getattr(place.owner, "arg", "")), []).append(place)
        for group in alike.values():
            names = [name for name, line in known.items() if line <= group[0].node.lineno]
            ways = [([place], added if late else exchanged) for place in group]
            ways += [(group, exchanged), (group, added)] if late and len(group) > 1 else []
            for some, alternatives in ways:
                for alternative in alternatives(source, some[0], names, arguments):
                    yield source.edit([place.node for place in some], alternative, some[0].owner)


def places(source: Source, node: ast.AST, in_index: bool = False) -> Iterator[Place]:
    """All expressions below a node that are read, in the order of the text."""
    for field, value in ast.iter_fields(node):
        if isinstance(node, ast.Expr) or (isinstance(node, ast.FunctionDef) and field != "body"):
            continue  # a docstring, the signature
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, (ast.expr, ast.keyword, ast.stmt)):
                continue
            is_module = isinstance(node, ast.Attribute) and source.of(child).split(".")[0] in MODULES
            is_read = not isinstance(getattr(child, "ctx", None), ast.Store)
            inside = in_index or field == "slice"
            if isinstance(child, ast.expr) and is_read and field != "func" and not is_module:
                yield Place(child, node, inside)
            if is_read or isinstance(child, ast.Subscript):
                yield from places(source, child, inside or not is_read)


def exchanged(source: Source, place: Place, names: list[str], arguments: Arguments) -> Iterator[Alternative]:
    """What is exchanged or left out at one place."""
    node, of = place.node, source.of
    if isinstance(place.owner, (ast.stmt, ast.Tuple)) and not (place.in_index or isinstance(node, ast.Tuple)):
        yield from ((BRACKETS, 1.3, new) for new in bracketed(of(node)))
    match node:
        case ast.BinOp(left, op, right):
            yield from of_operation(source, node, of(left), SYMBOLS[type(op)], of(right))
        case ast.UnaryOp(ast.USub(), ast.Constant(int(value))) if getattr(place.owner, "arg", "") == "axis":
            yield from of_constant(place, -value, names, arguments)
        case ast.UnaryOp(op, operand):
            yield SIGN if isinstance(op, ast.USub) else COMPARISON, 1, f"({of(operand)})"
        case ast.Compare(left, [op], [right]):
            for other in COMPARISONS.get(SYMBOLS.get(type(op), ""), ()):
                yield COMPARISON, 1, f"({of(left)}) {other} ({of(right)})"
        case ast.Name() if of(node) in names:
            kind = INDEX if place.in_index else NAME
            yield from ((kind, 1, other) for other in names if other != of(node))
            yield from ((kind, 1.6, number) for number in "210")
        case ast.Constant(value):
            yield from of_constant(place, value, names, arguments)
        case ast.Attribute(array, "T"):
            yield SURPLUS.format(".T"), 1, f"({of(array)})"
        case ast.Subscript(array):
            yield SURPLUS.format("index"), 1, of(array)
            for index in (":, None", "None, :", ":, 0", "0", "1", "-1"):
                yield INDEX, 1, f"({of(array)})[{index}]"
        case ast.IfExp(test, body, orelse):
            yield ORDER, 1, f"({of(orelse)}) if {of(test)} else ({of(body)})"
        case ast.Tuple(items) | ast.List(items) if len(items) < 8:
            for order in orders(len(items)):
                written = ", ".join(of(items[i]) for i in order)
                kind = INDEX if place.in_index else VALUES
                yield kind, 1, f"[{written}]" if isinstance(node, ast.List) else f"({written},)"
        case ast.Call():
            yield from of_call(source, node)


def orders(n: int) -> list[tuple[int, ...]]:
    """Other orders of n things; where they are many, those in which two have changed places."""
    every = itertools.permutations(range(n))
    return [order for order in every if n <= 4 or sum(i != item for i, item in enumerate(order)) == 2]


def of_constant(place: Place, value: Any, names: list[str], arguments: Arguments) -> Iterator[Alternative]:
    """What a number or a text could have been meant to be."""
    keyword, op = getattr(place.owner, "arg", ""), type(getattr(place.owner, "op", place.owner))
    if isinstance(value, str):
        texts = {other for values in arguments.values() for other in values if isinstance(other, str)}
        yield from ((TEXT, 1, repr(other)) for other in sorted(texts - {value}))
    elif isinstance(value, bool):
        yield KEEPDIMS if keyword == KEEPDIMS else NAME, 1, repr(not value)
    elif isinstance(value, (int, float)):
        is_axis = keyword == "axis" or (last_name(place.owner) in SUMS and isinstance(value, int))
        is_power = op is ast.Pow and place.owner.right is place.node
        kind = INDEX if place.in_index else AXIS if is_axis else POWER if is_power else NUMBER
        near = {0, 1, 2, 3, 0.5, value + 1, value - 1, 2 * value, value / 2, 10 * value, value / 10, 100 * value}
        near |= {value / 100, *([1 / value] if value else [])}
        nothing = {ast.Add: {0}, ast.Sub: {0}, ast.Mult: {1}, ast.Div: {1}, ast.USub: {0, 1}}  # that leaves a part out
        for other in near - {value, -value} - nothing.get(op, set()):
            yield kind, 1, repr(other)
        yield AXIS if is_axis else SIGN, 1.2 if is_axis else 1.5, f"({-value!r})"
        yield from ((kind, 1.5, name) for name in [*names, *(["None"] if is_axis else [])])


def of_operation(source: Source, node: ast.BinOp, left: str, op: str, right: str) -> Iterator[Alternative]:
    """Another operator, as it is typed; one side; both in another order."""
    (start, end), (_, gap), (after, _) = source.span(node), source.span(node.left), source.span(node.right)
    between = source.text[gap:after]
    for other in (other for other in OPERATORS.get(op, ()) if right != "1" or other in "+-"):  # * 1 is nothing
        kind = SIGN if {op, other} == {"+", "-"} else OPERATOR
        yield kind, 1, source.text[start:gap] + between.replace(op, other, 1) + source.text[after:end]
    if op in "+-":
        minus = [f"(-({right}))"] if op == "-" else []
        yield from ((SURPLUS.format("term"), 1.4, side) for side in (f"({left})", f"({right})", *minus))
    elif op == "**":
        yield from ((POWER, 1.2, f"({left})"), *((FUNCTION, 1.3, f"np.{name}({left})") for name in WRAPPERS))
    else:
        inverse = [f"(1 / ({right}))"] if op == "/" else []
        yield from ((SURPLUS.format("factor"), 1.4, side) for side in (f"({left})", f"({right})", *inverse))
    if op not in "+*":
        yield ORDER, 1.1, f"(({right}) {op} ({left}))"


def bracketed(text: str) -> Iterator[str]:
    """An expression with a pair of brackets more or less, or one of a pair moved, those of a function too."""
    source = Source(f"({text})")
    text, seen = source.text, {ast.dump(source.tree)}
    pairs = list(brackets(source))
    spans = [source.span(node) for node in ast.walk(source.tree) if isinstance(node, ast.expr)]
    starts = sorted({*(start for start, _ in spans), *(head for head, *_ in pairs)})
    ends = sorted({*(end for _, end in spans), *(tail for *_, tail in pairs)})
    found = [text[:a] + "(" + text[a:b] + ")" + text[b:] for a in starts for b in ends if a < b]
    for a, b, c, d in pairs:  # from a to b it opens, from c to d it closes
        head, tail = text[a:b], text[c:d]
        found += [text[:a] + text[b:c] + text[d:]] if head == "(" else []
        for inner in (text[b:c], f"({text[b:c]})"):
            found += [text[:b] + inner + text[d:e] + tail + text[e:] for e in ends if e > d]
            found += [text[:s] + head + text[s:a] + inner + text[c:] for s in starts if s < a]
        found += [text[:e] + tail + text[e:c] + text[d:] for e in ends if b < e < c]
        found += [text[:a] + text[b:s] + head + text[s:] for s in starts if b < s < c]
    for new in found:
        try:
            tree = ast.dump(ast.parse(new.encode("latin-1")))
        except SyntaxError:
            continue
        if tree not in seen:
            seen.add(tree)
            yield new


def brackets(source: Source) -> Iterator[tuple[int, int, int, int]]:
    """Where pairs of brackets open and close: with a function's name, its other arguments, or alone."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and len(node.args) == 1:
            (start, end), (first, last) = source.span(node), source.span(node.args[0])
            yield start, first, last, end
    opened: list[int] = []
    for i, character in enumerate(source.text[1:-1], 1):
        if character == "(":
            opened.append(i)
        elif character == ")" and opened:
            start = opened.pop()
            if source.text[start - 1] not in ")]_" and not source.text[start - 1].isalnum():
                yield start, start + 1, i, i + 1


def of_call(source: Source, node: ast.Call) -> Iterator[Alternative]:
    """Another function, none, other arguments."""
    function, name, n = source.of(node.func), last_name(node), len(node.args)
    arguments = [source.of(argument) for argument in (*node.args, *node.keywords)]
    for other in next((family for family in FAMILIES if name in family), ()):
        is_bare = function == name and other not in ("max", "min", "sum", "abs")
        renamed = f"np.{other}" if is_bare else function.removesuffix(name) + other
        yield FUNCTION, 1, f"{renamed}({', '.join(arguments)})"
    if isinstance(node.func, ast.Attribute) and source.of(node.func.value).split(".")[0] not in MODULES:
        receiver = source.of(node.func.value)
        yield from ((SURPLUS.format("function"), 1.3, f"({receiver})"), (INDEX, 1.5, f"({receiver})[:, None]"))
    yield from ((SURPLUS.format("function"), 1.3, f"({argument})") for argument in arguments[:n])
    for order in orders(n):
        yield ARGUMENTS, 1.1, f"{function}({', '.join([*(arguments[i] for i in order), *arguments[n:]])})"
    for i in range(max(1, n - 1), len(arguments)):
        keyword, _, value = arguments[i].rpartition("=")
        kind = {"axis": AXIS, KEEPDIMS: KEEPDIMS}.get(keyword, SURPLUS.format("argument"))
        kind = WHOLE if value.strip("'\"").removeprefix("np.") in ("int", "int64", "int32", "intp") else kind
        yield kind, 1, f"{function}({', '.join(arguments[:i] + arguments[i + 1 :])})"


def last_name(node: Any) -> str:
    """The last name of what a call calls: sum, for np.sum(x) and x.sum()."""
    return ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""


def added(source: Source, place: Place, names: list[str], arguments: Arguments) -> Iterator[Alternative]:
    """What is added at one place: a function, a sign, a factor, a term, an index, an axis."""
    node, owner, text = place.node, place.owner, source.of(place.node)
    unsuited = (ast.Tuple, ast.List, ast.Dict, ast.Lambda, ast.Slice)
    is_text = isinstance(node, ast.Constant) and not isinstance(node.value, (int, float))
    if place.in_index or is_text or isinstance(node, unsuited) or isinstance(owner, (ast.For, ast.keyword)):
        return
    if isinstance(owner, ast.stmt):
        loaded = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} - set(MODULES)
        for a, b in itertools.combinations(sorted(map(bytewise, loaded)), 2):
            parts = re.split(rf"(?<![.\w])({re.escape(a)}|{re.escape(b)})(?!\w)", text)
            new = "".join({a: b, b: a}.get(part, part) for part in parts)
            yield f"two names are exchanged, {a} and {b}", 1.8, new
    yield from ((kind, cost, template.format(text)) for kind, cost, template in ADDED)
    if last_name(node) in SUMS:
        yield from ((AXIS, 2, f"{text[:-1]}, axis={axis})") for axis in (0, 1))
        yield KEEPDIMS, 2, f"{text[:-1]}, keepdims=True)"
    if isinstance(node, ast.Name):
        yield IN_PLACE, 2, f"{text}.copy()"
    is_factor = isinstance(owner, ast.BinOp) and isinstance(owner.op, (ast.Mult, ast.Div, ast.MatMult))
    if not is_factor:
        yield SIGN, 2, f"(-({text}))"
        sizes = [f"len({names[0]})", f"{names[0]}.shape[1]", f"{names[0]}[:, None]"] if names else []
        for factor, op in itertools.product(["2", *names, *sizes], "*/"):
            yield MISSING.format("factor"), 2 if factor == "2" else 2.2, f"(({text}) {op} {factor})"
        for name in (name for name, values in arguments.items() if isinstance(values[0], float)):
            yield MISSING.format("factor"), 2.05, f"(({text}) * (1 - {name}))"
    if is_factor or not isinstance(owner, ast.BinOp):
        for term, op in itertools.product(["1", *names], "+-"):
            if term != text:
                yield MISSING.format("term"), 2.2, f"({text} {op} {term})"


def of_statement(source: Source, statement: ast.stmt) -> Iterator[Alternative]:
    """What may stand in the place of one statement."""
    of = source.of
    match statement:
        case ast.AugAssign(target, op, value):
            left, symbol, right = of(target), SYMBOLS[type(op)], of(value)
            yield ASSIGNMENT, 1, f"{left} = {right}"
            yield from ((OPERATOR, 1, f"{left} {other}= {right}") for other in OPERATORS.get(symbol, ()))
            yield IN_PLACE, 1, f"{left} = {left} {symbol} ({right})"
        case ast.Assign([target], value) if not isinstance(target, ast.Tuple):
            yield ASSIGNMENT, 1, f"{of(target)} += {of(value)}"
    if not isinstance(statement, (ast.Return, ast.FunctionDef)):
        yield "there is one line too many", 1.5, "pass"
