"""Operations in infix: `w * x` in code, `2*l1` in a factor, `1 · 2` in numbers."""

from collections.abc import Callable
from typing import Any, NamedTuple

from wengert.core.op import Op

SUM, PRODUCT, SIGN, POWER, ATOM = range(1, 6)  # how tightly a term holds together


class Term(NamedTuple):
    """A text, and how tightly it holds together."""

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        """The text, in brackets if it would fall apart at this level."""
        return self.text if self.level >= level else f"({self.text})"


class Style(NamedTuple):
    """How signs are written."""

    times: str = "*"
    over: str = "/"
    minus: str = " - "
    sign: str = "-"
    superscripts: bool = False


CODE = Style(times=" * ", over=" / ")
FACTOR = Style()
NUMBERS = Style(times=" · ", over=" / ", minus=" − ", sign="−", superscripts=True)

_SUPERSCRIPTS = str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def written(op: Op, params: dict[str, Any], args: list[Term], style: Style) -> Term:
    """An application of an op."""
    rule = _INFIX.get(op.name)
    if rule is not None:
        return rule(args, params, style)
    if op.name in _REDUCTIONS:
        return _reduction(op.name, args, params)
    named = [f"{k}={_param(v)}" for k, v in params.items() if v is not None]
    inner = [a.text for a in args] + named
    return Term(f"{_FUNCTIONS.get(op.name, op.name)}({', '.join(inner)})")


Rule = Callable[[list[Term], dict[str, Any], Style], Term]


def _sum(sign: str) -> Rule:
    def write(args: list[Term], params: dict[str, Any], style: Style) -> Term:
        a, b = args
        between = style.minus if sign == "-" else " + "
        # a − (b + c), and a + (−b) rather than a + -b
        right = b.at(PRODUCT) if b.level != SIGN else f"({b.text})"
        return Term(f"{a.at(SUM)}{between}{right}", SUM)

    return write


def _product(args: list[Term], params: dict[str, Any], style: Style) -> Term:
    a, b = args
    right = b.at(PRODUCT) if b.level != SIGN else f"({b.text})"
    if b.level == PRODUCT and "/" in b.text:
        right = f"({b.text})"
    return Term(f"{a.at(PRODUCT)}{style.times}{right}", PRODUCT)


def _quotient(args: list[Term], params: dict[str, Any], style: Style) -> Term:
    a, b = args
    return Term(f"{a.at(PRODUCT)}{style.over}{b.at(POWER)}", PRODUCT)


def power(a: Term, b: Term, style: Style) -> Term:
    """a**b, or a² where numbers are written."""
    whole = b.text.strip("()").removeprefix("−").isdecimal()
    if style.superscripts and whole:
        digits = b.text.strip("()").translate(_SUPERSCRIPTS)
        return Term(f"{a.at(ATOM)}{digits}", POWER)
    sign = "^" if style.superscripts else "**"
    return Term(f"{a.at(ATOM)}{sign}{b.at(POWER)}", POWER)


def _negative(args: list[Term], params: dict[str, Any], style: Style) -> Term:
    # −(a·b) is written −a·b, which is the same; −(a + b) needs its brackets.
    return Term(f"{style.sign}{args[0].at(PRODUCT)}", SIGN)


def _compare(sign: str) -> Rule:
    return lambda args, params, style: Term(
        f"{args[0].at(PRODUCT)} {sign} {args[1].at(PRODUCT)}", 0
    )


def _matmul(args: list[Term], params: dict[str, Any], style: Style) -> Term:
    a, b = args
    return Term(f"{a.at(PRODUCT)} @ {b.at(POWER)}", PRODUCT)


def _transpose(args: list[Term], params: dict[str, Any], style: Style) -> Term:
    axes = params["axes"]
    if tuple(axes) == tuple(reversed(range(len(axes)))):
        return Term(f"{args[0].at(ATOM)}.T")
    swapped = (*range(len(axes) - 2), len(axes) - 1, len(axes) - 2)
    if tuple(axes) == swapped:
        return Term(f"{args[0].at(ATOM)}.mT")
    return Term(f"transpose({args[0].text}, {tuple(axes)})")


def key_text(key: tuple[Any, ...], arrays: list[Term]) -> str:
    """What stands between the brackets of an index."""
    rest = iter(arrays)
    parts = []
    for e in key:
        if isinstance(e, slice):
            start, stop, step = (
                "" if v is None else str(v) for v in (e.start, e.stop, e.step)
            )
            parts.append(f"{start}:{stop}" + (f":{step}" if step else ""))
        else:
            parts.append(next(rest).text if isinstance(e, str) else str(e))
    return ", ".join(parts) or "()"


def _index(args: list[Term], params: dict[str, Any], style: Style) -> Term:
    return Term(f"{args[0].at(ATOM)}[{key_text(params['key'], args[1:])}]")


def _write(sign: str) -> Rule:
    def write(args: list[Term], params: dict[str, Any], style: Style) -> Term:
        x, v, *arrays = args
        key = key_text(params["key"], arrays)
        return Term(f"({x.text} with [{key}] {sign} {v.text})")

    return write


def _joined(name: str) -> Rule:
    def write(args: list[Term], params: dict[str, Any], style: Style) -> Term:
        axis = f", axis={params['axis']}" if params["axis"] else ""
        return Term(f"{name}([{', '.join(a.text for a in args)}]{axis})")

    return write


def _same(args: list[Term], params: dict[str, Any], style: Style) -> Term:
    return args[0]


def _reduction(name: str, args: list[Term], params: dict[str, Any]) -> Term:
    axis = params["axis"]
    axes = "" if params.get("whole") else f", axis={_param(axis)}"
    keep = ", keepdims=True" if params.get("keepdims") else ""
    more = f", ddof={params['ddof']}" if params.get("ddof") else ""
    inner = ", ".join(a.text for a in args)
    return Term(f"{_FUNCTIONS.get(name, name)}({inner}{axes}{keep}{more})")


def _param(x: Any) -> str:
    if isinstance(x, tuple | list):
        inner = ", ".join(map(_param, x))
        return inner if len(x) == 1 else f"({inner})"
    name = getattr(x, "__name__", None)
    text = name if isinstance(name, str) else str(x)
    return text if len(text) <= 40 else f"{text[:37]}…"


_REDUCTIONS = {"sum", "prod", "max", "min", "all", "any", "variance", "logsumexp"}

_FUNCTIONS = {
    "absolute": "abs", "fabs": "abs", "modulus": "abs", "conjugate": "conj",
    "variance": "var", "vector_norm": "norm", "index_add": "add_at",
    "diagonal_embed": "diag",
}  # fmt: skip


def _term(text: Callable[..., str], level: int = ATOM) -> Rule:
    return lambda args, params, style: Term(text(*args), level)


_INFIX: dict[str, Rule] = {
    "add": _sum("+"),
    "subtract": _sum("-"),
    "multiply": _product,
    "strong_product": _product,
    "divide": _quotient,
    "reciprocal": lambda args, params, style: _quotient([Term("1"), *args], {}, style),
    "power": lambda args, params, style: power(args[0], args[1], style),
    "float_power": lambda args, params, style: power(args[0], args[1], style),
    "square": lambda args, params, style: power(args[0], Term("2"), style),
    "negative": _negative,
    "invert": lambda args, params, style: Term(f"~{args[0].at(ATOM)}", SIGN),
    "positive": _same,
    "matmul": _matmul,
    "transpose": _transpose,
    "index": _index,
    "index_set": _write("="),
    "index_add": _write("+="),
    "concatenate": _joined("concatenate"),
    "stack": _joined("stack"),
    "reshape": lambda args, params, style: Term(
        f"reshape({args[0].text}, {tuple(params['shape'])})"
    ),
    "broadcast_to": lambda args, params, style: Term(
        f"broadcast({args[0].text}, {tuple(params['shape'])})"
    ),
    "astype": lambda args, params, style: Term(f"{params['dtype']}({args[0].text})"),
    "einsum": lambda args, params, style: Term(
        f'einsum("{params["subscripts"]}", {", ".join(a.text for a in args)})'
    ),
    "convolve": lambda args, params, style: Term(
        f"convolve({args[0].text}, {args[1].text}, {params['mode']})"
    ),
    # Slopes that are operations of their own, as the formulas that they stand for.
    "one_minus_square": _term(lambda a: f"1 - {a.at(ATOM)}**2", SUM),
    "lorentzian": _term(lambda a: f"1/(1 + {a.at(ATOM)}**2)", PRODUCT),
    "sech_squared": _term(lambda a: f"1/cosh({a.text})**2", PRODUCT),
    "share": _term(
        lambda a, b: f"exp({a.text})/(exp({a.text}) + exp({b.text}))", PRODUCT
    ),
    "share2": _term(
        lambda a, b: f"2**{a.at(ATOM)}/(2**{a.at(ATOM)} + 2**{b.at(ATOM)})", PRODUCT
    ),
    "direction": _term(
        lambda a, b: f"{a.at(ATOM)}/sqrt({a.at(ATOM)}**2 + {b.at(ATOM)}**2)", PRODUCT
    ),
    "inversion": _term(
        lambda a, b: f"{a.at(ATOM)}/({a.at(ATOM)}**2 + {b.at(ATOM)}**2)", PRODUCT
    ),
    **{
        name: _compare(sign)
        for name, sign in {
            "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=",
            "greater": ">", "greater_equal": ">=",
        }.items()
    },
}  # fmt: skip
