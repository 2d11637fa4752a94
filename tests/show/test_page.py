"""The page, the picture and the DOT text of a story, without a browser.

What a browser makes of the page is in test_page_browser.py.
"""

import base64
import hashlib
import itertools
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.show.page import dot, html, svg
from wengert.show.page.layered import layered

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x00\u2028"
SVG = "{http://www.w3.org/2000/svg}"


def lecture() -> dict[str, Any]:
    def loss(w, x, y):
        return (w * x - y) ** 2 + w**2

    return dict(wg.explain(loss, 1.0, 2.0, 3.0).story())


def chain(n: int) -> dict[str, Any]:
    def step(x):
        return x * 1.0001 + x

    def f(x):
        for _ in range(n):
            x = step(x)
        return x

    return dict(wg.explain(f, 1.0).story())


def renamed(story: dict[str, Any], name: str) -> dict[str, Any]:
    """The story with `name` wherever a text of the user's can stand."""
    story = json.loads(json.dumps(story))
    for node in story["nodes"]:
        for key in ("name", "expression", "op", "group"):
            node[key] = name
        node["value"]["text"] = name
    for step in itertools.chain(story["forward"], story["backward"]):
        step["text"] = step["numbers"] = name
        if step.get("local"):
            step["local"]["symbol"] = name
    return story | {"title": name, "source": [[1, name]], "notes": [name]}


class Elements(HTMLParser):
    """The elements of a page, the texts of its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.texts:
            self.texts[tag].append("")
            self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self.inside:
            self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[self.inside][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_page_carries_the_story_unchanged():
    story = lecture()
    data, _ = Elements(html(story)).texts["script"]
    assert json.loads(data) == json.loads(json.dumps(story))


@pytest.mark.parametrize("story", [lecture(), renamed(lecture(), HOSTILE)])
def test_the_policy_allows_what_stands_in_the_page_and_nothing_else(story):
    page = Elements(html(story))
    _, script = page.texts["script"]
    (style,) = page.texts["style"]
    policy = next(
        attrs["content"]
        for attrs in page.all("meta")
        if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'{digest(script)}'"
    assert rules["style-src"] == f"'{digest(style)}'"
    assert "unsafe" not in policy
    assert "http" not in policy


def test_hostile_texts_add_no_element_and_no_attribute():
    def outside_pictures(page: str) -> list[tuple[str, list[str]]]:
        page = re.sub("<noscript>.*?</noscript>", "", page, flags=re.S)
        return [(tag, sorted(attrs)) for tag, attrs in Elements(page).tags]

    story = lecture()
    assert outside_pictures(html(renamed(story, HOSTILE))) == outside_pictures(
        html(story)
    )
    hostile = html(renamed(story, HOSTILE))
    assert hostile.count("<script") == 2
    assert hostile.count("</script") == 2
    assert "<img" not in hostile


def test_nothing_is_fetched():
    page = Elements(html(lecture()))
    for tag, attrs in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        assert not {"src", "href", "action"} & attrs.keys(), tag
    _, script = page.texts["script"]
    assert "sourceMappingURL" not in script
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "import(", "innerHTML"):
        own = script[script.index("// Elements, values") :]
        assert word not in own, word
    assert "url(" not in page.texts["style"][0]


def test_a_nan_that_is_no_text_is_refused():
    story = lecture()
    story["nodes"][0]["value"]["small"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        html(story)


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda x: np.log(x), (-1.0,)),
        (lambda x: np.sum(x / 0.0), (np.array([0.0, 1.0]),)),
        (lambda x: np.sum(x), (np.zeros((0, 3)),)),
        (lambda z: abs(z) ** 2, (1 + 2j,)),
        (lambda d: d["a"] * d["b"][0], ({"a": 2.0, "b": [3.0]},)),
        (lambda x: np.sum(x @ x), (np.ones((70, 70)),)),
        (lambda x: x, (1.0,)),
    ],
    ids=["nan", "inf", "empty", "complex", "nested", "large", "identity"],
)
def test_every_kind_of_story_has_page_picture_and_dot(f, args):
    with np.errstate(all="ignore"):
        story = wg.explain(f, *args).story()
    assert html(story).rstrip().endswith("</html>")
    ET.fromstring(svg(story))
    assert dot(story).startswith("digraph {")


def test_half_a_surrogate_pair_in_a_name_can_be_written_as_utf_8():
    html(renamed(lecture(), "a\udc80")).encode("utf-8")


def test_the_library_is_the_released_one_and_has_its_licence_beside_it():
    vendor = files("wengert.show.page").joinpath("vendor")
    library = vendor.joinpath("dagre.min.js").read_bytes()
    # Version 3.1.3 as published; a new version brings its own digest here.
    assert hashlib.sha256(library).hexdigest() == DAGRE
    assert "Permission is hereby granted" in vendor.joinpath("dagre.LICENSE").read_text(
        "utf-8"
    )


DAGRE = "54a503e346f93ca0bb10abe7999587e037262935687aca45eb4e4b0f64bbb578"


def texts_of(picture: str) -> list[str]:
    return [e.text or "" for e in ET.fromstring(picture).iter(f"{SVG}text")]


def test_the_picture_shows_every_value_adjoint_and_local_derivative():
    story = lecture()
    said = texts_of(svg(story))
    for node in story["nodes"]:
        assert node["name"] in said
        assert node["value"]["text"] in said
        assert node["adjoint"]["text"] in said
    assert said.count("grad") == len(story["nodes"])
    for local in ("2*w = 2", "x = 2", "w = 1"):
        assert local in said


def test_the_picture_is_xml_whatever_the_names_are():
    picture = svg(renamed(lecture(), HOSTILE))
    root = ET.fromstring(picture)
    allowed = {"svg", "title", "g", "path", "rect", "text", "mask"}
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= allowed
    assert not any(key.startswith("on") for e in root.iter() for key in e.attrib)


def test_a_large_picture_is_folded():
    picture = svg(chain(500))
    root = ET.fromstring(picture)
    assert len(list(root.iter(f"{SVG}rect"))) < 60
    said = texts_of(picture)
    counted = [int(b) for a, b in itertools.pairwise(said) if a == "nodes"]
    story = chain(500)
    ends = [n for n in story["nodes"] if n["role"] in ("input", "output")]
    assert sum(counted) == len(story["nodes"]) - len(ends)


@pytest.mark.parametrize("seed", range(20))
def test_boxes_stand_apart_and_edges_point_to_the_right(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    sizes = [tuple(rng.uniform(20, 200, 2)) for _ in range(n)]
    pairs = (
        {tuple(sorted(rng.choice(n, 2, replace=False))) for _ in range(n)}
        if (n > 1)
        else set()
    )
    edges = [(int(a), int(b)) for a, b in sorted(pairs)]
    plan = layered(sizes, edges, [float(rng.uniform(0, 90)) for _ in edges])
    for a, b in itertools.combinations(plan.spots[:n], 2):
        beside = abs(a.x - b.x) >= (a.width + b.width) / 2
        apart = abs(a.y - b.y) >= (a.height + b.height) / 2
        assert beside or apart
    for route in plan.routes:
        assert all(x0 < x1 for (x0, _), (x1, _) in itertools.pairwise(route))
    for spot in plan.spots:
        assert spot.y - spot.height / 2 >= -1e-9
        assert spot.y + spot.height / 2 <= plan.height + 1e-9
        assert spot.x - spot.width / 2 >= -1e-9
        assert spot.x + spot.width / 2 <= plan.width + 1e-9


def test_dot_quotes_every_name():
    text = dot(renamed(lecture(), '<b>a"];\\N\nx'))
    labels = re.findall(r'^  \d+ \[label="((?:[^"\\]|\\.)*)", shape=', text, re.M)
    assert len(labels) == len(lecture()["nodes"])
    assert r"<b>a\"];\\N x" in labels[0]
    plain = dot(lecture())
    edges = sum(len(node["inputs"]) for node in lecture()["nodes"])
    assert plain.count(" -> ") == edges
