"""ConvNeXt: timm's XL, the paper's Table 1, and what torchvision draws at random."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torchvision import models
from torchvision.ops import StochasticDepth

from convsmith import cost, trace
from convsmith.spec import Conv, DropPath, LayerScale, Linear, Network, SpecError
from convsmith.zoo import convnext

from .twins import Published, alike, assert_costs, built, in_timm, inverse, logits_differ, norms, reference, shapes

NAMES = list(convnext.VARIANTS)
LIBRARY = [name for name, found in convnext.VARIANTS.items() if found.provenance == "torchvision"]
TIMM = {
    r"^features\.0": "stem", r"^features\.([246])\.": r"down\1.", r"^features\.([1357])\.": r"stages\1.blocks.",
    r"\.block\.0": ".conv_dw", r"\.block\.2": ".norm", r"\.block\.3": ".mlp.fc1", r"\.block\.5": ".mlp.fc2",
    r"\.layer_scale": ".gamma", r"^classifier\.0": "head.norm", r"^classifier\.2": "head.fc",
}  # fmt: skip
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, **options: object) -> Network:
    return convnext.VARIANTS[name].network(name, **options)


def timms(key: str) -> str:
    """timm numbers the stages alone, and puts what halves the image into them."""
    for ours, theirs in TIMM.items():
        key = re.sub(ours, theirs, key)
    key = re.sub(r"^down(\d)", lambda place: f"stages.{int(place[1]) // 2}.downsample", key)
    return re.sub(r"^stages(\d)", lambda place: f"stages.{int(place[1]) // 2}", key)


def test_xls_keys_shapes_norms_parameters_and_multiply_adds_are_timms(macs_of: Callable[..., int]) -> None:
    """Its layer scales are flat, and stand elsewhere."""
    ours, theirs = built("convnext_xlarge"), in_timm("convnext_xlarge", num_classes=1000)
    renamed = inverse(timms, ours)
    wanted = shapes(theirs, renamed)
    assert {k: s[:1] if k.endswith("layer_scale") else s for k, s in shapes(ours).items()} == wanted
    assert norms(ours) == norms(theirs, renamed)
    assert_costs(ours, theirs, macs_of)


def test_xls_logits_are_timms() -> None:
    """With fewer blocks: whole, it has 350 million parameters."""
    blocks = (1, 1, 2, 1)
    ours = built("convnext_xlarge", blocks=blocks)
    theirs = in_timm("convnext_xlarge", num_classes=1000, depths=blocks)
    alike(ours, theirs, inverse(timms, ours))
    assert logits_differ(ours, theirs, (33, 49)) <= 1e-9


@pytest.mark.parametrize("name", LIBRARY)
def test_stochastic_depth_and_layer_scale_start_as_torchvisions(name: str) -> None:
    theirs, nodes = models.get_model(name) if name == "convnext_tiny" else reference(name), trace(network(name)).rows
    depths = [m for m in theirs.modules() if isinstance(m, StochasticDepth)]
    assert {m.mode for m in depths} == {"row"}
    assert [row.node.rate for row in nodes if isinstance(row.node, DropPath)] == [m.p for m in depths if m.p]
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


def test_exact_published_counts_are_ours(published: Published) -> None:
    seen = set()
    for row in published:
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
