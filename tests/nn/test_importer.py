"""Any module as a graph: what we built comes back row by row, and others' modules cost what torch's counter says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from convsmith import build, cost, spec, trace
from convsmith.nn import from_torch
from convsmith.spec import Graph, ImportFailed, SpecError

pytestmark = pytest.mark.usefixtures("one_thread")


def reads(graph: Graph) -> list[tuple[Any, ...]]:
    """Rows as what they are: name, word, size, cost, state-dict keys and what they read."""
    names = ["input"] + [row.path for row in graph.rows]
    return [
        (row.path, row.kind, row.out.shape, row.facts.macs, row.facts.ops, row.facts.window, row.facts.weights,
         tuple(names[i + 1] for i in row.inputs))
        for row in graph.rows if row.tap is None
    ]  # fmt: skip


@pytest.mark.parametrize("name", [
    "lenet5", "alexnet", "vgg11_bn", "resnet18", "resnet20", "densenet121", "mobilenet_v3_small", "efficientnet_b0",
    "shufflenet_v2_x0_5", "squeezenet1_1", "seresnet50", "resnext50_32x4d", "mnasnet0_5", "googlenet",
])  # fmt: skip
def test_what_we_built_comes_back_row_by_row(name: str) -> None:
    options = {"drop_path": 0.0} if name.startswith("efficientnet") else {}  # evaluation never runs it
    network = spec(name, **options)
    side = network.side if isinstance(network.side, int) else network.side[0]
    back = from_torch(build(network, device="meta"), (network.channels, side, side))
    ours = trace(network)
    assert sorted(reads(back)) == sorted(reads(ours))
    assert back.weights == {key: shape for key, shape in ours.weights.items() if "aux" not in key}
    assert back.rows[back.output].path == ours.rows[ours.output].path


TIMM = [
    "nf_resnet50", "resnest50d", "hrnet_w18_small", "dla34", "res2net50_26w_4s", "selecsls42", "vovnet39a",
    "ghostnet_100", "mixer_b16_224", "dpn68", "xception41", "cspresnet50", "darknet53", "repvgg_a2", "tresnet_m",
    "fbnetc_100", "hardcorenas_a", "lcnet_050", "mobilevit_s", "poolformer_s12", "deit_tiny_patch16_224",
    "convmixer_768_32", "regnetx_002", "resnetv2_50x1_bit", "coatnet_0_rw_224", "tf_efficientnet_lite0",
    "inception_v4", "convnext_tiny", "mobilenetv4_conv_small", "rexnet_100", "skresnet18", "ese_vovnet19b_dw",
    "inception_next_tiny", "resmlp_12_224", "gmlp_s16_224", "pvt_v2_b0", "visformer_tiny", "eca_nfnet_l0",
    "regnetz_b16", "repghostnet_050", "starnet_s1", "fastvit_t8", "tinynet_a", "mobileone_s0", "gernet_s",
    "ecaresnet26t", "convnextv2_atto", "efficientvit_b0", "focalnet_tiny_srf", "hgnet_tiny", "levit_128s",
    "caformer_s18", "resnetrs50", "halonet26t", "lambda_resnet26t", "botnet26t_256", "cs3darknet_s",
    "efficientformer_l1", "ghostnetv2_100", "tiny_vit_5m_224", "crossvit_9_240", "semnasnet_100", "spnasnet_100",
    "mixnet_s",
]  # fmt: skip


class Example(nn.Module):
    """A module that runs the function it is given on its own layers."""

    def __init__(self, run: Callable[[Any, Tensor], Tensor], **layers: Any) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def read(run: Callable[[Any, Tensor], Tensor], image: Any = (4, 8, 6), **layers: Any) -> Graph:
    return from_torch(Example(run, **layers), image)


def words(graph: Graph) -> list[str]:
    return [f"{row.path}: {row.kind} {row.out}" for row in graph.rows]


def test_rows_are_named_by_the_modules_that_run_them() -> None:
    block = nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU())
    graph = read(lambda m, x: F.relu(m.block(x).mean((2, 3))), block=block)
    assert words(graph) == [
        "block.0: conv 6×6×4", "block.1: relu 6×6×4", "avg_pool_to: avg_pool_to 6×1×1", "flatten: flatten 6",
        "relu: relu 6",
    ]  # fmt: skip


def test_a_module_that_runs_twice_counts_once_and_computes_twice() -> None:
    conv = nn.Conv2d(4, 4, 3, padding=1)
    graph = read(lambda m, x: m.conv(m.conv(x)), conv=conv)
    assert [(row.path, row.facts.params, row.facts.macs) for row in graph.rows] == [
        ("conv", 148, 144 * 48), ("conv_2", 0, 144 * 48)
    ]  # fmt: skip
    assert list(graph.weights) == ["conv.weight", "conv.bias"]


def test_one_tensor_under_two_names_counts_once() -> None:
    one, two = nn.Conv2d(4, 4, 1, bias=False), nn.Conv2d(4, 4, 1, bias=False)
    two.weight = one.weight
    assert cost(read(lambda m, x: m.two(m.one(x)), one=one, two=two)).params == 16


def test_tensors_keep_their_keys_wherever_they_are_used() -> None:
    class Norm2d(nn.LayerNorm):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w1, self.w2 = nn.Parameter(torch.ones(4, 4, 1, 1)), nn.Parameter(torch.ones(4, 4, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return F.conv2d(F.conv2d(x, self.w1), self.w2)

    graph = read(lambda m, x: m.twice(m.norm(x)), norm=Norm2d(4), twice=Twice())
    assert words(graph) == [
        "norm.channels_last: channels_last 8×6×4", "norm: layer_norm 8×6×4",
        "norm.channels_first: channels_first 4×8×6", "twice: conv 4×8×6", "twice_2: conv 4×8×6",
    ]  # fmt: skip
    assert list(graph.weights) == ["norm.weight", "norm.bias", "twice.w1", "twice.w2"]


def test_padding_beforehand_is_the_layers_own() -> None:
    graph = read(lambda m, x: m.conv(F.pad(x, (0, 1, 2, 0))), conv=nn.Conv2d(4, 2, 3, padding=1))
    assert words(graph) == ["conv: conv 2×10×7"]
    assert graph.rows[0].node.pad == (3, 1, 1, 2)  # type: ignore[attr-defined]
    kept = read(lambda m, x: F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3))  # zeros are not a maximum's padding
    assert [row.kind for row in kept.rows] == ["pad", "max_pool"]
    assert kept.rows[0].out.shape == (4, 10, 8)
    taken = read(lambda m, x: F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 3, 2))
    assert (taken.rows[0].node.pad, taken.rows[0].out.shape) == ("same", (4, 4, 3))  # type: ignore[attr-defined]
    zeros = read(lambda m, x: F.avg_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2))
    assert (zeros.rows[0].node.pad, zeros.rows[0].out.shape) == ("same", (4, 4, 3))  # type: ignore[attr-defined]
    moved = read(lambda m, x: F.avg_pool2d(F.pad(x, (-1, 1, -1, 1)), 1, 2))
    assert [row.kind for row in moved.rows] == ["shift", "avg_pool"]


def test_gates_factors_and_scales() -> None:
    gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Sigmoid())
    graph = read(lambda m, x: m.gate(x) * x, gate=gate)
    assert [(row.kind, row.inputs) for row in graph.rows][-1] == ("mul", (-1, 2))  # the image first, then its gate
    assert words(read(lambda m, x: 0.17 * x)) == ["times: times 4×8×6"]
    scale = nn.Parameter(torch.ones(4, 1, 1))
    scaled = read(lambda m, x: x + m.gamma * x, gamma=scale)
    assert words(scaled) == ["gamma: layer_scale 4×8×6", "add: add 4×8×6"]
    assert scaled.weights == {"gamma": (4, 1, 1)}
    position = read(lambda m, x: x + m.where, where=nn.Parameter(torch.ones(1, 4, 8, 6)))
    assert (position.rows[0].kind, cost(position).params) == ("add", 192)


def test_what_is_written_in_place_is_what_is_read_afterwards() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        y = m.conv(x)
        y.relu_()
        return y.mean((2, 3))

    graph = read(run, conv=nn.Conv2d(4, 2, 1))
    assert [row.kind for row in graph.rows] == ["conv", "relu", "avg_pool_to", "flatten"]


def test_a_shuffle_written_as_views_is_one_row() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)

    assert words(read(run)) == ["shuffle: shuffle 4×8×6"]
    other = read(lambda m, x: x.view(1, 2, 2, 8, 6).transpose(1, 3).reshape(1, 4, 8, 6))
    assert [row.kind for row in other.rows] == ["reshape", "transpose", "reshape"]


def test_views_that_are_read_elsewhere_too_stay() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        parts = x.view(1, 2, 2, 8, 6)
        mixed = parts.transpose(1, 2)
        return mixed.reshape(1, 4, 8, 6) + m.conv(mixed.sum(2)).repeat(1, 2, 1, 1)

    graph = read(run, conv=nn.Conv2d(2, 2, 1))
    assert [row.kind for row in graph.rows] == ["reshape", "transpose", "reshape", "sum", "conv", "repeat", "add"]
    assert [row.inputs for row in graph.rows] == [(-1,), (0,), (1,), (1,), (3,), (4,), (2, 5)]


def test_a_sum_over_the_image_is_no_mean() -> None:
    assert [row.kind for row in read(lambda m, x: x.sum((2, 3))).rows] == ["sum"]
    assert [row.kind for row in read(lambda m, x: x.mean((2, 3))).rows] == ["avg_pool_to", "flatten"]
    assert [row.kind for row in read(lambda m, x: x.amax((2, 3))).rows] == ["max_pool_to", "flatten"]


def test_a_pool_padded_otherwise_than_same_is_not_called_same() -> None:
    graph = read(lambda m, x: F.max_pool2d(F.pad(x, (1, 0, 1, 0), value=float("-inf")), 3, 2))  # SAME pads at the end
    assert [row.kind for row in graph.rows] == ["pad", "max_pool2d"]
    assert graph.rows[-1].out.elements == 4 * 4 * 3


def test_channels_split_and_meet() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        return torch.cat([left, m.conv(right)], 1) + torch.cat([x[:, :2], x[:, 2:]], 1)

    graph = read(run, conv=nn.Conv2d(2, 2, 1))
    assert [row.kind for row in graph.rows] == ["slice", "slice", "conv", "concat", "slice", "slice", "concat", "add"]
    assert [row.node.index for row in graph.rows if row.kind == "slice"] == [0, 1, 0, 1]  # type: ignore[attr-defined]


def test_attention_is_counted_as_torchs_counter_counts_it(macs_of: Callable[..., int]) -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out, self.norm = nn.Linear(16, 48), nn.Linear(16, 16), nn.LayerNorm(16)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.norm(x.flatten(2).transpose(1, 2))
            q, k, v = self.qkv(tokens).reshape(-1, 48, 3, 2, 8).permute(2, 0, 3, 1, 4).unbind(0)
            mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, 48, 16)
            return self.out(mixed + (q @ k.transpose(-2, -1) @ v).transpose(1, 2).reshape(-1, 48, 16)).mean(1)

    net = Attention().to("meta").eval()
    total = cost(from_torch(net, (16, 8, 6)))
    assert total.params == sum(p.numel() for p in net.parameters())
    assert (
        total.macs == macs_of(net, torch.empty(1, 16, 8, 6, device="meta")) == 48 * 16 * 64 + 2 * 2 * (2 * 48 * 48 * 8)
    )


def test_modes_weights_and_gradients_are_left_as_they_were() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    net[1].eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    graph = from_torch(net, torch.zeros(8, 3, 9, 9))
    assert [m.training for m in net] == [True, False, True]
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert [row.path for row in graph.rows] == ["0", "1", "2"]
    assert graph.input.shape == (3, 9, 9)
    assert from_torch(net, 9) == from_torch(net, (3, 9, 9)) == graph


def branchy(m: Any, x: Tensor) -> Tensor:
    return x * 2 if x.sum() > 0 else x


@pytest.mark.parametrize(("run", "message"), [
    (branchy, r"Example cannot be exported by torch: .*; write control flow that depends on the image's content as"),
    (lambda m, x: (x, x * 2), "Example takes 1 tensors and gives 2; one of each can be imported"),
    (lambda m, x: x, "Example hands its input on unchanged"),
    (lambda m, x: torch.ones(3) * 2, "Example: what comes out does not depend on the image"),
    (lambda m, x: m.sub(x), r"no rule for the operation fft_fft2 in sub; --allow-unknown lists it at no cost instead"),
    (lambda m, x: m.conv(x), r"Example cannot be exported by torch: .*expected input.* to have 3 channels"),
], ids=["control flow", "two outputs", "nothing done", "constant", "unknown", "wrong channels"])  # fmt: skip
def test_what_cannot_be_imported_is_refused_in_one_sentence(run: Any, message: str) -> None:
    sub = Example(lambda m, x: torch.fft.fft2(x).real)
    with pytest.raises(ImportFailed, match=message) as caught:
        read(run, sub=sub, conv=nn.Conv2d(3, 4, 3))
    assert "\n" not in str(caught.value)


def test_unknown_operations_can_be_let_through_and_are_marked() -> None:
    net = Example(lambda m, x: torch.fft.fft2(x).real)
    graph = from_torch(net, (4, 8, 6), allow_unknown=True)
    assert graph.rows[0].kind == "fft_fft2?"
    assert cost(graph).macs == 0


@pytest.mark.parametrize("image", [(3, 8), 0, (3, 0, 8), "x"])
def test_an_image_that_is_none_is_refused(image: Any) -> None:
    with pytest.raises(SpecError, match="an image to import with is a tensor"):
        from_torch(nn.Conv2d(3, 4, 1), image)


@pytest.mark.slow
@pytest.mark.parametrize("name", [
    "alexnet", "resnet50", "densenet121", "shufflenet_v2_x1_0", "mobilenet_v3_large", "efficientnet_b0",
    "convnext_tiny", "vit_b_16", "swin_t", *(pytest.param(name, marks=pytest.mark.wide) for name in (
        "vgg16", "squeezenet1_0", "mobilenet_v2", "mnasnet1_0", "efficientnet_v2_s", "regnet_y_400mf",
        "resnext50_32x4d", "wide_resnet50_2", "maxvit_t",
    )),
])  # fmt: skip
def test_torchvisions_families_cost_what_torchs_counter_says(name: str, macs_of: Callable[..., int]) -> None:
    net = models.get_model(name).to("meta").eval()
    total = cost(from_torch(net, 224))
    assert total.macs == macs_of(net, torch.empty(1, 3, 224, 224, device="meta"))
    assert total.params == sum(p.numel() for p in net.parameters())


def test_a_convolution_over_one_axis_is_counted(macs_of: Callable[..., int]) -> None:
    class Along(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(4, 6, 3, padding=1, groups=2)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x.flatten(2))

    net = Along().eval()
    total = cost(from_torch(net, (4, 8, 6)))
    assert (total.params, total.macs) == (42, 6 * 2 * 3 * 48)
    assert total.macs == macs_of(net, torch.randn(1, 4, 8, 6))


FEW = {
    "hrnet_w18_small", "ghostnet_100", "mixer_b16_224", "dpn68", "repvgg_a2", "mobilevit_s", "deit_tiny_patch16_224",
    "resnetv2_50x1_bit", "tf_efficientnet_lite0", "skresnet18", "pvt_v2_b0", "eca_nfnet_l0", "mobileone_s0",
    "efficientvit_b0", "lambda_resnet26t", "mixnet_s",
}  # fmt: skip
"""Those of `TIMM` that differ most."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in FEW else pytest.mark.wide) for n in TIMM])
def test_timms_families_cost_what_torchs_counter_says(name: str, macs_of: Callable[..., int]) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    with torch.device("meta"):
        net = timm.create_model(name).eval()
        image = torch.empty(1, *net.default_cfg["input_size"])
        total = cost(from_torch(net, image))
        assert total.macs == macs_of(net, image)
    assert total.params == sum(p.numel() for p in net.parameters())
