"""`by_hand.c`, compiled with the system's C compiler."""

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from problems.peers import Run


@functools.cache
def library() -> Any:
    """The functions; ImportError without a C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise ImportError("no C compiler")
    folder = tempfile.mkdtemp(prefix="wengert-by-hand-")
    file = Path(folder) / "by_hand.so"
    source = Path(__file__).with_name("by_hand.c")
    options = ["-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC"]
    subprocess.run(
        [compiler, *options, str(source), "-o", str(file), "-lm"], check=True
    )
    loaded = ctypes.CDLL(str(file))
    shutil.rmtree(folder)
    return loaded


def _pointers(*arrays: Any) -> list[Any]:
    return [ctypes.c_void_p(a.ctypes.data) for a in arrays]


def gmm(alphas: Any, means: Any, icf: Any, x: Any, gamma: float) -> Run:
    """The value, and the gradients of the three parameters."""
    f = library().gmm
    f.restype = ctypes.c_double
    (n, d), k = x.shape, len(alphas)
    sizes = [ctypes.c_long(v) for v in (n, d, k)]
    given = _pointers(alphas, means, icf, x)

    def run() -> Any:
        gradients = [np.zeros_like(a) for a in (alphas, means, icf)]
        y = f(*sizes, *given, ctypes.c_double(gamma), *_pointers(*gradients))
        return y, gradients

    return run


def ba(cameras: Any, points: Any, w: Any, features: Any, c: Any, p: Any) -> Run:
    """The Jacobians of the three arguments."""
    f = library().ba
    f.restype = None
    count = len(w)
    given = _pointers(cameras, points, w, features, c, p)

    def run() -> Any:
        out = [np.empty((count, *s)) for s in ((2, 11), (2, 3), (2,))]
        f(ctypes.c_long(count), *given, *_pointers(*out))
        return out

    return run
