"""From a built network to an ONNX graph that reads grey levels, by torch's exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from convsmith.data.preprocess import Preprocess
from convsmith.deploy.extra import reason
from convsmith.deploy.resize import OPSET
from convsmith.deploy.twin import exporters_twin
from convsmith.nn.modules import Net
from convsmith.spec.errors import ExportError

if TYPE_CHECKING:
    from onnx import ModelProto


class Served(nn.Module):
    """A network as it is served: grey levels (N, C, side, side) -> probabilities and logits (N, classes)."""

    def __init__(self, net: Net, preprocess: Preprocess) -> None:
        super().__init__()
        self.net, self.preprocess = net, preprocess

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise with the code that training uses, run, and apply the softmax."""
        logits = self.net(self.preprocess.normalise(pixels))
        return logits.softmax(1), logits


def network_model(net: Net, preprocess: Preprocess) -> ModelProto:
    """`pixels` float32 (N, C, side, side) -> `probabilities` and `logits` (N, classes), for any N.

    `net` is in evaluation mode on the CPU. Raises ExportError with torch's reason.
    """
    return _without_traces(exported(net, preprocess))


def exported(net: Net, preprocess: Preprocess) -> ModelProto:
    """`network_model` with the exporter's notes, which say of each node which module it came from."""
    side = preprocess.side
    served = Served(exporters_twin(net), preprocess).eval()
    example = torch.zeros(2, preprocess.channels, side, side)  # torch takes a batch of 1 for a constant
    try:
        with torch.no_grad():
            served(example)  # the exporter would log a page about a net that does not fit this side
        program: Any = torch.onnx.export(
            served,
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("N")},),
            input_names=["pixels"],
            output_names=["probabilities", "logits"],
            opset_version=OPSET,
            verbose=False,
        )
        model: ModelProto = program.model_proto
    except Exception as error:  # whatever the exporter trips over, the user's answer is one sentence
        raise ExportError(f"torch cannot export {net.network.name} at side {side}: {reason(error)}") from error
    return model


def _without_traces(model: ModelProto) -> ModelProto:
    """Drop the exporter's notes on every node: they name source files and paths of the machine that exported."""
    graph = model.graph
    for owner in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del owner.metadata_props[:]
        owner.doc_string = ""
    return model
