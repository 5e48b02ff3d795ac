"""Decoding for training: equal to Pillow's way bit for bit, whatever the file, and the same refusals."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convsmith.data import decode
from convsmith.data.decode import jpeg, reduced, reduction, whole
from convsmith.data.pixels import picture, pixel_hash, to_tensor
from convsmith.spec.errors import DataError


def smooth(size: tuple[int, int] = (61, 47), mode: str = "RGB") -> Image.Image:
    """A picture with some structure."""
    small = np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).convert(mode)


def saved(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(smooth(), exif=exif)


def sixteen() -> bytes:
    wide = np.random.default_rng(1).integers(0, 65536, (9, 9)).astype(np.uint16)
    return saved(Image.fromarray(wide), "PNG")


def animated() -> bytes:
    frames = [smooth((20, 20), "P"), Image.new("P", (20, 20), 3)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


FILES = {
    "baseline": saved(smooth()),
    "progressive": saved(smooth(), progressive=True),
    "no chroma subsampling": saved(smooth(), subsampling=0),
    "grey": saved(smooth(mode="L")),
    "CMYK": saved(smooth(mode="CMYK")),
    "upright exif": turned(1),
    **{f"orientation {k}": turned(k) for k in range(2, 9)},
    "odd exif": saved(smooth(), exif=b"Exif\0\0nonsense"),
    "palette": saved(smooth(mode="P"), "PNG"),
    "16 bit": sixteen(),
    "animated": animated(),
    "transparent": saved(smooth(mode="RGBA"), "PNG"),
    "two channels": saved(smooth(mode="LA"), "PNG"),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", FILES)
def test_whole_images_are_pillows_bit_for_bit(kind: str, channels: int) -> None:
    data = FILES[kind]
    wanted = to_tensor(kind, picture(kind, lambda: io.BytesIO(data)), channels)
    assert torch.equal(whole(kind, data, channels), wanted)


def outcome(read: Any) -> str:
    """The refusal, or a digest of the pixels: a PNG that only lacks its end can still be read."""
    try:
        return pixel_hash(read())
    except DataError as error:
        return str(error)


def test_jpegs_cut_short_are_refused() -> None:
    with pytest.raises(DataError, match=r"^cannot read 'a.jpg': image file is truncated"):
        whole("a.jpg", FILES["baseline"][:-40], 3)


def test_plain_jpegs_take_the_fast_way_and_others_do_not() -> None:
    fast = {kind for kind, data in FILES.items() if jpeg(data) is not None}
    assert {"baseline", "progressive", "no chroma subsampling", "grey", "upright exif"} <= fast
    assert not fast & {"CMYK", "palette", "16 bit", "animated", *(f"orientation {k}" for k in range(2, 9))}
    assert jpeg(FILES["baseline"]) == decode.Jpeg(61, 47, 3)


def test_without_torchvisions_decoder_pillow_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = whole("a", FILES["baseline"], 3)
    monkeypatch.setattr(decode, "_decoder", lambda: None)
    assert torch.equal(whole("a", FILES["baseline"], 3), wanted)


@pytest.mark.parametrize("kind", ["baseline", "progressive", "16 bit"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.95])
def test_files_cut_short_end_as_with_pillow(kind: str, share: float) -> None:
    data = FILES[kind][: int(share * len(FILES[kind]))]
    assert outcome(lambda: whole("a.jpg", data, 3)) == outcome(
        lambda: to_tensor("a.jpg", picture("a.jpg", lambda: io.BytesIO(data)), 3)
    )


def test_a_decompression_bomb_is_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow refuses from twice this on
    assert jpeg(FILES["baseline"]) is None
    with pytest.raises(DataError, match=r"^cannot read 'big.jpg': Image size \(2867 pixels\) exceeds limit"):
        whole("big.jpg", FILES["baseline"], 3)


def test_threads_of_pixels_are_refused() -> None:
    with pytest.raises(DataError, match="sides may differ 100-fold at most"):
        whole("a.jpg", saved(Image.new("RGB", (500, 2))), 3)


def test_reductions_leave_the_pixels_that_are_needed() -> None:
    assert [reduction(w, h, 10) for w, h in ((19, 99), (20, 20), (39, 99), (40, 41), (80, 800), (200, 79))] == [
        1, 2, 2, 4, 8, 4,
    ]  # fmt: skip


def test_a_reduced_crop_is_close_to_the_whole_one() -> None:
    data = saved(smooth((800, 600)), quality=90)
    box = (100, 60, 500, 480)
    image = Image.open(io.BytesIO(data))
    left, top, width, height = box
    wanted = image.resize((96, 96), Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))
    for by in (2, 4):
        found = reduced(data, box, 96, by)
        assert found is not None
        away = (found.permute(1, 2, 0).int() - torch.from_numpy(np.array(wanted)).int()).abs().float()
        assert away.mean() < 0.5
        assert away.max() <= 8
    assert reduced(saved(smooth(mode="L")), (0, 0, 40, 40), 10, 2) is None
    assert reduced(data[:3000], box, 96, 2) is None
