"""ConvNeXt: torchvision's four nets, timm's XL, and the paper's Table 1."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.ops import StochasticDepth

from convsmith import build, cost, trace
from convsmith.spec import Conv, DropPath, LayerNorm, LayerScale, Linear, Network, SpecError
from convsmith.zoo import convnext

PUBLISHED = Path(__file__).parents[3] / "shared/data/published.csv"
NAMES = list(convnext.VARIANTS)
LIBRARY = [name for name, found in convnext.VARIANTS.items() if found.provenance == "torchvision"]
NOISE = torch.randn(1 << 21, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
TIMM = {
    r"^features\.0": "stem", r"^features\.([246])\.": r"down\1.", r"^features\.([1357])\.": r"stages\1.blocks.",
    r"\.block\.0": ".conv_dw", r"\.block\.2": ".norm", r"\.block\.3": ".mlp.fc1", r"\.block\.5": ".mlp.fc2",
    r"\.layer_scale": ".gamma", r"^classifier\.0": "head.norm", r"^classifier\.2": "head.fc",
}  # fmt: skip
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, **options: object) -> Network:
    return convnext.VARIANTS[name].network(name, **options)


def in_timm(key: str) -> str:
    """timm numbers the stages alone, and puts what halves the image into them."""
    for ours, theirs in TIMM.items():
        key = re.sub(ours, theirs, key)
    key = re.sub(r"^down(\d)", lambda place: f"stages.{int(place[1]) // 2}.downsample", key)
    return re.sub(r"^stages(\d)", lambda place: f"stages.{int(place[1]) // 2}", key)


def reference(name: str, **options: object) -> nn.Module:
    """torchvision's net, or timm's XL; on the meta device."""
    with torch.device("meta"):
        if name in LIBRARY:
            return models.get_model(name, stochastic_depth_prob=convnext.VARIANTS[name].options["drop_path"]).eval()
        timm = pytest.importorskip("timm", reason="timm is the reference of ConvNeXt-XL")
        return timm.create_model(name, num_classes=1000, **options).eval()


def state_for(module: nn.Module) -> dict[str, Tensor]:
    """Weights whose rows are windows into one stretch of noise, 127 numbers apart: the largest take no memory."""
    state: dict[str, Tensor] = {}
    for i, (key, old) in enumerate(module.state_dict().items()):
        if old.dim() == 1:
            state[key] = NOISE[i : i + len(old)] * 0.1 + (1.0 if key.endswith(".weight") else 0.0)
        else:
            fan, start = old[0].numel(), 101 * i
            stretch = NOISE[start : start + 127 * len(old) + fan] * (1.5 / fan) ** 0.5
            state[key] = stretch.as_strided(old.shape, (127, *old.stride()[1:]))
    return state


def twins(name: str) -> tuple[nn.Module, nn.Module]:
    """Ours and the reference on the same tensors. XL has fewer blocks."""
    blocks = (1, 1, 2, 1) if name not in LIBRARY else convnext.VARIANTS[name].options["blocks"]
    ours = build(network(name, blocks=blocks, drop_path=0.0), device="meta").eval()
    theirs = reference(name) if name in LIBRARY else reference(name, depths=blocks)
    state = state_for(ours)
    ours.load_state_dict(state, strict=True, assign=True)
    if name not in LIBRARY:
        state = {in_timm(k): t.flatten() if k.endswith("layer_scale") else t for k, t in state.items()}
    theirs.load_state_dict(state, strict=True, assign=True)
    return ours, theirs


def image(rows: int, cols: int, many: int = 1) -> Tensor:
    return torch.randn(many, 3, rows, cols, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def test_every_convnext_of_torchvision_is_here() -> None:
    assert set(LIBRARY) == {name for name in models.list_models(models) if name.startswith("convnext_")}


@pytest.mark.parametrize("name", NAMES)
def test_keys_shapes_parameters_and_multiply_adds_are_the_references(name: str, macs_of: Callable[..., int]) -> None:
    """torchvision's in its order; timm's layer scales are flat and stand elsewhere."""
    theirs, ours, total = reference(name), build(network(name), device="meta"), cost(trace(network(name)))
    found, wanted = ({k: tuple(t.shape) for k, t in net.state_dict().items()} for net in (ours, theirs))
    if name in LIBRARY:
        assert list(found.items()) == list(wanted.items())
        assert [k for k, _ in ours.named_parameters()] == [k for k, _ in theirs.named_parameters()]
    else:
        assert {in_timm(k): s[:1] if k.endswith("layer_scale") else s for k, s in found.items()} == wanted
    assert total.params == sum(p.numel() for p in theirs.parameters())
    assert total.macs == macs_of(theirs, torch.empty(1, 3, 224, 224, device="meta"))


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_the_references(name: str) -> None:
    ours, theirs = twins(name)
    with torch.no_grad():
        for size in ((45, 71), (32, 32)) if name == "convnext_tiny" else ((33, 49),):
            found, wanted = ours(image(*size)), theirs(image(*size))
            assert wanted.abs().max() > 0.01
            assert float((found - wanted).abs().max() / wanted.abs().max()) <= 1e-9


def test_gradients_are_torchvisions() -> None:
    ours, theirs = twins("convnext_tiny")
    found, wanted = (
        dict(zip(dict(net.named_parameters()), torch.autograd.grad(
            nn.functional.cross_entropy(net(image(64, 64, 2)), torch.tensor([1, 2])), list(net.parameters())
        ), strict=True))
        for net in (ours, theirs)
    )  # fmt: skip
    assert list(found) == list(wanted)
    floor = 1e-12 * max(float(g.abs().max()) for g in wanted.values())
    for key, gradient in wanted.items():
        assert float((found[key] - gradient).abs().max()) <= 1e-9 * float(gradient.abs().max()) + floor, key


@pytest.mark.parametrize("name", LIBRARY)
def test_stochastic_depth_norms_and_layer_scale_start_as_torchvisions(name: str) -> None:
    """By default, too: the rates are torchvision's own."""
    theirs, nodes = models.get_model(name) if name == "convnext_tiny" else reference(name), trace(network(name)).rows
    depths = [m for m in theirs.modules() if isinstance(m, StochasticDepth)]
    assert {m.mode for m in depths} == {"row"}
    assert [row.node.rate for row in nodes if isinstance(row.node, DropPath)] == [m.p for m in depths if m.p]
    assert {row.node.eps for row in nodes if isinstance(row.node, LayerNorm)} == {
        m.eps for m in theirs.modules() if isinstance(m, nn.LayerNorm)
    }
    if name == "convnext_tiny":
        (start,) = {row.node.start for row in nodes if isinstance(row.node, LayerScale)}
        assert all(torch.all(t == start) for k, t in theirs.state_dict().items() if k.endswith("layer_scale"))


# Table 1: side, millions of parameters, billions of multiply-adds
TABLE1 = (
    ("convnext_tiny", 224, 29, 4.5),
    ("convnext_small", 224, 50, 8.7),
    ("convnext_base", 224, 89, 15.4),
    ("convnext_large", 224, 198, 34.4),
    ("convnext_large", 384, 198, 101.0),
    ("convnext_xlarge", 224, 350, 60.9),
    ("convnext_xlarge", 384, 350, 179.0),
)


@pytest.mark.parametrize(("name", "side", "params", "flops"), TABLE1)
def test_table_1_prints_these_figures(name: str, side: int, params: float, flops: float) -> None:
    total = cost(trace(network(name), side))
    assert (round(total.params / 1e6), round(total.macs / 1e9, 1)) == (params, flops)


@pytest.mark.parametrize("name", NAMES)
def test_section_3s_stages(name: str) -> None:
    rows = trace(network(name)).rows
    widths, blocks, _ = convnext.SIZES[name.removeprefix("convnext_")]
    maps = {row.path.split(".")[1]: (row.out.channels, row.out.rows) for row in rows if row.path.endswith(".add")}
    assert list(maps.values()) == list(zip(widths, (56, 28, 14, 7), strict=True))
    assert sum(isinstance(row.node, Conv | Linear) for row in rows) == 3 * sum(blocks) + 5


@pytest.mark.skipif(not PUBLISHED.exists(), reason="shared/data/published.csv is not beside this checkout")
def test_exact_published_counts_are_ours() -> None:
    seen = set()
    with PUBLISHED.open(newline="") as file:
        for row in csv.DictReader(file):
            library, _, rest = row["variant"].partition("/")
            name = rest.split(".")[0]
            if library not in ("torchvision", "timm") or name not in NAMES or not row["params_exact"]:
                continue
            total = cost(trace(network(name), int(row["input_size"])))
            assert (str(total.params), str(total.macs)) == (row["params_exact"], row["macs_exact"]), row["variant"]
            assert str(sum(layer.macs > 0 for layer in total.layers)) == row["conv_fc_modules"]
            seen.add(name)
    assert seen >= set(LIBRARY)


def test_options_change_what_they_say_and_what_cannot_be_is_refused() -> None:
    net = network("convnext_tiny", widths=(40, 80), blocks=(1, 3), kernel=5, expansion=2, scale=1.0, drop_path=0.3)
    rows = {row.path: row for row in trace(net).rows}
    assert rows["features.1.0.block.0"].node == Conv(40, 5, groups=40)
    assert (rows["features.3.2.block.3"].out.channels, rows["features.3.2.layer_scale"].node.start) == (160, 1.0)
    assert [r.node.rate for r in rows.values() if isinstance(r.node, DropPath)] == pytest.approx([0.1, 0.2, 0.3])
    for options in ({"kernel": 4}, {"blocks": (3, 3)}, {"widths": ()}, {"blocks": (3, 3, 0, 3)}):
        with pytest.raises(SpecError, match="as many widths as blocks"):
            network("convnext_tiny", **options)
