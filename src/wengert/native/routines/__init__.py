"""Ops on whole buffers as native functions of their own: what loop nests can't fuse.

`lower(node)` gives a step, as `dense.lower` does for products and factorizations. Its
operands are C-contiguous. Files: writing (functions, loops, loads) · walk (lines along
an axis) · one per family of ops; pairs for those of complex numbers that are more than
the same for both parts.
"""

from collections.abc import Callable

from wengert.core.types import Type
from wengert.graph.graph import Node
from wengert.native.dense_emit import Step
from wengert.native.forms import element_of, part_of
from wengert.native.routines import (
    convolve,
    fold,
    pairs,
    place,
    scan,
    search,
    segments,
    sort,
)


def lower(node: Node) -> Step | None:
    """A node as a native routine.

    Args:
        node: any node; operands and result are taken to be C-contiguous.

    Returns:
        None if there is no routine for the op at these types. A step's `emit` may give
        a status: not 0 if NumPy would raise (an index out of bounds).
    """
    if not isinstance(node.type, Type):
        return None
    types = (node.type, *(i.type for i in node.inputs))
    is_complex = any(t.dtype.kind == "c" for t in types)
    write = (_COMPLEX if is_complex else _LOWER).get(node.op.name)
    parts = (Type(t.shape, part_of(t.dtype)) for t in types)
    if write is None or any(not t.size or not element_of(t) for t in parts):
        return None
    return write(node)


_LOWER: dict[str, Callable[[Node], Step | None]] = {
    "cumsum": scan.running,
    "cumprod": scan.running,
    "cummax": scan.running,
    "cummin": scan.running,
    "cumlogsumexp": scan.running,
    "cumlogsumexp2": scan.running,
    "recurrence": scan.recurrence,
    "unwrap": scan.unwrap,
    "argmax": place.place,
    "argmin": place.place,
    "argsort": sort.order,
    "argpartition": sort.order,
    "partition_order": sort.order,
    "lexsort": sort.order,
    "permute": sort.permute,
    "nanmax": fold.extremum,
    "nanmin": fold.extremum,
    "vector_norm": fold.norm,
    "convolve": convolve.full,
    "searchsorted": search.places,
    "segment_sum": segments.sums,
    "segment_spread": segments.spread,
}
_COMPLEX: dict[str, Callable[[Node], Step | None]] = {
    "prod": pairs.fold,
    "max": pairs.fold,
    "min": pairs.fold,
    "cumprod": pairs.running,
    "cummax": pairs.running,
    "cummin": pairs.running,
    "argmax": pairs.place,
    "argmin": pairs.place,
    "recurrence": pairs.recurrence,
}

__all__ = ["Step", "lower"]
