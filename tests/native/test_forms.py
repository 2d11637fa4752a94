"""Loop forms: which pieces of a result can apply at an index."""

import numpy as np
from compiled import check_function

from wengert.native import forms
from wengert.native.forms import Piece, decided
from wengert.native.index import Index, Var, scale


def piece(*tests: forms.Test) -> Piece:
    return Piece(tests, None)


def test_tests_that_always_or_never_hold_are_dropped() -> None:
    i = Index(0, ((Var(1, 0, 9), 1),))
    sure, never, open_ = forms.Test(i, 0, 9), forms.Test(i, 9, 12), forms.Test(i, 2, 7)
    assert decided([piece(never), piece(sure), piece(open_)]) == [piece()]
    assert decided([piece(open_, sure), piece()]) == [piece(open_), piece()]


def test_steps_that_every_index_meets_or_misses() -> None:
    even = scale(Index(0, ((Var(1, 0, 9), 1),)), 2)
    met, missed = forms.Test(even, 4, 12, 2), forms.Test(even, 3, 13, 2)
    assert decided([piece(met), piece()]) == [piece(met._replace(step=1)), piece()]
    assert decided([piece(missed), piece()]) == [piece()]


def test_every_other_element_written_and_read() -> None:
    def f(x):
        z = x * 1.0
        z[4:14:2] *= 3.0
        return z[::2] + 1.0, z[1::2] * 2.0

    check_function(f, np.arange(17.0))
