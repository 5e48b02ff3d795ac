"""TrivialAugment and AutoAugment: tables of operations, and each operation applied to those images that drew it.

Both follow torchvision's TrivialAugmentWide and AutoAugment: nearest pixel, zeros from outside, the same ranges.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from convsmith.data.augment import affine, colour, tones
from convsmith.data.augment.draws import whole
from convsmith.data.augment.learned import CIFAR10, IMAGENET, Step

# name: (images uint8 (n, C, S, S), strength float64 (n,)) -> images; the order is that of torchvision's wide space
OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda images, _: images,
    "shear_x": affine.shear_across,
    "shear_y": affine.shear_down,
    "translate_x": affine.translate_across,
    "translate_y": affine.translate_down,
    "rotate": affine.rotate,
    "brightness": lambda images, strength: tones.brightness(images, 1 + strength),
    "colour": lambda images, strength: colour.saturation(images, 1 + strength),
    "contrast": lambda images, strength: tones.contrast(images, 1 + strength),
    "sharpness": lambda images, strength: colour.sharpness(images, 1 + strength),
    "posterise": lambda images, strength: tones.posterise(images, strength.long()),
    "solarise": tones.solarise,
    "autocontrast": lambda images, _: tones.autocontrast(images),
    "equalise": lambda images, _: tones.equalise(images),
    "invert": lambda images, _: tones.invert(images),
}
NAMES = tuple(OPERATIONS)
SIGNED = frozenset(NAMES[1:10])
POLICIES = ("none", "trivial", "auto_imagenet", "auto_cifar10")
WIDE = {"shear_x": 0.99, "shear_y": 0.99, "translate_x": 32.0, "translate_y": 32.0, "rotate": 135.0} | dict.fromkeys(
    ("brightness", "colour", "contrast", "sharpness"), 0.99
)
WIDE_BINS, LEARNED_BINS = 31, 10


def trivial(images: Tensor, u: Tensor) -> Tensor:
    """One operation of 14, of one strength of 31, on each image; `u` float32 (N, 3): operation, strength, sign.

    Mueller and Hutter 2021, "TrivialAugment: tuning-free yet state-of-the-art data augmentation", algorithm 1, with the
    wide space.
    """
    table = torch.stack([strengths(name, WIDE, WIDE_BINS, fewest_bits=2) for name in NAMES[:-1]]).to(u.device)
    chosen, level = whole(u[:, 0], len(table)), whole(u[:, 1], WIDE_BINS)
    return apply(images, chosen, _signed(chosen, table[chosen, level], u[:, 2]))


def learned(images: Tensor, u: Tensor, policy: str) -> Tensor:
    """One sub-policy of 25 on each image; `u` float32 (N, 5): sub-policy, whether first and second, their signs.

    Cubuk et al. 2018, "AutoAugment: learning augmentation strategies from data", tables 7 (CIFAR-10) and 9 (ImageNet).
    """
    pairs = IMAGENET if policy == "auto_imagenet" else CIFAR10
    reach = images.shape[-1] * 150.0 / 331.0
    narrow = {"shear_x": 0.3, "shear_y": 0.3, "translate_x": reach, "translate_y": reach, "rotate": 30.0}
    narrow |= dict.fromkeys(("brightness", "colour", "contrast", "sharpness"), 0.9)
    table = {name: strengths(name, narrow, LEARNED_BINS, fewest_bits=4) for name in NAMES}
    number = whole(u[:, 0], len(pairs))
    for turn in (0, 1):
        steps: list[Step] = [pair[turn] for pair in pairs]
        operation = torch.tensor([NAMES.index(name) for name, _, _ in steps], device=u.device)[number]
        chance = torch.tensor([chance for _, chance, _ in steps], device=u.device)[number]
        strength = torch.stack([table[name][level or 0] for name, _, level in steps]).to(u.device)[number]
        chosen = torch.where(u[:, 1 + turn] < chance, operation, 0)  # 0 is the identity
        images = apply(images, chosen, _signed(chosen, strength, u[:, 3 + turn]))
    return images


def strengths(name: str, widest: dict[str, float], bins: int, *, fewest_bits: int) -> Tensor:
    """The strengths of an operation from weakest to strongest, float64 (bins,): as torchvision's, made in float32."""
    if name == "posterise":
        return 8 - (torch.arange(bins) / ((bins - 1) / (8 - fewest_bits))).round().double()
    if name == "solarise":
        return torch.linspace(255.0, 0.0, bins).double()
    return torch.linspace(0.0, widest.get(name, 0.0), bins).double()


def _signed(chosen: Tensor, strength: Tensor, u: Tensor) -> Tensor:
    takes = torch.tensor([name in SIGNED for name in NAMES], device=u.device)[chosen]
    return torch.where(takes & (u < 0.5), -strength, strength)


def apply(images: Tensor, chosen: Tensor, strength: Tensor) -> Tensor:
    """Operation number chosen[i] (int64 (N,), of NAMES) at strength[i] (float64 (N,)) on image i."""
    order = chosen.argsort(stable=True)
    groups = torch.bincount(chosen, minlength=len(NAMES)).tolist()
    blocks = zip(
        OPERATIONS.values(),
        torch.split(images.index_select(0, order), groups),
        torch.split(strength[order], groups),
        strict=True,
    )
    done = [operation(block, amount) for operation, block, amount in blocks if len(block)]
    return torch.cat(done).index_select(0, order.argsort()) if done else images
