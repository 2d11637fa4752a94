"""Lines of produced source, broken as formatters break them."""

import textwrap

WIDTH = 88
_OPEN, _CLOSE = "([{", ")]}"


def fitted(indent: str, text: str, end: str = "") -> str:
    """A statement on one line; or its last brackets' content on one, or on many."""
    if len(indent) + len(text) + len(end) <= WIDTH or text[-1:] not in _CLOSE:
        return f"{indent}{text}{end}"
    start = _opening(text)
    items = _items(text[start + 1 : -1])
    deeper = indent + "    "
    head, tail = indent + text[: start + 1], f"{indent}{text[-1]}{end}"
    inner = ", ".join(items)
    is_call = text[start] == "(" and start and text[start - 1] not in " ("
    if is_call and len(deeper) + len(inner) <= WIDTH:
        return f"{head}\n{deeper}{inner}\n{tail}"
    rows = [fitted(deeper, item, ",") for item in items]
    return "\n".join([head, *rows, tail])


def block_of_numbers(text: str) -> str:
    """A long literal as a filled block, which formatters are told to leave alone."""
    if len(text) <= WIDTH:
        return text
    filled = textwrap.fill(
        text, WIDTH, subsequent_indent="    ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return f"# fmt: off\n{filled}\n# fmt: on"


def _opening(text: str) -> int:
    """Where the bracket opens that the last character closes."""
    depth = 0
    opened: list[int] = []
    for i, c, quoted in _scan(text):
        if quoted:
            continue
        if c in _OPEN:
            opened.append(i)
            depth += 1
        elif c in _CLOSE:
            start = opened.pop()
            if i == len(text) - 1:
                return start
    return len(text) - 1


def _items(text: str) -> list[str]:
    """The parts between commas that are in no further brackets."""
    depth, start = 0, 0
    found: list[str] = []
    for i, c, quoted in _scan(text):
        if quoted:
            continue
        depth += (c in _OPEN) - (c in _CLOSE)
        if c == "," and not depth:
            found.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*found, last] if last else found


def _scan(text: str) -> list[tuple[int, str, bool]]:
    """Each character, and whether it stands in a string."""
    found = []
    quote = ""
    escaped = False
    for i, c in enumerate(text):
        found.append((i, c, bool(quote)))
        if quote:
            escaped = c == "\\" and not escaped
            if c == quote and text[i - 1] != "\\":
                quote = ""
        elif c in "\"'":
            quote = c
    return found
