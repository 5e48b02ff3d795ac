"""How a network is trained, as a value: what a paper's training section says, field by field."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from convsmith.data import Augment
from convsmith.spec.errors import SpecError, UnknownName, nearest


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum, linear warm-up and cosine decay to zero, on shifted, turned and mirrored images.

    epochs           passes over the training images; None: by the number of images, `epochs_for`
    batch            images a step (steps of an epoch differ by at most one image)
    lr               peak learning rate; reached after `warmup` (share of all steps, 0..1)
    weight_decay     on weights with two or more axes; biases and normalisation are left alone
    label_smoothing  share of the target spread over all classes (Szegedy et al. 2015, section 7)
    shift, rotate, scale  augmentation: share of the side, degrees, share
    flip             mirror half of the images; None: as the data allows
    """

    name: str = "default"
    epochs: int | None = None
    batch: int = 64
    lr: float = 0.1
    warmup: float = 0.15
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    shift: float = 0.125
    rotate: float = 10.0
    scale: float = 0.1
    flip: bool | None = None

    def __post_init__(self) -> None:
        whole = {"epochs": self.epochs, "batch": self.batch}
        for name, value in whole.items():
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise SpecError(f"recipe: {name} must be an integer of at least 1, got {value!r}")
        ranges = {
            "lr": (0, 100),
            "momentum": (0, 1),
            "weight_decay": (0, 1),
            "label_smoothing": (0, 1),
            "warmup": (0, 1),
        }
        ranges |= {"shift": (0, 1), "rotate": (0, 360), "scale": (0, 1)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < high:
                raise SpecError(f"recipe: {name} must be at least {low} and below {high}, got {value!r}")
        if self.lr == 0:
            raise SpecError("recipe: lr must be above 0")

    def settled(self, images: int, flip: bool) -> Recipe:
        """This recipe with what depends on the data filled in."""
        return replace(
            self,
            epochs=epochs_for(images) if self.epochs is None else self.epochs,
            flip=flip if self.flip is None else self.flip,
        )

    def augment(self, side: int) -> Augment:
        """The augmentation for images of this side."""
        shift = round(self.shift * side)
        return Augment(shift=shift, flip=bool(self.flip), rotate=self.rotate, scale=self.scale)

    def lr_at(self, step: int, steps: int) -> float:
        """Learning rate of step 0 .. steps - 1: linear to the peak, then half a cosine to zero."""
        from math import cos, pi

        warm = self.warmup * steps
        if step < warm:
            return self.lr * (step + 1) / (warm + 1)
        return self.lr * 0.5 * (1 + cos(pi * (step - warm) / max(1.0, steps - warm)))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Recipe:
        """Inverse of `to_json`; unknown fields are refused."""
        return override(Recipe(), data)


RECIPES: dict[str, Recipe] = {
    "default": Recipe(),
    "plain": Recipe(name="plain", lr=0.05, label_smoothing=0.0, rotate=0.0, scale=0.0, shift=0.0, flip=False),
}


def recipe(name: str) -> Recipe:
    """The recipe of this name. Raises UnknownName, offering the nearest."""
    if name not in RECIPES:
        raise UnknownName(f"no recipe is called {name!r}{nearest(name, RECIPES)} (there are {', '.join(RECIPES)})")
    return RECIPES[name]


def override(base: Recipe, changes: dict[str, Any]) -> Recipe:
    """`base` with fields changed. Raises UnknownName for a field that no recipe has, offering the nearest."""
    known = [field.name for field in fields(Recipe)]
    for name in changes:
        if name not in known:
            raise UnknownName(f"a recipe has no field {name!r}{nearest(name, known)} (it has {', '.join(known)})")
    return replace(base, **changes)


def epochs_for(images: int) -> int:
    """Epochs by the number of images: 60 at 1,257, 20 at 50,000, never below 10 or above 100."""
    return int(min(100, max(10, round(60 * (1257 / max(1, images)) ** 0.3))))
