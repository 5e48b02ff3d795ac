"""Every variant of torchvision and timm against the library's own net: keys, counts, normalisation, logits, gradients.

What a paper prints, and nets that only resemble a library's, are in the papers' own files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from convsmith import cost, names, spec, trace
from convsmith.nn import Net
from convsmith.zoo import family, variant

from .twins import ELSEWHERE, alike, built, image, logits_differ, norms, reference, shapes, trained_tensors

pytestmark = pytest.mark.usefixtures("one_thread")

TORCHVISION = [name for name in names() if variant(name).provenance == "torchvision"]
TIMM = [name for name in names() if variant(name).provenance == "timm"]

# classifiers of torchvision that are no convolutional networks, by the beginning of their names
NO_CNN = {
    "vit": "attention alone",
    "swin": "attention in windows",
    "maxvit": "convolutions and attention in turn",
}

# family -> what stands elsewhere in the library's order, and why; the rest, and these by themselves, are in order
OTHER_ORDER = {
    "googlenet": "aux",  # torchvision registers the heads last, we where they stand
    "regnet": ".proj.",  # torchvision registers a block's projection first, we after what it is added to
    "resnet_v2": ".downsample.",  # so does timm
}
# the same for our own graph beside our module
GRAPH_ORDER = {"convnext": ".layer_scale"}  # a module's own parameter comes before those of its children

# variant or family -> sizes (rows, columns) of the images for logits. At an even side SAME pads one pixel at the far
# edges alone, at an odd one on both sides; in the largest nets an image takes seconds, so they have the odd one.
SIZES = {
    **dict.fromkeys(names("efficientnet_b[3-7]") + names("efficientnet_v2_[ml]"), ((33, 52),)),
    **dict.fromkeys(
        (*names("vgg1*"), *names("convnext_[!t]*"), *names("regnet_?_8gf"), *names("regnet_?_[0-9][0-9]*gf")),
        ((33, 49),),
    ),
    "alexnet": ((64, 64), (75, 109)),
    "convnext": ((32, 32), (45, 71)),
    "densenet": ((64, 64), (45, 75)),
    "efficientnet": ((64, 64), (45, 71)),
    "efficientnet_lite": ((64, 64), (45, 71)),
    "efficientnet_v2": ((48, 48), (45, 71)),
    "googlenet": ((64, 64), (75, 109)),
    "inception_resnet_v2": ((75, 75), (83, 106)),
    "inception_v3": ((75, 75), (91, 118)),
    "inception_v4": ((75, 75), (83, 106)),
    "mnasnet": ((64, 64), (45, 71)),
    "mobilenet_v2": ((64, 64), (45, 71)),
    "mobilenet_v3": ((64, 64), (45, 71)),
    "nasnet": ((40, 40), (51, 70)),
    "shufflenet_v2": ((64, 64), (45, 71)),
    "squeezenet": ((64, 64), (75, 109)),
}
LEAST = ((32, 32), (33, 49))

# cut short for logits: our options and the library's
REDUCED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {"regnet_y_128gf": ({"depth": 14}, {"depth": 14})}

# how far weights are spread, where 1.5 does not do
GAINS = {
    "efficientnet": 2.0,  # gates, and ways without skips, let signals fade
    "inception_v3": 2.0,
    "inception_v4": 2.0,
    "mobilenet_v3": 2.0,
    "efficientnet_v2": 1.25,  # signals grow from block to block until all gates are open or shut
}


@dataclass(frozen=True)
class Pair:
    """Both on the meta device, for evaluation."""

    name: str
    ours: Net
    theirs: nn.Module


@pytest.fixture(scope="module", params=[*TORCHVISION, *TIMM])
def pair(request: pytest.FixtureRequest) -> Pair:
    name = request.param
    return Pair(name, built(name), reference(name))


def test_every_classification_cnn_of_torchvision_is_here() -> None:
    theirs = {name for name in models.list_models(module=models) if not name.startswith(tuple(NO_CNN))}
    assert theirs == {name for name in TORCHVISION if ELSEWHERE.get(name, (name,))[0] == name}


@pytest.mark.parametrize("name", [name for name in TORCHVISION if name in models.list_models(module=models)])
def test_the_metadata_beside_torchvisions_weights_give_the_same_counts(name: str) -> None:
    entries = models.get_model_weights(name)
    assert entries.__name__ == variant(name).weights
    for entry in entries:
        total = cost(trace(spec(name), entry.transforms().crop_size[0]))
        heads = sum(row.params for row in total.aux) if name == "inception_v3" else 0  # and GoogLeNet's without
        assert (entry.meta["num_params"], entry.meta["_ops"]) == (total.params + heads, round(total.macs / 1e9, 3))


def ordered(keys: Iterable[str], apart: str | None) -> list[str]:
    """The keys as they come, those with `apart` in them behind the others."""
    return sorted(keys, key=lambda key: apart is not None and apart in key)


def test_keys_shapes_and_parameters_are_the_librarys_in_its_order(pair: Pair) -> None:
    found, wanted, traced = shapes(pair.ours), shapes(pair.theirs), pair.ours.graph.weights
    assert found == wanted == dict(traced)
    apart, inside = OTHER_ORDER.get(family(pair.name)), GRAPH_ORDER.get(family(pair.name))
    assert ordered(found, apart) == ordered(wanted, apart)
    assert ordered(found, inside) == ordered(traced, inside)
    ours, theirs = ([key for key, _ in net.named_parameters()] for net in (pair.ours, pair.theirs))
    assert ordered(ours, apart) == ordered(theirs, apart)


def test_parameters_and_buffers_are_as_many(pair: Pair) -> None:
    total = cost(pair.ours.graph)
    assert total.params + sum(row.params for row in total.aux) == sum(p.numel() for p in pair.theirs.parameters())
    assert total.buffers + sum(row.buffers for row in total.aux) == sum(b.numel() for b in pair.theirs.buffers())


def test_every_normalisation_has_the_librarys_eps_and_momentum(pair: Pair) -> None:
    assert norms(pair.ours) == norms(pair.theirs)


@pytest.mark.slow
def test_multiply_adds_are_torchs_count(pair: Pair, macs_of: Callable[..., int]) -> None:
    blank = torch.empty(1, *pair.ours.graph.input.shape, device="meta")
    assert cost(pair.ours.graph).macs == macs_of(pair.theirs, blank)


@pytest.mark.slow
def test_logits_are_the_librarys(pair: Pair) -> None:
    name, ours, theirs = pair.name, pair.ours, pair.theirs
    if name in REDUCED:
        less, fewer = REDUCED[name]
        ours, theirs = built(name, **less), reference(name, **fewer)
    alike(ours, theirs, gain=GAINS.get(family(name), 1.5))
    assert logits_differ(ours, theirs, *(SIZES.get(name) or SIZES.get(family(name)) or LEAST)) <= 1e-9


# family -> the variant, rows, columns and number of the images, our options and the library's, tensors with gradients
GRADIENTS: dict[str, tuple[str, int, int, int, dict[str, Any], dict[str, Any], int]] = {
    "alexnet": ("alexnet", 64, 64, 2, {}, {}, 14),
    "vgg": ("vgg11_bn", 64, 64, 2, {}, {}, 4 * 8 + 4),
    "resnet": ("resnet50", 64, 64, 2, {}, {}, 3 * 53 + 2),
    "inception_v3": ("inception_v3", 107, 107, 4, {"aux": False}, {"aux_logits": False}, 284),
    "inception_v4": ("inception_v4", 107, 107, 2, {}, {}, 3 * 149 + 2),
    "inception_resnet_v2": ("inception_resnet_v2", 107, 107, 2, {}, {}, 3 * 204 + 2 * 40 + 2),
    "squeezenet": ("squeezenet1_0", 64, 64, 2, {}, {}, 52),
    "resnet_v2": ("resnetv2_50", 33, 33, 2, {}, {}, 53 + 2 * 49 + 2),
    "wide_resnet": ("wide_resnet50_2", 33, 48, 2, {}, {}, 3 * 53 + 2),
    "resnext": ("resnext50_32x4d", 48, 48, 2, {}, {}, 3 * 53 + 2),
    "densenet": ("densenet121", 64, 64, 4, {}, {}, 120 + 2 * 121 + 2),
    "nasnet": ("nasnetalarge", 97, 97, 4, {"filters": 192, "stem": 10}, {"num_features": 192, "stem_size": 10}, 1018),
    "senet": ("seresnet50", 33, 48, 2, {}, {}, 3 * 53 + 4 * 16 + 2),
    "mobilenet_v2": ("mobilenet_v2_035", 64, 64, 2, {}, {}, 3 * 52 + 2),
    "shufflenet_v2": ("shufflenet_v2_x0_5", 64, 64, 2, {}, {}, 3 * 56 + 2),
    "mnasnet": ("mnasnet0_5", 64, 64, 2, {}, {}, 3 * 52 + 2),
    "efficientnet": ("efficientnet_b0", 64, 64, 2, {}, {}, 3 * 49 + 4 * 16 + 2),
    "mobilenet_v3": ("mobilenet_v3_small", 64, 64, 2, {}, {}, 3 * 34 + 4 * 9 + 4),
    "efficientnet_lite": ("tf_efficientnet_lite0", 64, 64, 2, {}, {}, 3 * 49 + 2),
    "regnet": ("regnet_y_400mf", 64, 64, 2, {}, {}, 3 * (1 + 16 * 3 + 4) + 4 * 16 + 2),
    # layers with normalisation: stem, 2 fused of one, 8 fused of two, 30 MBConv of three, head; 4 tensors of each gate
    "efficientnet_v2": ("efficientnet_v2_s", 48, 48, 2, {}, {}, 3 * (1 + 2 + 8 * 2 + 30 * 3 + 1) + 4 * 30 + 2),
    "convnext": ("convnext_tiny", 64, 64, 2, {}, {}, 4 * 4 + 9 * 18 + 4),
}


def test_every_family_has_gradients_or_a_file_that_has() -> None:
    own = {"googlenet"}  # through its three classifiers
    assert set(GRADIENTS) | own == {family(name) for name in (*TORCHVISION, *TIMM)}


@pytest.mark.slow
@pytest.mark.parametrize("which", GRADIENTS)
def test_gradients_and_running_statistics_are_the_librarys(which: str) -> None:
    name, rows, cols, many, less, fewer, tensors = GRADIENTS[which]
    ours, theirs = built(name, classes=11, **less), reference(name, 11, **fewer)
    alike(ours, theirs, gain=GAINS.get(which, 1.5))
    assert trained_tensors(ours, theirs, image(rows, cols, many)) == tensors
