"""Random programs: the tape and the extended graph give the same numbers."""

from typing import Any

import numpy as np
from hypothesis import given
from test_programs import Program, close, few, has_branches, points, programs, setting

import wengert as wg


@few
@given(programs.filter(lambda p: not has_branches(p)), points)
def test_both_modes_and_their_composition(program: Program, point: Any) -> None:
    """graph.vjp and graph.jvp against wg.vjp and wg.jvp, on other values too."""
    f, args, vs, rng = setting(program, point)
    g = wg.trace(f, *args)
    y, pullback = wg.vjp(f, *args)
    pulled, pushed = g.vjp(), g.jvp()
    for graph in (pulled, pushed):
        graph.check()
    w = np.asarray(rng.standard_normal(y.shape))[()]
    value, cts = pulled(*args, w)
    close(value, y)
    for got, wanted in zip(cts, pullback(w), strict=True):
        close(got, wanted, 1e-11)
    close(pushed(*args, *vs)[1], wg.jvp(f, args, vs)[1], 1e-11)
    # On other values, without deriving again.
    others = [np.asarray(-0.7 * x)[()] for x in args]
    for got, wanted in zip(
        pulled(*others, w)[1], wg.vjp(f, *others)[1](w), strict=True
    ):
        close(got, wanted, 1e-11)

    def total(*xs: Any) -> Any:
        return np.sum(np.sin(f(*xs)))

    slope = wg.trace(total, *args).grad((0, 1))
    along = slope.jvp()(*args, *vs)[1]
    wanted_along = wg.jvp(wg.grad(total, (0, 1)), args, vs)[1]
    for got, wanted in zip(along, wanted_along, strict=True):
        close(got, wanted, 1e-9)
