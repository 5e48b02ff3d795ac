"""A module as torch's exporter sees it: one call after the other, on tensors that have a shape and no numbers."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind

from convsmith.nn.importer.calls import Call, Program, Ref
from convsmith.nn.importer.calls import Tensor as Held
from convsmith.nn.modes import evaluating
from convsmith.spec.errors import ImportFailed


def export(module: nn.Module, image: Tensor) -> Program:
    """Export in evaluation mode. Raises ImportFailed with torch's reason in one sentence."""
    with evaluating(module), _quiet():
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
            images.append(Ref(node.name))
        else:
            shape, trainable = tuple(node.meta["val"].shape), spec.kind == InputKind.PARAMETER
            tensors[Ref(node.name)] = Held(spec.target or "", shape, trainable)
    outputs = list(nodes[-1].args[0])
    if len(images) != 1 or len(outputs) != 1 or not isinstance(outputs[0], torch.fx.Node):
        raise ImportFailed(
            f"{type(module).__name__} takes {len(images)} tensors and gives {len(outputs)}; one of each can be imported"
        )
    leaves = {path for path, child in module.named_modules() if path and not list(child.children())}
    calls = tuple(_call(node, leaves) for node in nodes if node.op == "call_function")
    size = (image.shape[1], image.shape[2], image.shape[3])
    return Program(calls, images[0], size, tensors, Ref(outputs[0].name), type(module).__name__)


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
    shape = _shape(value) if isinstance(value, Tensor) else None
    shapes = tuple(_shape(part) for part in value) if isinstance(value, list | tuple) else ()
    in_place = op.endswith("_") and not op.endswith("__")
    first = node.args[0] if node.args else None
    writes = Ref(first.name) if in_place and isinstance(first, torch.fx.Node) else None
    refs = {name: _refs(value) for name, value in args.items()}
    return Call(
        op.rstrip("_") if in_place else op, refs, Ref(node.name), shape, path, path in leaves, writes, shapes
    )  # fmt: skip


def _refs(value: Any) -> Any:
    if isinstance(value, torch.fx.Node):
        return Ref(value.name)
    return [_refs(item) for item in value] if isinstance(value, list | tuple) else value


def _shape(value: Tensor) -> tuple[int, ...]:
    return tuple(int(size) for size in value.shape)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's notes to itself, of which none concerns the caller."""
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):  # where a failed export prints what it had
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    advice = "; write control flow that depends on the image's content as tensor operations (torch.where)"
    return first.rstrip(".") + (
        advice if "data-dependent" in str(error) or "GuardOnDataDependent" in str(error) else ""
    )
