"""Layers that torch lacks, copied from their source with what they need."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from typing import Any

from convsmith.nn import layers

IMPORTED = {"Any": "typing", "F": "torch.nn.functional", "Tensor": "torch", "nn": "torch", "torch": "torch"}


def is_ours(name: str) -> bool:
    """Whether a layer is one that torch lacks."""
    return inspect.isclass(getattr(layers, name, None)) and name not in IMPORTED


def sources(names: Iterable[str]) -> tuple[list[str], set[str]]:
    """Sources of these layers and of the functions they call, in the order of their file; and what they import."""
    wanted, imported, todo = set[str](), set[str](), list(names)
    while todo:
        name = todo.pop()
        if name in IMPORTED:
            imported.add(name)
        elif name not in wanted:
            wanted.add(name)
            todo += _reads(getattr(layers, name))
    members: list[Any] = [getattr(layers, name) for name in wanted]
    members.sort(key=lambda member: inspect.getsourcelines(member)[1])
    return [inspect.getsource(member).rstrip() for member in members], imported


def _reads(member: Any) -> set[str]:
    tree = ast.parse(inspect.getsource(member))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return {
        name
        for name in names
        if name in IMPORTED or getattr(getattr(layers, name, None), "__module__", "") == layers.__name__
    }
