"""BLAS and LAPACK by address."""

import ctypes
import subprocess
import sys

import numpy as np
import pytest

from wengert.core.errors import WengertError
from wengert.native import libraries, symbols


def test_a_function_can_be_called_by_its_address() -> None:
    f = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_void_p] * 5)(
        libraries.address("wg_blas_ddot")
    )
    x, y = np.arange(5.0), np.arange(5.0) + 2
    n, one = ctypes.c_int32(5), ctypes.c_int32(1)
    by = ctypes.addressof(one)
    assert f(ctypes.addressof(n), x.ctypes.data, by, y.ctypes.data, by) == x @ y


@pytest.mark.parametrize("letter", "sdcz")
def test_all_functions_that_steps_call_are_there(letter: str) -> None:
    real = letter in "sd"
    blas = ["gemm", "gemv", "trsm", "trsv", "swap", *(["dot"] if real else [])]
    eigen, build = ("syevd", "orgqr") if real else ("heevd", "ungqr")
    lapack = ["potrf", "getrf", "getri", "gesdd", "geqrf", eigen, build]
    for name in [f"wg_blas_{letter}{x}" for x in blas]:
        assert symbols.lookup(name) == libraries.address(name) > 0
    for name in [f"wg_lapack_{letter}{x}" for x in lapack]:
        assert symbols.lookup(name) == libraries.address(name) > 0


@pytest.mark.parametrize("name", ["wg_blas_dnothing", "wg_lapack_", "dgemm", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(WengertError, match="name of a BLAS or LAPACK function"):
        libraries.address(name)


def test_a_library_with_long_integers_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long = "void (char *, npy_int64 *, double *)"
    monkeypatch.setattr(libraries, "_opened", lambda capsule: (long, 1))
    libraries.address.cache_clear()
    with pytest.raises(WengertError, match="32-bit integers"):
        libraries.address("wg_lapack_dpotrf")
    libraries.address.cache_clear()


def test_letters_of_dtypes() -> None:
    letters = [libraries.letter(np.dtype(c)) for c in ("f4", "f8", "c8", "c16")]
    assert letters == ["s", "d", "c", "z"]
    others = ["f2", "g", "i8", "?", ">f8" if sys.byteorder == "little" else "<f8"]
    assert all(libraries.letter(np.dtype(c)) is None for c in others)


def test_workspaces_are_what_lapack_asks_for() -> None:
    from scipy.linalg.lapack import dgesdd_lwork, dgetri_lwork, zgesdd_lwork

    (length,) = libraries.workspace("wg_lapack_dgetri", "ipipwqp", 300, 300)
    assert dgetri_lwork(300)[0] <= length <= 1.01 * dgetri_lwork(300)[0] + 2
    for name, ask, more in [("d", dgesdd_lwork, "pp"), ("z", zgesdd_lwork, "ppp")]:
        (length,) = libraries.workspace(
            f"wg_lapack_{name}gesdd", "Siipippipiwq" + more, 70, 40, 70, 70, 40
        )
        wanted = ask(70, 40, compute_uv=True, full_matrices=False)[0].real
        assert wanted <= length <= 1.01 * wanted + 2


def test_scipy_is_imported_when_first_needed() -> None:
    code = (
        "import sys, wengert.native.libraries, wengert.native.dense\n"
        "assert 'scipy.linalg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
