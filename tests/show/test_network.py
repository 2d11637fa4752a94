"""The lecture's classifier: its pictures, its training, and the page that shows it."""

import base64
import itertools
import json
import re
import shutil
import subprocess
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import wengert as wg
from wengert.show import network
from wengert.show.network import plane

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SVG = "{http://www.w3.org/2000/svg}"
PARAMS = network.start(np.random.default_rng(0))
POINTS, SIGNS = network.moons(np.random.default_rng(1), 60)
FRAMES = network.train(POINTS, SIGNS, steps=120, frames=8)


def test_moons_are_two_classes_of_points() -> None:
    points, signs = network.moons(np.random.default_rng(0), 7, noise=0.0)
    assert points.shape == (7, 2)
    assert signs.tolist() == [1.0] * 3 + [-1.0] * 4
    upper = points[:3] + np.array([0.5, 0.25])
    np.testing.assert_allclose(np.hypot(*upper.T), 1.0)


def test_training_descends_and_keeps_the_moments_asked_for() -> None:
    steps = [f.step for f in FRAMES]
    assert (steps[0], steps[-1]) == (0, 120)
    assert steps == sorted(set(steps))
    assert len(steps) <= 8
    assert FRAMES[-1].loss < 0.5 * FRAMES[0].loss
    assert FRAMES[-1].accuracy > 0.9
    for frame in (FRAMES[0], FRAMES[3], FRAMES[-1]):  # each moment is as it was
        assert network.loss(frame.params, POINTS, SIGNS) == frame.loss


def test_the_steps_follow_the_gradient() -> None:
    """The first step, with the gradient taken by finite differences."""
    first, second = network.train(POINTS, SIGNS, steps=1, frames=2)
    for name, before in first.params.items():
        for i in np.ndindex(np.shape(before)):
            sides = []
            for nudge in (1e-6, -1e-6):
                moved = np.array(before)
                moved[i] += nudge
                params = first.params | {name: moved}
                sides.append(network.loss(params, POINTS, SIGNS))
            slope = (sides[0] - sides[1]) / 2e-6
            step = np.asarray(second.params[name])[i] - np.asarray(before)[i]
            assert step == pytest.approx(-0.1 * slope, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(
    ("points", "signs"),
    [
        (np.ones((3, 3)), np.ones(3)),
        (np.ones((3, 2)), np.ones(2)),
        (np.ones((3, 2)), np.array([1.0, 0.0, -1.0])),
        (np.full((3, 2), np.nan), np.ones(3)),
        (np.ones((0, 2)), np.ones(0)),
    ],
)
def test_training_refuses_what_are_not_points(points: Any, signs: Any) -> None:
    with pytest.raises(ValueError, match=r"expected .*; came: "):
        network.train(points, signs)
    with pytest.raises(ValueError, match=r"expected .*; came: "):
        network.training_page(points, signs, FRAMES)


def test_pictures_refuse_other_networks() -> None:
    other = PARAMS | {"W1": np.ones((3, 10))}
    for draw in (network.draw_neurons, network.draw_operations):
        with pytest.raises(ValueError, match=r"W1 of shape \(2, n\).*came"):
            draw(other)
        with pytest.raises(ValueError, match="came"):
            draw({"W1": np.ones((2, 3))})


def test_neurons_are_two_ten_and_one_with_a_line_for_each_weight() -> None:
    root = ElementTree.fromstring(network.draw_neurons(PARAMS))
    across = [float(c.get("cx", "")) for c in root.iter(f"{SVG}circle")]
    assert [across.count(x) for x in sorted(set(across))] == [2, 10, 1]
    edges = [e for e in root.iter(f"{SVG}path") if e.find(f"{SVG}title") is not None]
    values = [*PARAMS["W1"].ravel(), *PARAMS["W2"]]
    assert len(edges) == len(values) == 30
    for edge, value in zip(edges, values, strict=True):
        said = (edge.findtext(f"{SVG}title") or "").split(": ")[1].replace("−", "-")
        assert float(said) == pytest.approx(value, rel=6e-3)
        assert edge.get("class") == ("edge down" if value < 0 else "edge up")
    thick = [float(e.get("stroke-width", "")) for e in edges]
    order = np.argsort(np.abs(values))
    assert np.all(np.diff(np.array(thick)[order]) >= 0)


def test_a_line_starts_and_ends_at_the_units_that_it_names() -> None:
    root = ElementTree.fromstring(network.draw_neurons(PARAMS))
    centres = {
        (g.findtext(f"{SVG}text")): (c.get("cx"), c.get("cy"))
        for g in root.iter(f"{SVG}g")
        for c in g.iter(f"{SVG}circle")
    }
    for edge in root.iter(f"{SVG}path"):
        said = edge.findtext(f"{SVG}title")
        if said is None:
            continue
        ends = re.findall(r"[ML](\S+?) (\S+?)(?=L|$)", edge.get("d", ""))
        names = said.split(": ")[0].replace("score", "s").split(" → ")
        assert [centres[name] for name in names] == ends


@pytest.mark.parametrize("hidden", [1, 3, 24])
def test_any_number_of_hidden_units(hidden: int) -> None:
    params = network.start(np.random.default_rng(0), hidden)
    root = ElementTree.fromstring(network.draw_neurons(params))
    assert len(list(root.iter(f"{SVG}circle"))) == hidden + 3
    height = float(root.get("height", ""))
    assert all(float(c.get("cy", "")) < height - 30 for c in root.iter(f"{SVG}circle"))
    assert f"160 × {hidden}" in network.draw_operations(params)


def test_weights_of_zero_are_drawn() -> None:
    params = {k: np.zeros_like(v) for k, v in PARAMS.items()}
    assert network.draw_neurons(params).count('class="edge up"') == 31


def test_operations_are_those_of_the_trace() -> None:
    root = ElementTree.fromstring(network.draw_operations(PARAMS, 50))
    graph = wg.trace(network.loss, PARAMS, np.zeros((50, 2)), np.zeros(50))
    boxes = [r.get("class") for r in root.iter(f"{SVG}rect")]
    operations = [n for n in graph.nodes if n.inputs]
    assert boxes.count("unit op") == len(operations)
    assert boxes.count("unit leaf") == len(graph.inputs) == 6
    drawn = [n for n in graph.nodes if n.op.name != "constant"]
    arrows = [p for p in root.iter(f"{SVG}path") if p.get("class") == "flow"]
    assert len(arrows) == sum(i in drawn for n in operations for i in n.inputs)
    said = [t.text for t in root.iter(f"{SVG}text")]
    for word in ("hidden layer", "output layer", "loss", "W₁", "b₂", "points", "÷ 50"):
        assert word in said


def test_no_two_boxes_overlap() -> None:
    root = ElementTree.fromstring(network.draw_operations(PARAMS))
    boxes = [
        [float(r.get(k, "")) for k in ("x", "y", "width", "height")]
        for r in root.iter(f"{SVG}rect")
        if "unit" in r.get("class", "")
    ]
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    for x, y, w, h in boxes:
        assert min(x, y) > 0
        assert x + w < width
        assert y + h < height
    for (x, y, w, h), (u, v, _, _) in itertools.combinations(boxes, 2):
        assert abs(x - u) >= w or abs(y - v) >= h


# The boundary


def segments(path: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    numbers = re.findall(r"-?\d+(?:\.\d+)?", path)
    return np.array(numbers, float).reshape(-1, 2, 2)


def test_the_boundary_of_a_circle() -> None:
    steps = np.linspace(-1.0, 1.0, 81)
    x, y = np.meshgrid(steps, steps)
    path = plane.boundary(x**2 + y**2 - 0.25, 200.0)
    ends = segments(path)
    assert len(ends) > 100
    radius = np.hypot(ends[..., 0] - 100, ends[..., 1] - 100)
    np.testing.assert_allclose(radius, 50.0, atol=0.3)
    # It is closed: every end is the end of two pieces.
    _, count = np.unique(ends.reshape(-1, 2), axis=0, return_counts=True)
    assert np.all(count % 2 == 0)


def test_saddles_are_cut_so_that_the_larger_side_stays_whole() -> None:
    joined = segments(plane.boundary(np.array([[3.0, -1.0], [-1.0, 3.0]]), 1.0))
    apart = segments(plane.boundary(np.array([[1.0, -3.0], [-3.0, 1.0]]), 1.0))
    for ends, cut_off in ((joined, [(1, 0), (0, 1)]), (apart, [(0, 0), (1, 1)])):
        assert len(ends) == 2
        for corner in cut_off:  # one piece runs around each corner that is cut off
            near = np.min(np.abs(ends - corner).sum(axis=-1).max(axis=-1))
            assert near < 1.0


def test_one_sign_has_no_boundary() -> None:
    assert plane.boundary(np.ones((5, 5)), 10.0) == ""
    assert plane.boundary(-np.ones((5, 5)), 10.0) == ""


def test_the_boundary_is_where_the_score_is_zero() -> None:
    params, size = FRAMES[-1].params, 400.0
    grid = plane.score_grid(params, POINTS)
    corner, side = plane.window(POINTS)
    ends = segments(plane.boundary(grid, size)).reshape(-1, 2)
    assert len(ends) > 20
    places = corner + np.column_stack([ends[:, 0], size - ends[:, 1]]) / size * side
    assert np.abs(network.scores(params, places)).max() < 0.05 * np.abs(grid).max()


def test_boundaries_side_by_side() -> None:
    root = ElementTree.fromstring(network.draw_boundaries(POINTS, SIGNS, FRAMES[:3]))
    levels = [p.get("d") for p in root.iter(f"{SVG}path") if p.get("class") == "level"]
    assert len(set(levels)) == 3
    kinds = [e.get("class") for e in root.iter()]
    assert kinds.count("plus") == kinds.count("minus") == 3 * 30
    assert f"step 0: loss {FRAMES[0].loss:.3f}" in "".join(root.itertext())


# The page


class Page(HTMLParser):
    """What a page is made of: its elements, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data


HTML = network.training_page(POINTS, SIGNS, FRAMES)


def test_the_page_needs_nothing_but_itself() -> None:
    page = Page(HTML)
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "img", "object", "base", "form")
        assert not {"src", "href", "style", "onclick", "onload"} & set(attributes), tag
    policy = next(a["content"] for _, a in page.elements if "http-equiv" in a) or ""
    assert policy.startswith("default-src 'none'")
    digest = base64.b64encode(sha256(page.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "http" not in re.sub(r"http://www\.w3\.org/2000/svg|http-equiv", "", HTML)
    assert "⟦" not in HTML


def test_the_frames_are_in_the_page() -> None:
    data = json.loads(Page(HTML).scripts[0])
    assert [d["step"] for d in data] == [f.step for f in FRAMES]
    for shown, frame in zip(data, FRAMES, strict=True):
        assert float(shown["loss"]) == pytest.approx(frame.loss, abs=1e-4)
        assert shown["weights"][0] == pytest.approx(frame.params["W1"][0, 0], abs=1e-3)
        shades = np.frombuffer(base64.b64decode(shown["shades"]), np.uint8)
        score = plane.score_grid(frame.params, POINTS, 40).ravel()
        assert shades.shape == (1600,)
        far = np.abs(score) > 0.05
        assert np.array_equal(shades[far] > 127, score[far] > 0)
    assert len({d["level"] for d in data}) == len(FRAMES)


def test_a_hostile_title_is_only_text() -> None:
    title = "</title><script>alert(1)</script>⟦data⟧"
    page = network.training_page(POINTS, SIGNS, FRAMES, title)
    assert "<script>alert" not in page
    assert len(Page(page).scripts) == 2
    assert page.count("⟦data⟧") == 2  # as it was given, in the title and the heading


def test_no_frames_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"at least one frame.*call train"):
        network.training_page(POINTS, SIGNS, [])


def test_one_frame_is_enough() -> None:
    page = network.training_page(POINTS, SIGNS, network.train(POINTS, SIGNS, 0))
    assert json.loads(Page(page).scripts[0])[0]["step"] == 0
    assert "nan" not in page


def in_browser(page: Path, fragment: str, tmp_path: Path) -> dict[str, str]:
    """What the page holds after its script has run for 20 seconds of its time."""
    done = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000",
         "--dump-dom", f"{page.as_uri()}{fragment}"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    text = done.stdout
    level = re.search(r'id="level" d="([^"]*)"', text)
    said = re.search(r'<output id="said"[^>]*>([^<]*)<', text)
    play = re.search(r'<button id="play"[^>]*>([^<]*)<', text)
    line = re.search(r'<path class="(edge \w+)" stroke-width="([^"]*)"', text)
    assert level
    assert said
    assert play
    assert line
    found = {"level": level, "said": said, "play": play}
    return {k: m[1] for k, m in found.items()} | {"line": line[2], "all": text}


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the page in")
def test_in_a_browser(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(HTML, "utf-8")
    data = json.loads(Page(HTML).scripts[0])
    for fragment, wanted in (
        ("", -1),
        ("#0", 0),
        ("#2", 2),
        ("#99", -1),
        ("#play", -1),
    ):
        shown, frame = in_browser(page, fragment, tmp_path), data[wanted]
        assert shown["said"] == (
            f"step {frame['step']} · loss {frame['loss']} · {frame['right']} right"
        )
        assert shown["level"] == frame["level"]
        assert float(shown["line"]) == frame["thick"][0]
        assert shown["play"] == "▶ Play"


KEY = (
    "document.body.dispatchEvent("
    "new KeyboardEvent('keydown', {key: 'KEY', bubbles: true}));"
)
CLICK = "document.getElementById('ID').click();"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the page in")
@pytest.mark.parametrize(
    ("doing", "wanted"),
    [
        (CLICK.replace("ID", "back") * 2, -3),
        (KEY.replace("KEY", "Home") + CLICK.replace("ID", "step"), 1),
        (KEY.replace("KEY", "Home") + KEY.replace("KEY", "ArrowRight") * 3, 3),
        (KEY.replace("KEY", "Home") + KEY.replace("KEY", "ArrowLeft"), 0),
        (KEY.replace("KEY", " "), -1),  # plays from the start, to the end
        (CLICK.replace("ID", "play") * 2, 0),  # plays, and pauses at once
        (
            "slider.value = 4; slider.dispatchEvent(new Event('input'));",
            4,
        ),
    ],
)
def test_buttons_keys_and_slider(doing: str, wanted: int, tmp_path: Path) -> None:
    """A second script, which the page's own policy would refuse, uses the controls."""
    open_to_scripts = re.sub(r'<meta http-equiv="Content-Security[^>]*>', "", HTML)
    assert open_to_scripts != HTML
    script = (
        f"<script>const slider = document.getElementById('slider');{doing}</script>"
    )
    page = tmp_path / "page.html"
    page.write_text(open_to_scripts + script, "utf-8")
    frame = json.loads(Page(HTML).scripts[0])[wanted]
    shown = in_browser(page, "", tmp_path)
    assert shown["said"].startswith(f"step {frame['step']} · loss {frame['loss']}")
    assert shown["level"] == frame["level"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the page in")
def test_the_policy_refuses_other_scripts(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(HTML + "<script>document.title = 'taken over'</script>", "utf-8")
    done = in_browser(page, "#0", tmp_path)
    assert done["said"].startswith("step 0")
    assert "taken over</title>" not in done["all"]
