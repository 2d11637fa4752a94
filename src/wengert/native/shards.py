"""A module's text as several, which LLVM can compile side by side.

LLVM's time grows a little faster than a module, and one module is the work of one
core. Functions are dealt out so that the shards are about equally long; what one calls
and another defines is declared in the first and no longer `internal` in the second.
"""

import re
from dataclasses import dataclass
from heapq import heapify, heapreplace

from wengert.native.body import QUICK

# A shard below this many characters isn't worth a thread; above the other, a module
# is cut even where there is only one core.
_LEAST = 20_000
_MOST = 250_000
_QUICKER = 4  # how many times as quick a function without effort is compiled

_ITEM = re.compile(r"^(?=define |declare |@|!)", re.MULTILINE)
_HEAD = re.compile(r"(?:define|declare) [^@\n]*@([\w.$]+)\(|@([\w.$]+) =")
_NAME = re.compile(r"@([\w.$]+)")
# A function that is worth LLVM's effort.
_SLOW = re.compile(rf"^define (?!.*{QUICK})", re.MULTILINE)
# Variables would have to be in one shard alone; programs have none.
_VARIABLE = re.compile(r"^@[\w.$]+ = (?!private|external)", re.MULTILINE)


@dataclass(slots=True)
class _Item:
    """A function or a line of a module, and the names it mentions."""

    name: str
    text: str
    uses: frozenset[str]
    is_quick: bool = False  # compiled with the least effort


def sharded(text: str, workers: int) -> list[str]:
    """The modules that together are `text`; itself alone if it is short.

    Args:
        text: LLVM IR.
        workers: how many can compile at a time.

    Example:
        >>> text = '''define void @f() {
        ...   ret void
        ... }
        ... define void @g() {
        ...   call void @f()
        ...   ret void
        ... }'''
        >>> [len(s) for s in sharded(text, 2)] == [len(text)]
        True
    """
    is_mixed = QUICK in text
    if len(text) <= _MOST and needs_no_effort(text):
        return [text]  # less work than telling what is in it
    count = max(min(workers, len(text) // _LEAST), -(-len(text) // _MOST))
    if (count < 2 and not is_mixed) or _VARIABLE.search(text):
        return [text]
    functions, lines = _items(text)
    dealt = _dealt(functions, max(count, 1))
    if len(dealt) < 2:
        return [text]
    homes = {f.name: k for k, shard in enumerate(dealt) for f in shard}
    shared = {
        name
        for k, shard in enumerate(dealt)
        for f in shard
        for name in f.uses
        if homes.get(name, k) != k
    }
    known = {f.name: f for f in functions}
    return [_written(k, shard, lines, homes, shared, known) for k, shard in
            enumerate(dealt)]  # fmt: skip


def needs_no_effort(text: str) -> bool:
    """Whether all functions of a module are to be compiled with the least effort."""
    return QUICK in text and not _SLOW.search(text)


def _items(text: str) -> tuple[list[_Item], list[_Item]]:
    """Functions, and declarations with constants and metadata."""
    functions: list[_Item] = []
    lines: list[_Item] = []
    for part in _ITEM.split(text):
        if part.startswith("!"):
            lines.append(_Item("", part, frozenset()))
            continue
        head = _HEAD.match(part)
        if head is None:
            continue  # what stands before the first item: nothing
        item = _Item(head[1] or head[2], part, frozenset(_NAME.findall(part)))
        item.is_quick = QUICK in part[: part.find("\n")]
        (functions if part.startswith("define") else lines).append(item)
    return functions, lines


def _dealt(functions: list[_Item], count: int) -> list[list[_Item]]:
    """Functions in shards of about the same work: the longest first.

    What needs little effort is a shard of its own (several, if it is long), the last:
    who compiles the one of the others that is shorter for it goes on with it.
    """
    quick = [f for f in functions if f.is_quick]
    others = [f for f in functions if not f.is_quick]
    work = sum(len(f.text) for f in quick)
    last = _alike(quick, max(1, -(-work // _MOST)), 0)
    return [*_alike(others, count, work // _QUICKER), *last]


def _alike(functions: list[_Item], count: int, start: int) -> list[list[_Item]]:
    """Shards of about the same length; the last has `start` of it already."""
    dealt: list[list[_Item]] = [[] for _ in range(min(count, len(functions)))]
    filled = [(start * (k == len(dealt) - 1), k) for k in range(len(dealt))]
    heapify(filled)
    for f in sorted(functions, key=lambda f: (-len(f.text), f.name)):
        length, k = filled[0]
        heapreplace(filled, (length + len(f.text), k))
        dealt[k].append(f)
    return [shard for shard in dealt if shard]


def _written(
    k: int, shard: list[_Item], lines: list[_Item], homes: dict[str, int],
    shared: set[str], known: dict[str, _Item],
) -> str:  # fmt: skip
    """A shard's text, with what it needs of the lines and of the others."""
    uses = frozenset().union(*(f.uses for f in shard))
    texts = [_seen(f.text) if f.name in shared else f.text for f in shard]
    texts += [x.text for x in lines if not x.name or x.name in uses]
    foreign = sorted(name for name in uses if homes.get(name, k) != k)
    texts += [_declared(known[name].text) for name in foreign]
    return "\n".join(texts)


def _seen(text: str) -> str:
    """The function, for the other shards too, but for nobody else."""
    return text.replace("define internal ", "define hidden ", 1)


def _declared(text: str) -> str:
    """The declaration of a function that another shard defines."""
    head = text[: text.index("\n")].replace("define internal ", "define ", 1)
    head = head.replace(f" {QUICK}", "")  # which says how others are compiled
    return head.replace("define ", "declare ", 1).rstrip(" {")
