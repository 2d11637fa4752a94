"""jvp: the directional derivative, structures, and every error text."""

from typing import Any

import numpy as np
import pytest

import wengert as wg

rng = np.random.default_rng(6)
X, V = rng.standard_normal((2, 4))


def test_is_the_jacobian_times_the_tangent() -> None:
    f = lambda x, p: {"y": np.sin(x) * p[0], "z": [np.sum(x) * p[1]]}
    primals, tangents = (X, (2.0, 3.0)), (V, (0.5, -1.0))
    y, dy = wg.jvp(f, primals, tangents)
    np.testing.assert_allclose(y["y"], np.sin(X) * 2)
    np.testing.assert_allclose(dy["y"], np.cos(X) * V * 2 + np.sin(X) * 0.5)
    assert dy["z"][0] == pytest.approx(np.sum(V) * 3 - np.sum(X))
    again = wg.jvp(f, list(primals), list(tangents))[1]
    np.testing.assert_array_equal(again["y"], dy["y"])


def test_f_runs_once_and_zero_tangents_give_zero() -> None:
    runs = []
    f = lambda x: runs.append(1) or np.exp(x)
    assert not wg.jvp(f, (X,), (np.zeros(4),))[1].any()
    assert len(runs) == 1


def test_results_that_dont_depend() -> None:
    _, dy = wg.jvp(lambda x: (3.0, np.argmax(x), np.ones(2), x), (X,), (V,))
    assert dy[0] == 0.0
    assert dy[1] == 0
    np.testing.assert_array_equal(dy[2], np.zeros(2))
    np.testing.assert_array_equal(dy[3], V)


def test_aux() -> None:
    _, _, aux = wg.jvp(lambda x: (x * 2, {"x": x, "n": 1}), (X,), (V,), has_aux=True)
    np.testing.assert_array_equal(aux["x"], X)
    assert type(aux["x"]) is np.ndarray
    with pytest.raises(ValueError, match="returns a pair"):
        wg.jvp(np.sin, (X,), (V,), has_aux=True)


def test_types_and_sizes() -> None:
    y, dy = wg.jvp(np.sin, (np.float32(1.0),), (1.0,))
    assert y.dtype == dy.dtype == np.float32
    assert wg.jvp(np.sin, (np.zeros((0, 2)),), (np.zeros((0, 2)),))[1].shape == (0, 2)
    assert wg.jvp(np.sin, (np.array(0.0),), (np.array(2),))[1] == 2.0
    assert wg.jvp(np.abs, (3 + 4j,), (1.0,))[1] == pytest.approx(0.6)
    assert wg.jvp(lambda: 1.0, (), ()) == (1.0, 0.0)


def test_nothing_is_shared() -> None:
    x, v = X.copy(), V.copy()
    (a, b), (da, db) = wg.jvp(lambda x: (x, x[:]), (x,), (v,))
    arrays = [x, v, a, b, da, db]
    for i, one in enumerate(arrays):
        assert one.flags.writeable
        assert not any(np.shares_memory(one, other) for other in arrays[i + 1 :])


CASES = [
    (lambda: wg.jvp(np.sin, X, V), r"jvp\(f, \(x,\), \(dx,\)\)"),
    (lambda: wg.jvp(np.sin, (3,), (1.0,)), "int 3"),
    (lambda: wg.jvp(np.sin, (X,), (V[:2],)), r"must have the primal's shape \(4,\)"),
    (lambda: wg.jvp(np.sin, (X,), (1.0,)), r"Came: shape \(\)"),
    (lambda: wg.jvp(np.sin, (X,), (V + 1j,)), "must have the primal's dtype float64"),
    (lambda: wg.jvp(np.sin, (X,), ("a",)), "Came: str"),
    (lambda: wg.jvp(np.sin, (X,), V), "tangents must have the structure"),
    (lambda: wg.jvp(np.sin, (X,), (V, V)), "tangents must have the structure"),
]


@pytest.mark.parametrize(("use", "message"), CASES, ids=[m for _, m in CASES])
def test_error_texts(use: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as info:
        use()
    assert isinstance(info.value, wg.WengertError)


def test_an_escaped_tracer_says_so() -> None:
    kept: list[Any] = []
    wg.jvp(lambda x: kept.append(x * 1.0) or x, (X,), (V,))
    with pytest.raises(TypeError, match="escaped from a differentiated function"):
        np.sin(kept[0])
