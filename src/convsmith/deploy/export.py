"""One ONNX file with everything in it: resize, crop, normalisation, network, softmax and class names."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from convsmith.data.preprocess import Preprocess
from convsmith.deploy.extra import need, reason
from convsmith.deploy.gate import Parity, measure, random_images
from convsmith.deploy.label import Label
from convsmith.deploy.network import network_model
from convsmith.deploy.resize import OPSET, resize_model
from convsmith.deploy.session import checked, open_session
from convsmith.nn.modules import Net
from convsmith.spec.codec import content_hash
from convsmith.spec.errors import ExportError
from convsmith.spec.files import write_whole

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True)
class Exported:
    """A written model and how closely it answers as its source.

    `max_abs_logit_difference` and `top1_agreement` (0..1) are at the network's own size, over `images` images;
    `resized_max_abs_logit_difference` is at other sizes, where a rounded grey level may differ by one.
    """

    path: Path
    bytes: int
    opset: int
    max_abs_logit_difference: float
    top1_agreement: float
    images: int
    resized_max_abs_logit_difference: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "path": str(self.path)}


def export_onnx(
    net: Net,
    preprocess: Preprocess,
    classes: Sequence[str],
    path: str | Path,
    *,
    images: torch.Tensor | None = None,
    tolerance: float = 1e-4,
) -> Exported:
    """Write `net` as one ONNX file: `image` uint8 (N, C, H, W) of any size -> `probabilities`, `logits` (N, classes).

    The file is held to the parity gate first, on `images` (uint8 (N, C, H, W), of any size) or on pseudo-random ones:
    beyond `tolerance` (relative to the logits' half range, where that is above 1) nothing is written and what was at
    `path` stays. `net` is left as it was.

    Raises ExportError, DataError for other images, RunError where `path` cannot be written, MissingExtra.
    """
    path = Path(path)
    label = Label(tuple(classes), preprocess, net.network.name, content_hash(net.network))
    _check(net, label, path)
    images = random_images(preprocess) if images is None else checked(images, preprocess.channels)
    still = copy.deepcopy(net).cpu().eval()
    model = _joined(still, label)
    parity = measure(open_session(model, name=f"the export of {label.network}"), still, preprocess, images)
    parity.hold(tolerance, label.network)
    write_whole(path, model)
    return _report(path, len(model), parity)


def _report(path: Path, size: int, parity: Parity) -> Exported:
    return Exported(
        path, size, OPSET,
        parity.max_abs_logit_difference, parity.top1_agreement, parity.images, parity.resized_max_abs_logit_difference,
    )  # fmt: skip


def _check(net: Net, label: Label, path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        need(package)  # now, and not after the export's seconds
    network, preprocess = net.network, label.preprocess
    if len(label.classes) != network.classes:
        raise ExportError(f"{network.name} has {network.classes} outputs, got {len(label.classes)} class names")
    if preprocess.channels != network.channels:
        have, give = network.channels, preprocess.channels
        raise ExportError(f"{network.name} reads {have} channels, the preprocessing gives {give}; build it for {give}")
    if any(tensor.is_meta for tensor in net.state_dict().values()):
        raise ExportError(f"{network.name} was built without weights (device 'meta'); build it on the CPU")
    if path.is_dir():
        raise ExportError(f"{path} is a folder; name the file to write")


def _joined(net: Net, label: Label) -> bytes:
    """The whole model as a file's bytes, checked against the ONNX standard."""
    network = network_model(net, label.preprocess)
    resize = resize_model(label.preprocess, network.ir_version)
    try:
        model: ModelProto = need("onnx.compose").merge_models(resize, network, io_map=[("pixels", "pixels")])
        versions = {entry.domain: entry for entry in model.opset_import}  # the merge lists a shared opset twice
        del model.opset_import[:]
        model.opset_import.extend(versions.values())
        model.producer_name, model.graph.name = "convsmith", label.network
        need("onnx.helper").set_model_props(model, label.to_metadata())
        need("onnx.checker").check_model(model, full_check=True)  # with strict shape inference
        data: bytes = model.SerializeToString(deterministic=True)
        return data
    except Exception as error:  # the checker, protobuf's limit of 2 GiB and the merge each raise their own
        raise ExportError(f"{label.network} makes no valid ONNX model: {reason(error)}") from error
