"""Checks of derivatives: `check_grads` for users, `Scenario` for tables of ops."""

from wengert.testing.check import check_grads
from wengert.testing.scenario import Scenario, check_scenario

__all__ = ["Scenario", "check_grads", "check_scenario"]
