"""The fields of a recipe: what each may hold and means, once for checks, files, tables and the documentation."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.train.kinds import Choice, Flag, Kind, Number, Optional, Rising, Stages, Text, Whole

SHARE = Number(0, 1)  # of 0 to below 1
WITH_ONE = Number(0, 1, "[]")


@dataclass(frozen=True)
class Field:
    """What a field may hold, its meaning in a line, and the other field's values without which it has no effect."""

    kind: Kind
    meaning: str
    needs: str = ""
    among: tuple[str, ...] = ()


FIELDS: dict[str, Field] = {
    "name": Field(Text(), "what the recipe is called"),
    "epochs": Field(Optional(Whole(1)), "passes over the training images; none: by their number"),
    "batch": Field(Whole(1), "images a step; the learning rate belongs to it"),
    "optimiser": Field(Choice(("sgd", "rmsprop", "rmsprop_tf", "adamw", "muon")), "how gradients become steps"),
    "lr": Field(Number(0, 100, "()"), "peak learning rate, for this batch"),
    "momentum": Field(SHARE, "share of the last step kept in the next; AdamW's first beta"),
    "nesterov": Field(Flag(), "look ahead along the momentum", "optimiser", ("sgd", "muon")),
    "eps": Field(
        Number(0, 10, "()"),
        "added to the mean square's root; in rmsprop_tf to the mean square",
        "optimiser",
        ("rmsprop", "rmsprop_tf", "adamw"),
    ),
    "alpha": Field(
        SHARE, "smoothing of the mean square; AdamW's second beta", "optimiser", ("rmsprop", "rmsprop_tf", "adamw")
    ),
    "weight_decay": Field(SHARE, "pull of each weight towards 0; apart from the gradient in adamw and muon, else L2"),
    "decay": Field(Choice(("weights", "all")), "what decays: weights of two or more axes, or biases and norms, too"),
    "schedule": Field(
        Choice(("cosine", "linear", "steps", "exponential", "plateau", "constant")), "how the learning rate falls"
    ),
    "warmup": Field(SHARE, "share of all steps in which the learning rate climbs to its peak"),
    "milestones": Field(
        Rising(Number(0, 1, "()")), "shares of the training after which the rate falls", "schedule", ("steps",)
    ),
    "factor": Field(
        Number(0, 1, "(]"),
        "what the rate is multiplied by where it falls",
        "schedule",
        ("steps", "plateau", "exponential"),
    ),
    "patience": Field(Whole(0), "epochs without a better validation error that are borne", "schedule", ("plateau",)),
    "every": Field(Number(0, 10_000, "()"), "epochs from one fall to the next", "schedule", ("exponential",)),
    "label_smoothing": Field(SHARE, "share of the target spread over all classes"),
    "aux": Field(Number(0, 100), "weight of the loss of each auxiliary head"),
    "ema": Field(SHARE, "decay of the moving average of the weights, a step; 0: off"),
    "clip": Field(Number(0, 1e9), "longest gradient, as the norm over all weights; 0: off"),
    "canvas": Field(Number(1, 8, "[]"), "side of the stored image / side of the crop that is trained on"),
    "shift": Field(SHARE, "farthest shift, as share of the side"),
    "reflect": Field(Flag(), "shift in mirrored pixels, not zeros"),
    "flip": Field(Optional(Flag()), "mirror half of the images; none: as the data allow"),
    "alternate": Field(Flag(), "mirror each image every second epoch, not by chance"),
    "rotate": Field(Number(0, 360), "farthest turn, in degrees"),
    "scale": Field(SHARE, "most growth or shrinkage, as share of the side"),
    "area": Field(Rising(Number(0, 1, "(]"), 2), "random-resized crops: share of the image's area; 1, 1: off"),
    "aspect": Field(Rising(Number(0, 10, "()"), 2), "random-resized crops: width / height"),
    "colour_noise": Field(Number(0, 10), "standard deviation of AlexNet's noise along the colours' main axes; 0: off"),
    "jitter": Field(WITH_ONE, "brightness, contrast and saturation, each by a factor in 1 ± this"),
    "policy": Field(Choice(("none", "trivial", "auto")), "TrivialAugment or AutoAugment's policy for ImageNet"),
    "cutout": Field(WITH_ONE, "side of a blank square, as share of the image's side"),
    "erase": Field(WITH_ONE, "probability that a random rectangle is erased"),
    "mixup": Field(Number(0, 100), "alpha of the beta distribution by which two images are mixed; 0: off"),
    "cutmix": Field(Number(0, 100), "alpha by which a rectangle of one image goes into another; 0: off"),
    "start_side": Field(Number(0, 1, "(]"), "share of the side at which training begins, to grow to 1"),
    "whiten": Field(Flag(), "first convolution set to whiten patches of the images and kept, but for its bias"),
    "class_weights": Field(
        Choice(("none", "balanced", "effective")),
        "weight of a class in the loss: 1, or by 1 / its images, or by their effective number",
        "sampling",
        ("natural",),
    ),
    "sampling": Field(Choice(("natural", "balanced")), "images of an epoch: each one once, or as many of every class"),
    "trains": Field(Stages(), "which stages learn; the others are frozen"),
    "features": Field(
        Choice(("cached", "fresh")),
        "what a head alone learns on: features kept, unaugmented, or computed anew",
        "trains",
        ("head",),
    ),
    "gradual": Field(Whole(0), "epochs until one more stage thaws, from the back; 0: all at once"),
    "lr_decay": Field(Number(0, 1, "(]"), "a stage's rate is that of the one behind it times this"),
    "l2_sp": Field(Number(0, 100), "pull of the body to its start (L2-SP), in place of its decay; 0: off"),
}
"""Every field of `Recipe`, in its order."""


def said(value: object) -> str:
    """A field's value as it is written on the command line; numbers to six digits."""
    if isinstance(value, tuple):
        return ",".join(map(said, value)) or "none"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
