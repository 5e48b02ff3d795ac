"""Decoding: modes, 16 bits, orientation, damage."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from convsmith.data.pixels import header, picture, pixel_hash, to_tensor
from convsmith.spec.errors import DataError


def stored(image, kind="PNG", **options):
    """A way to open the image as a file of this kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return lambda: io.BytesIO(buffer.getvalue())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "YCbCr"])
def test_every_mode_has_one_shape(draw, mode, channels):
    image = draw(1, size=(5, 3), mode="L").convert("I;16") if mode == "I;16" else draw(1, size=(5, 3)).convert(mode)
    tensor = to_tensor("x", image, channels)
    assert tensor.shape == (channels, 3, 5)
    assert tensor.dtype == torch.uint8
    assert tensor.is_contiguous()


def test_rgb_and_grey_are_taken_as_they_are(draw):
    image = draw(2, size=(5, 3))
    assert torch.equal(to_tensor("x", image, 3), torch.from_numpy(np.array(image)).permute(2, 0, 1))
    grey = draw(2, size=(5, 3), mode="L")
    assert torch.equal(to_tensor("x", grey, 1)[0], torch.from_numpy(np.array(grey)))
    assert torch.equal(to_tensor("x", grey, 3), torch.from_numpy(np.array(grey)).expand(3, 3, 5))


def test_palette_and_transparency_go_through_rgb(draw):
    colour = draw(3).quantize(16)
    assert torch.equal(to_tensor("x", colour, 3), to_tensor("x", colour.convert("RGB"), 3))
    assert torch.equal(to_tensor("x", colour, 1), to_tensor("x", colour.convert("RGB").convert("L"), 1))
    colour.info["transparency"] = bytes(range(16))  # would warn if converted straight
    assert torch.equal(to_tensor("x", colour, 3), to_tensor("x", colour.convert("RGBA").convert("RGB"), 3))


def test_sixteen_bit_grey_is_scaled_not_clipped():
    wide = np.array([[0, 128, 129, 257], [32768, 65406, 65407, 65535]], dtype=np.uint16)
    image = picture("x", stored(Image.fromarray(wide)))
    assert image.mode == "I;16"
    assert to_tensor("x", image, 1)[0].tolist() == [[0, 0, 1, 1], [128, 254, 255, 255]]
    as_ints = Image.fromarray(wide.astype(np.int32))
    assert torch.equal(to_tensor("x", as_ints, 1), to_tensor("x", image, 1))


def test_modes_without_an_agreed_range():
    with pytest.raises(
        DataError, match=r"^cannot read 'x.tif': floating-point pixels have no agreed range; save it as 8"
    ):
        to_tensor("x.tif", Image.fromarray(np.zeros((2, 2), np.float32)), 1)
    with pytest.raises(DataError, match=r"^cannot read 'x.tif': grey values outside 0..65535; save it as 8 or 16 bit$"):
        to_tensor("x.tif", Image.fromarray(np.full((2, 2), 70000, np.int32)), 1)
    with pytest.raises(DataError, match=r"^cannot read 'x.tif': no way from mode La to RGB; save it as RGB$"):
        to_tensor("x.tif", Image.new("La", (2, 2)), 3)


def test_a_photograph_taken_sideways_is_turned_upright(draw):
    image = draw(4, size=(6, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated a quarter clockwise
    opened = stored(image, exif=exif)
    assert header("x", opened) == ("RGB", (6, 4))  # as stored
    upright = picture("x", opened)
    assert upright.size == (4, 6)
    assert torch.equal(to_tensor("x", upright, 3), torch.rot90(to_tensor("x", image, 3), -1, (1, 2)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_a_truncated_file_is_named(draw, kind):
    whole = stored(draw(5, size=(64, 64)), kind)().getvalue()
    opened = lambda: io.BytesIO(whole[: len(whole) // 2])
    assert header("cat.img", opened)[1] == (64, 64)  # the header alone doesn't show it
    with pytest.raises(DataError, match=r"^cannot read 'cat.img': .+; remove it or save it again$"):
        picture("cat.img", opened)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"\xff\xd8\xff\xe0"])
def test_what_is_no_image_is_named(data):
    for read in (header, picture):
        with pytest.raises(
            DataError, match=r"^cannot read 'x.png': not an image that Pillow knows; remove it or save it"
        ):
            read("x.png", lambda: io.BytesIO(data))


def test_threads_and_nothing_are_no_pictures():
    for read in (header, picture):
        with pytest.raises(DataError) as caught:
            read("x.png", stored(Image.new("L", (1, 101))))
        assert str(caught.value) == (
            "cannot read 'x.png': 1x101 pixels, while sides may differ 100-fold at most; crop or remove it"
        )
        with pytest.raises(DataError, match=r"^cannot read 'x.pgm': "):
            read("x.pgm", lambda: io.BytesIO(b"P5 0 5 255\n"))
    assert picture("x.png", stored(Image.new("L", (1, 100)))).size == (1, 100)


def test_an_absurdly_large_picture_is_refused(draw, monkeypatch):
    opened = stored(draw(6, size=(64, 64)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match=r"^cannot read 'x.png': Image size \(4096 pixels\) exceeds limit"):
        picture("x.png", opened)


def test_hashes_tell_pixels_and_shapes_apart():
    a = torch.zeros(1, 2, 8, dtype=torch.uint8)
    assert pixel_hash(a) == pixel_hash(a.clone())
    assert pixel_hash(a) != pixel_hash(a.view(1, 4, 4))
    assert pixel_hash(a) != pixel_hash(a + 1)
