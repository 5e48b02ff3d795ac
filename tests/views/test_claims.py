"""Every claim's number and verdict, pinned apart from what computes them: arithmetic, literals, torchvision."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from convsmith.views.claims import (
    CLAIMS,
    TOPICS,
    VERDICTS,
    Checked,
    Claim,
    ClaimError,
    Printed,
    check,
    judge,
    pieces,
    printed,
)
from convsmith.views.claims.claim import row
from convsmith.views.claims.page import page
from convsmith.views.claims.words import lines, number, plain, summary, verdict

FILE = Path(__file__).parents[2] / "docs/claims.md"
IDS = [claim.id for claim in CLAIMS]

# the papers' tables once more, as arithmetic


def vgg(*stages: int) -> tuple[int, int]:
    """Parameters and MACs of VGG with so many 3x3 in its stages."""
    params, macs, before = 0, 0, 3
    for stage, (width, depth) in enumerate(zip((64, 128, 256, 512, 512), stages, strict=True)):
        for _ in range(depth):
            params += 9 * before * width + width
            macs += 9 * before * width * (224 >> stage) ** 2
            before = width
    linear = ((25_088, 4096), (4096, 4096), (4096, 1000))
    return params + sum(i * o + o for i, o in linear), macs + sum(i * o for i, o in linear)


def alexnet(towers: int) -> tuple[list[int], list[int], list[int]]:
    """Weights, biases and MACs of AlexNet's layers; conv2, 4 and 5 see their tower only."""
    weights = [121 * 3 * 96, 25 * 96 * 256 // towers, 9 * 256 * 384, 9 * 384 * 384 // towers, 9 * 384 * 256 // towers]
    linear = [9216 * 4096, 4096 * 4096, 4096 * 1000]
    macs = [w * side**2 for w, side in zip(weights, (55, 27, 13, 13, 13), strict=True)]
    return weights + linear, [96, 256, 384, 384, 256, 4096, 4096, 1000], macs + linear


def googlenet() -> int:
    """Parameters of Table 1 with biases."""
    rows = [
        (192, 64, 96, 128, 16, 32, 32), (256, 128, 128, 192, 32, 96, 64), (480, 192, 96, 208, 16, 48, 64),
        (512, 160, 112, 224, 24, 64, 64), (512, 128, 128, 256, 24, 64, 64), (512, 112, 144, 288, 32, 64, 64),
        (528, 256, 160, 320, 32, 128, 128), (832, 256, 160, 320, 32, 128, 128), (832, 384, 192, 384, 48, 128, 128),
    ]  # fmt: skip
    modules = sum(
        i * (one + r3 + r5 + proj) + one + r3 + r5 + proj + 9 * r3 * three + three + 25 * r5 * five + five
        for i, one, r3, three, r5, five, proj in rows
    )
    return 49 * 3 * 64 + 64 + 64 * 64 + 64 + 9 * 64 * 192 + 192 + modules + 1024 * 1000 + 1000


def resnet(block: str, *repeats: int) -> int:
    """MACs of Table 1: shortcut A for basic blocks; a bottleneck strides in its first 1x1 and projects where needed."""
    macs, before = 49 * 3 * 64 * 112**2, 64
    for stage, depth in enumerate(repeats):
        width, pixels = 64 << stage, (56 >> stage) ** 2
        for _ in range(depth):
            if block == "basic":
                macs += 9 * (before + width) * width * pixels
                before = width
            else:
                macs += (before * width + 9 * width**2 + 4 * width**2) * pixels
                macs += before * 4 * width * pixels if before != 4 * width else 0
                before = 4 * width
    return macs + before * 1000


def mobilenet(alpha: float = 1.0, side: int = 224, full: bool = False, shallow: bool = False) -> dict[str, int]:
    """MACs and parameters, and MACs and weights by kind of layer, of Table 1."""
    table = [(1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *[(1, 512)] * 5, (2, 1024), (1, 1024)]
    table = table[:6] + table[11:] if shallow else table
    before, side = int(32 * alpha), side // 2
    weights = {"first": 27 * before, "dw": 0, "pw": 0, "linear": int(1024 * alpha) * 1000}
    macs = {"first": 27 * before * side**2, "dw": 0, "pw": 0, "linear": int(1024 * alpha) * 1000}
    norms = 2 * before
    for stride, wide in table:
        width, side = int(wide * alpha), side // stride
        kinds = {"dw": 0 if full else 9 * before, "pw": before * width * (9 if full else 1)}
        for kind, count in kinds.items():
            weights[kind] += count
            macs[kind] += count * side**2
        norms += 2 * width + (0 if full else 2 * before)
        before = width
    totals = {
        "macs": sum(macs.values()),
        "params": sum(weights.values()) + norms + 1000,
        "weights": sum(weights.values()),
    }
    return (
        totals | {f"{kind} macs": n for kind, n in macs.items()} | {f"{kind} weights": n for kind, n in weights.items()}
    )


TWO, ONE = alexnet(2), alexnet(1)
ALEXNET, GOOGLENET, LENET = sum(TWO[0] + TWO[1]), googlenet(), 60_000
ALEXNET_MACS = sum(TWO[2])
ZFNET = 49 * 3 * 96 + 96 + sum(ONE[0][1:] + ONE[1][1:])
(VGG16, VGG16_MACS), (VGG19, VGG19_MACS) = vgg(2, 2, 3, 3, 3), vgg(2, 2, 4, 4, 4)
VGG_LINEAR = 25_088 * 4096 + 4096 + 4096**2 + 4096 + 4_096_000 + 1000
NAIVE = 28**2 * 256 * (128 + 9 * 192 + 25 * 96)
REDUCED = 28**2 * (256 * (64 + 64 + 128 + 64) + 64 * (9 * 192 + 25 * 96))
RESNETS = (
    resnet("basic", 2, 2, 2, 2), resnet("basic", 3, 4, 6, 3), resnet("bottleneck", 3, 4, 6, 3),
    resnet("bottleneck", 3, 4, 23, 3), resnet("bottleneck", 3, 8, 36, 3),
)  # fmt: skip
MOBILE, FULL, SHALLOW = mobilenet(), mobilenet(full=True), mobilenet(shallow=True)
VGG_HELD = (
    *(224**2 * n for n in (3, 64, 64)), 112**2 * 64, *[112**2 * 128] * 2, 56**2 * 128, *[56**2 * 256] * 3,
    28**2 * 256, *[28**2 * 512] * 3, 14**2 * 512, *[14**2 * 512] * 3, 7**2 * 512, 4096, 4096, 1000,
)  # fmt: skip
ALEXNET_HELD = 227**2 * 3 + 96 * (55**2 + 27**2) + 256 * (27**2 + 13**2) + 13**2 * (384 + 384 + 256) + 36 * 256 + 9192
SQUEEZENET = 1_248_424

PINS: dict[str, tuple[str, tuple[int | Fraction, ...]]] = {
    "lenet5-layers": ("holds", (2 + 2 + 3,)),
    "lenet5-windows": ("holds", (5, 1, 2, 2)),
    "alexnet-depth": ("holds", (8,)),
    "alexnet-learnable-layers": ("wrong", (5 + 3,)),
    "alexnet-kernels": ("holds", (3, 5, 11)),
    "alexnet-strides": ("holds", (1, 2, 4)),
    "alexnet-input-227": ("holds", ((227 - 11) // 4 + 1,)),
    "alexnet-input-224": ("wrong", ((224 - 11) // 4 + 1,)),
    "alexnet-tensor-sizes": ("holds", (
        227, 3, 55, 96, 27, 96, 27, 256, 13, 256, 13, 384, 13, 384, 13, 256, 6, 256, 1, 4096, 1, 4096, 1, 1000,
    )),
    "zfnet-conv1": ("holds", (7, 2, 11, 4)),
    "zfnet-widths": ("wrong", (384, 384, 256)),
    "vgg-depths": ("holds", (8 + 3, 8 + 3, 10 + 3, 13 + 3, 13 + 3, 16 + 3)),
    "vgg-windows": ("holds", (3, 1, 2, 2)),
    "googlenet-depth": ("holds", (3 + 9 * 2 + 1,)),
    "googlenet-parts": ("wrong", (2 + 5 + 2, 3)),
    "inception-naive-output": ("holds", (28, 128 + 192 + 96 + 256)),
    "resnet-depths": ("holds", (2 + 2 * 8, 2 + 2 * 16, 2 + 3 * 16, 2 + 3 * 33, 2 + 3 * 50)),
    "resnet-map-sides": ("holds", (112, 56, 28, 14, 7, 1)),
    "resnet-doubling": ("holds", (2, 2, 2)),
    "resnet-one-linear-layer": ("holds", (1,)),
    "resnet-cifar-depths": ("holds", (6 * 9 + 2, 6 * 200 + 2)),
    "densenet-growth": ("wrong", (Fraction(32, 32),)),
    "mobilenet-depth": ("holds", (1 + 13 * 2 + 1,)),
    "lenet5-params": ("holds", (LENET,)),
    "lenet5-params-drawn": ("wrong", (156 + 2416 + 48_120 + 10_164 + 850,)),
    "alexnet-params": ("rounded", (ALEXNET,)),
    "alexnet-weights": ("holds", tuple(ONE[0])),
    "alexnet-biases": ("holds", tuple(ONE[1])),
    "alexnet-table": ("holds", (*map(sum, zip(ONE[0], ONE[1], strict=True)), 62_378_344)),
    "alexnet-over-lenet5": ("rounded", (Fraction(ALEXNET, LENET),)),
    "zfnet-over-alexnet": ("holds", (Fraction(ZFNET, ALEXNET),)),
    "vgg16-rows": ("holds", (
        27 * 64, 9 * 64**2, 9 * 64 * 128, 9 * 128**2, 9 * 128 * 256, *[9 * 256**2] * 2, 9 * 256 * 512,
        *[9 * 512**2] * 5, 25_088 * 4096, 4096**2, 4_096_000,
    )),
    "vgg16-params": ("rounded", (VGG16,)),
    "vgg19-params": ("rounded", (VGG19,)),
    "vgg19-params-quiz": ("wrong", (VGG19,)),
    "googlenet-params": ("wrong", (GOOGLENET,)),
    "googlenet-params-quiz": ("wrong", (GOOGLENET,)),
    "googlenet-twelvefold": ("wrong", (Fraction(ALEXNET, GOOGLENET),)),
    "googlenet-fewest": ("holds", (Fraction(GOOGLENET, ALEXNET), Fraction(GOOGLENET, VGG19))),
    "linear-layers-hold-most": ("holds", (
        Fraction(sum(TWO[0][5:] + TWO[1][5:]), ALEXNET), Fraction(VGG_LINEAR, VGG16),
    )),
    "global-average-pooling": ("holds", (Fraction(1024 * 1000 + 1000, VGG_LINEAR),)),
    "linear-weights": ("holds", (25_000 * 4096,)),
    "linear-as-1x1-weights": ("wrong", (25_000 * 4096,)),
    "linear-as-1x1-share": ("wrong", (1,)),
    "resnet-cifar-params": ("rounded", (269_722, 464_154, 658_586, 853_018, 1_727_962, 19_421_274)),
    "resnext-params": ("rounded", (25_557_032, 25_028_904)),
    "squeezenet-params": ("holds", (SQUEEZENET,)),
    "squeezenet-fiftyfold": ("rounded", (Fraction(ALEXNET, SQUEEZENET),)),
    "mobilenet-params": ("rounded", (FULL["params"], MOBILE["params"])),
    "mobilenet-v2-params": ("wrong", (3_504_872,)),
    "mnasnet-params": ("rounded", (3_887_038,)),
    "efficientnet-params": ("rounded", (
        5_288_548, 7_794_184, 12_233_232, 19_341_616, 30_389_784, 43_040_704, 66_347_960,
    )),
    "efficientnet-b2-params": ("wrong", (9_109_994,)),
    "convolution-multiplications": ("holds", (3 * 3 * 64 * 56 * 56 * 64,)),
    "alexnet-convolutions-compute-most": ("holds", (Fraction(sum(TWO[2][:5]), ALEXNET_MACS),)),
    "alexnet-pools-compute-little": ("holds", (Fraction(9 * 96 * 27**2, TWO[2][4]),)),
    "vgg-over-alexnet": ("holds", (Fraction(VGG16_MACS, ALEXNET_MACS), Fraction(VGG16, ALEXNET))),
    "inception-naive": ("rounded", (NAIVE,)),
    "inception-reduced": ("wrong", (REDUCED,)),
    "inception-half": ("holds", (Fraction(REDUCED, NAIVE),)),
    "resnet-flops": ("rounded", RESNETS),
    "vgg19-flops": ("rounded", (VGG19_MACS,)),
    "vgg16-flops": ("wrong", (VGG16_MACS,)),
    "resnet34-over-vgg19": ("rounded", (Fraction(RESNETS[1], VGG19_MACS),)),
    "resnet152-under-vgg": ("holds", (Fraction(RESNETS[4], VGG16_MACS), Fraction(RESNETS[4], VGG19_MACS))),
    "resnext-flops": ("rounded", (4_089_184_256, 4_230_479_872)),
    "mobilenet-full": ("wrong", (FULL["macs"],)),
    "mobilenet-separable": ("rounded", (MOBILE["macs"],)),
    "mobilenet-saving": ("holds", (Fraction(FULL["macs"], MOBILE["macs"]),) * 2),
    "mobilenet-shares": ("rounded", tuple(
        Fraction(MOBILE[f"{kind} macs"], MOBILE["macs"]) for kind in ("pw", "dw", "linear")
    )),
    "mobilenet-weight-shares": ("rounded", tuple(
        Fraction(MOBILE[f"{kind} weights"], MOBILE["weights"]) for kind in ("pw", "dw", "first", "linear")
    )),
    "mobilenet-v2-macs": ("rounded", (300_774_272,)),
    "mnasnet-macs": ("rounded", (311_579_072,)),
    "efficientnet-flops": ("rounded", (385_814_752, 993_561_872, 1_827_141_392, 19_067_593_536, 37_745_884_192)),
    "efficientnet-flops-apart": ("wrong", (686_802_832, 4_393_771_024, 10_266_384_752)),
    "pair-of-3x3": ("holds", (5 * 5, 2 * 3 * 3)),
    "pair-of-3x3-ratio": ("wrong", (Fraction(25, 18),)),
    "pair-of-3x3-flops": ("holds", (Fraction(18, 25),)),
    "stacks-of-3x3": ("holds", (9, 25, 49, 9, 18, 27)),
    "bottleneck-weights": ("holds", (64 * 9 * 64 * 2, 256 * 64 + 64 * 9 * 64 + 64 * 256)),
    "bottleneck-flops": ("holds", (Fraction(4 + 9 + 4, 9 + 9),)),
    "reduction-saving": ("wrong", (1 - Fraction(128 * 32 + 9 * 32 * 128, 9 * 128 * 128),)),
    "separable-cost": ("holds", (Fraction(1, 64) + Fraction(1, 9),)),
    "separable-cost-wide": ("holds", (Fraction(1, 512) + Fraction(1, 25),)),
    "next-stage": ("holds", (1, Fraction(1, 2), 4)),
    "output-size": ("holds", (1,)),
    "strides-on-7": ("holds", (7 - 3 + 1, (7 - 3) // 2 + 1)),
    "padding-keeps-size": ("holds", (224 + 2 - 3 + 1,)),
    "field-of-pair": ("holds", (3 + 2, 5)),
    "field-of-triple": ("holds", (3 + 2 + 2, 7)),
    "field-grows-with-depth": ("holds", (3, 5, 7)),
    "field-of-1x1": ("holds", (1,)),
    "field-behind-1x1": ("holds", (3, 3)),
    # conv1, pool1, conv2, pool2, three 3x3, pool5: each adds (kernel - 1) times the jump before it
    "field-of-zfnet": ("wrong", (Fraction(
        7 + 2 * 2 + 4 * 4 + 2 * 8 + 3 * 2 * 16 + 2 * 16, 11 + 2 * 4 + 4 * 8 + 2 * 8 + 3 * 2 * 16 + 2 * 16,
    ),)),
    "vgg16-memory-rows": ("rounded", VGG_HELD),
    "vgg16-memory-values": ("wrong", (sum(VGG_HELD),)),
    "vgg16-memory-93": ("wrong", (sum(VGG_HELD) * 4,)),
    "vgg16-memory-96": ("wrong", (sum(VGG_HELD) * 4,)),
    "vgg16-early-memory": ("holds", (Fraction(2 * 224**2 * 64 + 2 * 112**2 * 128, sum(VGG_HELD)),)),
    "alexnet-early-memory": ("holds", (Fraction(55**2 * 96 + 27**2 * 256, ALEXNET_HELD),)),
    "vgg19-over-vgg16-memory": ("holds", (
        1 + Fraction(56**2 * 256 + 28**2 * 512 + 14**2 * 512, sum(VGG_HELD)),
    )),
    "alexnet-bytes": ("wrong", (62_378_344 * 4,)),
    "squeezenet-bytes": ("rounded", (Fraction(SQUEEZENET * 4, 1 << 20),)),
    "mobilenet-width-macs": ("rounded", tuple(mobilenet(alpha)["macs"] for alpha in (1, 0.75, 0.5, 0.25))),
    "mobilenet-width-params": ("rounded", tuple(mobilenet(alpha)["params"] for alpha in (1, 0.75, 0.5, 0.25))),
    "mobilenet-resolution": ("rounded", tuple(mobilenet(side=side)["macs"] for side in (224, 192, 160, 128))),
    "resolution-squared": ("holds", (Fraction(128, 224) ** 2,)),
    "mobilenet-shallow": ("rounded", (SHALLOW["macs"], SHALLOW["params"])),
    "compound-doubling": ("rounded", (Fraction(12, 10) * Fraction(11, 10) ** 2 * Fraction(115, 100) ** 2,)),
}  # fmt: skip


def claim_of(name: str) -> Claim:
    return next(claim for claim in CLAIMS if claim.id == name)


def planted(*said: Printed, ours: tuple[int | Fraction, ...] = (18,), why: str = "") -> Claim:
    def count() -> tuple[int | Fraction, ...]:
        return ours

    return Claim(
        "planted", "layer", "Two 3x3 have as many weights.", "Nobody", "nowhere", said, "weights", count, (), why
    )


@pytest.mark.parametrize("claim", CLAIMS, ids=IDS)
def test_the_number_and_the_verdict_of_every_claim(claim: Claim) -> None:
    found = check(claim)
    assert (found.verdict, found.ours) == PINS[claim.id]


def test_every_pin_is_a_claim_s_and_there_are_many() -> None:
    assert list(PINS) == IDS
    assert len(IDS) == len(set(IDS)) >= 100
    assert {claim.topic for claim in CLAIMS} == set(TOPICS)


@pytest.mark.parametrize(("name", "entries"), [
    ("vgg16-params", ["vgg16"]),
    ("vgg19-params", ["vgg19"]),
    ("resnext-params", ["resnet50", "resnext50_32x4d"]),
    ("squeezenet-params", ["squeezenet1_0"]),
    ("mobilenet-v2-params", ["mobilenet_v2"]),
    ("efficientnet-params", [f"efficientnet_b{size}" for size in (0, 1, 3, 4, 5, 6, 7)]),
    ("efficientnet-b2-params", ["efficientnet_b2"]),
])  # fmt: skip
def test_parameters_are_those_of_torchvision(name: str, entries: list[str]) -> None:
    with torch.device("meta"):
        nets = [getattr(torchvision.models, entry)() for entry in entries]
    assert check(claim_of(name)).ours == tuple(sum(p.numel() for p in net.parameters()) for net in nets)


@pytest.mark.parametrize(
    ("side", "kernel", "pad", "stride"), [(7, 3, 0, 1), (7, 3, 0, 2), (224, 11, 2, 4), (32, 6, 3, 3)]
)
def test_output_sides_are_torch_s(side: int, kernel: int, pad: int, stride: int) -> None:
    made = torch.nn.Conv2d(1, 1, kernel, stride, pad, device="meta")(torch.empty(1, 1, side, side, device="meta"))
    assert pieces.output_sides(side, kernel, pad, stride) == (made.shape[-1],)


@pytest.mark.parametrize("claim", CLAIMS, ids=IDS)
def test_a_claim_is_described_in_full(claim: Claim) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", claim.id)
    assert claim.topic in TOPICS
    assert re.fullmatch(r"[A-Z1-9].*[^.]\.", claim.statement)
    assert claim.source
    assert claim.place
    assert claim.unit
    assert claim.source != "Course notes" or re.match(r"parts? [1-5]", claim.place)
    assert not claim.why.endswith(".")


@pytest.mark.parametrize("claim", CLAIMS, ids=IDS)
def test_other_numbers_would_turn_the_verdict(claim: Claim) -> None:
    """A number that the source contradicts makes it wrong; the source's own numbers leave nothing to explain."""
    parts = [figure.parts() for figure in claim.said]
    against = tuple({">": value, "<": value}.get(relation, 2 * value + 1) for relation, value, _ in parts)
    found = check(replace(claim, count=lambda *of: against, why="planted"))
    assert found.verdict == "wrong"
    agreeing = tuple(value + {">": 1, "<": -1}.get(relation, 0) for relation, value, _ in parts)
    assert check(replace(claim, count=lambda *of: agreeing, why="")).verdict == "holds"


def test_a_planted_false_claim_is_wrong_and_must_say_why() -> None:
    with pytest.raises(ClaimError, match=r"^planted is wrong and does not say why; give it a reason$"):
        check(planted(printed("25")))
    assert check(planted(printed("25"), why="it is 18")).verdict == "wrong"
    with pytest.raises(ClaimError, match="pair-of-3x3 is wrong"):
        check(replace(claim_of("pair-of-3x3"), said=row("25 27")))


@pytest.mark.parametrize("said", ["18", "> 17", "< 19"])
def test_a_reason_for_what_is_not_wrong_is_refused(said: str) -> None:
    with pytest.raises(ClaimError, match=r"^planted is not wrong but gives a reason; take the reason away$"):
        check(planted(printed(said), why="it is 18"))
    with pytest.raises(ClaimError, match="vgg16-params is not wrong"):
        check(replace(claim_of("vgg16-params"), why="planted"))


def test_a_claim_that_cannot_be_computed_is_refused() -> None:
    with pytest.raises(ClaimError, match=r"^vgg16-params: params\('vgg_z'\) cannot be computed: no network is called"):
        check(replace(claim_of("vgg16-params"), of=("vgg_z",)))
    with pytest.raises(ClaimError, match=r"^planted: count\(\) gives 1 numbers for 2 figures; say one for each$"):
        check(planted(printed("18"), printed("18")))
    with pytest.raises(ClaimError, match=r"^'a lot' is no figure: say what number is meant, as 62378344, "):
        check(planted(printed("a lot")))


@pytest.mark.parametrize(("said", "meant", "ours", "wanted"), [
    ("62,378,344", "", 62_378_344, "equal"),
    ("62,378,344", "", 62_378_345, "none"),
    ("138M", "", 138_357_544, "rounded"),
    ("138M", "", 138_500_000, "rounded"),  # a half goes either way
    ("138M", "", 137_500_000, "rounded"),
    ("60M", "", 60_965_224, "cut"),
    ("60M", "", 61_000_000, "none"),
    ("60M", "", 59_499_999, "none"),
    ("60M", "6e7", 64_000_000, "rounded"),
    ("3.8", "3.8e9", 3_857_973_248, "cut"),
    ("3.80", "3.80e9", 3_857_973_248, "none"),
    ("18%", "", Fraction(1856, 10_000), "cut"),
    ("18%", "", Fraction(19, 100), "none"),
    ("a third", "1/3", Fraction(1, 3), "equal"),
    ("a third", "1/3", Fraction(1_000_001, 3_000_000), "none"),
    ("more", "> 1", Fraction(101, 100), "equal"),
    ("more", "> 1", 1, "none"),
    ("less than half", "< 0.5", Fraction(1, 2), "none"),
    ("less than half", "< 0.5", Fraction(49, 100), "equal"),
])  # fmt: skip
def test_a_figure_is_judged_by_the_digits_it_is_meant_to_have(
    said: str, meant: str, ours: int | Fraction, wanted: str
) -> None:
    assert judge(printed(said, meant), ours) == wanted


@pytest.mark.parametrize(("said", "ours", "wanted", "how"), [
    ("18 25", (18, 25), "holds", ""),
    ("18M 25", (18_100_000, 25), "rounded", "rounded"),
    ("18M 25M", (18_900_000, 25_100_000), "rounded", "rounded and cut"),
    ("18 26", (18, 25), "wrong", ""),
])  # fmt: skip
def test_the_worst_figure_decides(said: str, ours: tuple[int, ...], wanted: str, how: str) -> None:
    found = check(planted(*row(said), ours=ours, why="planted" if wanted == "wrong" else ""))
    assert (found.verdict, found.how) == (wanted, how)


def test_the_size_formula_is_really_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    honest: Callable[..., tuple[int, ...]] = pieces.output_sides
    monkeypatch.setattr(pieces, "output_sides", lambda n, f, p, *s: honest(n, f, p, *s) if n < 32 else (0,))
    assert Fraction(30, 32) <= pieces.size_formula_agrees()[0] < 1


def test_the_committed_page_is_what_is_generated() -> None:
    assert FILE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_the_page_has_every_claim_once_with_six_cells_and_says_why_it_is_wrong() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert {line.count("|") for line in rows} == {7}
    assert [line.split("`")[1] for line in rows] == IDS
    wrong = [line.split("`")[1] for line in rows if "| **wrong**: " in line]
    assert wrong == [name for name, (word, _) in PINS.items() if word == "wrong"]


def test_numbers_for_people() -> None:
    assert number(25_557_032, "MACs") == "25,557,032"
    assert number(Fraction(36, 2), "weights") == "18"
    assert number(Fraction(25, 18), "times") == "1.389"
    assert number(Fraction(13, 18), "share") == "72.22%"


def test_lines_are_readable_and_say_all() -> None:
    found = [check(claim) for claim in CLAIMS]
    for one in found:
        text = lines(one)
        assert all(len(line) <= 120 for line in text)
        assert text[0].startswith(f"{one.verdict:8} {one.claim.id}: ")
        assert any(line.strip().startswith("why: ") for line in text) == (one.verdict == "wrong")
    assert lines(check(claim_of("pair-of-3x3-ratio"))) == [
        "wrong    pair-of-3x3-ratio: A 5x5 has 1.5 times the weights of two 3x3.",
        "         printed: 1.5 (Course notes, part 2, 3 X 3 convolution filters)",
        "         ours: 1.389 times = weights_ratio((5, 1), (3, 2))",
        "         why: 25 / 18 is 1.39, 1.4 rounded; the notes' own 3 x 3 x 2 = 18 and 5 x 5 = 25 stand beside it",
    ]
    counts = [sum(one.verdict == word for one in found) for word in VERDICTS]
    assert summary(found) == f"claims: {len(IDS)}, holds: {counts[0]}, rounded: {counts[1]}, wrong: {counts[2]}"
    assert verdict(check(claim_of("alexnet-params"))) == "rounded (cut)"


def test_plain_data_survives_json() -> None:
    found: Checked = check(claim_of("pair-of-3x3-ratio"))
    data: dict[str, Any] = json.loads(json.dumps(plain(found)))
    assert data["ours"] == [25 / 18]
    assert (data["printed"], data["meant"], data["agreement"]) == (["1.5"], ["1.5"], ["none"])
    assert (data["verdict"], data["topic"], data["unit"]) == ("wrong", "layer", "times")
    assert data["computation"] == "weights_ratio((5, 1), (3, 2))"
    assert data["why"].startswith("25 / 18")
