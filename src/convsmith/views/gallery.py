"""The gallery: diagrams of networks and close-ups of blocks, and a page that shows them in the order of history."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from convsmith.spec.files import write_whole
from convsmith.spec.trace import trace
from convsmith.views.cost import cost
from convsmith.views.diagram import diagram
from convsmith.views.figures import depth
from convsmith.views.part import part
from convsmith.views.units import short
from convsmith.zoo import VARIANTS, spec


class Picture(NamedTuple):
    """A network of the zoo, or its block `at` a path, shaded by a column or not; `words` say what there is to see."""

    name: str
    words: str
    at: str = ""
    shade: str | None = None

    @property
    def file(self) -> str:
        """The picture's file in the gallery."""
        return ".".join(filter(None, (self.name, self.at, self.shade, "svg")))

    @property
    def command(self) -> str:
        """What draws it on the command line."""
        at, shade = f" --at {self.at}" if self.at else "", f" --shade {self.shade}" if self.shade else ""
        return f"convsmith draw {self.name}{at}{shade} -o {self.file}"


NETWORKS = (
    Picture("lenet5", "convolution and pooling in turn, then a classifier: the pattern of all that follow"),
    Picture("alexnet_2012", "two towers, which meet where the third convolution reads both"),
    Picture("vgg16", "nothing but 3×3; three of four parameters lie in one linear layer", shade="params"),
    Picture("googlenet", "nine inception modules, and two heads that help in training alone"),
    Picture("resnet18", "a sum around every two layers, so that depth no longer harms"),
    Picture("resnet50", "bottlenecks; no layer costs more than 3 % of the whole", shade="macs"),
    Picture("resnet152", "the deepest of its paper for ImageNet: one block follows itself 35 times"),
    Picture("inception_v3", "large kernels taken apart into rows and columns"),
    Picture("densenet121", "every layer reads all before it: channels grow where others add"),
    Picture("squeezenet1_1", "squeeze by 1×1, expand by 1×1 and 3×3"),
    Picture("resnext50_32x4d", "a bottleneck of 32 groups"),
    Picture("mobilenet_v1", "depthwise and pointwise convolutions in turn"),
    Picture("seresnet50", "residual blocks whose channels are weighed by what the whole image holds"),
    Picture("nasnet_a_mobile", "cells that were searched, each reading the two before it"),
    Picture("mobilenet_v2", "inverted residuals: wide inside, narrow between"),
    Picture("shufflenet_v2_x1_0", "half of the channels pass untouched, then all are shuffled"),
    Picture("mobilenet_v3_small", "searched inverted residuals, some with gates"),
    Picture("efficientnet_b0", "the network from which depth, width and image size are scaled together"),
    Picture("efficientnet_b7", "the same seven stages, deeper and wider"),
    Picture("regnet_y_400mf", "the best of a space of designs, whose widths lie on a line"),
    Picture("efficientnet_v2_s", "plain convolutions early, depthwise ones late"),
    Picture("convnext_tiny", "a residual network in the manner of transformers"),
)

BLOCKS = (
    Picture("resnet18", "residual block", "layer1.0"),
    Picture("resnet50", "bottleneck with a projection", "layer2.0"),
    Picture("googlenet", "inception module", "inception3a"),
    Picture("inception_v3", "inception module with branches that divide again", "Mixed_7b"),
    Picture("densenet121", "dense layer", "features.denseblock1.denselayer2"),
    Picture("seresnet50", "squeeze and excitation in a bottleneck", "layer1.1"),
    Picture("nasnet_a_mobile", "normal cell", "cell_1"),
    Picture("nasnet_a_mobile", "reduction cell", "reduction_cell_0"),
    Picture("mobilenet_v2", "inverted residual", "features.3"),
    Picture("shufflenet_v2_x1_0", "unit of ShuffleNet V2", "stage2.1"),
    Picture("efficientnet_b0", "inverted residual with a gate", "features.2.1"),
    Picture("convnext_tiny", "ConvNeXt block", "features.1.1"),
)

HEAD = """\
<!-- Made by `make gallery` (convsmith.views.gallery): change that, not this file. -->

# Gallery

Networks and their blocks as `convsmith draw` draws them. Every figure and every line comes from the same trace that
the cost table is read from. Blocks that follow each other and are equal are drawn once and marked ×N: where they differ
in channels, as DenseNet's do, the shapes say from which to which. Where two numbers stand for a convolution, as in
`3×3 conv, 64`, they are its kernel and its output channels. [Charts and comparisons](charts/README.md) stand apart.
"""


def index() -> str:
    """The gallery's page as Markdown: first whole networks, then blocks, each by year."""
    lines = [HEAD, "## Networks", ""]
    for picture in sorted(NETWORKS, key=_year):
        graph = trace(spec(picture.name))
        total = cost(graph)
        facts = (
            f"{depth(graph)} layers deep, {short(total.params)} parameters, {short(total.macs)} MACs at {graph.input}"
        )
        lines += _entry(picture, picture.name, facts)
    lines += ["## Blocks", ""]
    for picture in sorted(BLOCKS, key=_year):
        block = part(trace(spec(picture.name)), picture.at)
        total = cost(block)
        facts = f"{short(total.params)} parameters, {short(total.macs)} MACs, {block.rows[block.output].out} leave it"
        lines += _entry(picture, f"{picture.name}, {picture.at}", facts)
    return "\n".join(lines)


def files() -> dict[str, str]:
    """Every file of the gallery by its name: the pictures and README.md. The same on every machine."""
    found = {
        picture.file: diagram(trace(spec(picture.name)), at=picture.at, shade=picture.shade)
        for picture in (*NETWORKS, *BLOCKS)
    }
    return found | {"README.md": index()}


def _year(picture: Picture) -> int:
    return VARIANTS[picture.name].year


def _entry(picture: Picture, title: str, facts: str) -> list[str]:
    said = f"{_year(picture)}: {picture.words}. {facts}. `{picture.command}`"
    return [f"### {title}", "", said, "", f"![{title}]({picture.file})", ""]


def main() -> None:
    """Write the gallery into the folder that is named, for `make gallery`; pictures that are no longer in it go."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    found = files()
    for name, text in found.items():
        write_whole(folder / name, text.encode())
    for old in folder.glob("*.svg"):
        if old.name not in found:
            old.unlink()


if __name__ == "__main__":
    main()
