"""Write docs/gallery/charts: charts and comparisons, each by the command that stands beside it in the page.

    python scripts/gallery.py

`make gallery` runs it after the diagrams. It needs the extra `report`.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "docs/gallery/charts"


class Picture(NamedTuple):
    """A file, what there is to see in it, and the command that makes it."""

    file: str
    words: str
    command: str


PICTURES = (
    Picture(
        "vgg16.cost.svg", "memory lies in the first layers, parameters in the first linear one, MACs between",
        "convsmith chart vgg16 cost -o vgg16.cost.svg",
    ),
    Picture(
        "resnet50.cost.svg", "no layer of ResNet-50 stands out, in any of the three",
        "convsmith chart resnet50 cost -o resnet50.cost.svg",
    ),
    Picture(
        "resnet50.field.svg", "how far units see along depth, by the longest way and by the shortcuts",
        "convsmith chart resnet50 field -o resnet50.field.svg",
    ),
    Picture(
        "vgg16.sees.svg", "what the middle unit of each map size sees of the image",
        "convsmith chart vgg16 sees -o vgg16.sees.svg",
    ),
    Picture(
        "densenet121.memory.svg", "what inference holds while each layer runs: dense blocks keep all they made",
        "convsmith chart densenet121 memory -o densenet121.memory.svg",
    ),
    Picture(
        "resnet50.training.svg", "a training step at batch 32: saved on the way there, let go on the way back",
        "convsmith chart resnet50 memory --train --batch 32 -o resnet50.training.svg",
    ),
    Picture(
        "zoo.accuracy.svg", "published accuracy against computation, the whole zoo; area is parameters",
        "convsmith compare '*' --chart zoo.accuracy.svg",
    ),
    Picture(
        "history.depth.svg", "where AlexNet, VGG, GoogLeNet and ResNet spend MACs and parameters along their depth",
        "convsmith compare alexnet vgg16 googlenet resnet50 --depth-chart history.depth.svg",
    ),
    Picture(
        "alexnet.zfnet.svg", "ZFNet is AlexNet with a smaller first window and stride, in one tower",
        "convsmith diff alexnet_2012 zfnet --svg alexnet.zfnet.svg",
    ),
    Picture(
        "resnet50.forms.svg", "the paper strides in the first 1×1 of a bottleneck, libraries in its 3×3",
        "convsmith diff resnet50_paper resnet50 --svg resnet50.forms.svg",
    ),
    Picture(
        "googlenet.forms.svg", "torchvision's GoogLeNet has batch normalisation, and 3×3 where the paper has 5×5",
        "convsmith diff googlenet_paper googlenet --svg googlenet.forms.svg",
    ),
)  # fmt: skip

HEAD = """\
<!-- Made by `make gallery` (scripts/gallery.py): change that, not this file. -->

# Charts and comparisons

Each is written by the command below its name. Charts are also HTML that answers to the mouse: end the file's name in
`.html`. [Diagrams](../README.md) stand by themselves.
"""


def page() -> str:
    """The page as Markdown."""
    lines = [HEAD]
    for file, words, command in PICTURES:
        lines += [f"### {words[0].upper()}{words[1:]}", "", f"    {command}", "", f"![{words}]({file})", ""]
    return "\n".join(lines)


def main() -> None:
    """Run every command in the folder; pictures that are no longer listed go."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    convsmith = str(Path(sys.executable).with_name("convsmith"))
    for _, _, command in PICTURES:
        words = [convsmith, *shlex.split(command)[1:]]
        done = subprocess.run(words, cwd=FOLDER, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{command}: {done.stderr.strip()}")
    for old in FOLDER.glob("*.svg"):
        if old.name not in {picture.file for picture in PICTURES}:
            old.unlink()
    (FOLDER / "README.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
