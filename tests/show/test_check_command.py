"""`wengert check`: its text, what it refuses, and its exit status."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wengert.show import check_command
from wengert.show.target import (
    UsageError,
    arguments,
    is_target,
    load_function,
    parse_value,
    parse_values,
)

MODEL = """\
import numpy as np
import wengert as wg
from helper import SCALE


@wg.custom_vjp
def swish(x):
    return x / (1.0 + np.exp(-x))


def forward(x):
    return swish(x), x


def backward(x, ct):
    s = 1.0 / (1.0 + np.exp(-x))
    return (-ct * (s + x * s * (1.0 - s)),)


swish.defvjp(forward, backward)


def loss(w, x):
    h = swish(w * x)
    return SCALE * np.sum(h * h)


def healthy(w, x, power: int = 2):
    return np.sum((w * x) ** power)


def logs(x):
    return np.sum(np.log(x))


def relu(x):
    return np.sum(np.maximum(x, 0.0))


def first(x, n):
    return np.sum(x[:n])


def fails(x):
    raise RuntimeError("not today")


class Model:
    @staticmethod
    def energy(x):
        return np.sum(x * x)


number = 3
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "model.py").write_text(MODEL, "utf-8")
    (tmp_path / "helper.py").write_text("SCALE = 2.0\n", "utf-8")
    return str(tmp_path / "model.py")


def check(*words: str) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    check_command.register(commands)
    return check_command.run(parser.parse_args(["check", *words]))


def test_a_healthy_function(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(f"{model}:healthy", "w=[1, 2]", "x=0.5") == 0
    out = capsys.readouterr()
    assert out.err == ""
    lines = out.out.splitlines()
    assert lines[0] == "healthy: nothing wrong found"
    assert lines[3].split()[0] == "w"
    assert lines[4].split()[0] == "x"
    assert lines[4].endswith("right")


def test_a_wrong_rule(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(f"{model}:loss", "w=[1, -2]", "x=0.5") == 1
    text = capsys.readouterr().out
    number = 1 + MODEL.splitlines().index("    h = swish(w * x)")
    rule = 1 + MODEL.splitlines().index("def backward(x, ct):")
    assert text.startswith("loss: 1 fault\n\nfault: The derivative rule of `swish`")
    assert f"  line      model.py:{number}: h = swish(w * x)\n" in text
    assert f"  rule      backward, model.py:{rule}\n" in text
    assert "the sign is wrong" in " ".join(text.split())


def test_a_trusted_rule(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(f"{model}:loss", "w=[1, -2]", "x=0.5", "--trust", "swish") == 0
    assert "trusted rule" in capsys.readouterr().out
    assert check(f"{model}:loss", "w=[1, -2]", "x=0.5", "--trust", "swosh") == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "No operation is called `swosh`" in said
    assert "a clipped gradient), say --trust swish." in said


def test_a_formula_is_sent_to_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("x**2", "x=1") == 2
    assert "a formula goes to wengert explain" in capsys.readouterr().err


def test_an_infinite_value(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(f"{model}:logs", "x=[1, 0]") == 1
    text = capsys.readouterr().out
    assert "  element   [1]\n" in text
    assert "  why       the logarithm of 0.\n" in text
    assert "return np.sum(np.log(x))" in text


def test_warnings_count_where_they_shall(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(f"{model}:relu", "x=[1, 0]") == 0
    assert "warning: `maximum` stands exactly at a kink." in capsys.readouterr().out
    assert check(f"{model}:relu", "x=[1, 0]", "--strict") == 1
    assert check(f"{model}:relu", "x=[1, 2]", "--strict") == 0


def test_second_order_and_seed(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = (f"{model}:healthy", "w=[1, 2]", "x=0.5")
    check(*words)
    once = capsys.readouterr().out
    assert check(*words, "--order", "2", "--seed", "5") == 0
    assert capsys.readouterr().out != once


def test_whole_numbers(model: str) -> None:
    assert check(f"{model}:healthy", "w=1", "x=2", "power=3") == 0
    assert check(f"{model}:first", "x=[1, 2, 3]", "n=2", "--int", "n") == 0


def test_an_array_from_a_file(model: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([1.0, 2.0]))
    assert check(f"{model}:logs", f"x=@{tmp_path / 'x.npy'}") == 0


def test_a_static_method(model: str) -> None:
    assert check(f"{model}:Model.energy", "x=[1, 2]") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.py:f"], "FILE.py is a file that exists."),
        (["model.txt:f"], "A function is named by its file"),
        (["{model}"], "A function is named by its file"),
        (
            ["{model}:lost"],
            "defines 'lost'.\n  Came: a file that defines swish",
        ),
        (["{model}:number"], "'number' in {model} is a function."),
        (["{model}:logs"], "Every parameter has a value: x.\n  Came: none for x"),
        (["{model}:logs", "y=1"], "The parameters of the function are x.\n  Came: 'y'"),
        (["{model}:logs", "x=1", "x=2"], "Each argument is given once."),
        (["{model}:logs", "1.5"], "Arguments are given as name=value."),
        (["{model}:logs", "x=[1, 2"], "a number, a list of numbers, or @FILE.npy."),
        (["{model}:logs", "x=[[1], [2, 3]]"], "a number, a list of numbers"),
        (["{model}:logs", "x=__import__('os')"], "a number, a list of numbers"),
        (["{model}:logs", "x=@lost.npy"], "an array in a file"),
        (["{model}:logs", "x='text'"], "float and complex arguments"),
        (["{model}:logs", "x=1", "--int", "x"], "float and complex arguments"),
        (["{model}:fails", "x=1"], "RuntimeError: not today (model.py:"),
    ],
)
def test_what_is_refused(
    words: list[str],
    message: str,
    model: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(*(w.replace("{model}", model) for w in words)) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.startswith("wengert check: ")
    assert message.replace("{model}", model) in out.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n", "SyntaxError: invalid syntax (broken.py:1)"),
        ("import nothing_of_this_name\n", "ModuleNotFoundError"),
        ("x = 1\ny = 1 / 0\n", "ZeroDivisionError: division by zero (broken.py:2: y"),
    ],
)
def test_a_file_that_fails(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text(text, "utf-8")
    assert check(f"{tmp_path / 'broken.py'}:f") == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-2.5e-3", -2.5e-3),
        ("1+2j", 1 + 2j),
        ("inf", np.inf),
        ("-INF", -np.inf),
        ("True", True),
        ("'relu'", "relu"),
        ("None", None),
        ("(1, 2.0)", (1, 2.0)),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


def test_values_with_arrays() -> None:
    found = parse_values(["p={'w': [[1, 2], [3, 4]], 'b': 0.5}", "x=[1.5]"])
    assert np.array_equal(found["p"]["w"], [[1, 2], [3, 4]])
    assert found["p"]["b"] == 0.5
    assert found["x"].shape == (1,)
    assert np.isnan(parse_value("nan"))


def test_values_are_limited() -> None:
    for text in ("[" * 100_000, "1" * 200_000, "9" * 5000, "{[1]: 2}", "[None]"):
        with pytest.raises(UsageError, match="a number, a list of numbers"):
            parse_value(text)


def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(UsageError, match="it holds numbers, not objects"):
        parse_value(f"@{tmp_path / 'o.npy'}")


def test_parameters_without_names() -> None:
    with pytest.raises(UsageError, match="names and positions"):
        arguments(lambda *xs: xs, {})
    with pytest.raises(UsageError, match=r"parameters of the function are a, b\."):
        arguments(lambda a, b: a, {"a": 1.0, "b": 1.0}, ["c"])


def test_targets_are_told_from_formulas() -> None:
    assert is_target("a/b.py:f")
    assert is_target("b.py:Model.f")
    assert not is_target("(w*x - y)**2")
    assert not is_target("x[1:2]")


def test_the_file_is_found_from_its_own_folder(model: str) -> None:
    assert load_function(f"{model}:healthy")(1.0, 2.0) == 4.0
