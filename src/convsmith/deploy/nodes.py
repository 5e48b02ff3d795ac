"""Which nodes of an ONNX Runtime session belong to which unit of a network, and what they took."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convsmith.nn.modules import Net
from convsmith.search.latency.units import Unit

if TYPE_CHECKING:
    from onnx import ModelProto

MARK = re.compile(r"unit(\d+)_")
"""How values and nodes are named: the runtime names what it fuses by what comes out, what it keeps by the node."""
SCOPES = "pkg.torch.onnx.name_scopes"
"""The exporter's note of the modules that a node lies in, the innermost last but for the operation."""


def marked(model: ModelProto, net: Net, units: Sequence[Unit]) -> ModelProto:
    """The model (in place) with nodes and values named by the units that they are of.

    A node belongs where its module is, a join to the node before it, and what comes before the network to the image.
    """
    of_row = {f"net.{net.graph.rows[i].path}": at for at, unit in enumerate(units) for i in unit.rows}
    names = {value.name: value.name for value in model.graph.output}
    at = 0
    for i, node in enumerate(model.graph.node):
        notes = {note.key: note.value for note in node.metadata_props}
        scopes = ast.literal_eval(notes.get(SCOPES, "[]"))
        at = next((of_row[path] for path in reversed(scopes) if path in of_row), at)
        for k, value in enumerate(node.output):
            names.setdefault(value, f"unit{at}_{i}_{k}")
        node.name = f"unit{at}_{i}"
        node.input[:] = [names.get(value, value) for value in node.input]
        node.output[:] = [names[value] for value in node.output]
    del model.graph.value_info[:]
    return model


def medians(events: Sequence[Any], runs: int, count: int, warm: int) -> list[float]:
    """Milliseconds of each of `count` units out of a profile of so many runs, of which the first `warm` do not count.

    What the runtime put before a node (changes of layout) counts to it, what it put last to the last unit.
    """
    spent = [(e["name"], e["dur"]) for e in events if e.get("cat") == "Node" and e["name"].endswith("_kernel_time")]
    steps = len(spent) // runs
    owners, at = [0] * steps, count - 1
    for i in reversed(range(steps)):
        mark = MARK.search(spent[i][0])
        at = at if mark is None else int(mark[1])
        owners[i] = at
    found = []
    for run in range(warm, runs):
        ms = [0.0] * count
        for owner, (_, microseconds) in zip(owners, spent[run * steps : (run + 1) * steps], strict=True):
            ms[owner] += microseconds / 1e3
        found.append(ms)
    return [statistics.median(values) for values in zip(*found, strict=True)]
