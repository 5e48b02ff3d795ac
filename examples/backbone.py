"""A detector of torchvision on a classifier of convsmith: features at three scales, a feature pyramid, Faster R-CNN.

    python examples/backbone.py

`cut` gives what the three last stages put out; torchvision's own detectors want a module that gives such features by
name, all of `out_channels` channels, which the pyramid (Lin et al. 2017, arXiv:1612.03144) makes of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from convsmith.nn import Net, build
from convsmith.nn.rewrite import cut


class Backbone(nn.Module):
    """(N, 3, H, W) -> features by name: a pyramid over the outputs of a network at these paths, and one scale above."""

    def __init__(self, net: Net, paths: Sequence[str], out_channels: int = 256) -> None:
        super().__init__()
        self.features = cut(net, *paths)
        widths = [sig.channels for sig in self.features.sigs.values()]
        self.pyramid = FeaturePyramidNetwork(widths, out_channels, LastLevelMaxPool())
        self.names = [*paths, "pool"]
        self.strides = [max(sig.stride) for sig in self.features.sigs.values()]
        self.out_channels = out_channels

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """The pyramid's levels by name, finest first."""
        levels: OrderedDict[str, Tensor] = self.pyramid(self.features(images))
        return levels


def detector(net: Net, paths: Sequence[str], classes: int, side: int = 320) -> FasterRCNN:
    """Faster R-CNN for `classes` classes, the background among them, that scales images to `side` pixels."""
    backbone = Backbone(net, paths)
    strides = [*backbone.strides, 2 * backbone.strides[-1]]
    anchors = AnchorGenerator(tuple((8 * stride,) for stride in strides), ((0.5, 1.0, 2.0),) * len(strides))
    pool = MultiScaleRoIAlign(featmap_names=list(paths), output_size=7, sampling_ratio=2)
    return FasterRCNN(
        backbone, classes, min_size=side, max_size=side, rpn_anchor_generator=anchors, box_roi_pool=pool,
        box_detections_per_img=10,
    )  # fmt: skip


def main(name: str = "resnet18", paths: Sequence[str] = ("layer2", "layer3", "layer4"), side: int = 128) -> None:
    """One forward and one backward pass on random images, on the CPU."""
    torch.manual_seed(0)
    model = detector(build(name), paths, classes=3, side=side)
    images = [torch.rand(3, side, side), torch.rand(3, side, side // 2)]
    truth = [{"boxes": torch.tensor([[8.0, 8.0, 56.0, 56.0]]), "labels": torch.tensor([n])} for n in (1, 2)]
    losses = model.train()(images, truth)
    sum(losses.values()).backward()
    print("losses:", ", ".join(f"{what} {loss.item():.2f}" for what, loss in losses.items()))
    with torch.no_grad():
        found = model.eval()(images)
    print("boxes:", ", ".join(str(len(image["boxes"])) for image in found), "(at random: nothing is trained)")


if __name__ == "__main__":
    main()
