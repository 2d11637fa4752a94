"""State: per thread and task, and in order again after every way out of a function."""

import asyncio
import multiprocessing
import os
import pickle
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import make_dataclass
from typing import Any

import numpy as np
import pytest

import wengert as wg


def cube(x: Any) -> Any:
    return x * x * x


def still_works() -> None:
    """The four interpreters, alone and together."""
    assert wg.grad(cube)(2.0) == 12.0
    assert wg.grad(wg.grad(cube))(2.0) == 12.0
    assert wg.jvp(cube, (2.0,), (1.0,)) == (8.0, 12.0)
    assert wg.jvp(wg.grad(cube), (2.0,), (1.0,)) == (12.0, 12.0)
    assert wg.vmap(wg.grad(cube))(np.array([1.0, 2.0])).tolist() == [3.0, 12.0]
    assert wg.trace(wg.grad(cube), 1.0)(2.0) == 12.0
    assert wg.vjp(cube, 2.0)[1](10.0) == (120.0,)


@pytest.fixture
def _switching_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_switching_often")
@pytest.mark.parametrize("threads", [2, 8])
def test_nested_gradients_in_threads(threads: int) -> None:
    start = threading.Barrier(threads)

    def work(seed: int) -> list[tuple[float, float]]:
        start.wait()
        pairs = []
        for k in range(100):
            x = 1.0 + 0.01 * (seed * 100 + k)
            inner = wg.grad(lambda y: wg.grad(lambda z: z**4 * y)(y) * y)
            outer = wg.grad(lambda t: t * wg.jvp(inner, (t,), (1.0,))[1])
            # inner = d/dy (4y³·y·y) = 20y⁴, jvp 80t³, outer d/dt 80t⁴ = 320t³
            pairs.append((float(outer(x)), 320 * x**3))
        return pairs

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(work, range(threads)))
    for pairs in results:
        for got, wanted in pairs:
            assert abs(got - wanted) < 1e-9 * wanted


@pytest.mark.usefixtures("_switching_often")
def test_all_transforms_in_threads() -> None:
    def work(_: int) -> None:
        for _ in range(20):
            still_works()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


@pytest.mark.usefixtures("_switching_often")
def test_one_pullback_called_in_threads() -> None:
    x = np.linspace(0.1, 1.0, 2_000)
    y, pullback = wg.vjp(lambda t: np.sin(t) * t[::-1] + t[np.arange(2_000)], x)
    wanted = [pullback(np.full_like(y, k))[0] for k in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            got = list(pool.map(lambda k: pullback(np.full_like(y, k))[0], range(8)))
            for g, w in zip(got, wanted, strict=True):
                np.testing.assert_array_equal(g, w)


@pytest.mark.usefixtures("_switching_often")
def test_one_graph_called_in_threads() -> None:
    graph = wg.trace(lambda t: np.sin(t) * t[::-1], np.ones(50))
    xs = [np.full(50, float(k)) for k in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for x, y in zip(xs, pool.map(graph, xs), strict=True):
            np.testing.assert_array_equal(y, np.sin(x) * x[::-1])


def test_outer_tracer_in_a_pool_inside_f() -> None:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(4) as pool:
            parts = list(pool.map(lambda k: np.sin(x * k) * k, [1.0, 2.0, 3.0, 4.0]))
        return sum(parts)

    wanted = sum(k * k * np.cos(0.3 * k) for k in (1.0, 2.0, 3.0, 4.0))
    np.testing.assert_allclose(wg.grad(f)(0.3), wanted, rtol=1e-14)
    np.testing.assert_allclose(wg.jvp(f, (0.3,), (1.0,))[1], wanted, rtol=1e-14)
    np.testing.assert_allclose(wg.trace(wg.grad(f), 0.1)(0.3), wanted, rtol=1e-14)


def test_inner_gradients_in_a_pool_inside_f() -> None:
    def f(x: Any) -> Any:
        def work(k: float) -> Any:
            return wg.grad(lambda y: y * y * x * k)(x)  # 2kx²

        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(work, [1.0, 2.0, 3.0, 4.0]))

    np.testing.assert_allclose(wg.grad(f)(0.3), 4 * 0.3 * 10, rtol=1e-14)


def test_asyncio_tasks_that_interleave() -> None:
    async def derivative(k: float) -> float:
        pending: list[Any] = []

        def f(x: Any) -> Any:
            pending.append(x)
            y = x
            for _ in range(3):
                y = y * x
            return k * y

        slope = wg.grad(f)(2.0)
        await asyncio.sleep(0)
        second = wg.grad(wg.grad(f))(2.0)
        await asyncio.sleep(0)
        assert slope == 32.0 * k
        assert second == 48.0 * k
        return float(slope)

    async def all_of_them() -> list[float]:
        return await asyncio.gather(*(derivative(float(k)) for k in range(20)))

    assert asyncio.run(all_of_them()) == [32.0 * k for k in range(20)]


def test_coroutines_driven_inside_f() -> None:
    """f itself awaits: two runs of an event loop, each inside its own gradient."""

    async def steps(x: Any) -> Any:
        y = x
        for _ in range(3):
            await asyncio.sleep(0)
            y = y * x
        return y

    def f(x: Any) -> Any:
        return asyncio.run(steps(x))

    assert wg.grad(f)(2.0) == 32.0


def test_a_generator_suspended_inside_f_for_ever() -> None:
    kept = []

    def f(x: Any) -> Any:
        def numbers() -> Any:
            y = x
            while True:
                y = y * x
                yield y

        stream = numbers()
        kept.append(stream)  # never closed
        return next(stream)

    assert wg.grad(f)(3.0) == 6.0
    still_works()
    with pytest.raises(wg.WengertError, match="escaped"):
        next(kept[0])
    still_works()


def test_a_transform_suspended_half_way_for_ever() -> None:
    """A thread stops in the middle of f; the others don't notice."""
    inside, leave = threading.Event(), threading.Event()

    def f(x: Any) -> Any:
        y = x * x
        inside.set()
        leave.wait(20)
        return y * x

    result: list[float] = []
    thread = threading.Thread(target=lambda: result.append(wg.grad(f)(2.0)))
    thread.start()
    inside.wait(20)
    still_works()
    leave.set()
    thread.join()
    assert result == [12.0]


# Ways out -----------------------------------------------------------------------------


class OnPurpose(Exception):
    pass


TRANSFORMS: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "grad": lambda f: wg.grad(f)(2.0),
    "grad of grad": lambda f: wg.grad(wg.grad(f))(2.0),
    "vjp": lambda f: wg.vjp(f, 2.0),
    "jvp": lambda f: wg.jvp(f, (2.0,), (1.0,)),
    "vmap": lambda f: wg.vmap(f)(np.arange(3.0)),
    "trace": lambda f: wg.trace(f, 2.0),
    "vmap of grad": lambda f: wg.vmap(wg.grad(f))(np.arange(3.0)),
}


@pytest.mark.parametrize(
    "error", [OnPurpose, KeyboardInterrupt, SystemExit, GeneratorExit, RecursionError]
)
@pytest.mark.parametrize("name", TRANSFORMS)
def test_everything_works_after_an_exception_in_f(name: str, error: type) -> None:
    leaked: list[Any] = []

    def f(x: Any) -> Any:
        leaked.append(x * x)
        raise error("on purpose")

    with pytest.raises(error, match="on purpose"):
        TRANSFORMS[name](f)
    still_works()
    with pytest.raises(wg.WengertError, match="escaped"):
        leaked[0] * 2.0
    still_works()


def test_an_exception_keeps_its_class_arguments_and_cause() -> None:
    def f(x: Any) -> Any:
        try:
            raise KeyError("first")
        except KeyError as first:
            raise OnPurpose("second", 2) from first

    with pytest.raises(OnPurpose) as caught:
        wg.grad(f)(1.0)
    assert caught.value.args == ("second", 2)
    assert isinstance(caught.value.__cause__, KeyError)


def test_floating_point_settings_are_restored() -> None:
    before = np.geterr()
    wg.grad(lambda x: np.sqrt(x) * x)(0.0)
    _, pullback = wg.vjp(np.sqrt, 1.0)
    pullback(1.0)
    with pytest.raises(wg.WengertError):
        wg.jvp(lambda x: float(x * x), (1.0,), (1.0,))
    assert np.geterr() == before


def test_interrupted_in_the_backward_pass() -> None:
    """Ctrl-C between the forward pass and the end of the backward pass."""
    script = """
        import os, signal, threading, time
        # What started the tests in the background may have switched it off.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        import numpy as np
        import wengert as wg

        def f(x):
            y = x
            for _ in range(3_000):
                y = np.sin(y) * 1.0001
            return np.sum(y)

        x = np.ones(2_000)
        start = time.perf_counter()
        wg.grad(f)(x)
        took = time.perf_counter() - start
        caught = 0
        for part in (0.2, 0.5, 0.8, 0.95):
            timer = threading.Timer(part * took, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            try:
                for _ in range(50):
                    wg.grad(f)(x)
            except KeyboardInterrupt:
                caught += 1
            timer.join()
        g = wg.grad(lambda t: t * t * t)
        assert g(2.0) == 12.0 and wg.grad(g)(2.0) == 12.0
        assert wg.vmap(g)(np.ones(2)).tolist() == [3.0, 3.0]
        print("caught", caught)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True, text=True, env=dict(os.environ), timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "caught 4", done.stderr[-2000:]


def test_ctrl_c_stops_within_a_tenth_of_a_second() -> None:
    script = """
        import os, signal, threading, time
        # What started the tests in the background may have switched it off.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        import wengert as wg

        sent = []

        def interrupt():
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

        def f(x):
            y = x
            while True:
                y = y * 1.0000001 + 1e-9

        threading.Timer(0.5, interrupt).start()
        try:
            wg.grad(f)(1.0)
        except KeyboardInterrupt:
            print("stopped after", round(time.perf_counter() - sent[0], 3))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True, text=True, env=dict(os.environ), timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("stopped after"), done.stderr[-2000:]
    # Twice the bound, as the machine may be busy with other tests.
    assert float(done.stdout.split()[-1]) < 0.2


# Processes ----------------------------------------------------------------------------


def _child(x: float) -> float:
    return float(wg.grad(wg.grad(cube))(x))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_fork_after_use_and_inside_f() -> None:
    still_works()

    def f(x: Any) -> Any:
        y = x * x
        pid = os.fork()
        if pid == 0:
            ok = wg.grad(lambda u: u * x)(1.0) == 3.0 and wg.grad(cube)(2.0) == 12.0
            os._exit(0 if ok else 1)
        _, status = os.waitpid(pid, 0)
        assert status == 0
        return y

    assert wg.grad(f)(3.0) == 6.0
    still_works()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_after_use(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    still_works()
    script = f"""
        import multiprocessing, sys
        sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
        import test_threads as t
        if __name__ == "__main__":
            t.still_works()
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                print(pool.map(t._child, [1.0, 2.0, 3.0]))
    """
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(textwrap.dedent(script))
        file.flush()
        done = subprocess.run(
            [sys.executable, file.name],
            capture_output=True, text=True, env=dict(os.environ), timeout=120,
            check=False,
        )  # fmt: skip
    assert done.stdout.strip() == "[6.0, 12.0, 18.0]", done.stderr[-2000:]


def test_no_threads_are_left_running() -> None:
    before = threading.active_count()
    still_works()
    assert threading.active_count() == before


OBJECTS: dict[str, Callable[[], Any]] = {
    "Type": lambda: wg.Type((2, 3), np.dtype(float)),
    "error": lambda: wg.WengertError("expected, came, do"),
    "graph": lambda: wg.trace(cube, 1.0),
    "grad": lambda: wg.grad(cube),
    "value_and_grad": lambda: wg.value_and_grad(cube),
    "vmap": lambda: wg.vmap(cube),
    "pullback": lambda: wg.vjp(cube, 2.0)[1],
}


def dumped(thing: Any) -> bytes | str:
    """The pickle, or the text of our error."""
    try:
        return pickle.dumps(thing)
    except wg.WengertError as error:
        return str(error)


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_pickle_or_say_why_not(name: str) -> None:
    thing = OBJECTS[name]()
    data = dumped(thing)
    if isinstance(data, str):
        assert "Do:" in data
        return
    copy = pickle.loads(data)
    if callable(thing):
        x = np.array([2.0, 3.0]) if name == "vmap" else 2.0
        assert str(copy(x)) == str(thing(x))
    else:
        assert str(copy) == str(thing)


def test_a_new_dataclass_met_by_many_threads_at_once() -> None:
    """Containers are registered when first met: no thread may see half of that."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for k in range(60):
            kind = make_dataclass(f"P{k}", [(f"a{i}", float) for i in range(30)])
            points = [kind(*map(float, range(30))) for _ in range(6)]
            start = threading.Barrier(6)
            wrong: list[BaseException] = []

            def work(
                p: Any, start: Any = start, kind: Any = kind, wrong: Any = wrong
            ) -> None:
                start.wait()
                try:
                    g = wg.grad(lambda q: q.a0 * q.a1 + q.a29)(p)
                    assert isinstance(g, kind)
                    assert (g.a0, g.a1, g.a29) == (1.0, 0.0, 1.0)
                except BaseException as error:
                    wrong.append(error)

            threads = [threading.Thread(target=work, args=(p,)) for p in points]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            assert not wrong, wrong[0]
    finally:
        sys.setswitchinterval(interval)
