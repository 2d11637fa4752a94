"""`to_onnx`: a graph as an ONNX model."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from wengert.core import tree
from wengert.core.errors import TypeMismatch, explain
from wengert.graph.graph import CONSTANT, INPUT, Graph, Node
from wengert.integrations.onnx.direct import RULES
from wengert.integrations.onnx.errors import CannotExport, Unsayable, needed
from wengert.integrations.onnx.lower import Refusal, lower
from wengert.integrations.onnx.writer import Writer, sayable_size

OPSET = 18
_SHOWN = 8  # places of one op in an error


def to_onnx(
    graph: Graph,
    path: str | os.PathLike[str] | None = None,
    *,
    opset: int = OPSET,
    casts: bool = False,
    external_data: bool = False,
    lines: bool = False,
) -> Any:
    """A graph as an ONNX model with the same inputs, outputs and values.

    Args:
        graph: a Graph of real numbers, integers and booleans; gradients are such.
        path: where to write the model, if anywhere.
        opset: the version of ONNX's operators, 18 or newer.
        casts: whether to compute in float32 what onnxruntime lacks in float64.
        external_data: whether constants go into a second file, `path` with ".data";
            needed above 2 GiB.
        lines: whether each node carries the user's source line that it comes from.

    Returns:
        An `onnx.ModelProto` that onnx's checker accepts. Its inputs have the names of
        the graph's, its outputs those of the graph's nodes, or `y` with the place in
        the result (`y`, `y[0]`, `y['loss']`).

    Raises:
        CannotExport: naming every op that ONNX can't say, where it is and why.

    >>> import wengert as wg
    >>> model = to_onnx(wg.trace(lambda x: x * x + 1.0, 3.0))
    >>> [node.op_type for node in model.graph.node]
    ['Mul', 'Add']
    """
    onnx = needed("onnx")
    newest = onnx.defs.onnx_opset_version()
    if not isinstance(graph, Graph) or not OPSET <= opset <= newest:
        raise TypeMismatch(
            explain(
                f"to_onnx takes a Graph, and an opset from {OPSET} to {newest}.",
                f"{type(graph).__name__}, opset {opset}",
                "make a graph with wg.trace or wg.function.",
            )
        )
    if external_data and path is None:
        raise TypeMismatch(
            explain("External data goes beside a file.", "no path", "pass path=.")
        )
    names = _input_names(graph)
    writer = Writer(casts, lines, {*names, *_output_names(graph)})
    refused = _write(graph, names, writer)
    try:
        sayable_size(writer.initializers, external_data)
    except Unsayable as why:
        raise CannotExport(f"The graph `{graph.name}` is too large: {why}") from None
    if refused:
        raise CannotExport(_message(graph, refused))
    model = _model(graph, writer, names, opset)
    if path is not None:
        _save(model, Path(path), external_data)
    if not external_data:
        onnx.checker.check_model(model, full_check=True)
    return model


def _input_names(graph: Graph) -> list[str]:
    """The names of the inputs; those without one, or with another's, get one."""
    taken: set[str] = set()
    found = []
    for k, node in enumerate(graph.inputs):
        name = node.name or f"x{k}"
        while name in taken:
            name += "_"
        taken.add(name)
        found.append(name)
    return found


def _output_names(graph: Graph) -> list[str]:
    """The names of the outputs: the user's, or by their place in the result."""
    count = len(graph.outputs)
    if graph.out_spec is None:
        paths = [f"[{k}]" for k in range(count)] if count > 1 else [""] * count
    else:
        paths = tree.paths(tree.unflatten(graph.out_spec, range(count)))
    taken = set(_input_names(graph))
    found = []
    for node, path in zip(graph.outputs, paths, strict=True):
        named = node.name if node.op is not INPUT else ""
        name = named or f"y{path}"
        while name in taken:
            name += "_"
        taken.add(name)
        found.append(name)
    return found


def _write(graph: Graph, names: list[str], w: Writer) -> list[Refusal]:
    """Says every node; returns those that can't be said."""
    lowered, refused = lower(graph)
    if refused:
        return refused
    w.values.update(zip(lowered.inputs, names, strict=True))
    w.double_products = any(
        n.op.name == "matmul" and n.dtype == np.float64 for n in lowered.nodes
    )
    for node in lowered.nodes:
        if node.op in (INPUT, CONSTANT):
            continue
        w.origin = node
        try:
            w.values[node] = RULES[node.op.name](w, node)
        except (Unsayable, OverflowError) as why:
            refused.append(Refusal(node, str(why)))
            w.values[node] = "?"
    w.origin = None
    if not refused:
        _name_outputs(lowered, names, _output_names(graph), w)
    return refused


def _name_outputs(graph: Graph, inputs: list[str], names: list[str], w: Writer) -> None:
    """Renames what is computed; an input, a constant or a second use is copied."""
    renamed: dict[str, str] = {}
    copies: list[tuple[str, str]] = []
    fixed = {*inputs, *w.initializers}
    for node, name in zip(graph.outputs, names, strict=True):
        value = w.argument(node, node.dtype)
        if value in fixed or value in w.initializers or value in renamed:
            copies.append((value, name))
        else:
            renamed[value] = name
    for value, name in copies:
        y = w.emit("Identity", [value])
        renamed[y] = name
    for proto in w.nodes:
        for field in (proto.input, proto.output):
            for i, name in enumerate(field):
                if name in renamed:
                    field[i] = renamed[name]


def _model(graph: Graph, w: Writer, names: list[str], opset: int) -> Any:
    helper = w.onnx.helper

    def described(name: str, node: Node) -> Any:
        dtype = np.asarray(0, node.dtype).dtype
        number = w.type_number(dtype)
        return helper.make_tensor_value_info(name, number, node.shape)

    inputs = [described(n, i) for n, i in zip(names, graph.inputs, strict=True)]
    outs = _output_names(graph)
    outputs = [described(n, o) for n, o in zip(outs, graph.outputs, strict=True)]
    constants = [
        w.onnx.numpy_helper.from_array(x, name) for name, x in w.initializers.items()
    ]
    body = helper.make_graph(w.nodes, graph.name, inputs, outputs, constants)
    version = helper.make_opsetid("", opset)
    return helper.make_model(
        body, opset_imports=[version], producer_name="wengert",
        ir_version=helper.find_min_ir_version_for([version]),
    )  # fmt: skip


def _message(graph: Graph, refused: list[Refusal]) -> str:
    """Every op that can't be said, with why and where."""
    groups: dict[tuple[str, str], list[Node]] = {}
    for r in refused:
        groups.setdefault((r.node.op.name, r.why), []).append(r.node)
    names = graph.names()
    rows = []
    for (op, why), nodes in groups.items():
        rows.append(f"  `{op}`: {why}")
        for node in nodes[:_SHOWN]:
            name = names.get(node, node.name)
            rows.append(f"      {' at '.join(filter(None, (name, node.line)))}")
        if len(nodes) > _SHOWN:
            rows.append(f"      and {len(nodes) - _SHOWN} more")
    ops = ", ".join(dict.fromkeys(op for op, _ in groups))
    return (
        f"ONNX can't say all of the graph `{graph.name}`: {ops}.\n"
        + "\n".join(rows)
        + "\n  Do:   export a part of it (graph.subgraph), or compute these outside."
    )


def _save(model: Any, path: Path, external: bool) -> None:
    """Writes beside the place and renames, so that no half a file is ever there."""
    onnx = needed("onnx")
    if external:
        data = path.with_name(path.name + ".data")
        data.unlink(missing_ok=True)
        onnx.external_data_helper.convert_model_to_external_data(
            model, all_tensors_to_one_file=True, location=data.name, size_threshold=1024
        )
        model = onnx.external_data_helper.write_external_data_tensors(
            model, str(path.parent)
        )
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(model.SerializeToString())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if external:
        onnx.checker.check_model(str(path), full_check=True)
