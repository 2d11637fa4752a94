"""Text becomes code, code goes away again, and nothing is kept."""

import ctypes
import gc
import os
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from wengert.native import cache, link, machine, symbols


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def text_of(number: int, length: int = 8) -> str:
    lines = ["declare double @sin(double)", "define double @program(double %v0) {"]
    for k in range(length):
        lines.append(f"  %v{k + 1} = fadd double %v{k}, {float(number + k)}")
    lines += [f"  %s = call double @sin(double %v{length})", "  ret double %s", "}"]
    return "\n".join(lines)


def called(library: link.Library) -> Callable[[float], float]:
    """The program as a function that keeps its library."""
    program = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(
        library.address("program")
    )
    return lambda x: program(x) if library else 0.0


def resident() -> int:
    """Bytes of memory that the process has."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_program_runs() -> None:
    import math

    assert called(link.load(text_of(0, 3)))(0.5) == math.sin(3.5)


def test_functions_data_and_jump_tables() -> None:
    cases = "\n".join(f"  i64 {i}, label %c{i}" for i in range(8))
    blocks = "\n".join(f"c{i}:\n  ret i64 {i * i + 1}" for i in range(8))
    library = link.load(f"""
@PyFloat_Type = external global i8
@state = global i64 7
@hidden = internal global i64 1
define ptr @float_type() {{
  ret ptr @PyFloat_Type
}}
define i64 @choose(i64 %i) {{
  switch i64 %i, label %none [
{cases}
  ]
{blocks}
none:
  %h = load i64, ptr @hidden
  ret i64 %h
}}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define void @copy(ptr %to, ptr %from, i64 %n) {{
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %n, i1 0)
  ret void
}}""")
    get = ctypes.CFUNCTYPE(ctypes.c_size_t)(library.address("float_type"))
    assert get() == id(float)
    choose = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(library.address("choose"))
    assert [choose(i) for i in range(9)] == [1, 2, 5, 10, 17, 26, 37, 50, 1]
    state = ctypes.c_int64.from_address(library.address("state"))
    assert state.value == 7
    source, target = b"some bytes" * 100, ctypes.create_string_buffer(1000)
    types = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64)
    ctypes.CFUNCTYPE(None, *types)(library.address("copy"))(
        ctypes.addressof(target), source, 1000
    )
    assert target.raw == source
    with pytest.raises(KeyError):
        library.address("hidden")


def test_registered_functions_are_asked_for_once() -> None:
    asked: list[str] = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int64)
    eleven = kind(lambda: 11)
    where = ctypes.cast(eleven, ctypes.c_void_p).value or 0

    def find(name: str) -> int:
        asked.append(name)
        return where

    symbols.register_prefix("test_some_", find)
    text = """
declare i64 @test_some_number()
define i64 @program() {
  %x = call i64 @test_some_number()
  ret i64 %x
}"""
    for _ in range(2):
        library = link.load(text)
        assert kind(library.address("program"))() == 11
    assert asked == ["test_some_number"]
    symbols.register("test_some_number", lambda: where)
    assert symbols.lookup("test_some_number") == where
    assert symbols.lookup("cosine_of_nobody") is None


def test_a_name_without_an_address_is_refused() -> None:
    symbols.register("test_nowhere", lambda: 0)
    with pytest.raises(LookupError, match="test_nowhere"):
        symbols.lookup("test_nowhere")


def test_imports_are_found_in_the_text() -> None:
    text = """
declare i32 @a.b(ptr)
declare noalias ptr @c(i64) nounwind
declare double @llvm.fabs.f64(double)
@data = external global i8
@own = global i64 0
define void @d() {
  ret void
}"""
    assert symbols.imported(text) == ["a.b", "c", "data"]


def test_faults_of_a_text_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(link.CompileError, match="expected instruction opcode"):
        link.load("define void @f() {\n  rot void\n}")
    missing = "declare void @wg_not_there()\ndefine void @f() {\n"
    with pytest.raises(link.CompileError, match="linked"):
        link.load(missing + "  call void @wg_not_there()\n  ret void\n}")
    assert capfd.readouterr() == ("", "")


def test_debug_mode_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_DEBUG", "1")
    wrong = "define i32 @f(i1 %c) {\n  br i1 %c, label %a, label %b\na:\n"
    wrong += "  %x = add i32 1, 1\n  br label %b\nb:\n  ret i32 %x\n}"
    with pytest.raises(link.CompileError, match="dominate"):
        link.load(wrong)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_levels_compute_the_same(level: int) -> None:
    assert called(link.load(text_of(1, 3), level=level))(2.0) == pytest.approx(
        called(link.load(text_of(1, 3)))(2.0), rel=0, abs=0
    )


def test_assembly_can_be_read() -> None:
    assert "program:" in link.assembly(text_of(0))


def test_the_second_time_comes_from_the_cache() -> None:
    first, second = link.load(text_of(5)), link.load(text_of(5))
    assert (first.cached, second.cached) == (False, True)
    assert called(first)(0.25) == called(second)(0.25)
    assert first.size == second.size > 0
    assert not link.load(text_of(5), level=0).cached
    assert not link.load(text_of(5), keep=False).cached


def test_dropped_code_is_unloaded_and_the_linker_with_it() -> None:
    libraries = [link.load(text_of(i), keep=False) for i in range(100)]
    linkers = {id(x._linker): weakref.ref(x) for x in libraries}
    assert len(linkers) < 10
    before = libraries[50]
    expected = called(before)(0.5)
    del libraries
    gc.collect()
    assert called(before)(0.5) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_compiling_and_dropping_keeps_memory_flat() -> None:
    for i in range(100):  # what is made once, and the allocators' own reserves
        link.load(text_of(i), keep=False)
    before = resident()
    for i in range(300):
        link.load(text_of(i), keep=False)
    assert resident() - before < 1_500_000  # LLVM's own ways keep 10 kB to 1 MB each


def test_threads_may_compile_at_once() -> None:
    answers: dict[int, float] = {}

    def work(number: int) -> None:
        for k in range(10):
            answers[10 * number + k] = called(link.load(text_of(10 * number + k)))(1.0)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: called(link.load(text_of(n)))(1.0) for n in range(40)}


def test_the_machine_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.cpu_name()
    assert machine.vector_bits() in (128, 256, 512)
    assert machine.triple().split("-")[0] in machine.facts()
    assert isinstance(machine.has_fma(), bool)
    monkeypatch.setenv("WENGERT_VECTOR_BITS", "128")
    assert machine.vector_bits() == 128
    monkeypatch.setenv("WENGERT_VECTOR_BITS", "100")
    with pytest.raises(ValueError, match="128, 256 or 512"):
        machine.vector_bits()


def test_this_cache_is_the_tests_own(tmp_path: Path) -> None:
    assert cache.directory().startswith(str(tmp_path))
