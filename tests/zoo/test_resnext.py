"""ResNeXt: Fig. 3's forms against each other, CIFAR's nets against torchvision's class, and the paper's tables."""

from __future__ import annotations

from collections.abc import Callable
from math import floor, prod

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet as tv

from convsmith import build, cost, trace
from convsmith.spec import Conv, Linear, Network, Seq, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import resnext

from .twins import Published, alike, assert_costs, built, gap, lively, logits_differ, norms, on_meta, shapes

CIFAR = [name for name, found in resnext.VARIANTS.items() if found.provenance == "paper"]
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, **options: object) -> Network:
    return resnext.VARIANTS[name].network(name, **options)


def of(name: str, **options: object) -> Cost:
    return cost(trace(network(name, **options)))


def cifars(name: str) -> nn.Module:
    """torchvision's class on the meta device, its ends changed."""
    with on_meta():
        groups = int(name.split("_")[1].split("x")[0])
        net = tv.ResNet(tv.Bottleneck, [3, 3, 3, 1], 10, groups=groups, width_per_group=64)
        net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        net.maxpool, net.layer4, net.fc = nn.Identity(), nn.Identity(), nn.Linear(1024, 10)
    return net.eval()


@pytest.mark.parametrize("name", CIFAR)
def test_the_cifar_nets_keys_norms_and_counts_are_the_references(name: str, macs_of: Callable[..., int]) -> None:
    ours, theirs = built(name), cifars(name)
    assert list(shapes(ours).items()) == list(shapes(theirs).items())
    assert [k for k, _ in ours.named_parameters()] == [k for k, _ in theirs.named_parameters()]
    assert norms(ours) == norms(theirs)
    assert_costs(ours, theirs, macs_of)


@pytest.mark.parametrize("name", CIFAR)
def test_the_cifar_nets_logits_are_the_references(name: str) -> None:
    ours, theirs = built(name), cifars(name)
    alike(ours, theirs)
    assert logits_differ(ours, theirs, (8, 8), (7, 12)) <= 1e-9


def rearranged(state: dict[str, Tensor], cardinality: int, *, split_end: bool) -> dict[str, Tensor]:
    """A grouped block's weights for branches: rows of conv1, conv2 and their BN, and columns of conv3, by branch."""
    found: dict[str, Tensor] = {}
    for key, tensor in state.items():
        part, rest = key.removeprefix("block.").split(".", 1)
        if part in ("conv1", "bn1", "conv2", "bn2") or (split_end and part == "conv3"):
            pieces = [tensor] * cardinality if tensor.dim() == 0 else tensor.chunk(cardinality, int(part == "conv3"))
            found |= {f"block.path{i}.{part}.{rest}": piece for i, piece in enumerate(pieces)}
        else:
            found[key] = tensor
    return found


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("entering", "stride", "cardinality"), [(24, 1, 4), (16, 2, 4), (24, 1, 1), (24, 2, 12)])
def test_the_three_forms_of_fig_3_compute_the_same(
    entering: int, stride: int, cardinality: int, training: bool
) -> None:
    def block(form: str) -> nn.Module:
        node = resnext.bottleneck(12, 24, stride, cardinality, form)  # type: ignore[arg-type]
        return build(Seq(block=node), side=9, channels=entering, device="meta").train(training)

    grouped = block("c")
    state = lively(grouped)
    x = torch.randn(2, entering, 9, 7, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    outputs = []
    for form in "cba":
        net = block(form)
        net.load_state_dict(
            state if form == "c" else rearranged(state, cardinality, split_end=form == "a"), strict=True, assign=True
        )
        with torch.no_grad():
            outputs.append(net(x))
    assert outputs[0].shape == (2, 24, -(-9 // stride), -(-7 // stride))
    assert max(gap(outputs[1], outputs[0]), gap(outputs[2], outputs[0])) <= 1e-12


def test_the_three_forms_of_the_whole_net_cost_the_same() -> None:
    totals = [of("resnext50_32x4d", form=form) for form in "abc"]
    assert {(total.params, total.macs) for total in totals} == {(25_028_904, 4_230_479_872)}


@pytest.mark.parametrize(("cardinality", "width", "group_width"), resnext.TABLE2)
def test_table_2_keeps_a_blocks_complexity(cardinality: int, width: int, group_width: int) -> None:
    """The caption's "#params ~70k" and "FLOPs ~0.22 billion" for conv2, by Eq. 4: C (256 d + 3 3 d d + d 256)."""
    assert group_width == cardinality * width
    rows = trace(Seq(block=resnext.bottleneck(group_width, 256, 1, cardinality)), side=56, channels=256).rows
    weights = sum(prod(w.shape) for r in rows if r.kind == "conv" for w in r.facts.weights)
    assert weights == cardinality * (256 * width + 9 * width * width + width * 256)
    assert abs(weights / 1e3 - 70) < 1.5
    assert round(sum(r.facts.macs for r in rows) / 1e9, 2) == 0.22


@pytest.mark.parametrize(("cardinality", "width", "params", "flops"), [(1, 64, 25.5, 4.1), (32, 4, 25.0, 4.2)])
def test_table_1_prints_these_parameters_and_multiply_adds(
    cardinality: int, width: int, params: float, flops: float
) -> None:
    """25,557,032 is printed as 25.5, cut; the other figures are rounded."""
    total = of("resnext50_32x4d", cardinality=cardinality, width=width)
    assert params in (round(total.params / 1e6, 1), floor(total.params / 1e5) / 10)
    assert round(total.macs / 1e9, 1) == flops


@pytest.mark.parametrize(("name", "printed"), [("resnext29_8x64d", 34.4), ("resnext29_16x64d", 68.1)])
def test_table_7_prints_these_parameters(name: str, printed: float) -> None:
    """68,155,210 is printed as 68.1, cut."""
    assert floor(of(name).params / 1e5) / 10 == printed


@pytest.mark.parametrize("name", resnext.VARIANTS)
def test_the_depth_in_a_name_counts_convolutions_off_the_shortcut_and_the_linear_layer(name: str) -> None:
    rows = trace(network(name)).rows
    depth = sum(isinstance(row.node, Conv | Linear) and "downsample" not in row.path for row in rows)
    assert f"resnext{depth}_" in name


ROWS = {f"torchvision/{n}.IMAGENET1K_V1": n for n, found in resnext.VARIANTS.items() if found.weights} | {
    "imgclsmob/resnext101_32x4d": "resnext101_32x4d",
    "imgclsmob/resnext29_16x64d_cifar10": "resnext29_16x64d",
}


@pytest.mark.parametrize("row", ROWS)
def test_exact_published_counts_are_ours(row: str, published: Published) -> None:
    (found,) = [line for line in published if line["variant"] == row]
    total = of(ROWS[row])
    assert (str(total.params), str(total.macs)) == (found["params_exact"], found["macs_exact"])


def test_what_cannot_be_is_refused() -> None:
    for options, message in (
        ({"depth": 34}, "depth is 50, 101 or 152"), ({"form": "d"}, "form is 'a', 'b' or 'c'"),
    ):  # fmt: skip
        with pytest.raises(SpecError, match=message):
            network("resnext50_32x4d", **options)
    with pytest.raises(SpecError, match="cardinality divides the width"):
        resnext.bottleneck(10, 24, 1, 4)
    with pytest.raises(SpecError, match="depth is 9n"):
        network("resnext29_8x64d", depth=30)
