"""A module as torch's exporter sees it: one call after the other, on tensors that have a shape and no numbers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind

from convsmith.spec.errors import ImportFailed

Shape = tuple[int, ...]


class Call(NamedTuple):
    """One operation: `op` is aten's name (conv2d), `args` its arguments by name, values standing for themselves.

    `path` is the module that ran it; `leaf` says that this module has no children, so that the call is what it does.
    """

    op: str
    args: dict[str, Any]
    shape: Shape | None
    path: str
    leaf: bool
    node: torch.fx.Node
    in_place: bool


class Exported(NamedTuple):
    """The calls of a module, its input's node, its parameters and buffers by node, and the output's node."""

    calls: tuple[Call, ...]
    image: torch.fx.Node
    tensors: Mapping[torch.fx.Node, tuple[str, Shape, bool]]
    output: torch.fx.Node


def export(module: nn.Module, image: Tensor) -> Exported:
    """Export in evaluation mode. Raises ImportFailed with torch's reason in one sentence."""
    with _evaluating(module), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's notes to itself: none concerns the caller
        try:
            program = torch.export.export(module, (image,))
        except Exception as error:  # the exporter hands on whatever the module raises
            raise ImportFailed(f"{type(module).__name__} cannot be exported by torch: {_reason(error)}") from None
    nodes = list(program.graph.nodes)
    placeholders = {node.name: node for node in nodes if node.op == "placeholder"}
    tensors, images = {}, []
    for spec in program.graph_signature.input_specs:
        node = placeholders[spec.arg.name]
        if spec.kind == InputKind.USER_INPUT:
            images.append(node)
        else:
            trainable = spec.kind == InputKind.PARAMETER
            tensors[node] = (spec.target or spec.arg.name, tuple(node.meta["val"].shape), trainable)
    outputs = list(nodes[-1].args[0])
    if len(images) != 1 or len(outputs) != 1 or not isinstance(outputs[0], torch.fx.Node):
        raise ImportFailed(
            f"{type(module).__name__} takes {len(images)} tensors and gives {len(outputs)}; one of each can be imported"
        )
    leaves = {path for path, child in module.named_modules() if path and not list(child.children())}
    calls = tuple(_call(node, leaves) for node in nodes if node.op == "call_function")
    return Exported(calls, images[0], tensors, outputs[0])


def _call(node: torch.fx.Node, leaves: set[str]) -> Call:
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path = str(stack[-1][0]).partition("@")[0] if stack else ""
    schema = getattr(node.target, "_schema", None)
    if schema is None:  # getitem
        op, args = getattr(node.target, "__name__", str(node.target)), {"self": node.args[0], "index": node.args[1]}
    else:
        op = str(schema.name).partition("::")[2]
        args = {arg.name: arg.default_value for arg in schema.arguments}
        args |= dict(zip(args, node.args, strict=False)) | dict(node.kwargs)
    value = node.meta.get("val")
    shape = tuple(int(size) for size in value.shape) if isinstance(value, Tensor) else None
    in_place = op.endswith("_") and not op.endswith("__")
    return Call(op.rstrip("_") if in_place else op, args, shape, path, path in leaves, node, in_place)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, and each submodule's own mode again afterwards."""
    training = [child for child in module.modules() if child.training]
    module.eval()
    try:
        yield
    finally:
        for child in training:
            child.training = True


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    advice = "; write control flow that depends on the image's content as tensor operations (torch.where)"
    return first.rstrip(".") + (
        advice if "data-dependent" in str(error) or "GuardOnDataDependent" in str(error) else ""
    )
