"""What the pictures of this folder share: their frame, their colours, their escaping.

Colours follow the reader's choice of light or dark, and never say anything alone: what
is below zero is dashed as well, and the classes have different shapes.
"""

from html import escape

LIGHT = (
    "--ink:#1b2430;--soft:#5c6877;--line:#d5dbe3;--paper:#fff;--box:#f2f5f9;"
    "--up:#c2570c;--down:#1f63c4"
)
DARK = (
    "--ink:#e8edf4;--soft:#a3afbf;--line:#3b4656;--paper:#12171f;--box:#1d2530;"
    "--up:#ffa45c;--down:#7db4ff"
)
STYLE = f"""
.wg{{{LIGHT};font-family:system-ui,-apple-system,"Segoe UI",sans-serif}}
@media (prefers-color-scheme:dark){{.wg{{{DARK}}}}}
@media print{{.wg{{{LIGHT}}}}}
.wg .paper{{fill:var(--paper)}}
.wg text{{fill:var(--ink);font-size:14px}}
.wg text.soft{{fill:var(--soft);font-size:12px}}
.wg .mid{{text-anchor:middle}}
.wg .end{{text-anchor:end}}
.wg .up{{stroke:var(--up)}}
.wg .down{{stroke:var(--down);stroke-dasharray:5 3}}
.wg .edge{{fill:none;stroke-linecap:butt}}
.wg .unit{{fill:var(--box);stroke:var(--ink);stroke-width:1.5}}
.wg .band{{fill:none;stroke:var(--line)}}
.wg .flow{{fill:none;stroke:var(--soft);stroke-width:1.4}}
.wg .head{{fill:var(--soft)}}
.wg .plus{{fill:var(--up);stroke:var(--paper);stroke-width:1}}
.wg .minus{{fill:var(--down);stroke:var(--paper);stroke-width:1}}
.wg .level{{fill:none;stroke:var(--ink);stroke-width:2.5;stroke-linecap:round}}
"""


def number(value: float, digits: int = 3) -> str:
    """A number for people, with a true minus sign."""
    return format(value, f".{digits}g").replace("-", "−")


def place(value: float) -> str:
    """A coordinate, as short as a picture needs it."""
    short = f"{value:.1f}".removesuffix(".0")
    return "0" if short == "-0" else short


def text(x: float, y: float, said: str, style: str = "mid") -> str:
    """A line of text."""
    return f'<text x="{place(x)}" y="{place(y)}" class="{style}">{escape(said)}</text>'


def picture(width: float, height: float, label: str, parts: list[str]) -> str:
    """A whole SVG: `parts` on paper, named for those who don't see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="wg" role="img"'
        f' viewBox="0 0 {place(width)} {place(height)}" width="{place(width)}"'
        f' height="{place(height)}" aria-label="{escape(label)}">'
        f"<title>{escape(label)}</title><style>{STYLE}</style>"
        f'<rect class="paper" width="100%" height="100%" rx="8"/>'
        + "".join(parts)
        + "</svg>"
    )
