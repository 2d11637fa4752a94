"""What can't be said in ONNX, or not be read from it."""

from typing import Any

from wengert.core.errors import WengertError


class CannotExport(WengertError, TypeError):
    """A graph with operations or types that ONNX can't say; the message names all."""


class CannotImport(WengertError, ValueError):
    """A model that isn't valid, or has operators that wengert doesn't read."""


class Unsayable(Exception):
    """One operation, and why; collected into one CannotExport."""


def needed(package: str) -> Any:
    """The optional package, or an error that says how to get it."""
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"wengert.integrations.onnx needs the package {package}.\n"
            "  Do:   pip install 'wengert[onnx]'"
        ) from error
