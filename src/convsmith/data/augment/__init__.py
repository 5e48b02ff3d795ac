"""Augmentation of whole batches on uint8 tensors: no Python runs for each image, and every draw is keyed by image.

`Augment` changes each image by itself, `Mix` makes pictures of two; `Lighting` is the colour statistics for AlexNet's
noise. One file a family: place (crops, shifts, mirrors), turn, resample, tones and colour, policies, erase, mixing.
"""

from __future__ import annotations

from convsmith.data.augment.erase import cut
from convsmith.data.augment.lighting import Lighting
from convsmith.data.augment.mixing import Mix
from convsmith.data.augment.pipeline import Augment
from convsmith.data.augment.place import move
from convsmith.data.augment.turn import warp

__all__ = ["Augment", "Lighting", "Mix", "cut", "move", "warp"]
