"""The whole file: docstring, imports, the layers that torch lacks, the blocks and the network."""

from __future__ import annotations

import builtins
import keyword
import textwrap
from collections.abc import Iterable

from convsmith.nn.eject.alike import classes_of, kinship, leaves
from convsmith.nn.eject.classes import Class, Writer
from convsmith.nn.eject.helpers import sources
from convsmith.nn.eject.layout import Rate
from convsmith.nn.eject.names import class_name, network_name
from convsmith.nn.eject.tree import Box, tree
from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.spec.signature import Pair
from convsmith.spec.trace import Graph, trace
from convsmith.views.cost import cost
from convsmith.views.printable import printable
from convsmith.zoo.asked import asked
from convsmith.zoo.cards import card_of


def eject(network: Network | Node | str, *, classes: int | None = None, side: int | Pair | None = None,
          channels: int | None = None) -> str:  # fmt: skip
    """Source of a module that equals what `build` makes: state-dict keys in the same order, outputs, gradients.

    The same options as `build`. The file imports torch and the standard library alone; layers begin with the weights
    that torch draws. Raises UnknownName, SpecError, ShapeError.
    """
    network = asked(network, classes=classes, channels=channels, side=side)
    graph = trace(network)
    root = tree(graph, network)
    kin = kinship(root)
    order = classes_of(kin.shape[root])
    writer = Writer(kin, rates_of(root))
    taken = {"Tensor", "Any", "F", "OrderedDict", "nn", "torch", *helper_names(root)}
    name = network_name(network.name)
    name = f"{name}Net" if name in taken or keyword.iskeyword(name) or hasattr(builtins, name) else name
    taken.add(name)
    parts, helpers = [], set[str]()
    for shape in order:
        is_root = shape is order[-1]
        shown = "×".join(map(str, graph.input.shape))
        called, about = (name, f"Images {shown} -> logits.") if is_root else class_name(shape, taken)
        taken.add(called)
        made = Class(called, about, shape)
        taps = tuple(path for path, _ in graph.taps) if is_root else ()
        parts.append("\n".join(writer.write(made, is_root, taps, network.classes)))
        helpers |= made.helpers
    copied, imported = sources(helpers)
    body = "\n\n\n".join([*copied, *parts])
    head = [_docstring(network, graph), _imports(body, imported)]
    return "\n\n".join(head) + "\n\n\n" + body + "\n"


def helper_names(root: Box) -> set[str]:
    """Names of all layers, none of which a block may have."""
    return {leaf.recipe.name for leaf in leaves([root])} | {"_same", "rbf_codes"}


def rates_of(root: Box) -> dict[float, Rate]:
    """Rates of stochastic depth that rise in equal steps, as multiples of one; none where they do not."""
    rates = {leaf.recipe.arguments["rate"] for leaf in leaves([root]) if leaf.kind == "drop_path"} - {0.0}
    if len(rates) < 2:
        return {}
    for steps in range(2, 400):
        for hundredths in range(1, 100):
            found = _steps(rates, hundredths / 100, steps)
            if found:
                return found
    return {}


def _steps(rates: Iterable[float], top: float, steps: int) -> dict[float, Rate] | None:
    found = {}
    for rate in rates:
        step = round(rate * steps / top)
        if step > steps or top * step / steps != rate:
            return None
        found[rate] = Rate.of(top, step, steps)
    return found


def _docstring(network: Network, graph: Graph) -> str:
    total, about = cost(graph), card_of(network)
    size = f"{graph.input.channels}×{graph.input.rows}×{graph.input.cols}"
    form = {"paper": "as in the paper", "own": "of its own form"}.get(network.provenance, f"as in {network.provenance}")
    first = f"{_safe(network.name)}, {form}." if about or network.provenance == "own" else f"{_safe(network.name)}."
    counts = f"{total.params:,} parameters; {total.macs:,} multiply-adds for one image of {size}."
    aux = sum(row.params for row in total.aux)
    if aux:
        counts += f" The auxiliary heads have {aux:,} parameters more."
    out = [first, ""]
    if about:
        out += _wrapped(_safe(about.paper) + ".")
        if about.departs:
            out += _wrapped(f"It departs from the paper in: {_safe(about.departs)}.")
        out.append("")
    out += _wrapped(counts)
    out += _wrapped("Layers begin with the weights that torch draws for them; load a state dict for trained ones.")
    if graph.taps:
        keys = ", ".join(f'"{_safe(path)}"' for path, _ in graph.taps)
        out += _wrapped(f'In training, forward returns a dict of "logits" and {keys}; in evaluation the logits alone.')
    return "\n".join(['"""' + out[0], *out[1:], '"""'])


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)


def _safe(text: str) -> str:
    """Text that can stand in a docstring."""
    return " ".join(printable(text).replace("\\", "/").replace('"', "'").split())


def _imports(body: str, imported: set[str]) -> str:
    standard = []
    if "OrderedDict(" in body:
        standard.append("from collections import OrderedDict")
    if "Any" in imported:
        standard.append("from typing import Any")
    torch = ["import torch"] if "torch." in body else []
    if "F" in imported:
        torch.append("import torch.nn.functional as F")
    torch.append("from torch import Tensor, nn")
    return "\n\n".join("\n".join(group) for group in (standard, torch) if group)
