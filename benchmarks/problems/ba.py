"""ADBench's bundle adjustment: the 2×15 Jacobian of each reprojection error."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg
from problems import by_hand
from problems.peers import (
    Case,
    Run,
    compiled,
    jax_call,
    torch_module,
    torch_tensors,
    wengert_call,
)

_CAMERA = [
    -0.758453, -1.109613, -0.845551, 34.556073, 39.676747, 53.881673, 419.194514,
    5.864426, -8.518870, 0.087812, 0.002739,
]  # fmt: skip


def residual(np: Any, camera: Any, point: Any, w: Any, feature: Any) -> Any:
    """The weighted error of one observation."""
    r, centre, f, at, k = camera[:3], camera[3:6], camera[6], camera[7:9], camera[9:]
    x = rotated(np, r, point - centre)
    p = x[:2] / x[2]
    square = (p * p).sum()
    bent = p * (1.0 + k[0] * square + k[1] * square * square)
    return w * (bent * f + at - feature)


def rotated(np: Any, r: Any, x: Any) -> Any:
    """Rodrigues' rotation; r isn't 0 in these data."""
    angle = np.sqrt((r * r).sum())
    axis = r / angle
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.stack([
        axis[1] * x[2] - axis[2] * x[1],
        axis[2] * x[0] - axis[0] * x[2],
        axis[0] * x[1] - axis[1] * x[0],
    ])  # fmt: skip
    return x * cos + turned * sin + axis * ((axis * x).sum() * (1.0 - cos))


def data(n: int, m: int, p: int) -> tuple[Any, ...]:
    """Cameras and points that differ a little from ADBench's."""
    rng = np.random.default_rng(31337)
    cameras = np.array(_CAMERA) * (1.0 + 0.01 * rng.standard_normal((n, 11)))
    point = np.array([7.203245, 0.001144, 3.023326])
    points = point + 0.01 * rng.standard_normal((m, 3))
    weights = rng.uniform(0.3, 1.0, p)
    features = np.array([271.76, 834.21]) + rng.standard_normal((p, 2))
    return cameras, points, weights, features, np.arange(p) % n, np.arange(p) % m


def load(file: Path) -> tuple[Any, ...]:
    """ADBench's files: one camera, point, weight and feature, repeated."""
    lines = [np.array(line.split(), float) for line in file.read_text().splitlines()]
    n, m, p = lines[0].astype(int)
    camera, point, w, feature = lines[1:5]
    return (
        np.tile(camera, (n, 1)), np.tile(point, (m, 1)), np.tile(w, p),
        np.tile(feature, (p, 1)), np.arange(p) % n, np.arange(p) % m,
    )  # fmt: skip


def wengert_jacobian(args: Any) -> Run:
    one = wg.vmap(wg.jacrev(functools.partial(residual, np), (0, 1, 2)))

    def jacobian(
        cameras: Any, points: Any, w: Any, features: Any, c: Any, p: Any
    ) -> Any:
        return one(cameras[c], points[p], w, features)

    g = compiled(jacobian)
    return lambda: g(*args)


def jax_jacobian(jax: Any, jnp: Any) -> Any:
    one = jax.vmap(jax.jacrev(functools.partial(residual, jnp), (0, 1, 2)))
    return lambda cameras, points, w, features, c, p: one(
        cameras[c], points[p], w, features
    )


def torch_jacobian(args: Any, compile: bool = False) -> Run:
    torch = torch_module()
    one = torch.func.vmap(
        torch.func.jacrev(functools.partial(residual, torch), (0, 1, 2))
    )

    def jacobian(
        cameras: Any, points: Any, w: Any, features: Any, c: Any, p: Any
    ) -> Any:
        return one(cameras[c], points[p], w, features)

    if compile:
        torch._dynamo.reset()
        jacobian = torch.compile(jacobian)
    given = torch_tensors(args)
    return lambda: jacobian(*given)


def cases(sizes: dict[str, Any]) -> Iterator[Case]:
    """All rows, at the sizes asked for."""
    for i, n, m, p in sizes["ba"]:
        file = Path(sizes["adbench"]) / "ba" / f"ba{i}_n{n}_m{m}_p{p}.txt"
        known = sizes["adbench"] and file.is_file()
        args = load(file) if known else data(n, m, p)
        yield Case(
            "ba",
            f"{p:,} observations",
            {
                "wengert": functools.partial(wengert_jacobian, args),
                "jax": jax_call(jax_jacobian, args),
                "torch": functools.partial(torch_jacobian, args),
                "torch.compile": functools.partial(torch_jacobian, args, True),
                "C by hand": functools.partial(by_hand.ba, *args),
            },
            "≥ 10× jax and torch, faster than C by hand",
            wengert_call(
                lambda cameras, points, w, features, c, p: wg.vmap(
                    functools.partial(residual, np)
                )(cameras[c], points[p], w, features),
                args,
            ),
        )
