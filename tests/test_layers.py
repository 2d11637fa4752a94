"""Imports point one way, and `import wengert` stays small and quiet."""

import ast
import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SPEC = importlib.util.find_spec("wengert")
assert SPEC is not None
assert SPEC.origin is not None
PACKAGE = Path(SPEC.origin).parent

# Each layer may import itself and those before it; a row is one level.
LAYERS: list[tuple[str, ...]] = [
    ("core",),
    ("ops",),
    ("graph",),
    ("passes", "native"),
    ("transforms",),
    ("numpy", "scipy", "random"),
    ("testing", "nn", "optim", "sparse", "implicit", "integrations", "teach"),
    ("show",),
    ("__init__",),
    ("demo",),
    ("cli",),
    ("__main__",),
]
LEVEL = {name: i for i, row in enumerate(LAYERS) for name in row}

# Imports against the direction: file, what it imports, and why it must be so.
ALLOWED: dict[tuple[str, str], str] = {}

# Heavy or optional: only where they are used, inside functions or these folders.
LAZY = {
    "scipy", "matplotlib", "rich", "sklearn", "sympy", "mpmath", "torch", "jax", "onnx",
    "llvmlite", "hypothesis", "pytest", "pandas", "socket", "http", "urllib", "ssl",
    "multiprocessing", "asyncio", "unittest", "pickle", "marshal", "dill",
}  # fmt: skip
HOMES = {
    "scipy": ("scipy", "ops", "native", "integrations", "sparse", "demo"),
    "llvmlite": ("native",),
    "matplotlib": ("show", "demo", "integrations"),
    "rich": ("show", "demo", "cli", "graph"),  # graph/profile.py, where it is shown
    "sklearn": ("demo", "integrations"),
    "sympy": ("show",),
}

FILES = sorted(PACKAGE.rglob("*.py"))


def layer_of(file: Path) -> str:
    """The folder below the package, or the module's own name."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports_of(file: Path) -> list[tuple[str, int, bool]]:
    """(module, line, whether it runs at import) for every import in a file."""
    found: list[tuple[str, int, bool]] = []
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(file.read_text("utf-8")), True)]
    while pending:
        node, at_import = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            at_import = False
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, at_import) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: write the absolute name"
            module = node.module or ""
            # `from wengert import graph` imports a layer, too.
            names = [f"{module}.{a.name}" for a in node.names]
            found += [(name, node.lineno, at_import) for name in names]
        pending += [(child, at_import) for child in ast.iter_child_nodes(node)]
    return found


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 30
    assert sum(len(imports_of(f)) for f in FILES) > 200


def test_every_folder_has_a_layer() -> None:
    unknown = {layer_of(f) for f in FILES} - set(LEVEL)
    assert not unknown, f"{unknown}: say in LAYERS where these stand"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_point_one_way(file: Path) -> None:
    here = LEVEL[layer_of(file)]
    against = []
    for module, line, _ in imports_of(file):
        if not module.startswith("wengert."):
            continue
        target = module.split(".")[1]
        # A public name, as users import it, stands for all up to NumPy's names.
        there = LEVEL.get(target, LEVEL["numpy"])
        name = str(file.relative_to(PACKAGE))
        if (name, target) not in ALLOWED and (
            there > here or (there == here and target != layer_of(file))
        ):
            against.append(f"{name}:{line} imports {module}")
    assert not against, against


def test_the_allowed_exceptions_are_still_needed() -> None:
    used = {
        (str(f.relative_to(PACKAGE)), module.split(".")[1])
        for f in FILES
        for module, _, _ in imports_of(f)
        if module.startswith("wengert.")
    }
    assert set(ALLOWED) <= used


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_heavy_imports_are_lazy_and_at_home(file: Path) -> None:
    for module, line, at_import in imports_of(file):
        top = module.split(".")[0]
        if top not in LAZY:
            continue
        at_home = layer_of(file) in HOMES.get(top, ())
        assert not at_import or layer_of(file) == "demo", (
            f"{file.name}:{line} imports {top} with the package"
        )
        assert at_home, (
            f"{file.name}:{line}: {top} isn't for the layer {layer_of(file)}"
        )


def test_nothing_reads_pickles_or_evaluates_text() -> None:
    """docs/design and SECURITY: saved files are data only."""
    calls = {"eval", "exec", "compile", "__import__"}
    found = []
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id in calls:
                found.append(f"{file.name}:{called.lineno} {called.id}")
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                value = node.value
                if not (isinstance(value, ast.Constant) and value.value is False):
                    found.append(f"{file.name}: allow_pickle")
    assert not found


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True, text=True, env=dict(os.environ), timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_import_leaves_heavy_packages_alone() -> None:
    loaded = run(
        """
        import sys
        import numpy
        before = set(sys.modules)
        import wengert
        wengert.grad(lambda x: numpy.sum(numpy.sin(x)))(numpy.ones(3))
        print(*sorted({name.split(".")[0] for name in set(sys.modules) - before}))
        """
    ).split()
    assert "wengert" in loaded
    heavy = {"scipy", "matplotlib", "rich", "sklearn", "sympy", "mpmath", "torch",
             "jax", "llvmlite", "hypothesis", "pytest", "asyncio", "unittest",
             "multiprocessing", "pandas", "onnx", "socket", "ssl", "http"}  # fmt: skip
    assert not heavy & set(loaded)


def test_import_opens_no_socket_writes_no_file_and_starts_nothing() -> None:
    events = run(
        """
        import sys
        import numpy
        import optree
        seen = []

        def hook(event, args):
            if event.startswith(("socket.", "subprocess.", "os.system", "os.exec",
                                 "os.fork", "os.posix_spawn", "urllib.", "os.mkdir",
                                 "os.remove", "os.rename", "shutil.")):
                seen.append(event)
            writes = event == "open" and set(args[1] or "") & set("wax+")
            if writes and "__pycache__" not in str(args[0]):
                seen.append(f"open {args[0]} {args[1]}")

        sys.addaudithook(hook)
        sys.dont_write_bytecode = True
        import wengert
        import threading
        assert threading.active_count() == 1
        print(seen)
        """
    )
    assert events == "[]"


def test_import_prints_nothing_and_changes_no_settings() -> None:
    out = run(
        """
        import sys, warnings, signal
        import numpy as np
        state = (np.geterr(), np.get_printoptions(), sys.getrecursionlimit(),
                 list(warnings.filters), signal.getsignal(signal.SIGINT))
        generator = np.random.get_state()[1].copy()
        import wengert
        wengert.grad(np.sin)(0.5)
        assert state == (np.geterr(), np.get_printoptions(), sys.getrecursionlimit(),
                         list(warnings.filters), signal.getsignal(signal.SIGINT))
        assert (generator == np.random.get_state()[1]).all()
        """
    )
    assert out == ""


def test_all_names_the_public_ones() -> None:
    import wengert

    assert sorted(wengert.__all__) == sorted(set(wengert.__all__))
    for name in wengert.__all__:
        assert getattr(wengert, name) is not None
