"""NumPy's aliasing on traced arrays: what a write changes, and who sees it.

A tracer is a handle. A write makes a new value (the old one stays with the operations
that used it) and gives it to the handle of the base array. A view remembers which value
of its base it was made from, and is made again when it is read after a write.
"""

from typing import Any

import numpy as np

from wengert.core.bind import Tracer, bind, bottom
from wengert.core.errors import ShapeMismatch, explain
from wengert.core.op import Linear, Op
from wengert.core.pending import computed
from wengert.core.types import Array
from wengert.ops.complex import IMAG, REAL
from wengert.ops.index import INDEX, INDEX_SET

_interp = Tracer.__dict__["interp"]
_value = Tracer.__dict__["value"]
_mark = Tracer.__dict__["mark"]


class View(Tracer):
    """A tracer whose elements are those of another one, as `x[1:]` or `x.T`."""

    __slots__ = ("op", "params", "root", "seen", "source")

    def __init__(self, source: Tracer, made: Tracer, op: Op, params: Any) -> None:
        _set(self, made)
        self.source = source
        self.op = op
        self.params = params
        self.root: Tracer = source.root if isinstance(source, View) else source
        self.seen = (self.root.value, self.root.mark)

    def refresh(self) -> None:
        """Makes this view again from its base, if the base was written since."""
        value, mark = self.root.value, self.root.mark
        # Either may stay the same in a write: a symbol has no value, a constant of
        # forward mode no tangent, and an array may be written in place.
        if self.seen[0] is value and self.seen[1] is mark:
            return
        chain: list[View] = []
        link: Tracer = self
        while isinstance(link, View) and not (
            link.seen[0] is value and link.seen[1] is mark
        ):
            chain.append(link)
            link = link.source
        for view in reversed(chain):
            view.seen = (value, mark)
            _set(view, bind(view.op, view.source, **view.params))

    @property
    def interp(self) -> Any:  # type: ignore[override]
        """The interpreter of the newest version."""
        self.refresh()
        return _interp.__get__(self)

    @property
    def value(self) -> Any:
        """The value of the newest version."""
        self.refresh()
        return _value.__get__(self)

    @property
    def mark(self) -> Any:
        """The mark of the newest version."""
        self.refresh()
        return _mark.__get__(self)


def _set(x: Tracer, new: Tracer) -> None:
    # Read all three first: `new` may be a view that a read refreshes.
    interp, value, mark = new.interp, new.value, new.mark
    _interp.__set__(x, interp)
    _value.__set__(x, value)
    _mark.__set__(x, mark)


def bind_view(op: Op, x: Array, **params: Any) -> Array:
    """`bind` for an op whose result shares memory with `x`, as NumPy's does."""
    y = bind(op, x, **params)
    if isinstance(x, Tracer) and isinstance(y, Tracer) and _shares(y, x):
        return View(x, y, op, params)
    return y


def _shares(y: Tracer, x: Tracer) -> bool:
    """Whether the result is a view, by the memory of the values where there are any.

    A reshape copies if strides can't express the shape.
    """
    mine, source = bottom(y), bottom(x)
    # One that waits is none that has to be looked at: it would always be a view.
    if not isinstance(mine, np.ndarray) or not isinstance(source, np.ndarray):
        return True
    return not mine.size or np.may_share_memory(mine, source)


def write(x: Tracer, new: Array) -> Tracer:
    """Makes `new` the contents of `x`, and of everything that shares its memory."""
    if np.shape(new) != x.shape:
        raise ShapeMismatch(
            explain(
                f"A write keeps the array's shape {x.shape}.",
                f"a value of shape {np.shape(new)}",
                "write y = y + x instead of y += x to let the shape grow.",
            )
        )
    if new.dtype != x.dtype:
        if not np.can_cast(new.dtype, x.dtype, "same_kind"):
            raise TypeError(
                f"Cannot cast ufunc output from dtype({new.dtype}) to "
                f"dtype({x.dtype}) with casting rule 'same_kind'"
            )
        new = np.astype(new, x.dtype)
    target = x
    while isinstance(target, View):
        new = _put_back(target, new)
        target = target.source
    _set(target, new if isinstance(new, Tracer) else target.interp.lift(new))
    if not isinstance(target, View) and not x.shape:
        value = computed(target.value)
        if isinstance(value, np.generic):
            _value.__set__(target, np.asarray(value))  # it stays an array
    return x


def overwrite(op: Op, x: Tracer, key: Any, arrays: list[Array], value: Array) -> bool:
    """Tries a write by index in place; False if it must be a new value (`write`)."""
    return type(x) is Tracer and x.interp.overwrite(op, x, value, arrays, key)


def _put_back(view: View, new: Array) -> Array:
    """The contents of the view's source once the view's elements are `new`."""
    if view.op is REAL:
        return new + 1j * np.imag(view.source)
    if view.op is IMAG:
        return np.real(view.source) + 1j * new
    if view.op is INDEX:
        return bind(INDEX_SET, view.source, new, key=view.params["key"])
    rule = view.op.derivative
    assert isinstance(rule, Linear), "every op with view=True is linear"
    transpose: Any = rule.transposes[0]
    source = view.source
    ones = np.ones(np.shape(new), source.dtype)
    covered = transpose(ones, source, **view.params) != 0
    return np.where(covered, transpose(new, source, **view.params), source)
