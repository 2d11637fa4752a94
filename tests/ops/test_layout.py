"""Layout ops: every row runs every check of the scenario runner."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.testing import Scenario, check_scenario

rng = np.random.default_rng(0)
A = rng.standard_normal((2, 3, 4))
B = rng.standard_normal((3, 1))
Z = rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))

SCENARIOS = [
    Scenario("reshape", lambda x: np.reshape(x, (4, -1)) ** 2, (A,)),
    Scenario("reshape_F", lambda x: np.reshape(x, (4, 6), order="F") ** 2, (A,)),
    Scenario("reshape_complex", lambda z: z.reshape(6) ** 2, (Z,)),
    Scenario("ravel", lambda x: np.ravel(x) ** 2, (A,)),
    Scenario("transpose", lambda x: x.T**2, (A,)),
    Scenario("transpose_axes", lambda x: x.transpose(1, 2, 0) ** 2, (A,)),
    Scenario("swapaxes", lambda x: np.swapaxes(x, 0, -1) ** 2, (A,)),
    Scenario("moveaxis", lambda x: np.moveaxis(x, 0, 2) ** 2, (A,)),
    Scenario("moveaxes", lambda x: np.moveaxis(x, (0, 1), (-1, 0)) ** 2, (A,)),
    Scenario("rollaxis", lambda x: np.rollaxis(x, 2) ** 2, (A,)),
    Scenario("squeeze", lambda x: np.squeeze(x) ** 2, (B,)),
    Scenario("expand_dims", lambda x: np.expand_dims(x, (0, 2)) ** 2, (B,)),
    Scenario("atleast_3d", lambda x: np.atleast_3d(x) ** 2, (B,)),
    Scenario("broadcast_to", lambda x: np.broadcast_to(x, (2, 3, 4)) ** 2, (B,)),
    Scenario("broadcast_arrays", lambda x, y: np.broadcast_arrays(x, y)[0] * y, (B, A)),
    Scenario("flip", lambda x: np.flip(x) ** 2, (A,)),
    Scenario("flip_axis", lambda x: np.flip(x, (0, 2)) ** 2, (A,)),
    Scenario("rot90", lambda x: np.rot90(x, 3, (0, 2)) ** 2, (A,)),
    Scenario("roll", lambda x: np.roll(x, 5) ** 2, (A,)),
    Scenario("roll_axes", lambda x: np.roll(x, (1, -2), (0, 2)) ** 2, (A,)),
    Scenario("roll_one_axis_twice", lambda x: np.roll(x, (1, 2), 1) ** 2, (A,)),
    Scenario("roll_repeated_axis", lambda x: np.roll(x, (1, 1), (0, 0)) ** 2, (A,)),
    Scenario("roll_complex", lambda z: np.roll(z, -1, -1) ** 2, (Z,)),
    Scenario("roll_empty", lambda x: np.roll(x, 2) ** 2, (np.zeros((0, 3)),)),
    Scenario("fliplr", lambda x: np.fliplr(x) ** 2, (A,)),
    Scenario("flipud", lambda x: np.flipud(x) ** 2, (B,)),
    Scenario("flip_complex", lambda z: np.flip(z, 1) ** 2, (Z,)),
    Scenario("rot90_once", lambda x: np.rot90(x) ** 2, (B,)),
    Scenario("rot90_twice", lambda x: np.rot90(x, 2) ** 2, (A,)),
    Scenario("rot90_back", lambda x: np.rot90(x, -1, (1, 2)) ** 2, (A,)),
    Scenario("rot90_none", lambda x: np.rot90(x, 4) ** 2, (B,)),
    Scenario("ravel_F", lambda x: np.ravel(x, order="F") ** 2, (A,)),
    Scenario("flatten", lambda x: x.flatten() ** 2, (A,)),
    Scenario("flatten_F", lambda x: x.flatten("F") ** 2, (A,)),
    Scenario("reshape_copy", lambda x: np.reshape(x, -1, copy=True) ** 2, (A,)),
    Scenario("matrix_transpose", lambda x: x.mT**2, (A,)),
    Scenario("transpose_negative", lambda x: np.transpose(x, (-1, 0, 1)) ** 2, (A,)),
    Scenario("swapaxes_method", lambda x: x.swapaxes(0, 1) ** 2, (A,)),
    Scenario("squeeze_axis", lambda x: x.squeeze(1) ** 2, (B,)),
    Scenario("atleast_1d", lambda x: np.atleast_1d(x) ** 2, (np.float64(0.7),)),
    Scenario(
        "atleast_2d", lambda x, y: np.multiply(*np.atleast_2d(x, y)), (A[0, 0], B)
    ),
    Scenario("expand_dims_end", lambda x: np.expand_dims(x, -1) ** 2, (B,)),
    Scenario("empty", lambda x: np.transpose(x) ** 2, (np.zeros((0, 3)),)),
    Scenario("zero_d", lambda x: np.reshape(x, (1, 1)) ** 2, (np.float64(0.7),)),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)


def test_reshape_refuses_what_it_cannot_do() -> None:
    calls: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
        (
            lambda x: np.reshape(x, (5, -1)),
            ValueError,
            "cannot reshape array of size 24",
        ),
        (lambda x: np.reshape(x, (-1, -1)), ValueError, "cannot reshape"),
        (lambda x: np.reshape(x, 7), ValueError, "keeps the number of elements"),
        (lambda x: np.ravel(x, order="K"), ValueError, "leaves open"),
        (lambda x: np.reshape(x.T, -1, copy=False), ValueError, "Unable to avoid"),
        (lambda x: np.transpose(x, (0, 1)), ValueError, "axes don't match"),
        (lambda x: np.squeeze(x, 0), ValueError, "cannot select an axis to squeeze"),
        (lambda x: np.expand_dims(x, (0, 0)), ValueError, "repeated axis"),
        (lambda x: np.flip(x, 3), np.exceptions.AxisError, "axis 3"),
        (lambda x: np.flip(x, (0, 0)), ValueError, "repeated axis"),
        (lambda x: np.rot90(x, 1, (0, 0)), ValueError, "must be different"),
        (lambda x: np.roll(x, (1, 2, 3), (0, 1)), ValueError, "shift"),
        (
            lambda x: np.broadcast_to(x, (2, 2, 4)),
            ValueError,
            "repeats axes of length 1",
        ),
    ]
    for f, kind, message in calls:
        for run in (lambda f=f: wg.vjp(f, A), lambda f=f: wg.trace(f, A)):
            with pytest.raises(kind, match=message):
                run()


def test_which_reshapes_are_views() -> None:
    """As in NumPy, with values and without: a write is seen or it isn't."""

    def f(x: Any) -> Any:
        y = x * 1.0
        y.reshape(6, 4)[0] = 1.0
        y.T.reshape(-1)[0] = 2.0
        y[:, :2].reshape(2, 8)[1, 1] = 3.0
        y[:, ::2].reshape(-1)[-1] = 4.0
        y[::-1].ravel()[1] = 5.0
        np.flip(y).ravel()[2] = 5.5
        np.flip(y).reshape(-1)[3] = 5.6
        y[0, 0, ::2].ravel()[0] = 5.7
        np.squeeze(y[:, 1:2]).ravel()[2] = 6.0
        y.T[..., None].squeeze()[0, 0, 0] = 7.0
        y.flatten()[:] = 8.0
        y[1].ravel()[3:5] = 8.1
        y[:, 0].ravel()[0] = 8.2
        number = y[0, 0, 0]
        number.reshape(1)[0] = 8.3
        number[None][0] = 8.4
        y[1, 1, 1] = number
        y.reshape(-1, order="F")[:2] = 9.0
        return y

    for got in (wg.vjp(f, A)[0], wg.trace(f, A)(A), wg.vmap(f)(A[None])[0]):
        np.testing.assert_array_equal(got, f(A))
