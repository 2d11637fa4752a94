"""How NumPy code says each op: a row per op, used by `graph.to_python()`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.graph.graph import Node


class Step(NamedTuple):
    """One node, as a spelling sees it.

    Attributes:
        node: the node.
        args: its arguments as text: names, or literals.
        params: its parameters.
        python: which arguments are Python's own numbers, not NumPy's.
        name: the name of its result.
    """

    node: Node
    args: list[str]
    params: dict[str, Any]
    python: list[bool]
    name: str


Statements = list[str]
Spelling = Callable[[Step], str | Statements]


# Literals --------------------------------------------------------------------------


def literal(x: Any) -> str:
    """A parameter's value as text that means the same."""
    if type(x) is tuple:
        return f"({', '.join(map(literal, x))}{',' if len(x) == 1 else ''})"
    if type(x) is list:
        return f"[{', '.join(map(literal, x))}]"
    if isinstance(x, np.dtype):
        return dtype_text(x)
    if isinstance(x, np.generic | float | complex):
        return number(x)
    if type(x) is str:
        return quoted(x)
    if x is None or type(x) in (bool, int):
        return repr(x)
    raise TypeError(f"a parameter of type {type(x).__name__}")


def quoted(x: str) -> str:
    """A text in double quotes where that needs no escapes."""
    plain = x.isprintable() and '"' not in x and "\\" not in x
    return f'"{x}"' if plain else ascii(x)


def number(x: Any) -> str:
    """A number as text: Python's own as they are, NumPy's with their type."""
    if isinstance(x, np.generic):
        if x.dtype.char in "gG":
            return f"{long_numbers(np.array([x]))}[0]"
        if not x.dtype.isnative:
            x = x.astype(x.dtype.newbyteorder("="))
        return f"{dtype_text(x.dtype)}({number(x.item())})"
    if isinstance(x, complex):
        return f"complex({number(x.real)}, {number(x.imag)})"
    if isinstance(x, float) and not np.isfinite(x):
        return "np.nan" if np.isnan(x) else "np.inf" if x > 0 else "-np.inf"
    return repr(x)


def long_numbers(x: np.ndarray[Any, Any]) -> str:
    """Long doubles from texts: a Python float hasn't all their digits."""
    parts = x.reshape(-1).view(np.longdouble)
    texts = ", ".join(f'"{part!s}"' for part in parts)
    view = ".view(np.clongdouble)" if x.dtype.char == "G" else ""
    return f"np.array([{texts}], dtype=np.longdouble){view}"


def dtype_text(dtype: np.dtype[Any]) -> str:
    """`np.float64`, or a spelled-out dtype in the other byte order."""
    if not dtype.isnative:
        return f'np.dtype("{dtype.str}")'
    special = {"g": "longdouble", "G": "clongdouble"}
    return f"np.{special.get(dtype.char, dtype.name)}"


# Shapes of spellings ----------------------------------------------------------------


def _given(params: dict[str, Any]) -> str:
    return "".join(f", {k}={literal(v)}" for k, v in params.items() if v is not None)


def _call(function: str, *positional: str, **renamed: str) -> Spelling:
    """function(arguments, positional parameters, keyword parameters)."""

    def spell(s: Step) -> str:
        params = dict(s.params)
        first = [*s.args, *(literal(params.pop(name)) for name in positional)]
        rest = {renamed.get(k, k): v for k, v in params.items()}
        return f"{function}({', '.join(first)}{_given(rest)})"

    return spell


def _operator(sign: str, function: str) -> Spelling:
    """Python's operator, as the op evaluates it; the function for Python's complex."""

    def spell(s: Step) -> str:
        a, b = s.args
        if s.python[0] and s.node.inputs[0].dtype.kind == "c":
            return f"{function}({a}, {b})"
        return f"{_factor(a)} {sign} {_factor(b)}"

    return spell


def _comparison(sign: str, function: str) -> Spelling:
    """An operator where one side is NumPy's, so that the result is."""

    def spell(s: Step) -> str:
        if all(s.python):
            return f"{function}({', '.join(s.args)})"
        return f"{_factor(s.args[0])} {sign} {_factor(s.args[1])}"

    return spell


def _factor(x: str) -> str:
    return f"({x})" if x.startswith("-") else x


def _axes(s: Step, default: bool = True) -> dict[str, Any]:
    """axis and keepdims, left out where they are NumPy's defaults."""
    axis = s.params["axis"]
    found: dict[str, Any] = {"axis": axis[0] if len(axis) == 1 else axis}
    if default and len(axis) == len(s.node.inputs[0].shape):
        found = {}
    return found | ({"keepdims": True} if s.params["keepdims"] else {})


def _reduction(function: str) -> Spelling:
    return lambda s: f"{function}({s.args[0]}{_given(_axes(s))})"


def _reduce(function: str) -> Spelling:
    """A ufunc's own reduction, whose axis isn't all by default."""
    return lambda s: f"{function}.reduce({s.args[0]}{_given(_axes(s, default=False))})"


def _scalar(s: Step, text: str) -> str:
    """A NumPy scalar, where the function gives an array without axes."""
    return text if s.node.shape else f"{text}[()]"


def _key(s: Step, arrays: list[str]) -> str:
    rest = iter(arrays)
    parts = [_entry(e, rest) for e in s.params["key"]]
    return ", ".join(parts) if parts else "()"


def _entry(e: Any, arrays: Any) -> str:
    if isinstance(e, slice):
        start, stop, step = ("" if v is None else str(v) for v in _bounds(e))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return str(next(arrays)) if isinstance(e, str) else str(e)


def _bounds(e: slice) -> tuple[Any, Any, Any]:
    return e.start, e.stop, e.step


# Longer ones ------------------------------------------------------------------------


def _power(s: Step) -> str:
    a, b = s.args
    complex_first = s.python[0] and s.node.inputs[0].dtype.kind == "c"
    if s.node.shape or complex_first:
        return f"np.power({a}, {b})"
    simple = a.isidentifier() and not b.startswith(("np.", "complex"))
    return f"{a}**{b}" if simple else f"{_factor(a)} ** {_factor(b)}"


def _index(s: Step) -> str:
    return f"{s.args[0]}[{_key(s, s.args[1:])}]"


def _write(sign: str) -> Spelling:
    def spell(s: Step) -> Statements:
        x, v, *arrays = s.args
        key = _key(s, arrays)
        first = f"{s.name} = np.array({x})"
        if arrays and sign == "+=":
            at = key if len(s.params["key"]) == 1 else f"np.s_[{key}]"
            change = f"np.add.at({s.name}, {at}, {v})"
        else:
            change = f"{s.name}[{key}] {sign} {v}"
        last = [] if s.node.shape else [f"{s.name} = {s.name}[()]"]
        return [first, change, *last]

    return spell


def _astype(s: Step) -> str:
    x, (source,) = s.args[0], s.node.inputs
    dtype = s.params["dtype"]
    if source.dtype.kind == "c" and dtype.kind != "c":
        x = f"np.real({x})"
    return f"np.astype({x}, {literal(dtype)})" if source.shape else (
        f"np.asarray({x}).astype({literal(dtype)})[()]"
    )  # fmt: skip


def _transpose(s: Step) -> str:
    axes = s.params["axes"]
    if len(axes) > 1 and axes == tuple(reversed(range(len(axes)))):
        return f"{s.args[0]}.T"
    return f"np.transpose({s.args[0]}, {literal(axes)})"


def _joined(function: str) -> Spelling:
    return lambda s: f"{function}([{', '.join(s.args)}], axis={s.params['axis']})"


def _variance(s: Step) -> str:
    params = _axes(s) | ({"ddof": s.params["ddof"]} if s.params["ddof"] else {})
    where = f", where={s.args[1]}" if len(s.args) > 1 else ""
    return f"np.var({s.args[0]}{_given(params)}{where})"


def _einsum(s: Step) -> str:
    optimize = s.params["optimize"]
    more = f", optimize={literal(optimize)}" if optimize is not False else ""
    return f"np.einsum({literal(s.params['subscripts'])}, {', '.join(s.args)}{more})"


def _convolve(s: Step) -> str:
    flat = all(len(i.shape) == 1 for i in s.node.inputs)
    name = "np.convolve" if flat else "convolve"
    return f"{name}({s.args[0]}, {s.args[1]}, {literal(s.params['mode'])})"


def _sinc(s: Step) -> str:
    order = s.params["order"]
    return (
        f"sinc_derivative({s.args[0]}, {order})" if order else f"np.sinc({s.args[0]})"
    )


def _bessel(s: Step) -> str:
    (x,), order = s.args, s.params["order"]
    if order == 0:
        return _scalar(s, f"np.i0({x})")
    if order == 1:
        return f"scipy.special.i1({x})"
    return f"bessel_i({x}, {order}, scipy.special.iv)"


def _permute(s: Step) -> str | Statements:
    (x, order), axis = s.args, s.params["axis"]
    flat = len(s.node.shape) == 1
    if not s.params["inverse"]:
        taken = f"{x}[{order}]"
        return taken if flat else f"np.take_along_axis({x}, {order}, axis={axis})"
    put = f"np.put_along_axis({s.name}, {order}, {x}, axis={axis})"
    change = f"{s.name}[{order}] = {x}" if flat else put
    return [f"{s.name} = np.empty_like({x})", change]


def _solve_triangular(s: Step) -> str:
    a, b = s.args
    lower, unit = s.params["lower"], s.params["unit"]
    if any(len(i.shape) != 2 or i.dtype.char in "egG" for i in s.node.inputs):
        return f"solve_triangular({a}, {b}, lower={lower}, unit={unit})"
    more = f", lower={lower}, unit_diagonal={unit}, check_finite=False"
    return f"scipy.linalg.solve_triangular({a}, {b}{more})"


def _lstsq(s: Step) -> str:
    (a, b), rcond = s.args, s.params["rcond"]
    if all(len(i.shape) == 2 for i in s.node.inputs):
        return f"np.linalg.lstsq({a}, {b}, rcond={literal(rcond)})[0]"
    first = s.node.inputs[0]
    eps = float(np.finfo(first.dtype if first.dtype.kind in "fc" else float).eps)
    cutoff = (
        eps * max(first.shape[-2:]) if rcond is None else eps if rcond < 0 else rcond
    )
    return f"np.linalg.pinv({a}, rcond={cutoff!r}) @ {b}"


def _diagonal(s: Step) -> str:
    axis1, axis2 = s.params["axes"]
    offset = s.params["offset"]
    return f"np.diagonal({s.args[0]}, offset={offset}, axis1={axis1}, axis2={axis2})"


def _copy(s: Step) -> str:
    return f"{s.args[0]}.copy()" if s.node.shape else s.args[0]


# The table -------------------------------------------------------------------------

# Ops that are the ufunc of the same name.
_UFUNCS = (
    "float_power positive sqrt cbrt reciprocal absolute fabs hypot maximum minimum "
    "fmax fmin remainder fmod copysign nextafter heaviside ldexp exp exp2 expm1 log "
    "log2 log10 log1p sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh "
    "arccosh arctanh logaddexp logaddexp2 deg2rad radians rad2deg degrees floor ceil "
    "trunc rint sign floor_divide spacing signbit isnan isinf isfinite isnat "
    "logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor "
    "invert left_shift right_shift bitwise_count gcd lcm conjugate"
).split()

SPELLINGS: dict[str, Spelling] = {
    **{name: _call(f"np.{name}") for name in _UFUNCS},
    "add": _operator("+", "np.add"),
    "subtract": _operator("-", "np.subtract"),
    "multiply": _operator("*", "np.multiply"),
    "divide": _operator("/", "np.divide"),
    "power": _power,
    "negative": lambda s: f"-{_factor(s.args[0])}",
    "square": lambda s: f"{_factor(s.args[0])} * {_factor(s.args[0])}",
    "equal": _comparison("==", "np.equal"),
    "not_equal": _comparison("!=", "np.not_equal"),
    "less": _comparison("<", "np.less"),
    "less_equal": _comparison("<=", "np.less_equal"),
    "greater": _comparison(">", "np.greater"),
    "greater_equal": _comparison(">=", "np.greater_equal"),
    # Slopes and other elementwise functions
    "one_minus_square": lambda s: f"(1.0 - {s.args[0]}) * (1.0 + {s.args[0]})",
    "lorentzian": _call("lorentzian"),
    "sech_squared": _call("sech_squared"),
    "share": lambda s: f"share({', '.join(s.args)}, np.exp)",
    "share2": lambda s: f"share({', '.join(s.args)}, np.exp2)",
    "direction": _call("direction"),
    "inversion": _call("inversion"),
    "strong_product": _call("strong_product"),
    "round": _call("np.round", "decimals"),
    "fraction": lambda s: f"np.modf({s.args[0]})[0]",
    "frexp_exponent": lambda s: f"np.frexp({s.args[0]})[1]",
    "unwrap": _call("np.unwrap"),
    "sinc": _sinc,
    "bessel_i": _bessel,
    "astype": _astype,
    "where": lambda s: _scalar(s, f"np.where({', '.join(s.args)})"),
    "real": _call("np.real"),
    "imag": _call("np.imag"),
    "modulus": _call("np.abs"),
    "stop_gradient": _copy,
    # Indices and layout
    "index": _index,
    "index_set": _write("="),
    "index_add": _write("+="),
    "reshape": _call("np.reshape", "shape"),
    "transpose": _transpose,
    "broadcast_to": _call("np.broadcast_to", "shape"),
    "flip": _call("np.flip"),
    "roll": _call("np.roll", "shift"),
    "diagonal": _diagonal,
    "diagonal_embed": _call("diagonal_embed"),
    "concatenate": _joined("np.concatenate"),
    "stack": _joined("np.stack"),
    # Contractions and reductions
    "matmul": lambda s: f"{s.args[0]} @ {s.args[1]}",
    "einsum": _einsum,
    "convolve": _convolve,
    "sum": _reduction("np.sum"),
    "prod": _reduction("np.prod"),
    "max": _reduction("np.max"),
    "min": _reduction("np.min"),
    "all": _reduction("np.all"),
    "any": _reduction("np.any"),
    "nanmax": _reduce("np.fmax"),
    "nanmin": _reduce("np.fmin"),
    "logsumexp": _reduce("np.logaddexp"),
    "logsumexp2": _reduce("np.logaddexp2"),
    "variance": _variance,
    "deviation": _call("np.sqrt"),
    "argmax": _call("np.argmax"),
    "argmin": _call("np.argmin"),
    "cumsum": _call("np.cumsum"),
    "cumprod": _call("np.cumprod"),
    "cummax": _call("np.maximum.accumulate"),
    "cummin": _call("np.minimum.accumulate"),
    "cumlogsumexp": _call("np.logaddexp.accumulate"),
    "cumlogsumexp2": _call("np.logaddexp2.accumulate"),
    "recurrence": _call("recurrence"),
    "segment_sum": _call("np.add.reduceat"),
    "segment_spread": _call("segment_spread"),
    # Orders
    "argsort": _call("np.argsort"),
    "argpartition": _call("np.argpartition", "kth"),
    "partition_order": _call("partition_order"),
    "lexsort": lambda s: f"np.lexsort([{', '.join(s.args)}], axis={s.params['axis']})",
    "permute": _permute,
    "searchsorted": _call("np.searchsorted"),
    # Linear algebra
    "cholesky": _call("np.linalg.cholesky"),
    "det": _call("np.linalg.det"),
    "adjugate": _call("adjugate"),
    "slogdet": _call("np.linalg.slogdet"),
    "eigh": _call("np.linalg.eigh", uplo="UPLO"),
    "eig": _call("complex_eig"),
    "pinv": _call("np.linalg.pinv"),
    "lstsq": _lstsq,
    "vector_norm": _call("vector_norm", ord="order"),
    "qr": _call("np.linalg.qr"),
    "solve": _call("np.linalg.solve"),
    "inv": _call("np.linalg.inv"),
    "svd": _call("np.linalg.svd", full="full_matrices"),
    "solve_triangular": _solve_triangular,
}
