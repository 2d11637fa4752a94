"""The block cipher against the authors' known answers; shifts as NumPy has them."""

import numpy as np
import pytest

from wengert.graph.stage import trace
from wengert.native import program
from wengert.random.keys import counters
from wengert.random.threefry import threefry

# Random123's file of known answers: counter, key, result, for 20 rounds.
KNOWN = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


def words(pair: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    first, second = (np.full(1, w, np.uint32) for w in pair)
    return first, second


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(
    counter: tuple[int, ...], key: tuple[int, ...], result: tuple[int, ...]
) -> None:
    found = threefry(words(key), words(counter))
    assert [int(w[0]) for w in found] == list(result)
    assert all(w.dtype == np.uint32 for w in found)


def test_it_is_a_permutation_of_the_counters() -> None:
    first, second = threefry(words((1, 2)), counters(1 << 16))
    together = first.astype(np.uint64) << np.uint64(32) | second
    assert len(np.unique(together)) == 1 << 16


def test_every_bit_of_key_and_counter_changes_half_of_the_result() -> None:
    def flipped(word: int, bit: int) -> int:
        four = np.array([3, 5, 7, 11], np.uint32)
        if word >= 0:
            four[word] ^= np.uint32(1 << bit)
        a, b, c, d = (four[i : i + 1] for i in range(4))
        x, y = threefry((a, b), (c, d))
        return int(x[0]) << 32 | int(y[0])

    plain = flipped(-1, 0)
    changed = [(plain ^ flipped(w, b)).bit_count() for w in range(4) for b in range(32)]
    assert min(changed) >= 14
    assert max(changed) <= 50
    assert 31 < np.mean(changed) < 33


@pytest.mark.parametrize("op", [np.left_shift, np.right_shift])
@pytest.mark.parametrize("letter", "bBhHiIqQ")
def test_compiled_shifts_are_numpys_for_every_count(op: np.ufunc, letter: str) -> None:
    dtype = np.dtype(letter)
    width = 8 * dtype.itemsize
    counts = np.array([0, 1, width - 1, width, width + 1, 100], dtype)
    if dtype.kind == "i":
        counts = np.append(counts, np.array([-1, -width], dtype))
    limits = np.iinfo(dtype)
    x = np.array([0, 1, 5, limits.max, limits.min, limits.max // 3], dtype)[:, None]
    g = trace(op, x, counts)
    p = program.compile(g)
    assert not p.host_calls
    (y,), failed = p([x, counts])
    assert failed == -1
    np.testing.assert_array_equal(y, op(x, counts))
    assert y.dtype == dtype

    # A count that is known while compiling.
    for n in (3, width - 1):
        g = trace(lambda x, n=n: op(x, dtype.type(n)), x)
        (y,), _ = program.compile(g)([x])
        np.testing.assert_array_equal(y, op(x, dtype.type(n)))
