"""`from_onnx`: an ONNX model as a graph. The model is data that nobody vouches for."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wengert.core.errors import WengertError
from wengert.core.types import Array
from wengert.graph.graph import Graph, constant
from wengert.graph.symbols import as_symbol, function, symbol
from wengert.integrations.onnx.errors import CannotImport, needed
from wengert.integrations.onnx.reader import Attributes
from wengert.integrations.onnx.readers import READERS
from wengert.integrations.onnx.tensors import dtype_of, tensor

_OLDEST = 11
_LIMIT = 2**31
_SHOWN = 20


def from_onnx(
    model: Any,
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    external_data: bool = False,
    max_bytes: int = _LIMIT,
) -> Graph:
    """An ONNX model as a graph: to run with NumPy, to differentiate, to change.

    Args:
        model: an `onnx.ModelProto`, its bytes, or the path of a file.
        shapes: the shapes of inputs whose shape the model leaves open, by their name.
        external_data: whether constants may be read from files beside the model's.
        max_bytes: how large the file and any one value in it may be.

    Returns:
        A Graph whose inputs have the names of the model's. With one output it returns
        that, with more a tuple.

    Raises:
        CannotImport: for a file that isn't a valid model, and for operators and types
            that aren't read, all of them by name.

    >>> import wengert as wg
    >>> from wengert.integrations.onnx import to_onnx
    >>> graph = from_onnx(to_onnx(wg.trace(lambda x: x * x, 3.0)))
    >>> float(graph(3.0)), float(wg.grad(graph)(3.0))
    (9.0, 6.0)
    """
    proto = _parsed(model, external_data, max_bytes)
    opset = _opset(proto)
    _refuse_strange(proto)
    reading = _Reading(opset, max_bytes)
    for initializer in proto.graph.initializer:
        reading.enter(initializer.name, tensor(initializer, max_bytes))
    inputs = []
    for info in proto.graph.input:
        if info.name not in reading.values:
            inputs.append(_input(info, shapes or {}))
            reading.values[info.name] = inputs[-1]
    for node in proto.graph.node:
        reading.node(node)
    outputs = [reading.output(info) for info in proto.graph.output]
    name = proto.graph.name if proto.graph.name.isidentifier() else "graph"
    return function(inputs, outputs[0] if len(outputs) == 1 else tuple(outputs), name)


# The file -----------------------------------------------------------------------------


def _parsed(model: Any, external: bool, limit: int) -> Any:
    """The valid ModelProto in what came."""
    onnx = needed("onnx")
    folder = ""
    if isinstance(model, str | os.PathLike):
        path = Path(model)
        size = path.stat().st_size
        if size > limit:
            raise CannotImport(
                f"{path.name} has {size} bytes; the limit is {limit}.\n"
                "  Do:   pass max_bytes=, if you trust the file."
            )
        folder, model = str(path.parent), path.read_bytes()
    if isinstance(model, bytes):
        data, model = model, onnx.ModelProto()
        try:
            model.ParseFromString(data)
        except Exception as error:
            raise CannotImport(f"This isn't an ONNX model: {error}") from None
    elif isinstance(model, onnx.ModelProto):
        original, model = model, onnx.ModelProto()
        model.CopyFrom(original)
    else:
        raise CannotImport(
            "from_onnx takes a model, its bytes or a path; "
            f"{type(model).__name__} came."
        )
    _names_are_text(model.graph)
    _external(model, external, folder, limit)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise CannotImport(f"This isn't a valid ONNX model: {error}") from None
    return model


def _names_are_text(graph: Any) -> None:
    """Raises for names that aren't Unicode, which protobuf hands on as bytes."""
    names = [graph.name]
    for items in (graph.node, graph.initializer, graph.input, graph.output):
        names += [item.name for item in items]
    for node in graph.node:
        names += [node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    if not all(isinstance(name, str) for name in names):
        raise CannotImport("This isn't an ONNX model: its names aren't text.")


def _external(model: Any, allowed: bool, folder: str, limit: int) -> None:
    """Reads constants from other files, if the user asked for it."""
    onnx = needed("onnx")
    helper = onnx.external_data_helper
    # Constants in attributes may lie outside, too.
    outside = [t for t in _tensors(model.graph) if helper.uses_external_data(t)]
    if not outside:
        return
    if not allowed or not folder:
        raise CannotImport(
            f"Constants of this model ({outside[0].name!r} …) lie in other files, "
            "which aren't read unasked.\n"
            "  Do:   pass the path and external_data=True, if you trust the model."
        )
    for t in outside:
        info = helper.ExternalDataInfo(t)
        if info.length and info.length > limit:
            raise CannotImport(f"Constant {t.name!r} has {info.length} bytes.")
    try:
        # onnx refuses names that lead out of the folder, and links.
        helper.load_external_data_for_model(model, folder)
    except Exception as error:
        raise CannotImport(f"Constants in other files can't be read: {error}") from None


def _tensors(graph: Any) -> list[Any]:
    """All constants but those of graphs inside of nodes, which aren't read."""
    attributes = [a for node in graph.node for a in node.attribute]
    found = [*graph.initializer, *(a.t for a in attributes if a.HasField("t"))]
    return found + [t for a in attributes for t in a.tensors]


def _opset(model: Any) -> int:
    domains = {o.domain: o.version for o in model.opset_import}
    version = domains.get("", domains.get("ai.onnx", 0))
    newest = needed("onnx").defs.onnx_opset_version()
    if not _OLDEST <= version <= newest:
        raise CannotImport(
            f"Opsets from {_OLDEST} to {newest} are read; this model has {version}.\n"
            "  Do:   convert it (onnx.version_converter), or export it anew."
        )
    return int(version)


def _refuse_strange(model: Any) -> None:
    """Names everything in the model that has no reader, at once."""
    graph = model.graph
    strange: dict[str, list[str]] = {}
    for node in graph.node:
        domain = node.domain if node.domain not in ("", "ai.onnx") else ""
        name = f"{domain}.{node.op_type}" if domain else node.op_type
        if domain or node.op_type not in READERS:
            strange.setdefault(name, []).append(node.name or "unnamed")
    if graph.sparse_initializer:
        strange["sparse constants"] = [t.values.name for t in graph.sparse_initializer]
    if strange:
        rows = [
            f"  `{name}`: {', '.join(nodes[:_SHOWN])}"
            + (f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else "")
            for name, nodes in strange.items()
        ]
        raise CannotImport(
            f"wengert doesn't read {', '.join(strange)}.\n" + "\n".join(rows)
            + "\n  Do:   export the model without these operators."
        )  # fmt: skip


def _input(info: Any, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    kind = info.type.WhichOneof("value")
    if kind != "tensor_type":
        raise CannotImport(f"Input {info.name!r} is a {kind}, not an array.")
    described = info.type.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") else d for d in described.shape.dim]
    given = shapes.get(info.name)
    if given is not None:
        pairs = zip(dims, given, strict=False)
        differ = any(isinstance(n, int) and n != m for n, m in pairs)
        if len(given) != len(dims) or differ:
            raise CannotImport(
                f"Input {info.name!r} doesn't have the shape {tuple(given)}."
            )
        dims = list(given)
    if not described.HasField("shape") or not all(isinstance(n, int) for n in dims):
        open_ = [n if isinstance(n, int) else n.dim_param or "?" for n in dims]
        raise CannotImport(
            f"Input {info.name!r} has the open shape ({', '.join(map(str, open_))}).\n"
            f"  Do:   pass shapes={{{info.name!r}: (...)}}."
        )
    return symbol(info.name, tuple(map(int, dims)), dtype_of(described.elem_type))


# The steps ----------------------------------------------------------------------------


class _Reading:
    """The values so far, by name."""

    def __init__(self, opset: int, limit: int) -> None:
        self.opset = opset
        self.limit = limit
        self.values: dict[str, Array] = {}

    def enter(self, name: str, x: Array) -> None:
        """A constant, as a symbol: nothing is computed while reading."""
        self.values[name] = as_symbol(constant(x, copy=False))

    def node(self, proto: Any) -> None:
        """Reads one node; errors of NumPy's rules name it."""
        a = Attributes(proto, self.opset, self.limit)
        args = [self.values[name] if name else None for name in proto.input]
        while args and args[-1] is None:
            args.pop()
        try:
            found = READERS[proto.op_type](a, *args)
        except (CannotImport, MemoryError):
            raise
        except (WengertError, ValueError, TypeError, IndexError) as error:
            raise CannotImport(
                f"`{proto.op_type}` (node {a.name!r}) can't be read: {error}"
            ) from error
        results = found if isinstance(found, tuple) else (found,)
        for name, y in zip(proto.output, results, strict=False):
            if name:
                a.room(y.shape, y.dtype)
                self.values[name] = y

    def output(self, info: Any) -> Array:
        """An output, of the type that the model says."""
        if info.name not in self.values:
            raise CannotImport(f"Nothing in the model computes {info.name!r}.")
        y = self.values[info.name]
        described = info.type.tensor_type
        if described.elem_type and dtype_of(described.elem_type) != y.dtype:
            raise CannotImport(
                f"Output {info.name!r} has dtype {y.dtype}, not what the model says."
            )
        dims = [d.dim_value if d.HasField("dim_value") else None
                for d in described.shape.dim]  # fmt: skip
        fits = len(dims) == y.ndim and all(
            n is None or n == m for n, m in zip(dims, y.shape, strict=False)
        )
        if described.HasField("shape") and not fits:
            raise CannotImport(
                f"Output {info.name!r} has shape {y.shape}, not what the model says."
            )
        return y
