"""A story as one self-contained page, as a picture, and in the DOT language.

The page is put together from the files beside this one: `page.html` with `page.css`,
and the scripts in the order of `SCRIPTS`, of which each uses what stands above it.
"""

import base64
import hashlib
import html as markup
import json
from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Any

from wengert.show.page.graphviz import dot
from wengert.show.page.picture import svg

__all__ = ["dot", "html", "svg"]

# dagre lays the graph out; it is kept as it was released, with its licence beside it.
SCRIPTS = (
    "vendor/dagre.min.js",
    "dom.js",
    "fold.js",
    "programme.js",
    "shapes.js",
    "viewport.js",
    "graph.js",
    "pointer.js",
    "panels.js",
    "player.js",
    "tables.js",
    "compiled.js",
    "main.js",
)
PICTURED = 200  # nodes: larger graphs go without the picture for pages without scripts


def html(story: Mapping[str, Any]) -> str:
    """The page that plays a story: one file, which asks nothing of any network.

    Args:
        story: what `Explanation.story()` returns.

    Returns:
        A complete HTML document. Its policy allows only the style and the script that
        stand in it, by their digests, so that nothing else could run or be fetched.

    Raises:
        ValueError: the story holds a nan or an infinity as a number, not as a text.

    Example:
        >>> import wengert as wg
        >>> from wengert.show.page import html
        >>> page = html(wg.explain(lambda w: w * w, 3.0).story())
        >>> page.startswith("<!DOCTYPE html>"), "http://" in page.split("<style>")[0]
        (True, False)
    """
    style = _text("page.css")
    script = _script()
    small = len(story["nodes"]) <= PICTURED
    page = Template(_text("page.html")).substitute(
        policy=_policy(style, script),
        title=markup.escape(str(story["title"])),
        style=style,
        script=script,
        story=_embedded(story),
        picture=svg(story) if small else "",
    )
    # A lone half of a surrogate pair, as in a file name, could not be saved.
    return page.encode("utf-8", "replace").decode("utf-8")


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _script() -> str:
    """All scripts as one, whose names stay out of the page's global ones."""
    # The minified file names its map, which isn't there.
    parts = [_text(name).split("\n//# sourceMappingURL")[0] for name in SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();"


def _policy(style: str, script: str) -> str:
    """Nothing is loaded; what is inline is allowed by its digest only."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(story: Mapping[str, Any]) -> str:
    """JSON that can stand inside a script element: no `<`, so no `</script>`."""
    text = json.dumps(story, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
