"""An ONNX file as a list of calls: its operators in ATen's words, its shapes inferred for one image."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from convsmith.nn.importer.calls import Call, Program, Ref, Shape, Tensor
from convsmith.nn.importer.importer import read
from convsmith.nn.importer.onnx_operator import Operator
from convsmith.nn.importer.onnx_words import translate
from convsmith.spec.errors import ImportFailed, MissingExtra
from convsmith.spec.signature import Pair
from convsmith.spec.trace import Graph

LARGEST_BYTES = 2**31


def from_onnx(path: str | Path, side: int | Pair | None = None, *, allow_unknown: bool = False) -> Graph:
    """Every operation of an ONNX network on one image of (N, C, H, W).

    `side` (pixels, or rows and columns) is needed where the file leaves the size open. Tensors in other files are not
    read, as their numbers are not needed. A folded batch normalisation is no layer any more.
    Raises ImportFailed for a file that is no network of one image and one output, or whose shapes cannot be inferred,
    MissingExtra without onnx.
    """
    program = _program(Path(path), side)
    return read(program, allow_unknown=allow_unknown)


def _program(path: Path, side: int | Pair | None) -> Program:
    onnx = _onnx()
    graph = _inferred(onnx, path, side)
    held = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in held]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise ImportFailed(
            f"{path.name} takes {len(inputs)} inputs and gives {len(graph.output)}; one of each can be read"
        )
    shapes: dict[str, Shape] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.HasField("shape") and all(dims):
            shapes[value.name] = tuple(dims)
    size = shapes[inputs[0].name]
    numbers = {t.name: onnx.numpy_helper.to_array(t).reshape(-1).tolist() for t in graph.initializer if _is_short(t)}
    numbers |= _constants(onnx, graph)
    calls: list[Call] = []
    paths = [_path(node, index) for index, node in enumerate(graph.node)]
    words: dict[str, set[str]] = {}
    for place, node in zip(paths, graph.node, strict=True):
        words.setdefault(place, set()).add(node.op_type)
    for place, node in zip(paths, graph.node, strict=True):
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant":
            value = attributes.get("value")
            held[node.output[0]] = tuple(value.dims) if value is not None else (1,)
            continue
        operator = Operator(
            node.op_type, tuple(node.input), tuple(node.output), attributes, shapes | held, numbers, place,
            leaf=len(words[place]) == 1,
        )  # fmt: skip
        calls += translate(operator)
    statistics = {name for node in graph.node if node.op_type == "BatchNormalization" for name in node.input[3:5]}
    floats = {t.name for t in graph.initializer if t.data_type in _floats(onnx)}
    tensors = {
        Ref(name): Tensor(name if name in floats else "", shape, trainable=name not in statistics)
        for name, shape in held.items()
    }
    return Program(
        tuple(calls), Ref(inputs[0].name), (size[1], size[2], size[3]), tensors, Ref(graph.output[0].name), path.stem
    )  # fmt: skip


def _onnx() -> Any:
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
        import onnx.shape_inference
    except ImportError:
        raise MissingExtra("ONNX files need onnx: pip install 'convsmith[export]'") from None
    return onnx


def _inferred(onnx: Any, path: Path, side: int | Pair | None) -> Any:
    """The graph with shapes for one image of this side."""
    if not path.is_file():
        raise ImportFailed(f"no file {path}")
    if path.stat().st_size > LARGEST_BYTES:
        raise ImportFailed(f"{path.name} is larger than {LARGEST_BYTES >> 30} GiB")
    try:
        model = onnx.load(path, load_external_data=False)
        held = {tensor.name for tensor in model.graph.initializer}
        for value in model.graph.input:
            if value.name not in held:
                _fix(path, value, side)
        del model.graph.value_info[:]
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")
        return onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except ImportFailed:
        raise
    except Exception as error:  # protobuf's and onnx's own kinds, none of which says more than its text
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ImportFailed(f"{path.name} is no ONNX network that can be read: {first}") from None


def _fix(path: Path, value: Any, side: int | Pair | None) -> None:
    """Give an input of (N, C, H, W) the size of one image."""
    dims = value.type.tensor_type.shape.dim
    if len(dims) != 4:
        raise ImportFailed(f"{path.name} takes an input of {len(dims)} axes; an image (N, C, H, W) can be read")
    wanted = [1, dims[1].dim_value, *((side, side) if isinstance(side, int) else side or (0, 0))]
    for dim, size in zip(dims, wanted, strict=True):
        if size:
            dim.dim_value = size
    if not all(dim.dim_value for dim in dims):
        raise ImportFailed(f"{path.name} leaves its input size open: say --side")


def _constants(onnx: Any, graph: Any) -> dict[str, list[Any]]:
    found = {}
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                value = onnx.helper.get_attribute_value(attribute)
                if attribute.name == "value":
                    found[node.output[0]] = onnx.numpy_helper.to_array(value).reshape(-1).tolist()
                else:
                    found[node.output[0]] = list(value) if isinstance(value, list | tuple) else [value]
    return found


def _is_short(tensor: Any) -> bool:
    """Scalars and lists of sizes, whose numbers an operator may need; a layer's weights are none."""
    count = 1
    for dim in tensor.dims:
        count *= dim
    return count <= 8 and (len(tensor.dims) == 0 or (tensor.dims == [1]) or tensor.data_type in (6, 7))


def _floats(onnx: Any) -> tuple[int, ...]:
    kinds = onnx.TensorProto
    return kinds.FLOAT, kinds.FLOAT16, kinds.BFLOAT16, kinds.DOUBLE


def _path(node: Any, index: int) -> str:
    """The module that the exporter noted, else the node's name, else its place."""
    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            try:
                scopes = ast.literal_eval(entry.value)
            except (ValueError, SyntaxError):
                break
            if isinstance(scopes, list) and len(scopes) > 1:
                return str(scopes[-2])
    return str(node.name or f"{node.op_type.lower()}_{index}").strip("/").replace("/", ".")
