"""GoogLeNet: its three classifiers, the paper's form, Table 1's rows, and the module of the course notes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from convsmith import cost, trace
from convsmith.nn import Net
from convsmith.spec import Conv, Linear, Network, Seq, SpecError, UnknownName
from convsmith.views.cost import Cost
from convsmith.zoo import googlenet

from .twins import alike, built, gap, image, logits_differ, on_meta, reference, shapes, trained_tensors

tv = sys.modules[models.GoogLeNet.__module__]  # the package has a function of the module's name
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return googlenet.VARIANTS[name].network(name, classes, **options)


def of(name: str, **options: Any) -> Cost:
    return cost(trace(network(name, **options)))


class ConvRelu(nn.Module):
    """The paper's unit in torch: biases, no normalisation."""

    def __init__(self, into: int, out: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).relu()


class Inception5(tv.Inception):
    def __init__(self, *widths: int, conv_block: Any = None) -> None:
        super().__init__(*widths, conv_block=conv_block)
        self.branch3[1] = ConvRelu(widths[4], widths[5], kernel_size=5, padding=2)


class Auxiliary5(tv.InceptionAux):
    """Section 5: average pooling of 5x5 with stride 3."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(nn.functional.avg_pool2d(x, 5, 3)).flatten(1)
        return self.fc2(self.dropout(self.fc1(x).relu()))


def papers(**options: Any) -> nn.Module:
    """The paper's form on torchvision's skeleton; Krizhevsky's normalisation spelt out in torch's arguments."""
    local = lambda: nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)

    def inception(*widths: int) -> nn.Module:
        return Inception5(*widths, conv_block=ConvRelu)

    def auxiliary(into: int, classes: int, dropout: float) -> nn.Module:
        return Auxiliary5(into, classes, conv_block=ConvRelu, dropout=dropout)

    net = tv.GoogLeNet(init_weights=False, blocks=[ConvRelu, inception, auxiliary], **options)
    net.maxpool1 = nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), local())
    net.maxpool2 = nn.Sequential(local(), nn.MaxPool2d(3, 2, ceil_mode=True))
    net.maxpool4 = nn.MaxPool2d(3, 2, ceil_mode=True)
    net.avgpool = nn.AvgPool2d(7, 1)
    return net


def torchvisions(**options: Any) -> nn.Module:
    return tv.GoogLeNet(init_weights=False, **options)


THEIRS: dict[str, Callable[..., nn.Module]] = {"googlenet": torchvisions, "googlenet_paper": papers}
COUNTS = {"googlenet": (6_624_904, 13_004_888, 1_498_376_192), "googlenet_paper": (6_998_552, 13_378_280, None)}


def twins(name: str) -> tuple[Net, nn.Module]:
    with on_meta():
        theirs = THEIRS[name](num_classes=11, dropout=0.0, dropout_aux=0.0)
    ours = built(name, classes=11, rate=0.0, aux_rate=0.0)
    alike(ours, theirs, gain=2.0)
    return ours, theirs


def test_keys_and_shapes_of_the_papers_form_are_the_references() -> None:
    with on_meta():
        wanted = shapes(papers())
    found = dict(trace(network("googlenet_paper")).weights)
    assert found == shapes(built("googlenet_paper")) == wanted
    heads = [key for key in wanted if key.startswith("aux")]  # torchvision registers them last, we where they stand
    assert [k for k in found if k not in heads] == [k for k in wanted if k not in heads]


@pytest.mark.parametrize("name", THEIRS)
def test_counts_are_the_references(name: str, macs_of: Callable[..., int]) -> None:
    with on_meta():
        theirs, blank = THEIRS[name]().eval(), torch.empty(1, 3, 224, 224)
    params, with_heads, macs = COUNTS[name]
    total, bare = of(name), of(name, aux=False)
    assert total.params == bare.params == params
    assert total.params + sum(row.params for row in total.aux) == with_heads
    assert with_heads == sum(p.numel() for p in theirs.parameters())
    assert total.macs == bare.macs == macs_of(theirs, blank)
    assert macs in (total.macs, None)
    assert total.macs + sum(row.macs for row in total.aux) == macs_of(theirs.train(), torch.empty_like(blank))
    assert bare.aux == ()


# the paper's heads want 4x4 maps for their linear layer and its last pooling 7x7, so its form is compared at 224 alone
@pytest.mark.parametrize(("name", "sides"), [("googlenet", [(64, 64), (75, 109)]), ("googlenet_paper", [(224, 224)])])
def test_logits_are_equal_in_evaluation_and_all_three_in_training(name: str, sides: list[tuple[int, int]]) -> None:
    ours, theirs = twins(name)
    for side in sides:
        assert logits_differ(ours, theirs, side) <= 1e-9
        with torch.no_grad():
            found, wanted = ours.train()(image(*side, 2)), theirs.train()(image(*side, 2))
        assert list(found) == ["logits", "aux1", "aux2"]
        assert gap(found["logits"], wanted.logits) <= 1e-9
        assert gap(found["aux1"], wanted.aux_logits1) <= 1e-9
        assert gap(found["aux2"], wanted.aux_logits2) <= 1e-9


def test_gradients_through_all_three_classifiers_are_equal() -> None:
    def loss(out: Any) -> Tensor:
        outputs = out.values() if isinstance(out, dict) else (out.logits, out.aux_logits1, out.aux_logits2)
        weights = (1.0, 0.3, 0.3)  # section 5: "losses of the auxiliary classifiers were weighted by 0.3"
        return torch.stack([w * o.square().mean() for w, o in zip(weights, outputs, strict=True)]).sum()

    assert trained_tensors(*twins("googlenet"), image(64, 64, 2), loss=loss) == 187


def rates(net: nn.Module) -> list[float]:
    return sorted(m.p for m in net.modules() if isinstance(m, nn.Dropout))


def test_normalisation_and_dropout_are_torchvisions_and_the_papers() -> None:
    for net in (built("googlenet"), reference("googlenet")):
        assert {(m.eps, m.momentum) for m in net.modules() if isinstance(m, nn.BatchNorm2d)} == {(0.001, 0.1)}
        assert rates(net) == [0.2, 0.7, 0.7]
    assert rates(built("googlenet_paper")) == [0.4, 0.7, 0.7]  # Table 1; section 5


# Table 1: row -> output size, depth, parameters in K (of 1024, without biases), operations in M (of 10^6)
TABLE1 = {
    "conv1": ((64, 112, 112), 1, 2.7, 34),
    "maxpool1": ((64, 56, 56), 0, None, None),
    "conv3": ((192, 56, 56), 2, 112, 360),
    "maxpool2": ((192, 28, 28), 0, None, None),
    "inception3a": ((256, 28, 28), 2, 159, 128),
    "inception3b": ((480, 28, 28), 2, 380, 304),
    "maxpool3": ((480, 14, 14), 0, None, None),
    "inception4a": ((512, 14, 14), 2, 364, 73),
    "inception4b": ((512, 14, 14), 2, 437, 88),
    "inception4c": ((512, 14, 14), 2, 463, 100),
    "inception4d": ((528, 14, 14), 2, 580, 119),
    "inception4e": ((832, 14, 14), 2, 840, 170),
    "maxpool4": ((832, 7, 7), 0, None, None),
    "inception5a": ((832, 7, 7), 2, 1072, 54),
    "inception5b": ((1024, 7, 7), 2, 1388, 71),
    "avgpool": ((1024, 1, 1), 0, None, None),
    "fc": ((1000,), 1, 1000, 1),
}


def rows_of(row: str) -> list[Any]:
    """Rows of a line of the table; the reduction to 64 stands in the second convolution's."""
    graph = trace(network("googlenet_paper"))
    return [r for r in graph.rows if r.path.split(".")[0] in ((row, "conv2") if row == "conv3" else (row,))]


def weights_of(row: str) -> int:
    return sum(r.facts.params - (r.out.channels if r.facts.macs else 0) for r in rows_of(row))


def test_table_1s_output_sizes_and_depths() -> None:
    for row, (size, depth, *_) in TABLE1.items():
        rows = rows_of(row)
        assert rows[-1].out.shape == size
        kinds = [isinstance(r.node, Conv | Linear) for r in rows if ".branch" not in r.path or ".branch2" in r.path]
        assert sum(kinds) == depth, row
    # section 5: "22 layers deep when counting only layers with parameters"
    assert sum(depth for _, depth, *_ in TABLE1.values()) == 22


def test_table_1s_operations_but_for_two_rows() -> None:
    """Printed in millions; 4a (73.6) is cut, the others are rounded or either way the same."""
    macs = {row: sum(r.facts.macs for r in rows_of(row)) / 1e6 for row in TABLE1}
    differ = {row: (printed, round(macs[row])) for row, (*_, printed) in TABLE1.items()
              if printed is not None and printed not in (int(macs[row]), round(macs[row]))}  # fmt: skip
    assert differ == {"conv1": (34, 118), "inception5a": (54, 51)}


def test_table_1s_parameters_where_its_columns_give_them() -> None:
    """Printed in units of 1024: 114,688 weights are "112K" and 1,024,000 "1000K". Six rows do not follow from their own
    columns, most of all 4c (-7 %) and 5a (+5 %)."""
    exact = {"conv3": 112, "inception3a": 159, "fc": 1000}
    for row, printed in exact.items():
        assert TABLE1[row][2] == printed == weights_of(row) // 1024
    with_biases = sum(r.facts.params for r in rows_of("inception3b"))
    assert (weights_of("inception3b"), round(with_biases / 1024)) == (388_096, TABLE1["inception3b"][2])
    rest = {row: (p, weights_of(row) // 1024) for row, (*_, p, _) in TABLE1.items() if p and row not in exact}
    assert rest == {
        "conv1": (2.7, 9), "inception3b": (380, 379), "inception4a": (364, 366), "inception4b": (437, 438),
        "inception4c": (463, 497), "inception4d": (580, 590), "inception4e": (840, 847), "inception5a": (1072, 1018),
        "inception5b": (1388, 1409),
    }  # fmt: skip


def test_the_first_row_counts_a_separable_convolution() -> None:
    separable = Seq(Conv(24, 7, 2, groups=3, bias=False), Conv(64, bias=False))
    total = cost(trace(separable, 224))
    assert (total.params, round(total.params / 1e3, 1), round(total.macs / 1e6)) == (2_712, *TABLE1["conv1"][2:])
    remark = googlenet.VARIANTS["googlenet_paper"].remarks[0]
    assert "2,712; 34.0 M" in remark
    assert "9,408 and 118 M" in remark
    assert (weights_of("conv1"), round(sum(r.facts.macs for r in rows_of("conv1")) / 1e6)) == (9_408, 118)


def test_the_auxiliary_classifiers_are_section_5s() -> None:
    rows = {row.path: row.out.shape for row in trace(network("googlenet_paper")).rows if row.tap}
    for head, channels in (("aux1", 512), ("aux2", 528)):  # 4x4x512 behind (4a), 4x4x528 behind (4d)
        assert rows[f"{head}.pool"] == (channels, 4, 4)
        assert rows[f"{head}.conv.conv"] == (128, 4, 4)
        assert (rows[f"{head}.fc1"], rows[f"{head}.fc2"]) == ((1024,), (1000,))


def test_the_module_alone_has_the_course_notes_operations_or_says_why_not() -> None:
    naive, reduced = of("inception_naive"), of("inception_reduced")
    position = 28 * 28
    assert naive.macs == position * 256 * (128 + 9 * 192 + 25 * 96) == 854_196_224
    assert naive.layers[-1].out.shape == (128 + 192 + 96 + 256, 28, 28)
    products = [position * n for n in (256 * 64, 256 * 64, 256 * 128, 64 * 9 * 192, 64 * 25 * 96, 256 * 64)]
    assert reduced.macs == sum(products) == 271_351_808
    assert sorted(row.macs for row in reduced.layers if row.macs) == sorted(products)
    assert reduced.macs + products[3] == 358_055_936  # the notes' "358M ops": the 3x3's product twice
    (remark,) = googlenet.VARIANTS["inception_reduced"].remarks
    assert f"{products[3]:,}" in remark
    assert f"{reduced.macs:,}" in remark
    assert reduced.layers[-1].out.shape == (480, 28, 28)


def test_numbers_in_the_docstring_are_the_nets() -> None:
    words = (inspect.getdoc(googlenet) or "").replace("\n", " ")
    assert [n for params, both, _ in COUNTS.values() for n in (params, both) if f"{n:,}" not in words] == []


def test_options_change_what_they_say() -> None:
    assert of("googlenet", width=0.5, classes=10).params < 2_000_000
    assert of("googlenet_paper", large=3).params == 6_998_552 - sum(16 * r[3] * r[4] for r in googlenet.TABLE1.values())
    with pytest.raises(SpecError, match="width must be above 0"):
        network("googlenet", width=0)
    with pytest.raises(SpecError, match="no classifier: it puts out 480 channels, not 10"):
        network("inception_reduced", 10)
    with pytest.raises(UnknownName, match="aux"):
        network("googlenet", auxx=False)
