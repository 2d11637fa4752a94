"""What a function becomes, as text: kernels in pseudo-code, IR, assembly, a report."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.graph.variables import names_of
from wengert.native import view
from wengert.native.machine import binding
from wengert.native.program import Program

A = np.random.default_rng(0).normal(size=(37, 25))
x = A.ravel()[:103]


@pytest.fixture(autouse=True)
def same_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors of 512 bits, so that the texts are the same everywhere."""
    monkeypatch.setenv("WENGERT_VECTOR_BITS", "512")


def body(f: Any, *args: Any) -> str:
    """The kernels of a listing without the user's lines and the head."""
    lines = wg.native.listing(f, *args).splitlines()[2:]
    shown = (re.sub(r" +# (?!\d+ at a time).*", "", line) for line in lines)
    return "\n".join(re.sub(r"  +# ", "  # ", line) for line in shown)


def text(expected: str) -> str:
    return textwrap.dedent(expected).strip("\n")


# Pseudo-code ------------------------------------------------------------------------


def energy(x):
    squares = x * x
    return np.sum(squares), np.exp(x) + squares


def test_a_fused_loop_with_the_users_names_and_lines():
    listing = wg.native.listing(energy, x)
    assert listing.startswith("energy(x: f64[103]): 1 kernel\n")
    row = next(line for line in listing.splitlines() if "squares = " in line)
    assert re.fullmatch(
        r" {8}squares = x\[i\] \* x\[i\] +"
        r"# test_view.py:\d+: squares = x \* x",
        row,
    )
    assert body(energy, x) == text(
        """
        kernel 0:
            v0 = 0
            for i < 103:  # 8 at a time
                squares = x[i] * x[i]
                v0 += squares
                v1 = exp(x[i])
                v2[i] = v1 + squares

        return v0, v2
        """
    )


def test_a_line_of_the_users_is_said_once_in_a_row():
    def f(x):
        return np.tanh(x * 2) + 1

    listing = wg.native.listing(f, x)
    assert listing.count("np.tanh(x * 2)") == 1
    assert listing.count("tanh") == 2


def test_layout_vanishes_into_indices():
    assert "v1[i, j] = A[j, i] + 1" in body(lambda A: A.T + 1, A)
    flipped = body(lambda A: A[::-1, ::2] * 3, A)
    assert "v1[i, j] = A[-i + 36, 2*j] * 3" in flipped
    assert "A[(25*i + j) // 25" not in body(lambda A: A.reshape(37, 25, 1) * 2, A)
    assert "A[(37*i + j) // 25, (37*i + j) % 25]" in body(
        lambda A: A.reshape(25, 37) * 2, A
    ).replace("j + 37*i", "37*i + j")


def test_what_does_not_change_in_the_inner_loop_stands_outside():
    assert body(lambda x, A: np.exp(x)[:, None] * A, A[:, 0], A[:, :20]) in (
        text(
            """
            kernel 0:
                for i < 37:
                    v0 = exp(x[i])
                    for j < 20:  # 8 at a time
                        v2[i, j] = v0 * A[i, j]

            return v2
            """
        )
    )


def test_folds_along_each_axis():
    along_rows = body(lambda A: A.max(1), A)
    assert along_rows == text(
        """
        kernel 0:
            for i < 37:
                v0[i] = -inf
                for j < 25:  # 8 at a time
                    v0[i] = maximum(v0[i], A[i, j])

        return v0
        """
    )
    assert body(lambda A: A.sum(0), A) == text(
        """
        kernel 0:
            v0[...] = 0
            for i < 37:
                for j < 25:  # 8 at a time
                    v0[j] += A[i, j]

        return v0
        """
    )


def test_short_axes_are_written_out_and_stay_in_registers():
    found = body(lambda A: np.tanh(A @ np.array([1.0, 2.0])) * 2 + 1, A[:5, :2])
    assert "for i < 5" in found
    assert re.search(r"for \w < 2, written out:", found)
    assert found.count("tanh(") == 1


def test_pieces_say_where_they_hold():
    found = body(lambda A: np.concatenate([A, A * 2], 1), A)
    assert "v1[i, j] = A[i, j] if 0 <= j < 25 else v0" in found
    assert "v0 = A[i, j - 25] * 2" in found
    padded = body(wg.grad(lambda x: np.sum(x[2:] ** 2)), x)
    assert re.search(r"= \(\w+ if 2 <= i < 103 else 0\)", padded)
    assert "+ 0.0" not in padded


def test_gathers_and_scatters():
    rows = np.array([3, 1, 1, 7, 2, 36, 0, 5, 9, 11, 4, 30])
    assert "c0[i], j]" in body(lambda A: A[rows] * 2, A)
    found = body(wg.grad(lambda A: np.sum(A[rows] ** 2)), A)
    assert "copy of" in found
    assert re.search(r"v\d\[c0\[i\], j\] \+= ", found)


def test_library_calls_with_flags_and_sizes():
    B = np.ones((37, 50))
    found = body(lambda A, B: np.tanh(A.T @ B), A, B)
    # BLAS counts columns first: B by A, of which A is transposed.
    assert "call 0:\n    v1 = matmul(A.T, B)\n        dgemm(N, T, 50, 25, 37" in found
    assert "kernel 0:" in found


def test_host_calls_say_why():
    found = wg.native.listing(lambda x: x * 2, np.ones(3, np.float16))
    assert "host call" in found.splitlines()[0]
    assert "on the host: no registers for float16" in found


def test_guards_are_part_of_the_path():
    def f(x):
        return x * 2 if np.sum(x) > 0 else x

    found = wg.native.listing(f, np.ones(40))
    guard = next(line for line in found.splitlines() if line.startswith("guard"))
    assert guard.startswith("guard 0: bool(v1) is True")
    assert "x * 2 if np.sum(x) > 0 else x" in guard


def test_threads_are_marked_where_the_code_has_them():
    program = Program(view.graph_of(lambda x: np.sum(np.exp(x)), (np.ones(10**6),)))
    (named,) = [n for n in view.steps(program) if n.parts] or [None]
    assert (named is not None) == ("@wg_parallel" in program.segments[0].module.text)
    if named is not None:
        assert f"in {named.parts} parts" in "\n".join(view.kernels(program))


def test_a_jitted_function_a_transformed_one_and_a_graph():
    def loss(x):
        return np.sum(np.log1p(x * x))

    plain = body(loss, x)
    assert body(wg.jit(loss), x) == plain
    assert body(wg.trace(loss, x).optimize()) == plain
    assert "kernel 0" in body(wg.jit(wg.grad(loss)), x)


def test_a_long_program_and_a_deep_one():
    def f(x):
        for k in range(3000):
            x = np.sin(x) + k
        return x

    listing = wg.native.listing(f, np.ones(20))
    assert listing.count(" = sin(") == 3000
    assert "x_3000[i] = v2999 + 2999" in listing


def test_names_are_different_for_different_nodes():
    def f(v0, s):
        s = s * v0
        s = s + 1.0
        return np.exp(s), v0 * 2

    graph = view.graph_of(f, (x, x))
    program = Program(graph)
    names = names_of(program.graph)
    named = [names[n] for n in program.graph.nodes if n.type.shape]
    assert len(set(named)) == len(named)
    assert {"v0", "s", "s_2", "s_3"} <= set(named)


# The other views --------------------------------------------------------------------


def test_ir_is_read_by_llvm_and_assembly_has_the_program():
    ir = wg.native.listing(energy, x, what="ir")
    llvm = binding()
    llvm.parse_assembly(ir, llvm.create_context()).verify()
    assert "define i32 @program(" in ir
    assembly = wg.native.listing(energy, x, what="assembly")
    assert re.search(r"^_?program:", assembly, re.M)


def test_the_graph_is_the_one_after_the_passes():
    shown = wg.native.listing(lambda x: (x + 0.0) * 1.0 * x, x, what="graph")
    assert "square(x)" in shown
    assert "add" not in shown


def test_show_prints_the_listing(capsys):
    wg.native.show(energy, x)
    assert capsys.readouterr().out == wg.native.listing(energy, x) + "\n"


@pytest.mark.parametrize(
    ("f", "what", "says"),
    [
        (energy, "kernel", "what is one of kernels, ir, assembly, graph"),
        (3.0, "kernels", "a function or a Graph is shown"),
    ],
)
def test_refusals_say_what_to_do(f, what, says):
    with pytest.raises(wg.WengertError, match=says):
        wg.native.listing(f, x, what=what)


def test_a_dump_has_what_a_report_needs_and_nothing_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WENGERT_CACHE", str(tmp_path / "secret"))
    path = tmp_path / "report.txt"
    wg.native.dump(energy, x, path=path)
    dumped = path.read_text("utf-8")
    for part in ("== facts ==", "== graph ==", "== kernels ==", "== LLVM IR"):
        assert part in dumped
    for fact in (np.__version__, "LLVM", "512 bits", "WENGERT_CACHE = a place"):
        assert fact in dumped
    for private in (str(tmp_path), str(Path(__file__).parent), str(Path.home())):
        assert private not in dumped


def test_a_dump_is_written_where_compiling_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(graph: Any) -> Any:
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(view, "Program", refuse)
    wg.native.dump(energy, x, path=tmp_path / "report.txt")
    dumped = (tmp_path / "report.txt").read_text("utf-8")
    assert "failed: RuntimeError: no such instruction" in dumped
    assert "== graph ==" in dumped


# Laziness ---------------------------------------------------------------------------


def test_llvm_is_not_imported_before_something_is_compiled():
    code = """
    import sys
    import wengert as wg
    wg.native
    print([m for m in sys.modules if m.startswith(("llvmlite", "wengert.native."))])
    wg.native.listing(lambda x: x + 1, 1.0)
    print("llvmlite.binding" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["[]", "True"], done.stderr[-1000:]


def test_without_llvmlite_the_name_compile_cannot_be_imported():
    code = """
    import sys
    sys.modules["llvmlite"] = None
    try:
        from wengert.native import compile
    except ImportError as error:
        print("pip install llvmlite" in str(error))
    import numpy as np, wengert as wg
    print(wg.jit(lambda x: x + 1)(np.float64(1.0)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["True", "2.0"], done.stderr[-1000:]


def test_what_has_a_part_of_the_loops_says_so():
    def f(x):
        return np.sum((x[1:] - x[:-1]) ** 2)

    found = wg.native.listing(wg.value_and_grad(f), np.ones(20_000))
    added = next(line for line in found.splitlines() if "+=" in line)
    assert added.strip().startswith("if i < 19999: v")
    assert "for i < 20000:" in found
