"""The page in a real browser: a headless Chromium, driven by its buttons and keys.

Skipped where there is no Chromium with its driver, or no selenium.
"""

import itertools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.show.page import html

selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
    pytest.mark.skipif(DRIVER is None, reason="no chromedriver is installed"),
]
HOSTILE = "</script><script>window.harm=1</script><img src=x onerror='window.harm=2'>"


def loss(w, x, y):
    l = w * x
    return (l - y) ** 2 + w**2


def network(W, b, V, x):
    hidden = np.tanh(W @ x + b)
    return np.sum((V @ hidden) ** 2)


def product_with_itself(x):
    b = x + 1.0
    return b * b


def step(x, k):
    a = np.sin(x) * k
    return a + np.exp(-a * a) * x


def deep(x):
    for k in range(300):
        x = step(x, 1 + k / 1000)
    return x


def lecture() -> dict[str, Any]:
    return dict(wg.explain(loss, 1.0, 2.0, 3.0, order=2).story())


def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shapes = (10, 30), (10,), (4, 10), (30,)
    return dict(wg.explain(network, *(rng.normal(size=n) for n in shapes)).story())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # The driver's own look-ups of newer versions would ask the network.
    os.environ["SE_OFFLINE"] = "true"
    os.environ["SE_AVOID_STATS"] = "true"
    options = selenium.ChromeOptions()
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(option)
    options.binary_location = str(BROWSER)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options, selenium.ChromeService(DRIVER))
    yield driver
    driver.quit()


class Page:
    """A story's page, opened from a file, and what can be read off it."""

    def __init__(self, driver: Any, path: Path) -> None:
        self.driver = driver
        driver.get(path.as_uri())
        WebDriverWait(driver, 30).until(lambda d: self.js("ready()"))

    def js(self, expression: str, *args: Any) -> Any:
        return self.driver.execute_script(
            "const all = (q) => [...document.querySelectorAll(q)];"
            "const ready = () => document.documentElement.matches('.ready');"
            f"return {expression}",
            *args,
        )

    def press(self, name: str) -> None:
        self.driver.find_element(By.ID, name).click()

    def key(self, key: str) -> None:
        self.driver.switch_to.active_element.send_keys(key)

    def texts(self, query: str) -> list[str]:
        return list(self.js(f"all({json.dumps(query)}).map((e) => e.textContent)"))

    def figures(self, node: int) -> list[str]:
        """What the box of a node says: its value, and its adjoint or tangent."""
        return self.texts(f"#stage .box[data-id='{node}'] .figure")

    @property
    def at(self) -> int:
        return int(self.js("document.getElementById('place').value"))

    def complaints(self) -> list[str]:
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] != "INFO"]


@pytest.fixture
def open_page(browser, tmp_path) -> Iterator[Any]:
    def show(
        story: dict[str, Any],
        size: tuple[int, int] = (1280, 800),
        **features: str,
    ) -> Page:
        emulate = browser.execute_cdp_cmd
        shape = {"width": size[0], "height": size[1], "mobile": size[0] < 600}
        emulate("Emulation.setDeviceMetricsOverride", shape | {"deviceScaleFactor": 1})
        chosen = [
            {"name": name.replace("_", "-"), "value": value}
            for name, value in features.items()
        ]
        emulate("Emulation.setEmulatedMedia", {"media": "", "features": chosen})
        path = tmp_path / "page.html"
        path.write_text(html(story), "utf-8")
        return Page(browser, path)

    browser.get_log("browser")
    yield show
    assert Page.complaints(type("Open", (), {"driver": browser})()) == []


def test_the_buttons_step_through_the_lecture_and_its_numbers_add_up(open_page):
    story = lecture()
    page = open_page(story)
    for done in story["forward"]:
        page.press("step")
        assert page.texts("#caption .words") == [done["text"]]
        assert page.texts("#caption .numbers") == [done["numbers"]]
        value = story["nodes"][done["node"]]["value"]["text"]
        assert page.figures(done["node"])[0] == value
    adjoints: dict[int, float] = {}
    for done in story["backward"]:
        page.press("step")
        assert page.texts("#caption .words") == [done["text"]]
        before, more, after = (
            float(text.replace("−", "-")) for text in page.texts("#caption .sum b")
        )
        assert before == adjoints.get(done["to"], 0.0)
        assert before + more == after
        adjoints[done["to"]] = after
        shown = page.figures(done["to"])[1].removesuffix(" + …")
        assert float(shown.replace("−", "-")) == after
    names = {node["name"]: node["id"] for node in story["nodes"]}
    assert [adjoints[names[n]] for n in "wxy"] == [-2.0, -2.0, 2.0]
    assert "w.grad = −2, x.grad = −2, y.grad = 2" in page.texts(".result")[0]


def test_what_is_not_yet_computed_is_not_shown(open_page):
    story = lecture()
    page = open_page(story)
    inputs = [n["id"] for n in story["nodes"] if n["role"] == "input"]
    for node in story["nodes"]:
        value = node["value"]["text"] if node["id"] in inputs else "·"
        assert page.figures(node["id"]) == [value, "·"]
    assert page.js("all('.derivative:not(.hidden)').length") == 0
    page.press("last")
    page.press("first")
    assert page.figures(story["forward"][0]["node"])[0] == "·"


def test_an_adjoint_that_waits_for_more_ends_in_dots(open_page):
    story = lecture()
    page = open_page(story)
    i, first = next(
        (i, s)
        for i, s in enumerate(story["backward"])
        if (s["path"], s["paths"]) == (1, 2)
    )
    for _ in range(len(story["forward"]) + i + 1):
        page.press("step")
    assert page.figures(first["to"])[1] == first["after"]["text"] + " + …"


def test_the_edge_of_a_step_is_lit_and_shows_its_local_derivative(open_page):
    story = lecture()
    page = open_page(story)
    page.press("step")
    assert page.js("all('.edge.lit.forward').length") == 2
    for _ in story["forward"]:
        page.press("step")
    assert page.js("all('.edge.lit').length") == 0  # the output's own 1 has no edge
    for done in story["backward"][1:]:
        page.press("step")
        assert page.js("all('.edge.lit.backward').length") == 1
        (label,) = page.texts(".derivative.lit")
        assert label.split(" = ")[0] == done["local"]["symbol"] or label == "−1"


def test_keys_play_step_and_jump(open_page):
    story = lecture()
    total = len(story["forward"]) + len(story["backward"])
    page = open_page(story)
    for key, at in [
        (Keys.ARROW_RIGHT, 1), (Keys.ARROW_RIGHT, 2), (Keys.ARROW_LEFT, 1),
        (Keys.END, total), (Keys.ARROW_RIGHT, total), (Keys.HOME, 0),
    ]:  # fmt: skip
        page.key(key)
        assert page.at == at
    Select(page.driver.find_element(By.ID, "speed")).select_by_value("25")
    page.js("document.activeElement.blur()")
    page.key(" ")
    WebDriverWait(page.driver, 30).until(lambda _: page.at == total)
    assert page.texts("#play .word") == ["Play"]  # it stops by itself


def test_the_current_step_is_announced_and_marked_in_list_and_source(open_page):
    story = lecture()
    page = open_page(story)
    for _ in range(3):
        page.press("step")
    third = story["forward"][2]
    (spoken,) = page.texts("[aria-live=polite]")
    assert spoken.startswith("Forward pass, step 3 of")
    assert third["text"] in spoken
    assert third["numbers"] in spoken
    assert page.texts("[aria-current=step] .words") == [third["text"]]
    line = story["nodes"][third["node"]]["line"]
    assert page.texts(".line.now .gutter") == [str(line)]
    hidden = page.js(
        "all('.step .numbers').filter((e) => getComputedStyle(e).visibility"
        " === 'hidden').length"
    )
    steps = [*story["forward"], *story["backward"]]
    assert hidden == sum(bool(s["numbers"]) for s in steps) - 3


def test_tab_reaches_every_node_and_its_card_tells_all(open_page):
    story = arrays()
    page = open_page(story)
    page.press("last")
    page.js("document.querySelector('#stage [data-view=fit]').focus()")
    seen = []
    for node in story["nodes"]:
        page.key(Keys.TAB)
        seen.append(int(page.js("document.activeElement.dataset.id")))
        (card,) = page.texts(".card:not([hidden])")
        shape = " × ".join(map(str, node["shape"])) or "scalar"
        op = node["op"] if node["inputs"] else ""
        for part in (node["name"], shape, str(node["line"] or ""), op):
            assert part in card
        assert page.js("all('.card canvas').length") == sum(
            v is not None and v["heat"] is not None
            for v in (node["value"], node["adjoint"])
        )
    assert sorted(seen) == [node["id"] for node in story["nodes"]]
    page.key(Keys.ESCAPE)
    assert page.texts(".card:not([hidden])") == []


def renamed(story: dict[str, Any], name: str) -> dict[str, Any]:
    for node in story["nodes"]:
        for key in ("name", "expression", "op", "group"):
            node[key] = name
        node["value"]["text"] = name
    for done in itertools.chain(story["forward"], story["backward"]):
        done["text"] = done["numbers"] = name
        if done.get("local"):
            done["local"]["symbol"] = name
    for check in story["checks"]:
        check["symbolic"] = name
    return story | {"title": name, "source": [[1, name]], "notes": [name]}


def test_a_variable_called_script_harms_nobody(open_page):
    page = open_page(renamed(lecture(), HOSTILE))
    assert page.js("performance.getEntriesByType('resource').length") == 0
    for tab in ("forward", "checks", "second", "graph"):
        page.press(f"{tab}-tab")
    page.press("last")
    page.js("document.querySelector('#stage .box').focus()")
    assert page.js("window.harm") is None
    assert page.js("document.images.length") == 0
    assert page.texts("#caption .words") == [HOSTILE]
    assert page.texts("#title") == [HOSTILE]
    assert page.texts(".card h3")[0].startswith(HOSTILE)


def test_injected_scripts_styles_and_pictures_are_refused(open_page):
    page = open_page(lecture())
    page.js(
        "(() => { const s = document.createElement('script');"
        " s.textContent = 'window.harm = 3'; document.body.append(s);"
        " const i = new Image(); i.src = 'http://127.0.0.1:9/'; })()"
    )
    assert page.js("window.harm") is None
    complaints: list[str] = []

    def both_refused(_: Any) -> bool:
        complaints.extend(page.complaints())
        rules = ("script-src", "img-src")
        return all(any(rule in text for text in complaints) for rule in rules)

    WebDriverWait(page.driver, 10).until(both_refused)


def overlaps(page: Page) -> list[Any]:
    """Boxes of the picture that cover each other, and texts that leave their box."""
    return page.js(
        """(() => {
        const boxes = all('#stage .box').map((b) => ({
          id: b.dataset.id, r: b.querySelector('.outline').getBoundingClientRect(),
          t: [...b.querySelectorAll('text')].map((t) => t.getBoundingClientRect()) }));
        const bad = [];
        for (const a of boxes) {
          for (const b of boxes) if (a !== b && a.r.left < b.r.right - 1
            && b.r.left < a.r.right - 1 && a.r.top < b.r.bottom - 1
            && b.r.top < a.r.bottom - 1) bad.push([a.id, b.id]);
          for (const t of a.t) if (t.left < a.r.left || t.right > a.r.right
            || t.top < a.r.top - 1 || t.bottom > a.r.bottom + 1) bad.push(a.id);
          for (const t of a.t) for (const u of a.t) if (t !== u
            && Math.abs(t.top - u.top) < 2 && t.left < u.left && t.right > u.left)
            bad.push([a.id, 'row']);
        }
        return bad; })()"""
    )


@pytest.mark.parametrize("make", [lecture, arrays])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["laptop", "phone"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_nothing_overlaps_or_leaves_the_page(open_page, make, size, colours):
    story = make()
    page = open_page(story, size, prefers_color_scheme=colours)
    for _ in range(len(story["forward"]) + len(story["backward"])):
        page.press("step")
        assert overlaps(page) == []
    for tab in ("forward", "checks", "graph"):
        page.press(f"{tab}-tab")
        assert page.js("document.documentElement.scrollWidth") <= size[0]
        assert (
            page.js("all('main > div').filter((e) => e.offsetHeight > 0).length") == 1
        )


def test_controls_stay_in_sight_on_a_phone(open_page):
    page = open_page(lecture(), (390, 844))
    page.js("window.scrollTo(0, 600)")
    bottoms = page.js(
        "all('#controls button').map((b) => b.getBoundingClientRect())"
        ".map((r) => [r.left, r.right, r.bottom, r.height])"
    )
    for left, right, bottom, height in bottoms:
        assert left >= 0
        assert right <= 390
        assert bottom <= 844
        assert height >= 44  # as wide as a finger


def test_dark_follows_the_system_until_the_button_says_otherwise(open_page):
    ground = "getComputedStyle(document.body).backgroundColor"
    light = open_page(lecture(), prefers_color_scheme="light").js(ground)
    page = open_page(lecture(), prefers_color_scheme="dark")
    dark = page.js(ground)
    assert dark != light
    page.press("theme")
    assert page.js(ground) == light
    page.press("theme")
    assert page.js(ground) == dark


def test_reduced_motion_is_respected(open_page):
    story = lecture()
    page = open_page(story, prefers_reduced_motion="reduce")
    page.press("last")
    animation = "getComputedStyle(document.querySelector('.edge.lit')).animationName"
    assert page.js(animation) == "none"
    page = open_page(story, prefers_reduced_motion="no-preference")
    page.press("last")
    assert page.js(animation) == "flow"


def test_forward_mode_is_played_on_the_same_graph(open_page):
    story = lecture()
    page = open_page(story)
    for i, sweep in enumerate(story["sweeps"]):
        Select(page.driver.find_element(By.ID, "mode")).select_by_value(str(i))
        page.press("last")
        for done in sweep["steps"]:
            assert page.figures(done["node"])[1] == done["value"]["text"]
        assert sweep["steps"][-1]["value"]["text"] in page.texts(".result")[0]


def test_sections_show_counts_checks_and_the_extended_graph(open_page):
    story = lecture()
    page = open_page(story)
    page.press("forward-tab")
    counts = story["counts"]
    assert page.texts(".bar b") == [
        str(counts["forward_mode"]), str(counts["reverse_mode"])
    ]  # fmt: skip
    page.press("checks-tab")
    curves = [c["curve"] for c in story["checks"] if len(c["curve"]) > 1]
    assert page.js("all('.plot').length") == len(curves) > 0
    assert page.js("all('.plot circle').length") == sum(map(len, curves))
    page.press("second-tab")
    second = story["second"]
    assert page.js("all('#second-stage .box').length") == len(second["nodes"])
    assert page.texts("#second-steps .words") == [s["text"] for s in second["backward"]]


def test_a_large_graph_starts_folded_and_opens_piece_by_piece(open_page):
    story = dict(wg.explain(deep, 1.0).story())
    assert len(story["nodes"]) > 2000
    page = open_page(story)
    assert page.js("all('.box').length") <= 60
    for _ in range(12):
        page.js("all('.folded').at(0).dispatchEvent(new MouseEvent('click'))")
        assert page.js("all('.box').length") <= 150
        assert page.js("all('.frame').length") >= 1
        if page.js("all('.folded').length") == 0:
            break
    assert page.js("all('.box:not(.folded)').length") > 30
    for _ in range(3):
        page.key(Keys.ARROW_RIGHT)
    assert page.js("all('.box.active').length") == 1
    page.js("document.querySelector('[data-view=fold]').click()")
    assert page.js("all('.frame').length") == 0
    page.press("last")
    inputs = [n for n in story["nodes"] if n["role"] == "input"]
    assert page.figures(inputs[0]["id"])[1] == inputs[0]["adjoint"]["text"]


def test_enter_opens_a_folded_box_and_closes_its_frame(open_page):
    page = open_page(dict(wg.explain(deep, 1.0).story()))
    page.js("document.querySelector('.folded').focus()")
    page.key(Keys.ENTER)
    assert page.js("all('.frame').length") == 1
    page.js("document.querySelector('.frame').focus()")
    page.key(Keys.ENTER)
    assert page.js("all('.frame').length") == 0


def test_paper_gets_all_values_and_no_controls(open_page):
    story = arrays()
    page = open_page(story)
    page.press("step")
    page.js("window.dispatchEvent(new Event('beforeprint'))")
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert page.js("document.getElementById('controls').offsetHeight") == 0
    rows = page.texts("#printed tbody th")
    assert rows == [node["name"] for node in story["nodes"]]
    last = story["backward"][-1]["to"]
    assert page.figures(last)[1] != "·"
    shown = "all('.step .numbers').every((e) => getComputedStyle(e).visibility"
    assert page.js(f"{shown} === 'visible')")
    sections = "all('#forward-panel, #checks-panel').every((e) => e.offsetHeight > 0)"
    assert page.js(sections)
    pdf = page.driver.execute_cdp_cmd("Page.printToPDF", {})["data"]
    assert len(pdf) > 10_000
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    page.js("window.dispatchEvent(new Event('afterprint'))")
    assert page.at == 1
    assert page.figures(last)[1] == "·"


def where(page: Page) -> tuple[float, float, float]:
    """The transform of the picture: scale and place."""
    found = page.js(
        "(() => { const m = new DOMMatrix(getComputedStyle("
        "document.querySelector('#stage .canvas')).transform);"
        " return [m.a, m.e, m.f]; })()"
    )
    return found[0], found[1], found[2]


def middle_of(page: Page, query: str) -> tuple[int, int]:
    x, y = page.js(
        f"(() => {{ const r = document.querySelector({json.dumps(query)})"
        ".getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    return round(x), round(y)


def mouse(page: Page, kind: str, at: tuple[int, int], **more: Any) -> None:
    event = {"type": kind, "x": at[0], "y": at[1], **more}
    page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def touch(page: Page, kind: str, *points: tuple[int, int]) -> None:
    fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
    page.driver.execute_cdp_cmd(
        "Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers}
    )


def test_the_mouse_points_drags_and_zooms(open_page):
    page = open_page(lecture(), prefers_reduced_motion="reduce")
    x, y = middle_of(page, "#stage .box[data-id='1']")
    mouse(page, "mouseMoved", (x, y))
    assert page.texts(".card:not([hidden]) h3") == ["xinput"]
    scale, left, top = where(page)
    mouse(page, "mousePressed", (x, y), button="left", clickCount=1)
    for i in range(1, 6):
        mouse(page, "mouseMoved", (x + 10 * i, y + 4 * i), button="left")
    mouse(page, "mouseReleased", (x + 50, y + 20), button="left", clickCount=1)
    assert where(page) == pytest.approx((scale, left + 50, top + 20), abs=1)
    before = middle_of(page, "#stage .box[data-id='1']")
    mouse(page, "mouseWheel", before, deltaX=0, deltaY=-200)
    WebDriverWait(page.driver, 10).until(lambda _: where(page)[0] > scale * 1.2)
    assert middle_of(page, "#stage .box[data-id='1']") == pytest.approx(before, abs=2)


def test_a_drag_that_ends_on_a_folded_box_does_not_open_it(open_page):
    page = open_page(
        dict(wg.explain(deep, 1.0).story()), prefers_reduced_motion="reduce"
    )
    x, y = middle_of(page, "#stage .folded")
    mouse(page, "mousePressed", (x, y), button="left", clickCount=1)
    mouse(page, "mouseMoved", (x + 30, y), button="left")
    mouse(page, "mouseMoved", (x + 40, y), button="left")
    mouse(page, "mouseReleased", (x + 40, y), button="left", clickCount=1)
    assert page.js("all('.frame').length") == 0
    at = middle_of(page, "#stage .folded")
    mouse(page, "mousePressed", at, button="left", clickCount=1)
    mouse(page, "mouseReleased", at, button="left", clickCount=1)
    assert page.js("all('.frame').length") == 1


def test_a_finger_taps_and_two_fingers_zoom(open_page):
    page = open_page(lecture(), (390, 844), prefers_reduced_motion="reduce")
    page.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    at = middle_of(page, "#stage .box[data-id='0']")
    touch(page, "touchStart", at)
    touch(page, "touchEnd")
    WebDriverWait(page.driver, 10).until(lambda _: page.texts(".card:not([hidden]) h3"))
    assert page.texts(".card:not([hidden]) h3") == ["winput"]
    page.key(Keys.ESCAPE)  # fingers on the card scroll the card
    scale, _, _ = where(page)
    x, y = middle_of(page, "#stage")
    touch(page, "touchStart", (x - 30, y + 60), (x + 30, y + 60))
    touch(page, "touchMove", (x - 60, y + 60), (x + 60, y + 60))
    touch(page, "touchEnd")
    assert where(page)[0] == pytest.approx(2 * scale, rel=0.05)
    page.driver.execute_cdp_cmd(
        "Emulation.setTouchEmulationEnabled", {"enabled": False}
    )


def test_two_edges_between_the_same_nodes_are_taken_in_turn(open_page):
    story = dict(wg.explain(product_with_itself, 3.0).story())
    page = open_page(story)
    for _ in story["forward"]:
        page.press("step")
    lit = []
    names = {node["id"]: node["name"] for node in story["nodes"]}
    for done in story["backward"]:
        page.press("step")
        if names[done["to"]] == "b":
            lit.append(page.js("all('.edge').map((e) => e.matches('.lit'))"))
    assert [sum(edges) for edges in lit] == [1, 1]
    assert lit[0] != lit[1]


def test_an_arrow_points_the_way_that_the_step_goes(open_page):
    story = lecture()
    page = open_page(story)
    ends = "['start', 'end'].map((e) => document.querySelector('.edge.lit')"
    ends += ".getAttribute(`marker-${e}`) !== 'none')"
    page.press("step")
    assert page.js(ends) == [False, True]
    page.press("last")
    assert page.js(ends) == [True, False]


def test_the_card_goes_when_the_reader_leaves_the_graph(open_page):
    page = open_page(lecture())
    page.js("document.querySelector('#stage .box').focus()")
    assert page.texts(".card:not([hidden]) h3") == ["winput"]
    page.js("document.getElementById('play').focus()")
    assert page.texts(".card:not([hidden]) h3") == []


def test_the_source_shows_the_line_in_a_helper_function(open_page):
    def explained(x):
        return step(x, 2.0) + step(x, 3.0)

    story = dict(wg.explain(explained, 0.5).story())
    page = open_page(story)
    page.press("step")
    assert page.texts(".line.now code") == ["    a = np.sin(x) * k"]
    assert page.js("all('#source .gap').length") == 1
    frames = [text.removeprefix("▾ ") for text in page.texts(".frame text")]
    assert frames == ["step", "step 2"]


def test_a_broadcast_argument_is_told_to_be_summed(open_page):
    story = dict(wg.explain(lambda x, b: np.sum(x + b), np.ones((3, 2)), 0.5).story())
    page = open_page(story)
    to = next(n["id"] for n in story["nodes"] if n["name"] == "b")
    number = next(i for i, s in enumerate(story["backward"]) if s["to"] == to)
    for _ in range(len(story["forward"]) + number + 1):
        page.press("step")
    (why,) = page.texts("#caption .why")
    assert why.endswith(
        "b was repeated to 3 × 2 (broadcasting): the shares of its copies are summed."
    )


def test_the_section_on_compiled_functions(open_page):
    rng = np.random.default_rng(0)
    shapes = (10, 30), (10,), (4, 10), (30,)
    jitted = wg.jit(network)
    story = dict(wg.explain(jitted, *(rng.normal(size=n) for n in shapes)).story())
    page = open_page(story)
    page.press("compiled-tab")
    shown = "#compiled-panel:not(.closed)"
    rows = [text for s in story["compiled"]["steps"] for text, _ in s["lines"]]
    assert page.texts(f"{shown} .pseudo") == rows
    shares = page.texts(f"{shown} .time b")
    assert 98 <= sum(int(share.removesuffix(" %")) for share in shares) <= 102
    assert "operations" in page.texts(f"{shown} .why")[0]
    wide = "document.documentElement.scrollWidth > innerWidth"
    assert not page.js(wide)
    plain = open_page(lecture())
    assert plain.js("document.getElementById('compiled-tab').hidden")
