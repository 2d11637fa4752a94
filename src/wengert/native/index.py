"""Index arithmetic: which element of an array a loop nest is at.

An index is an int, or an `Index`: a constant plus multiples of atoms. Atoms are loop
variables and what isn't linear in them: quotients and remainders (from reshapes) and
values read from index arrays (gathers).
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias


class Var(NamedTuple):
    """A loop variable at a depth of the nest (1 is outermost): low ≤ value < high."""

    depth: int
    low: int
    high: int


class Quotient(NamedTuple):
    """of // by."""

    of: "Index"
    by: int


class Remainder(NamedTuple):
    """of % by, not negative."""

    of: "Index"
    by: int
    rest: bool = True  # so that no quotient, a tuple like this one, equals it


class Clamp(NamedTuple):
    """`of`, moved into [low, high]: keeps a read that isn't used inside its array."""

    of: "Index"
    low: int
    high: int


class Looked(NamedTuple):
    """An element of an index array, counted from the end if negative.

    `node` is the number of the node, `at` its index, `size` the length it indexes.
    """

    node: int
    at: tuple["At", ...]
    size: int


Atom = Var | Quotient | Remainder | Clamp | Looked


class Index(NamedTuple):
    """constant + Σ coefficient · atom; the terms in a fixed order, none zero."""

    constant: int
    terms: tuple[tuple[Atom, int], ...]


At: TypeAlias = int | Index


def index_of(var: Var) -> At:
    """The variable itself; its value if it has only one."""
    return var.low if var.high - var.low == 1 else Index(0, ((var, 1),))


def bounds(a: At) -> tuple[int, int]:
    """The least and the greatest value that `a` can have."""
    if isinstance(a, int):
        return a, a
    low = high = a.constant
    for atom, k in a.terms:
        first, last = atom_bounds(atom)
        low += k * (first if k > 0 else last)
        high += k * (last if k > 0 else first)
    return low, high


def atom_bounds(atom: Atom) -> tuple[int, int]:
    """The least and the greatest value of an atom."""
    match atom:
        case Var(_, low, high):
            return low, high - 1
        case Quotient(of, by):
            low, high = bounds(of)
            return low // by, high // by
        case Remainder(_, by):
            return 0, by - 1
        case Clamp(_, low, high):
            return low, high
    return 0, max(atom.size - 1, 0)


def add(a: At, b: At) -> At:
    """a + b."""
    if isinstance(a, int):
        if isinstance(b, int):
            return a + b
        return Index(a + b.constant, b.terms) if a else b
    if isinstance(b, int):
        return Index(a.constant + b, a.terms) if b else a
    return _collected(a.constant + b.constant, (*a.terms, *b.terms))


def scale(a: At, k: int) -> At:
    """k · a."""
    if isinstance(a, int):
        return a * k
    if k == 0:
        return 0
    return a if k == 1 else Index(a.constant * k, tuple((t, c * k) for t, c in a.terms))


def _collected(constant: int, terms: Iterable[tuple[Atom, int]]) -> At:
    found: dict[Atom, int] = {}
    for atom, k in terms:
        found[atom] = found.get(atom, 0) + k
    for atom in [t for t in found if isinstance(t, Quotient)]:
        # k·m·(e // k) + m·(e % k) = m·e
        rest = Remainder(*atom)
        m = found.get(rest, 0)
        if m and found.get(atom) == m * atom.by:
            del found[atom], found[rest]
            whole = add(Index(constant, tuple(found.items())), scale(atom.of, m))
            return whole if isinstance(whole, int) else _collected(*whole)
    kept = tuple((t, k) for t, k in found.items() if k)
    return Index(constant, kept) if kept else constant


def divide(a: At, by: int) -> tuple[At, At]:
    """a // by and a % by."""
    if isinstance(a, int):
        return divmod(a, by)
    if by == 1:
        return a, 0
    whole, rest = divmod(a.constant, by)
    quotient: At = _collected(whole, ((t, k // by) for t, k in a.terms if k % by == 0))
    left = _collected(rest, ((t, k) for t, k in a.terms if k % by))
    low, high = bounds(left)
    if low >= 0 and high < by:
        return quotient, left
    if low // by == high // by:
        return add(quotient, low // by), add(left, -(low // by) * by)
    assert not isinstance(left, int)
    over = Index(0, ((Quotient(left, by), 1),))
    return add(quotient, over), Index(0, ((Remainder(left, by), 1),))


def flat(at: tuple[At, ...], shape: tuple[int, ...]) -> At:
    """The place in C order of the element `at` of an array of `shape`."""
    place: At = 0
    stride = 1
    for a, n in zip(reversed(at), reversed(shape), strict=True):
        if n != 1:
            place = add(place, scale(a, stride))
        stride *= n
    return place


def unflat(place: At, shape: tuple[int, ...]) -> tuple[At, ...]:
    """The element of an array of `shape` at this place in C order."""
    at: list[At] = []
    for n in reversed(shape[1:]):
        place, rest = divide(place, n)
        at.append(rest)
    return (*([place] if shape else []), *reversed(at))


def clamp(a: At, low: int, high: int) -> At:
    """`a` moved into [low, high]."""
    first, last = bounds(a)
    if isinstance(a, int):
        return min(max(a, low), high)
    if low <= first and last <= high:
        return a
    return Index(0, ((Clamp(a, low, high), 1),))


def within_atom(atom: Atom) -> list["Index"]:
    """The index that an atom is made from, if it is a quotient, a remainder …"""
    return [atom.of] if isinstance(atom, Quotient | Remainder | Clamp) else []


def within(a: At, low: int, high: int) -> bool | None:
    """Whether low ≤ a < high: always, never, or None for sometimes."""
    first, last = bounds(a)
    if low <= first and last < high:
        return True
    return False if last < low or first >= high else None


def depth_of(a: At) -> int:
    """The depth of the innermost loop that `a` depends on; 0 for none."""
    if isinstance(a, int):
        return 0
    return max(_atom_depth(atom) for atom, _ in a.terms)


def _atom_depth(atom: Atom) -> int:
    if isinstance(atom, Var):
        return atom.depth
    if isinstance(atom, Looked):
        return max((depth_of(a) for a in atom.at), default=0)
    return depth_of(atom.of)


def breaks(a: At, low: int, high: int) -> list[tuple[int, int]]:
    """Where a loop should be split for `low ≤ a < high` to be the same throughout.

    Pairs of a loop's depth and the value of its variable.
    """
    if isinstance(a, int) or len(a.terms) != 1:
        return []
    atom, k = a.terms[0]
    if not isinstance(atom, Var):
        return []
    found = []
    for edge in (low, high):
        # The first value at which k·v + constant is past the edge.
        v = -((a.constant - edge) // k) if k > 0 else (edge - a.constant) // k + 1
        if atom.low < v < atom.high:
            found.append((atom.depth, v))
    return found
