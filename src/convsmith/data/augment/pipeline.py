"""Augmentation of whole batches, with randomness keyed by (seed, epoch, image index): see ../keyed.py.

Order: crop (a window, or a random-resized one) and resize; mirror, rotate and scale about the centre, shift; policy;
brightness, contrast, saturation, colour noise; cutout, random erasing. uint8 stays uint8 but for rotate and scale, and
is uint8 again where a policy or a colour needs it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convsmith.data.augment import draws
from convsmith.data.augment.boxes import crops
from convsmith.data.augment.colour import colour_noise, jitter
from convsmith.data.augment.draws import whole
from convsmith.data.augment.erase import cut, erase
from convsmith.data.augment.lighting import IMAGENET, Lighting
from convsmith.data.augment.place import crop, move
from convsmith.data.augment.policies import POLICIES, learned, trivial
from convsmith.data.augment.resample import resample, resize
from convsmith.data.augment.turn import warp
from convsmith.data.keyed import keyed_uniforms
from convsmith.spec.errors import DataError, nearest

WHOLE = (1.0, 1.0)


@dataclass(frozen=True)
class Augment:
    """Ranges; 0, False, None or "none" is off.

    shift   whole pixels put out, uniform in -shift..shift, in each direction
    flip    mirror left-right every second image
    rotate  degrees, uniform in -rotate..rotate, counter-clockwise
    scale   factor, uniform in 1-scale..1+scale (above 1 things grow); below 1
    cutout  side in pixels of a zero square, centred anywhere in the image and clipped at its edges
    window  side in pixels of the square cut from a random place of what comes in (Krizhevsky et al. 2012, section 4.1:
            224 of 256); None: all of it
    area    share of the image that is cut out in its stead, uniform in low..high, and stretched to `side`; (1, 1): off
    aspect  width / height of that rectangle, log-uniform in low..high
    side    side in pixels of what is put out; None: the window's, or what comes in. Where that differs from the window,
            the window is resized to it (bilinear, antialiased): progressive resizing is a smaller `side` of the same
            `window`
    reflect    what a shift, rotation or scaling brings in is the mirrored image, not zeros
    alternate  with flip: mirror a random half of the images in epoch 0 and the other half in epoch 1, in turns (Jordan
               2024, "94% on CIFAR-10 in 3.29 seconds", section 3.6)
    policy     "trivial", "auto_imagenet" or "auto_cifar10": see policies.py
    jitter     brightness, contrast and saturation each by a factor in 1-jitter..1+jitter; at most 1
    colour_noise  standard deviation of the noise along the principal components of `lighting`; 0.1 in the paper
    erase      probability of random erasing
    """

    shift: int = 0
    flip: bool = False
    rotate: float = 0.0
    scale: float = 0.0
    cutout: int = 0
    window: int | None = None
    side: int | None = None
    area: tuple[float, float] = WHOLE
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    reflect: bool = False
    alternate: bool = False
    policy: str = "none"
    jitter: float = 0.0
    colour_noise: float = 0.0
    lighting: Lighting = IMAGENET
    erase: float = 0.0

    def __post_init__(self) -> None:
        if min(self.shift, self.rotate, self.scale, self.cutout) < 0 or self.scale >= 1:
            raise DataError(f"augmentation takes ranges of 0 or more and a scale below 1, got {self}")
        if self.shift != int(self.shift) or self.cutout != int(self.cutout):
            raise DataError(f"shift and cutout are whole pixels, got {self}")
        for name, size in (("window", self.window), ("side", self.side)):
            if size is not None and (size < 1 or size != int(size)):
                raise DataError(f"{name} is a whole number of pixels, at least 1, or None, got {size!r}")
        if not 0 < self.area[0] <= self.area[1] <= 1 or not 0 < self.aspect[0] <= self.aspect[1]:
            raise DataError(f"area (0..1) and aspect are low and high, above 0, got {self.area} and {self.aspect}")
        if self._stretched and self.window is not None:
            raise DataError("window and area are two ways to crop: leave window at None or area at (1, 1)")
        if not 0 <= self.jitter <= 1 or not 0 <= self.erase <= 1 or self.colour_noise < 0:
            raise DataError(f"jitter and erase are 0..1 and colour_noise at least 0, got {self}")
        if self.policy not in POLICIES:
            close = nearest(self.policy, POLICIES)
            raise DataError(f"no policy is called {self.policy!r}{close} (there are {', '.join(POLICIES)})")

    def __call__(self, images: Tensor, index: Tensor, *, seed: int, epoch: int, rows: Tensor | None = None) -> Tensor:
        """uint8 (N, C, S, S) and image indices int64 (N,) -> (N, C, side, side), 0..255.

        uint8, or float32 (bilinear) with rotate or scale and neither policy nor colours. With `rows`, int64 (N,), image
        i is images[rows[i]]: a crop then reads no more than it needs of a large store.

        Raises DataError for other shapes, for a window larger than the image, for a reflected shift as large as the
        image, and for policies and colours on other than 1 or 3 channels.
        """
        self._check(images, index, rows)
        u = keyed_uniforms(seed, epoch, index.to(images.device), self._draws)
        mirror = self._mirror(u, index.to(images.device), seed, epoch)
        images = self._placed(images, u, mirror, rows)
        if self.policy != "none" or self.jitter or self.colour_noise:
            images = self._coloured(_whole_levels(images), u)
        if self.cutout:
            across, down = (whole(at, images.shape[-1]) for at in u[:, draws.CUTOUT].unbind(1))
            images = cut(images, across, down, self.cutout)
        if self.erase:
            images = erase(images, u[:, draws.ERASE], self.erase)
        return images

    def _placed(self, images: Tensor, u: Tensor, mirror: Tensor, rows: Tensor | None) -> Tensor:
        """All that moves pixels."""
        turned, canvas = bool(self.rotate or self.scale), images.shape[-1]
        if self._stretched:
            boxes = crops(u[:, draws.AREA], u[:, draws.PLACE], canvas, area=self.area, aspect=self.aspect)
            images = resample(images, boxes, self.side or canvas, rows=rows)
        elif self.window is not None and self.window < canvas:
            alone = not turned and not self.shift and self.side in (None, self.window)
            corner = whole(u[:, draws.PLACE], canvas - self.window + 1)
            here = mirror if alone else torch.zeros_like(mirror)
            images = crop(images, here, corner, self.window, rows=rows)
            if alone:
                return images
        elif rows is not None:
            images = images.index_select(0, rows)
        images = images if self.side is None else resize(images, self.side)
        shift = whole(u[:, draws.SHIFT], 2 * self.shift + 1) - self.shift
        if turned:
            angle, factor = (2 * u[:, draws.ANGLE] - 1) * self.rotate, 1 + (2 * u[:, draws.SCALE] - 1) * self.scale
            return warp(images, mirror, shift, angle=angle, factor=factor, reflect=self.reflect)
        if self.shift or self.flip:
            if self.reflect and self.shift >= images.shape[-1]:
                raise DataError(
                    f"a reflected shift of {self.shift} needs images larger than it, got {images.shape[-1]}"
                )
            return move(images, mirror, shift, reach=self.shift, reflect=self.reflect)
        return images

    def _coloured(self, images: Tensor, u: Tensor) -> Tensor:
        """All that changes pixels where they are."""
        if self.policy == "trivial":
            images = trivial(images, u[:, draws.TRIVIAL])
        elif self.policy != "none":
            images = learned(images, u[:, draws.AUTO], self.policy)
        if self.jitter:
            images = jitter(images, u[:, draws.JITTER], self.jitter)
        if self.colour_noise:
            images = colour_noise(images, u[:, draws.NOISE], self.colour_noise, self.lighting)
        return images

    def _mirror(self, u: Tensor, index: Tensor, seed: int, epoch: int) -> Tensor:
        """Which images are mirrored, bool (N,)."""
        coin = keyed_uniforms(seed, 0, index, 1) if self.alternate else u
        heads = coin[:, draws.MIRROR] < 0.5
        return (heads ^ bool(self.alternate and epoch % 2)) & self.flip

    @property
    def _stretched(self) -> bool:
        return tuple(self.area) != WHOLE

    @property
    def _draws(self) -> int:
        """Columns that are needed: up to the last of what is on."""
        ends = {
            draws.SCALE + 1: True,
            draws.CUTOUT.stop: self.cutout,
            draws.PLACE.stop: self.window,
            draws.NOISE.stop: self.colour_noise,
            draws.JITTER.stop: self.jitter,
            draws.TRIVIAL.stop: self.policy == "trivial",
            draws.AUTO.stop: self.policy.startswith("auto"),
            draws.ERASE.stop: self.erase,
            draws.AREA.stop: self._stretched,
        }
        return max(end for end, on in ends.items() if on)

    def _check(self, images: Tensor, index: Tensor, rows: Tensor | None) -> None:
        square = images.ndim == 4 and images.shape[2] == images.shape[3]
        picked = images.shape[:1] if rows is None else rows.shape
        if not square or index.ndim != 1 or index.shape != picked:
            got = f"{tuple(images.shape)} and {tuple(index.shape)}"
            raise DataError(f"augmentation takes images (N, C, S, S) and indices (N,), got {got}")
        if self.window is not None and self.window > images.shape[-1]:
            raise DataError(f"a window of {self.window} pixels does not fit in images of {images.shape[-1]}")
        if images.shape[1] not in (1, 3) and (self.policy != "none" or self.jitter or self.colour_noise):
            raise DataError(f"policies and colours are for images of 1 or 3 channels, got {images.shape[1]}")


def _whole_levels(images: Tensor) -> Tensor:
    """uint8, rounded where rotation or scaling has left floats."""
    return images if images.dtype == torch.uint8 else images.round().clamp(0, 255).to(torch.uint8)
