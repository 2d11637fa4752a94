"""What is wrong with a function's derivative, and where: `diagnose`."""

from wengert.testing.diagnosis.diagnose import diagnose
from wengert.testing.diagnosis.report import Diagnosis, Finding, Parameter

__all__ = ["Diagnosis", "Finding", "Parameter", "diagnose"]
