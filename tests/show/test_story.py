"""The story: its numbers are the library's, its words name what the user wrote."""

import functools
import json
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import wengert as wg
from wengert.core import tree
from wengert.show.story import Story
from wengert.show.value import value_of

RNG = np.random.default_rng(7)


def lecture(w: Any, x: Any, y: Any) -> Any:
    return (w * x - y) ** 2 + w**2


def story_of(f: Any, *args: Any, **options: Any) -> Story:
    """The story, which must be data that JSON has."""
    story = wg.explain(f, *args, **options).story()
    assert json.loads(json.dumps(story, allow_nan=False)) == story
    return story


def node(story: Story, name: str) -> Any:
    (found,) = (n for n in story["nodes"] if n["name"] == name)
    return found


def any_in(value: Any) -> bool:
    """Whether a value is other than zero somewhere."""
    if value["small"] is None:
        return bool(value["summary"]["min"] or value["summary"]["max"])
    elements = np.array(value["small"], dtype=object).ravel()
    return any(x not in (0, "0 + 0i", "0 − 0i") for x in elements)


def named(story: Story) -> dict[str, str]:
    return {n["name"]: n["expression"] for n in story["nodes"] if n["expression"]}


# The numbers are the library's ------------------------------------------------------


def branching(x: Any) -> Any:
    total = 0.0
    for v in x:
        total = total + v**3 if v > 0 else total - np.sin(v)
    return total


def vectors(n: int) -> Any:
    return RNG.normal(size=n)


def matrix(*shape: int) -> Any:
    return RNG.normal(size=shape)


CASES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "lecture": (lecture, (1.0, 2.0, 3.0)),
    "branches": (branching, (np.array([1.0, -2.0, 3.0]),)),
    "no axes": (lambda x: np.sum(x * 2), (np.float64(2),)),
    "empty": (lambda x: np.sum(x**2), (np.zeros((0, 3)),)),
    "identity": (lambda x: x, (2.0,)),
    "one thing twice": (lambda x: x * x + x, (3.0,)),
    "several results": (lambda x: (x, x * 2, 3.0), (2.0,)),
    "a result twice": (lambda x: (x * 2,) * 2, (2.0,)),
    "containers": (
        lambda p: {"a": p["w"][0] @ p["w"][1], "b": p["b"] ** 2},
        ({"w": [matrix(2, 3), vectors(3)], "b": 1.5},),
    ),
    "broadcasting": (lambda a, b: a * b + b, (matrix(4, 1), vectors(3))),
    "matrix by vector": (lambda a, b: a @ b, (matrix(3, 2), vectors(2))),
    "vector by matrix": (lambda a, b: a @ b, (vectors(3), matrix(3, 2))),
    "stacked matrices": (lambda a, b: a @ b, (matrix(5, 3, 2), matrix(2, 4))),
    "einsum": (
        lambda a, b: np.einsum("ij,jk->ik", a, b),
        (matrix(3, 2), matrix(2, 4)),
    ),
    "slices": (lambda x: x[0] * x[1:] + x[::-1][:2], (vectors(3),)),
    "sorted": (lambda x: np.sort(x)[::-1] * np.cumsum(x), (vectors(4),)),
    "several results of svd": (
        lambda x: np.linalg.svd(x)[1].sum() + np.linalg.svd(x)[0][0, 0],
        (matrix(3, 3),),
    ),
    "solve": (lambda a, b: np.linalg.solve(a, b), (matrix(3, 3), vectors(3))),
    "choice": (lambda x, y: np.where(x > y, x, y * 2), (vectors(4), vectors(4))),
    "complex": (lambda z: np.sum(np.abs(z) ** 2), (np.array([1 + 2j, 3j]),)),
    "complex product": (lambda z: np.real(np.exp(z) * z), (1 + 2j,)),
    "complex result": (lambda z: z * z, (1 + 2j,)),
    "structural zero": (lambda x: np.sqrt(x * x), (0.0,)),
    "float32": (lambda x: np.mean(x.astype(np.float32)), (vectors(4),)),
    "large": (lambda x: np.var(x, axis=1), (matrix(100, 100),)),
    "a mapped function": (
        lambda x: wg.vmap(lambda r: r @ r)(x).sum(),
        (matrix(4, 2),),
    ),
    "a gradient": (lambda x: wg.grad(lambda r: np.sum(r**3))(x), (vectors(3),)),
    "a checkpoint": (
        lambda x: wg.checkpoint(lambda r: np.sin(r) * r)(x).sum(),
        (vectors(3),),
    ),
    "norm at zero": (lambda x: np.linalg.norm(x), (np.zeros(3),)),
}


@functools.cache
def told(case: str) -> Story:
    f, args = CASES[case]
    return story_of(f, *args)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_vjp(case: str) -> None:
    f, args = CASES[case]
    ys, pullback = wg.vjp(lambda *a: tree.flatten(f(*a))[0], *args)
    wanted = tree.flatten(pullback([np.ones(np.shape(y), y.dtype)[()] for y in ys]))[0]
    inputs = [n for n in told(case)["nodes"] if n["op"] == "input"]
    assert len(inputs) == len(wanted)
    for found, expected in zip(inputs, wanted, strict=True):
        if found["adjoint"] is None:
            assert not np.any(expected)
        else:
            assert found["adjoint"] == value_of(expected)


@pytest.mark.parametrize("case", CASES)
def test_steps_accumulate(case: str) -> None:
    """`after` of one step is `before` of the next one to the same node, and the last
    is the node's adjoint."""
    story = told(case)
    latest: dict[int, Any] = {}
    count: dict[int, int] = {}
    for step in story["backward"]:
        to = step["to"]
        if to in latest:
            assert step["before"]["text"] == latest[to]["text"]
        else:
            assert not any_in(step["before"])
        latest[to] = step["after"]
        count[to] = count.get(to, 0) + 1
        assert step["path"] == count[to]
    for step in story["backward"]:
        assert step["paths"] == count[step["to"]]
    for told_node in story["nodes"]:
        if told_node["id"] in latest:
            assert told_node["adjoint"] == latest[told_node["id"]]
        else:
            assert told_node["adjoint"] is None


@pytest.mark.parametrize("case", CASES)
def test_the_order_is_topological(case: str) -> None:
    story = told(case)
    for i, told_node in enumerate(story["nodes"]):
        assert told_node["id"] == i
        assert all(j < i for j in told_node["inputs"])
    assert [s["node"] for s in story["forward"]] == [
        n["id"] for n in story["nodes"] if n["expression"]
    ]
    sources = [s["from"] for s in story["backward"] if s["from"] is not None]
    assert sources == sorted(sources, reverse=True)
    for step in story["backward"]:
        if step["from"] is not None:
            assert step["to"] in story["nodes"][step["from"]]["inputs"]
    names = [n["name"] for n in story["nodes"] if n["expression"] or n["op"] == "input"]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", [c for c in CASES if c not in ("large", "empty")])
def test_sweeps_are_those_of_jvp(case: str) -> None:
    f, args = CASES[case]
    story = told(case)
    leaves, spec = tree.flatten(args)
    inputs = [n["id"] for n in story["nodes"] if n["op"] == "input"]
    outputs = [n["id"] for n in story["nodes"] if n["role"] == "output"]
    assert story["sweeps"]
    for sweep in story["sweeps"]:
        tangents = [np.zeros_like(np.asarray(x)) for x in leaves]
        tangents[inputs.index(sweep["input"])][tuple(sweep["element"])] = 1
        _, dy = wg.jvp(
            lambda *a: tree.flatten(f(*a))[0],
            args,
            tree.unflatten(spec, [t[()] for t in tangents]),
        )
        found = {s["node"]: s["value"]["text"] for s in sweep["steps"]}
        expected = {value_of(d)["text"] for d in dy}
        assert {found[i] for i in outputs if i in found} <= expected


SMOOTH = set(CASES) - {"large", "empty", "structural zero", "norm at zero"}


@pytest.mark.parametrize("case", sorted(SMOOTH))
def test_finite_differences_agree(case: str) -> None:
    for check in told(case)["checks"]:
        assert check["error_numerical"] is not None
        assert check["error_numerical"] < (1e-2 if case == "float32" else 1e-7)


# Words ------------------------------------------------------------------------------


def test_variables_name_their_nodes() -> None:
    def f(w: Any, x: Any) -> Any:
        l = w * x
        mean = np.mean(np.stack([l, x]))
        a, b = w + x, w - x
        s = l + a
        s += mean
        for _ in range(2):
            s = s * b
        if (big := s * 2) > 1:
            s = big
        return np.sin(s)

    found = named(story_of(f, 2.0, 0.5))
    assert found["l"] == "w * x"
    assert found["a"] == "w + x"
    assert found["b"] == "w - x"
    assert found["s"] == "l + a"
    assert found["mean"] == "l1 / 2"
    assert found["s_2"] == "s + mean"
    assert found["s_3"] == "s_2 * b"
    assert found["s_4"] == "s_3 * b"
    assert found["big"] == "s_4 * 2"
    assert list(found)[-1] == "l2"


def test_a_user_s_own_l0_keeps_its_name() -> None:
    def f(x: Any) -> Any:
        l0 = np.sin(x * 2)
        return l0 * x

    assert named(story_of(f, 2.0)) == {
        "l1": "x * 2",
        "l0": "sin(l1)",
        "l2": "l0 * x",
    }


def helper(v: Any) -> Any:
    return v * v


def test_lines_and_groups() -> None:
    def f(x: Any) -> Any:
        y = helper(x)
        with wg.scope("block"):
            y = y + 1.0
        return np.exp(y)

    story = story_of(f, 2.0)
    lines = dict(story["source"])
    first, second, third = (story["nodes"][s["node"]] for s in story["forward"])
    assert first["group"] == "helper"
    assert second["group"] == "block"
    assert third["group"] == ""
    assert lines[third["line"]].strip() == "return np.exp(y)"
    assert lines[second["line"]].strip() == "y = y + 1.0"


def looped(v: Any) -> Any:
    for _ in range(2):
        v = np.sin(v) * 2.0
    return v


def test_each_call_of_a_function_is_a_group() -> None:
    def f(x: Any) -> Any:
        return looped(helper(looped(x)) + helper(x))

    groups = [n["group"] for n in story_of(f, 2.0)["nodes"] if n["expression"]]
    want = [*["looped"] * 4, "helper", "helper 2", "", *["looped 2"] * 4]
    assert groups == want


def test_the_source_has_the_functions_that_are_called() -> None:
    def f(x: Any) -> Any:
        return helper(x) + 1.0

    story = story_of(f, 2.0)
    numbers = [line for line, _ in story["source"]]
    texts = [text.strip() for _, text in story["source"]]
    assert numbers == sorted(set(numbers))
    assert texts == ["def helper(v: Any) -> Any:", "return v * v",
                     "def f(x: Any) -> Any:", "return helper(x) + 1.0"]  # fmt: skip
    first = story["nodes"][story["forward"][0]["node"]]
    assert dict(story["source"])[first["line"]].strip() == "return v * v"


def test_arguments_in_containers_keep_their_paths() -> None:
    story = story_of(lambda p, q: p["w"][0] * q, {"w": [2.0]}, 3.0)
    assert [n["name"] for n in story["nodes"] if n["op"] == "input"] == [
        "p['w'][0]",
        "q",
    ]
    assert story["backward"][1]["text"] == "p['w'][0].grad += l0.grad * q"


def test_integers_are_constants_with_a_note() -> None:
    story = story_of(lambda x, n: x**n, 2.0, 3)
    n = node(story, "n")
    assert (n["role"], n["adjoint"], n["op"]) == ("constant", None, "input")
    assert [s["to"] for s in story["backward"]] == [2, 0]
    assert any("n (int64) counts as constant" in note for note in story["notes"])
    assert [c["input"] for c in story["checks"]] == [0]


def test_arrays_that_f_captures_are_constants() -> None:
    story = story_of(lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]) @ x, np.ones(2))
    (c,) = (n for n in story["nodes"] if n["role"] == "constant")
    assert c["name"] == "c0"
    assert c["value"]["small"] == [[1.0, 2.0], [3.0, 4.0]]
    assert story["backward"][1]["text"] == "x.grad += c0.T @ l0.grad"


def test_the_path_of_an_if_is_told() -> None:
    notes = " ".join(story_of(branching, np.array([1.0, -2.0]))["notes"])
    assert "if v > 0" in notes
    assert "bool gave False" in notes


def test_matrix_products_in_the_lecture_s_words() -> None:
    story = story_of(lambda A, β: np.sum(A @ β), matrix(3, 2), vectors(2))
    steps = {s["text"]: s for s in story["backward"]}
    outer = steps["A.grad += l0.grad ⊗ β"]
    inner = steps["β.grad += A.T @ l0.grad"]
    assert outer["local"]["symbol"] == "ȳ ⊗ β"
    assert inner["local"]["symbol"] == "Aᵀ ȳ"
    assert outer["local"]["value"] is None
    assert outer["numbers"].endswith("(3,) → (3, 2)")
    assert inner["numbers"].endswith("(3,) → (2,)")


def test_broadcasting_is_told_with_shapes() -> None:
    story = story_of(lambda x, b: np.sum(x * b + b[:, None][:3]), matrix(3, 3),
                     vectors(3))  # fmt: skip
    texts = [s["text"] for s in story["backward"]]
    assert "b.grad += sum(l0.grad * x, axis=0)" in texts
    (step,) = (s for s in story["backward"] if "l0.grad * x" in s["text"])
    assert step["numbers"].endswith("; (3, 3) → (3,)")
    column = [t for t in texts if "keepdims" in t]
    assert column == ["l2.grad += sum(l3.grad, axis=1, keepdims=True)"]


def test_an_index_adds_to_a_part() -> None:
    story = story_of(lambda x: x[0] * np.sum(x[1:]), vectors(4))
    texts = [s["text"] for s in story["backward"]]
    assert "x.grad[0] += l0.grad" in texts
    assert "x.grad[1:] += l1.grad" in texts


# Second order -----------------------------------------------------------------------


def test_second_order_is_a_row_of_the_hessian() -> None:
    story = story_of(lecture, 1.0, 2.0, 3.0, order=2)
    second = story["second"]
    assert second is not None
    assert second["of"] == "w"
    by = {n["name"]: n["adjoint"]["small"] for n in second["nodes"]
          if n["role"] == "input"}  # fmt: skip
    row = wg.hessian(lambda v: lecture(*v))(np.array([1.0, 2.0, 3.0]))[0]
    assert by == {"w": row[0], "x": row[1], "y": row[2]} == {"w": 10, "x": 2, "y": -4}
    names = [n["name"] for n in second["nodes"]]
    assert [n["name"] for n in story["nodes"]] == names[: len(story["nodes"])]
    (end,) = (n for n in second["nodes"] if n["name"] == "w_bar")
    assert end["value"]["small"] == -2.0
    assert second["backward"][0]["text"] == "w_bar.grad = 1"


def test_second_order_of_arrays() -> None:
    x = vectors(3)
    second = story_of(lambda x: np.sum(x**3) * x[0], x, order=2)["second"]
    assert second is not None
    (by,) = (n for n in second["nodes"] if n["role"] == "input")
    hessian = wg.hessian(lambda x: np.sum(x**3) * x[0])(x)
    assert_allclose(by["adjoint"]["small"], hessian.sum(axis=0), rtol=1e-12)


def test_a_constant_gradient_has_no_second_order() -> None:
    story = story_of(lambda x: 3.0 * x, 1.0, order=2)
    assert story["second"] is None
    assert any("no second derivative" in n for n in story["notes"])


# Counting, checks, limits -----------------------------------------------------------


def test_counts_of_the_lecture() -> None:
    """Four edges have a factor: 2·l1, 2·w, x, w. By w: 3 of them, by x 2, by y 1."""
    assert told("lecture")["counts"] == {
        "forward_mode": 6,
        "reverse_mode": 4,
        "sweeps": 3,
    }


def test_counts_of_arrays() -> None:
    counts = story_of(lambda a, b: np.sum(np.exp(a @ b)), matrix(3, 4),
                      matrix(4, 5))["counts"]  # fmt: skip
    product, exp = 3 * 4 * 5, 3 * 5
    assert counts["reverse_mode"] == 2 * product + exp
    assert counts["sweeps"] == 12 + 20
    assert counts["forward_mode"] == (12 + 20) * (product + exp)


def test_the_curve_has_a_valley() -> None:
    story = story_of(lambda x: np.exp(np.sin(x)), 0.7)
    errors = dict(map(tuple, story["checks"][0]["curve"]))
    best = min(errors, key=lambda h: errors[h])
    assert 1e-10 < best < 1e-5
    assert errors[1.0] > 1e3 * errors[best]
    assert errors[min(errors)] > 1e3 * errors[best]


def test_the_curve_of_a_parabola_has_a_valley_too() -> None:
    errors = dict(map(tuple, told("lecture")["checks"][0]["curve"]))
    # (f(w + h) − f(w))/h misses h·f″/2 = 5·h.
    for h in (1.0, 0.1, 0.01):
        assert errors[h] == pytest.approx(5 * h)
    assert min(errors.values()) < 1e-6 < errors[min(errors)]


def test_symbolic_derivatives() -> None:
    pytest.importorskip("sympy")
    first = told("lecture")["checks"][0]
    assert first["symbolic"] == "2*w + 2*x*(w*x - y)"
    assert first["symbolic_value"] is not None
    assert first["symbolic_value"]["small"] == -2.0
    assert first["error_symbolic"] == 0.0


def test_without_sympy_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wengert.show.symbolic.available", lambda: False)
    story = story_of(lecture, 1.0, 2.0, 3.0)
    assert any("pip install sympy" in note for note in story["notes"])
    assert story["checks"][0]["symbolic"] == ""


def test_forward_mode_is_capped_with_a_note() -> None:
    story = story_of(lambda x: np.sum(x**2), vectors(40))
    assert len(story["sweeps"]) == 12
    assert story["counts"]["sweeps"] == 40
    assert any("takes 40 sweeps" in note for note in story["notes"])


def test_large_programs_and_arrays_stay_bounded() -> None:
    def f(x: Any) -> Any:
        for _ in range(1000):
            x = np.tanh(x) + 0.1
        return np.sum(x)

    story = story_of(f, vectors(2000))
    assert len(story["nodes"]) > 2000
    assert len(json.dumps(story)) < 12_000_000


def test_large_arrays_are_summarised() -> None:
    x = matrix(50, 200)
    x[3, 7] = np.nan
    value = story_of(lambda x: np.sum(x), x)["nodes"][0]["value"]
    assert value["small"] is None
    assert value["summary"] is not None
    assert value["summary"]["nan"] == 1
    assert value["heat"] is not None
    assert (len(value["heat"]), len(value["heat"][0])) == (32, 32)


def test_infinite_and_nan_are_told() -> None:
    story = story_of(lambda x: np.log(x) * x, 0.0)
    assert node(story, "l0")["value"]["small"] == "−inf"
    assert any("first value with inf or nan is l0 = log(x)" in n
               for n in story["notes"])  # fmt: skip
    assert any("what l1.grad gives to x.grad" in n for n in story["notes"])


# Which output -----------------------------------------------------------------------


def test_several_elements_are_summed_with_a_note() -> None:
    story = story_of(lambda x: x**2, np.array([1.0, 2.0]))
    assert node(story, "x")["adjoint"]["small"] == [2.0, 4.0]
    assert any("that of their sum" in note for note in story["notes"])


def test_output_picks_an_element_over_all_results() -> None:
    def f(x: Any) -> Any:
        return x**2, 3.0 * x[0]

    x = np.array([1.0, 2.0])
    for output, expected in {1: [0.0, 4.0], 2: [3.0, 0.0], -1: [3.0, 0.0]}.items():
        story = story_of(f, x, output=output)
        assert node(story, "x")["adjoint"]["small"] == expected
        assert not any("sum" in note for note in story["notes"])
    assert story_of(f, x, output=1)["backward"][0]["text"] == "l0.grad = [0, 1]"


def test_the_same_run_tells_the_same_story() -> None:
    args = {"b": matrix(2, 3), "a": vectors(3)}
    f = lambda p: np.sum(np.tanh(p["b"] @ p["a"]) ** 2)
    assert story_of(f, args, order=2) == story_of(f, args, order=2)


# What is refused --------------------------------------------------------------------


def test_refusals() -> None:
    with pytest.raises(wg.WengertError, match=r"write 1\.0 for 1"):
        wg.explain(lambda x: x * 2, 1)
    with pytest.raises(wg.WengertError, match="takes a function"):
        wg.explain(3.0, 1.0)
    with pytest.raises(wg.WengertError, match="order is 1 or 2"):
        wg.explain(lecture, 1.0, 2.0, 3.0, order=3)
    with pytest.raises(wg.WengertError, match="counts the 1 elements"):
        wg.explain(lecture, 1.0, 2.0, 3.0, output=1)
    with pytest.raises(wg.WengertError, match="no float argument leads"):
        wg.explain(lambda x: 3.0, 1.0)
    with pytest.raises(wg.WengertError, match=r"outside of wg\.grad"):
        wg.grad(lambda x: wg.explain(lambda v: v * x, x) and x)(1.0)


def test_arguments_are_left_alone() -> None:
    x = np.array([3.0, 4.0])

    def f(x: Any) -> Any:
        x[0] = x[1] * 2
        return np.sum(x)

    story = story_of(f, x)
    assert x.tolist() == [3.0, 4.0]
    assert node(story, "x")["adjoint"]["small"] == [0.0, 3.0]


# What may be explained --------------------------------------------------------------


class Scaled:
    """A model as people write them."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, x: Any) -> Any:
        scaled = x * self.factor
        return scaled * x

    def method(self, x: Any) -> Any:
        """The same as a method."""
        scaled = x * self.factor
        return scaled * x


def scale(c: Any, x: Any) -> Any:
    scaled = x * c
    return scaled * x


@pytest.mark.parametrize(
    "f",
    [
        Scaled(-3.0),
        Scaled(-3.0).method,
        functools.partial(scale, -3.0),
        functools.partial(Scaled.method, Scaled(-3.0)),
    ],
    ids=["object", "method", "partial", "partial of a method"],
)
def test_callables_of_all_kinds(f: Any) -> None:
    story = story_of(f, 2.0)
    assert named(story) == {"scaled": "x * (-3)", "l0": "scaled * x"}
    assert story["source"]
    lines = dict(story["source"])
    assert "scaled" in lines[node(story, "scaled")["line"]]
    assert node(story, "scaled")["group"] == ""


def test_graphs_and_transforms_are_functions_too() -> None:
    graph = wg.trace(lecture, 1.0, 2.0, 3.0)
    assert node(story_of(graph, 1.0, 2.0, 3.0), "w")["adjoint"]["small"] == -2.0
    assert story_of(graph, 1.0, 2.0, 3.0)["title"] == "lecture"
    with pytest.raises(wg.WengertError, match="takes w: "):
        wg.explain(graph, 1.0)
    slope = story_of(wg.grad(lecture), 1.0, 2.0, 3.0)
    assert node(slope, "w")["adjoint"]["small"] == 10.0


def test_names_that_would_steer_a_terminal_are_tamed() -> None:
    def f(x: Any) -> Any:
        with wg.scope("a"):
            return wg.passes and x * 2.0

    from wengert.graph.symbols import named as call_it

    text = wg.explain(lambda x: call_it("\x1b[31mred", x * 2.0) + 1.0, 1.0).text
    assert "\x1b" not in text
    assert "?[31mred" in text
    assert "in a:" in wg.explain(f, 1.0).text


def test_the_function_runs_once() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(x)
        return x * x

    story_of(f, 2.0, order=2)
    assert len(calls) == 1


def test_differences_of_large_programs_are_left_out_with_a_note() -> None:
    def f(x: Any) -> Any:
        for _ in range(40):
            x = np.tanh(x @ x)
        return np.sum(x)

    story = story_of(f, matrix(100, 100) / 10)
    assert story["checks"][0]["numerical"] is None
    assert any("Finite differences by x are left out" in n for n in story["notes"])
