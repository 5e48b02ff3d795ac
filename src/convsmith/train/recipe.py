"""How a network is trained, as a value: what a paper's training section says, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from convsmith.data import Augment
from convsmith.spec.errors import SpecError, UnknownName, nearest
from convsmith.train.fields import FIELDS


@dataclass(frozen=True, eq=False)
class Recipe:
    """SGD with Nesterov momentum, linear warm-up and cosine decay to zero, on shifted, turned and mirrored images.

    These are the settings of `default`, which are ours. A paper's recipe is a subclass with other defaults and nothing
    else; two recipes are equal if their fields are. What a field means and may hold stands in `fields.FIELDS`. Raises
    SpecError for a value that no training has. A learning rate belongs to the recipe's batch: who changes `batch`
    changes `lr` by the same factor.
    """

    name: str = "default"
    epochs: int | None = None
    batch: int = 64
    optimiser: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    eps: float = 1e-8
    alpha: float = 0.999
    weight_decay: float = 5e-4
    decay: str = "weights"
    schedule: str = "cosine"
    warmup: float = 0.15
    milestones: tuple[float, ...] = ()
    factor: float = 0.1
    patience: int = 5
    every: float = 1.0
    label_smoothing: float = 0.1
    aux: float = 0.3
    ema: float = 0.0
    clip: float = 0.0
    canvas: float = 1.0
    shift: float = 0.125
    reflect: bool = False
    flip: bool | None = None
    alternate: bool = False
    rotate: float = 10.0
    scale: float = 0.1
    area: tuple[float, float] = (1.0, 1.0)
    aspect: tuple[float, float] = (1.0, 1.0)
    colour_noise: float = 0.0
    jitter: float = 0.0
    policy: str = "none"
    cutout: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    start_side: float = 1.0
    whiten: bool = False
    class_weights: str = "none"
    sampling: str = "natural"
    trains: str = "all"
    features: str = "cached"
    gradual: int = 0
    lr_decay: float = 1.0
    l2_sp: float = 0.0

    def __post_init__(self) -> None:
        for name, field in FIELDS.items():
            value = getattr(self, name)
            if not field.kind.holds(value):
                raise SpecError(f"recipe: {name} must be {field.kind.wanted}, got {value!r}")
        if self.schedule == "steps" and not self.milestones:
            raise SpecError("recipe: schedule steps wants milestones, such as 0.5,0.75 (shares of the training)")
        if self.whiten and (self.trains != "all" or self.gradual or self.l2_sp):
            raise SpecError("recipe: whiten begins a network anew, so nothing of it can be kept: say whiten=false")

    def idle(self, name: str) -> bool:
        """Whether a field has no effect beside the others, as `milestones` in a cosine."""
        field = FIELDS[name]
        return bool(field.needs) and getattr(self, field.needs) not in field.among

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def settled(self, images: int, flip: bool) -> Recipe:
        """This recipe with what depends on the data filled in."""
        return replace(
            self,
            epochs=epochs_for(images) if self.epochs is None else self.epochs,
            flip=flip if self.flip is None else self.flip,
        )

    def augment(self, side: int, full: int | None = None) -> Augment:
        """The augmentation to images of this side, out of stored ones of `canvas` times `full`.

        `full` is the network's side, larger than `side` while images still grow to it (`start_side`); None: `side`.
        """
        stretched = self.area != (1, 1)
        resized = stretched or self.start_side < 1
        return Augment(
            shift=round(self.shift * side),
            flip=bool(self.flip),
            rotate=self.rotate,
            scale=self.scale,
            cutout=round(self.cutout * side),
            window=(full or side) if self.canvas > 1 and not stretched else None,
            side=side if resized else None,
            area=self.area,
            aspect=self.aspect,
            reflect=self.reflect,
            alternate=self.alternate,
            policy={"auto": "auto_imagenet"}.get(self.policy, self.policy),
            jitter=self.jitter,
            colour_noise=self.colour_noise,
            erase=self.erase,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Recipe:
        """Inverse of `to_json`; what an older version did not write is `default`'s. Unknown fields are refused."""
        return override(Recipe(), data)


def override(base: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """`base` with fields changed; lists stand for tuples and integers for numbers.

    Raises UnknownName for a field that no recipe has, offering the nearest, and SpecError for a value it cannot have.
    """
    return replace(base, **checked(changes, "recipe: "))


def checked(changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The changes with their values brought to the fields' types; errors as `override`, and they begin with `where`."""
    for name in changes:
        if name not in FIELDS:
            raise UnknownName(
                f"{where}a recipe has no field {name!r}{nearest(name, FIELDS)} (it has {', '.join(FIELDS)})"
            )
    values = {name: FIELDS[name].kind.read(value) for name, value in changes.items()}
    for name, value in values.items():
        if not FIELDS[name].kind.holds(value):
            raise SpecError(f"{where}{name} must be {FIELDS[name].kind.wanted}, got {changes[name]!r}")
    return values


def epochs_for(images: int) -> int:
    """Epochs by the number of images: 60 at 1,257, 20 at 50,000, never below 10 or above 100."""
    return int(min(100, max(10, round(60 * (1257 / max(1, images)) ** 0.3))))
