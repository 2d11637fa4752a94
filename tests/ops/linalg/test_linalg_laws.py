"""Both modes against differences at many random points of several sizes."""

import numpy as np
import pytest

from wengert.testing import check_grads


def adjoint(x):
    return np.conj(x).mT


def positive(a):
    return a @ adjoint(a) + np.eye(a.shape[-1])


def vectors(v):
    """What of complex vectors no phase changes."""
    return v[..., :, None, :] * np.conj(v)[..., None, :, :]


SQUARE = {
    "solve": lambda a: np.linalg.solve(a + 4 * np.eye(a.shape[-1]), a.mT),
    "inv": lambda a: np.linalg.inv(a + 4 * np.eye(a.shape[-1])),
    "det": np.linalg.det,
    "slogdet": lambda a: tuple(np.linalg.slogdet(a + 4 * np.eye(a.shape[-1]))),
    "cholesky": lambda a: np.linalg.cholesky(positive(a)),
    "eigh": lambda a: vectors(np.linalg.eigh(positive(a))[1]),
    "eigvalsh": lambda a: np.linalg.eigvalsh(positive(a)),
    "eigvals": lambda a: np.sum(np.linalg.eigvals(a / 2) ** 3, axis=-1),
}
ANY = {
    "pinv": np.linalg.pinv,
    "svd": lambda a: np.linalg.svd(a, full_matrices=False)[1],
    "svd_vectors": lambda a: vectors(np.linalg.svd(a, full_matrices=False)[0]),
    "qr": lambda a: np.linalg.qr(a)[1] ** 2,
    "norm": lambda a: np.linalg.norm(a, 3, axis=-1),
    "nuclear": lambda a: np.linalg.norm(a, "nuc", axis=(-2, -1)),
}


def well_posed(a) -> bool:
    """Away from where a derivative grows without bound, and so do differences."""
    s = np.linalg.svd(a, compute_uv=False)
    gaps = np.abs(np.diff(s))
    return bool(s.min() > 0.15 and (gaps.size == 0 or gaps.min() > 0.15))


def point(seed: int, shape: tuple[int, ...], kind: str):
    rng = np.random.default_rng(seed)
    while True:
        a = rng.standard_normal(shape)
        if kind == "complex":
            a = a + 1j * rng.standard_normal(shape)
        if well_posed(a):
            return a


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("name", [*SQUARE, *ANY])
def test_random_points(name, kind) -> None:
    shapes = [(1, 1), (2, 2), (3, 3), (4, 4)]
    if name in ANY:
        shapes += [(3, 2), (2, 4)]
    f = (SQUARE | ANY)[name]
    for seed in range(12):
        a = point(seed, shapes[seed % len(shapes)], kind)
        check_grads(f, (a,), order=1, rtol=1e-6, seed=seed)
