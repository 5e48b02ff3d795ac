"""What of a picture a network is shown: functions from a picture uint8 (C, H, W) to its views, and their names.

Every size is that of a paper whose network reads 224 pixels, times side / 224; a picture that is smaller is enlarged.
Mirror images are not made here: whoever computes a view computes its mirror image beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from convsmith.data.pictures import short_side
from convsmith.data.preprocess import Preprocess
from convsmith.spec.errors import UnknownName, nearest

Views = Callable[[Tensor, Preprocess], Iterator[Tensor]]
"""From a picture, uint8 (C, H, W), and the network's preprocessing to views, uint8 (C, h, w)."""
PAPERS_SIDE = 224
TEN_CROP = 256
MULTI_CROP = (256, 288, 320, 352)
DENSE = (224, 256, 288)


def scaled(size: int, side: int) -> int:
    """A paper's `size` in pixels for a network that reads `side`."""
    return round(size * side / PAPERS_SIDE)


def centre(picture: Tensor, preprocess: Preprocess) -> Iterator[Tensor]:
    """The picture with its short side at the network's, and of it the central square: what training evaluates on."""
    yield preprocess.resize(picture[None])[0]


def ten_crop(picture: Tensor, preprocess: Preprocess) -> Iterator[Tensor]:
    """Four corners and the centre of the central 256 x 256 (Krizhevsky et al. 2012, section 4.1, and 2 for the square).

    With mirror images ten. The paper's are the mirror images of the crops, and so are these; torchvision's TenCrop
    crops the mirrored picture, which is the same where canvas and side differ by an even number.
    """
    square = replace(preprocess, side=scaled(TEN_CROP, preprocess.side)).resize(picture[None])[0]
    yield from five(square, preprocess.side)


def multi_crop(picture: Tensor, preprocess: Preprocess) -> Iterator[Tensor]:
    """72 views, 144 with mirror images (Szegedy et al. 2014, "Going deeper with convolutions", section 7).

    The short side at 256, 288, 320 and 352; of each the left, central and right square (the upper, central and lower of
    a tall picture); of each square the four corners, the centre, and the square itself resized. The three squares of a
    square picture are one, and are looked at once.
    """
    for size in MULTI_CROP:
        for square in squares(short_side(picture, scaled(size, preprocess.side))):
            yield from five(square, preprocess.side)
            yield preprocess.resize(square[None])[0]


def dense(picture: Tensor, preprocess: Preprocess) -> Iterator[Tensor]:
    """The whole picture with its short side at S - 32, S and S + 32 with S = 256 (Simonyan & Zisserman 2014, 4.2)."""
    for size in DENSE:
        yield short_side(picture, scaled(size, preprocess.side))


def five(square: Tensor, side: int) -> Iterator[Tensor]:
    """Upper left, upper right, lower left, lower right and centre: (C, side, side) out of (C, S, S)."""
    last = square.shape[-1] - side
    for top, left in ((0, 0), (0, last), (last, 0), (last, last), (last // 2, last // 2)):
        yield square[:, top : top + side, left : left + side]


def squares(picture: Tensor) -> Iterator[Tensor]:
    """First, central and last square along the long side; one of a square picture."""
    height, width = picture.shape[-2:]
    side, left_over = min(height, width), abs(height - width)
    for start in (0, left_over // 2, left_over) if left_over else (0,):
        yield picture.narrow(2 if width > height else 1, start, side)


@dataclass(frozen=True)
class Protocol:
    """A way to evaluate.

    views     what the network is shown
    mirrored  whether it is shown mirror images too, if they keep their class
    wide      whether views are larger than what the network was trained on, so that it must slide over them
    source    the paper
    """

    views: Views
    mirrored: bool
    wide: bool
    source: str


PROTOCOLS = {
    "centre": Protocol(centre, False, False, "what training evaluates on"),
    "ten-crop": Protocol(ten_crop, True, False, "Krizhevsky et al. 2012, section 4.1"),
    "multi-crop": Protocol(multi_crop, True, False, "Szegedy et al. 2014, section 7"),
    "dense": Protocol(dense, True, True, "Sermanet et al. 2013, section 3.5; Simonyan & Zisserman 2014, section 3.2"),
}


def protocol_named(name: str) -> Protocol:
    """Raises UnknownName with the nearest name and all that there are."""
    if name not in PROTOCOLS:
        close = nearest(name, PROTOCOLS)
        raise UnknownName(f"no protocol is called {name!r}{close}; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
