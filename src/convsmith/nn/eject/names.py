"""Names and one-line descriptions of classes, from what their containers are."""

from __future__ import annotations

import builtins
import keyword
import re

from convsmith.nn.eject.alike import Shape, is_depthwise, leaves
from convsmith.nn.eject.layout import quoted
from convsmith.nn.eject.tree import Box, Leaf

WRITTEN = (
    "ResNeXt", "ResNet", "DenseNet", "GoogLeNet", "LeNet", "AlexNet", "ZFNet", "MobileNet", "EfficientNet",
    "ShuffleNet", "MnasNet", "NASNet", "RegNet", "ConvNeXt", "SqueezeNet", "Inception", "SENet", "VGG", "DCGAN", "NiN",
    "WRN",
)  # fmt: skip
"""Families as their papers write them."""

SHORT = {
    "conv": "Conv", "conv_transpose": "ConvTranspose", "linear": "Linear", "norm": "Norm", "layer_norm": "Norm",
    "activation": "Act", "dropout": "Dropout", "max_pool": "Pool", "avg_pool": "Pool", "pool_to": "Pool",
    "scale": "Scale",
}  # fmt: skip

LONG = {
    "Conv": "convolution", "Depthwise": "depthwise convolution", "Norm": "normalisation", "Act": "activation",
    "Pool": "pooling", "Linear": "linear layer", "Dropout": "dropout", "Scale": "scale",
    "ConvTranspose": "transposed convolution",
}  # fmt: skip


def network_name(name: str) -> str:
    """`resnet50 -> ResNet50`, `mobilenet_v2 -> MobileNetV2`."""
    words = re.findall(r"[a-zA-Z]+|\d+", name)
    made = "".join(word if word.isdigit() else _written(word) for word in words)
    return made if made[:1].isalpha() else f"Network{made}"


def class_name(shape: Shape, taken: set[str]) -> tuple[str, str]:
    """A name that is not taken, and what the class is in one line."""
    box = shape.pattern
    assert isinstance(box, Box)
    name, about = _named(box)
    if name in taken and not box.path.split(".")[-1].isdigit() and len(shape.members) == 1:
        name = _camel(box.name)
    number = 2
    unique = name
    while unique in taken or keyword.iskeyword(unique) or hasattr(builtins, unique):
        unique, number = f"{name}{number}", number + 1
    return unique, about


def _named(box: Box) -> tuple[str, str]:
    layers = leaves([box])
    convs = [leaf for leaf in layers if leaf.category == "convolution"]
    own = {step.kind for step in box.steps}
    if box.inputs > 1:
        return (_word(box) or "Cell"), "A cell: each step reads the cell's inputs or earlier steps."
    if box.aux:
        return _word(box) or "Body", "Hands on its output, and those of its auxiliary heads (None outside training)."
    if own == {"call", "mul"}:
        return "SqueezeExcitation", "x * gate(x), a gate of each channel that sees the whole image."
    if "add" in own and "concat" not in own:
        return _residual(box, convs)
    if "concat" in own:
        return _concat(box, convs)
    return _sequence(box, layers)


def _residual(box: Box, convs: list[Leaf]) -> tuple[str, str]:
    body = _main_convs(box, convs)
    kernels = ", ".join(_kernel(leaf) for leaf in body)
    ones = [_kernel(leaf) == "1×1" for leaf in body]
    deep = [leaf for leaf in body if is_depthwise(leaf)]
    first = next((leaf for leaf in leaves(box.children) if leaf.category != "shape"), None)
    before = "PreAct" if first is not None and first.category in ("normalisation", "activation") else ""
    about = f"x + f(x), f = {kernels}." if kernels else "x + f(x)."
    if deep and any(leaf.kind == "linear" for leaf in leaves([box])):
        return "Block", "x + f(x), f = depthwise convolution and two linear layers on the channels of each pixel."
    if deep and len(body) <= 4 and "pool" not in box.path:
        shuffles = any(leaf.kind == "shuffle" for leaf in leaves([box]))
        return ("ShuffleUnit" if shuffles else "InvertedResidual"), about.replace(
            ", f =", ", or f(x) where the shape changes; f =", 1
        )
    if len(body) == 3 and ones == [True, False, True]:
        return f"{before}Bottleneck", about
    if len(body) == 2 and not any(ones):
        return f"{before}BasicBlock", about
    return f"{before}ResidualBlock", about


def _concat(box: Box, convs: list[Leaf]) -> tuple[str, str]:
    join = next(step for step in box.steps if step.kind == "concat")
    if 0 in join.args and box.outputs == join.results:
        return "DenseLayer", f"concat(x, f(x)), f = {', '.join(map(_kernel, convs))}."
    if any(leaf.kind == "shuffle" for leaf in leaves([box])):
        split = any(leaf.kind == "slice" for leaf in leaves([box]))
        parts = "halves of the channels, one as it is" if split else "two branches of stride 2"
        return ("ShuffleUnit" if split else "DownsamplingUnit"), f"shuffle(concat(...)) of {parts}."
    if "squeeze" in {child.name for child in box.children}:
        return "Fire", "concat(1×1(s), 3×3(s)) of s = 1×1(x)."
    return _inception(box), "Branches of several kinds side by side, concatenated."


def _inception(box: Box) -> str:
    word = _word(box)
    return word if word and word not in ("Features", "Block") else "InceptionBlock"


def _sequence(box: Box, layers: list[Leaf]) -> tuple[str, str]:
    words = ["Depthwise" if is_depthwise(leaf) else SHORT.get(leaf.kind, "") for leaf in layers]
    if words == ["Depthwise", "Conv"]:
        return "SeparableConv", "A depthwise convolution and a 1×1."
    if 1 < len(words) < 4 and all(words):
        head = ["Conv" if word == "Depthwise" else word for word in words]
        said = [LONG[word] for word in head]
        return "".join(head), f"{_article(said[0])} {', '.join(said[:-1])} and {said[-1]}."
    if words.count("Depthwise") > 1 and words.count("Depthwise") == words.count("Conv"):
        if words.count("Conv") == 1:
            return "SeparableConv", "A depthwise convolution and a 1×1, with normalisation and activation."
        return "SeparableConvs", "Separable convolutions with normalisation, one after the other."
    kernels = ", ".join(_kernel(leaf) for leaf in layers if leaf.category == "convolution")
    return _word(box) or "Block", f"Layers one after the other{': ' + kernels if kernels else ''}."


def _word(box: Box) -> str:
    """The last telling word of the path: `inception4a -> Inception`."""
    for part in reversed(box.path.split(".")):
        word = re.sub(r"[\d_\-]+[a-e]?$", "", part)
        if len(word) > 2 and word.isascii() and word.replace("_", "").isalnum():
            return _camel(word)
    return ""


def _main_convs(box: Box, convs: list[Leaf]) -> list[Leaf]:
    """Convolutions that are in no shortcut and no gate."""
    aside = ("downsample", "proj", "shortcut", "skip", "se", "fc1", "fc2", "gate")
    found = []
    for leaf in convs:
        parts = leaf.path[len(box.path) :].strip(".").split(".")
        if not any(part in aside for part in parts) and not _in_gate(box, leaf):
            found.append(leaf)
    return found


def _in_gate(box: Box, leaf: Leaf) -> bool:
    inner = [child for child in box.children if isinstance(child, Box) and leaf.path.startswith(child.path + ".")]
    return any(
        {step.kind for step in child.steps} == {"call", "mul"} or _in_gate(child, leaf) for child in inner
    )  # fmt: skip


def _kernel(leaf: Leaf) -> str:
    kernel = leaf.recipe.arguments["kernel_size"]
    size = f"{kernel}×{kernel}" if isinstance(kernel, int) else "×".join(map(str, kernel))
    groups = leaf.recipe.arguments.get("groups", 1)
    return f"{'depthwise ' if is_depthwise(leaf) else 'grouped ' if groups > 1 else ''}{size}"


def _written(word: str) -> str:
    for family in WRITTEN:
        if word.lower().startswith(family.lower()):
            return family + word[len(family) :].title()
    return word[:1].upper() + word[1:]


def _camel(word: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[_\-]", word))


def _article(word: str) -> str:
    return "An" if word[0] in "aeio" else "A"


def docstring(text: str) -> str:
    """A docstring of one line."""
    return f'"""{quoted(text)[1:-1]}"""'
