"""Layout ops: every row runs every check of the scenario runner."""

import numpy as np
import pytest

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
    Scenario("transpose", lambda x: x.T ** 2, (A,)),
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
    Scenario("empty", lambda x: np.transpose(x) ** 2, (np.zeros((0, 3)),)),
    Scenario("zero_d", lambda x: np.reshape(x, (1, 1)) ** 2, (np.float64(0.7),)),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario: Scenario) -> None:
    check_scenario(scenario)
