"""A trained network out of its run folder."""

from __future__ import annotations

from dataclasses import dataclass

from safetensors.torch import save

from convsmith.data import Preprocess
from convsmith.nn import Net, build
from convsmith.spec.errors import RunError
from convsmith.spec.files import write_whole
from convsmith.train.run import Run


@dataclass(frozen=True)
class Trained:
    """A network in evaluation mode, the preprocessing of its images, and its class map."""

    net: Net
    preprocess: Preprocess
    classes: tuple[str, ...]


def restore(run: Run) -> Trained:
    """The trained network of a run. Raises RunError if training has not ended, WeightsError for broken weights."""
    path = run.path("weights.safetensors")
    if not path.is_file():
        raise RunError(f"{run.folder} has no trained weights yet; `convsmith resume {run.folder}` trains to the end")
    net = build(run.network, weights=path).eval()
    return Trained(net, Preprocess.from_json(run.about["data"]["preprocess"]), run.classes)


def store(run: Run, net: Net) -> None:
    """Write the network's tensors as the run's weights."""
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    write_whole(run.path("weights.safetensors"), save(tensors, {"network": net.network.name}))
