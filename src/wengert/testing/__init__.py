"""Checks of derivatives: `check_grads` and `diagnose` for users, `Scenario` for ops."""

from typing import TYPE_CHECKING, Any

from wengert.testing.check import check_grads
from wengert.testing.scenario import Scenario, check_scenario

if TYPE_CHECKING:
    from wengert.testing.diagnosis import Diagnosis, Finding, diagnose

__all__ = [
    "Diagnosis",
    "Finding",
    "Scenario",
    "check_grads",
    "check_scenario",
    "diagnose",
]


def __getattr__(name: str) -> Any:
    """The names of `diagnosis`, which is loaded when it is first used."""
    if name not in ("Diagnosis", "Finding", "diagnose"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from wengert.testing import diagnosis

    return getattr(diagnosis, name)
