"""The memory plan against torch: what autograd saves of each layer, and the allocator's record of whole networks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import prod

import pytest
import torch
from torch import Tensor, nn

from convsmith import build, names, trace
from convsmith.nn import from_torch
from convsmith.nn.measure_memory import inference_peak, training_peak
from convsmith.spec import (
    Activation,
    AvgPool,
    Branches,
    Cell,
    ChannelsFirst,
    ChannelsLast,
    Conv,
    ConvTranspose,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    Identity,
    LayerNorm,
    LayerScale,
    Linear,
    LocalNorm,
    Node,
    Norm,
    Pool,
    PoolTo,
    Rbf,
    Relu,
    Residual,
    Scale,
    Seq,
    Shift,
    Shuffle,
    Sigmoid,
    Split,
    Step,
    TableConv,
    TiledConv,
    Times,
    ZeroChannels,
)
from convsmith.spec.errors import SpecError, UnknownName
from convsmith.spec.kinds import JOINS, LEAVES
from convsmith.spec.node import Layer
from convsmith.spec.nodes.activation import FUNCTIONS
from convsmith.spec.trace import Graph
from convsmith.views import inference_memory, training_memory
from convsmith.views.memory import OPTIMISERS, MemoryPlan, Moment, memory, stages
from convsmith.views.memory.rules import RULES

pytestmark = pytest.mark.usefixtures("one_thread")

TABLE = tuple((o % 8, (o + 1) % 8) for o in range(6))

LAYERS: dict[str, Node] = {
    "conv": Conv(12, 3),
    "strided": Conv(12, 3, stride=2),
    "depthwise": Conv(8, 3, groups=8),
    "padded unevenly": Conv(12, 2, pad=(0, 1, 0, 1)),
    "padded as TensorFlow": Conv(12, 3, stride=2, pad="same"),
    "transposed": ConvTranspose(4, 2, 2),
    "by table": TableConv(TABLE, 3),
    "tiled": TiledConv(8, 3, 2),
    "batch norm": Norm(),
    "layer norm": LayerNorm(),
    "local norm": LocalNorm(),
    "scale": Scale(),
    "scale and bias": Scale(bias=True),
    "layer scale": LayerScale(),
    "times": Times(0.1),
    "max pool": Pool(2),
    "overlapping pool": Pool(3, 2, 1),
    "max pool as TensorFlow": Pool(3, 2, "same"),
    "average pool": AvgPool(2),
    "average pool as TensorFlow": AvgPool(3, 2, "same"),
    "average pool without padding": AvgPool(3, 2, "same", count_pad=False),
    "global mean": PoolTo(1),
    "pool to 4": PoolTo(4),
    "largest of all": PoolTo(1, "max"),
    "dropout": Dropout(0.5),
    "dropout of nothing": Dropout(0.0),
    "drop path": DropPath(0.2),
    "shuffle": Shuffle(2),
    "zero channels": ZeroChannels(12),
    "shift": Shift(1),
    "channels last": ChannelsLast,
    "flatten": Flatten,
    "flat linear": Seq(Flatten, Linear(5)),
    "flat norm": Seq(Flatten, Norm()),
    "radial basis": Seq(Flatten, Rbf(5)),
    "last linear": Seq(ChannelsLast, LayerNorm(), Linear(16), ChannelsFirst, LayerScale()),
    "split": Split(Seq(a=Relu), Seq(b=Conv(4))),
    "residual": Residual(Seq(a=Conv(8, 3), b=Relu)),
    "three sums": Cell(out=("c",), a=Step(Sigmoid, "x"), b=Step(Conv(8), "x"), c=Step(Relu, "x", "a", "b")),
    "a sum with itself": Cell(out=("b",), a=Step(Relu, "x"), b=Step(Sigmoid, "a", "a")),
    "branches": Branches(Seq(a=Conv(4)), Seq(b=Conv(6)), Seq(c=Relu)),
    "gate": Gate(Seq(pool=PoolTo(1), fc=Conv(8), sigmoid=Sigmoid)),
    "gate of full size": Gate(Seq(fc=Conv(8), sigmoid=Sigmoid)),
    **{name: Activation(name) for name in FUNCTIONS},
}


def after_a_convolution(layer: Node) -> Seq:
    """A layer whose input is no image, and through which gradients pass."""
    return Seq(before=Conv(8, 1, bias=False), layer=layer)


def layer_names(graph: Graph) -> Iterator[str]:
    for row in graph.rows:
        yield row.node.torch(graph.sigs(row)[0]).name if isinstance(row.node, Layer) else row.node.kind


def test_every_rule_and_every_kind_of_layer_has_its_example() -> None:
    graphs = [trace(after_a_convolution(layer), 16, 4) for layer in LAYERS.values()]
    assert {name for graph in graphs for name in layer_names(graph)} | {"global mean"} == set(RULES)
    kinds = {row.node.kind for graph in graphs for row in graph.rows}
    assert kinds == {*LEAVES, *JOINS}


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_kept_of_a_layer_is_what_autograd_saves(name: str) -> None:
    graph = trace(after_a_convolution(LAYERS[name]), 16, 4)
    net = build(after_a_convolution(LAYERS[name]), side=16, channels=4, init="torch").train()
    two, three = (bytes_saved(net, torch.randn(n, 4, 16, 16)) for n in (2, 3))
    plan = training_memory(graph, "sgd")
    assert plan.kept - 8 == three - two  # eight bytes are the label's
    last = [moment for moment in plan.moments if moment.phase == "forward"][-1]
    assert last.fixed - plan.weights - plan.buffers == 3 * two - 2 * three


def bytes_saved(net: nn.Module, x: Tensor) -> int:
    """Bytes of images, output and saved tensors, each memory once, without parameters and buffers."""
    saved: list[Tensor] = []

    def note(t: Tensor) -> Tensor:
        saved.append(t)
        return t

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        out = net(x)
    own = {t.untyped_storage().data_ptr() for t in (*net.parameters(), *net.buffers())}
    found = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in (x, out, *saved)}
    return sum(size for address, size in found.items() if address not in own)


@pytest.mark.parametrize("name", LAYERS)
def test_the_peaks_of_a_layer_are_the_allocators(name: str) -> None:
    body = after_a_convolution(LAYERS[name])
    out = trace(body, 16, 4).rows[-1].out
    first = (("first", ChannelsFirst),) if out.last else ()
    pooled = () if out.flat else (*first, ("pool", PoolTo(1)), ("flatten", Flatten))
    net = build(Seq(**dict(body.children), **dict(pooled), fc=Linear(4)), side=16, channels=4, init="torch")
    assert near(inference_memory(net.graph), 16, inference_peak(net, 16).tensors, within=0.01)
    assert near(training_memory(net.graph, "sgd"), 16, training_peak(net, 16, "sgd").tensors, within=0.05)


def near(plan: MemoryPlan, batch: int, measured: int, within: float) -> bool:
    """Whether the peak is that, without the weights and buffers, which would hide an error."""
    resident = plan.weights + plan.buffers
    return abs((plan.peak_bytes(batch) - resident) / (measured - resident) - 1) < within


# name, side, batch, optimiser: where activations weigh most, and where weights do
NETS = [
    ("lenet5", 32, 64, "sgd"), ("lenet5_1998", 32, 64, "momentum"), ("alexnet", 64, 2, "adamw"),
    ("resnet18", 64, 16, "sgd"), ("squeezenet1_1", 96, 8, "adamw"), ("resnet20", 32, 32, "momentum"),
]  # fmt: skip

LARGE = [
    ("vgg11", 32, 2, "momentum"), ("googlenet", 64, 16, "momentum"), ("resnet18", 64, 1, "adam"),
    ("resnet50", 64, 8, "sgd"), ("densenet121", 64, 4, "adam"),
    ("mobilenet_v2", 64, 16, "momentum"), ("efficientnet_b0", 64, 8, "momentum"),
    ("shufflenet_v2_x1_0", 64, 16, "sgd"), ("vgg_a_lrn", 32, 4, "sgd"),
    ("alexnet", 224, 16, "sgd"), ("vgg16", 224, 2, "sgd"), ("googlenet", 224, 4, "momentum"),
    ("resnet18", 224, 8, "momentum"), ("resnet50", 224, 4, "adam"), ("densenet121", 224, 2, "momentum"),
    ("mobilenet_v2", 224, 4, "adam"), ("squeezenet1_0", 224, 4, "sgd"), ("efficientnet_b0", 224, 4, "sgd"),
    ("shufflenet_v2_x1_0", 224, 8, "momentum"), ("convnext_tiny", 224, 2, "adamw"), ("nasnet_a_mobile", 224, 2, "sgd"),
    ("regnet_y_400mf", 224, 4, "sgd"), ("inception_resnet_v2", 299, 1, "sgd"), ("tf_efficientnet_lite0", 224, 4, "sgd"),
    ("mobilenet_v3_small", 224, 8, "sgd"), ("seresnet50", 128, 4, "sgd"), ("resnetv2_50", 128, 4, "sgd"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "side", "batch", "optimiser"), [*NETS, *(pytest.param(*row, marks=pytest.mark.slow) for row in LARGE)]
)
def test_peaks_of_whole_networks_are_the_allocators(name: str, side: int, batch: int, optimiser: str) -> None:
    net = build(name, side=side, init="torch", seed=0)
    assert near(inference_memory(net.graph), batch, inference_peak(net, batch).tensors, within=0.02)
    assert near(training_memory(net.graph, optimiser), batch, training_peak(net, batch, optimiser).tensors, within=0.02)


@pytest.mark.parametrize(
    ("name", "side", "batch", "optimiser"),
    [
        ("resnet18", 64, 16, "sgd"), pytest.param("mobilenet_v2", 64, 8, "adam", marks=pytest.mark.slow),
        pytest.param("googlenet", 64, 8, "sgd", marks=pytest.mark.slow),
        pytest.param("densenet121", 64, 4, "sgd", marks=pytest.mark.slow), ("shufflenet_v2_x1_0", 64, 16, "sgd"),
        pytest.param("nasnet_a_mobile", 64, 4, "sgd", marks=pytest.mark.slow),
        pytest.param("vgg11", 32, 8, "sgd", marks=pytest.mark.slow),
        pytest.param("efficientnet_b0", 64, 8, "sgd", marks=pytest.mark.slow),
        pytest.param("resnet50", 224, 4, "momentum", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_peaks_with_checkpointed_stages_are_the_allocators(name: str, side: int, batch: int, optimiser: str) -> None:
    net = build(name, side=side, init="torch", seed=0)
    inside = stages(net.graph)
    plan = training_memory(net.graph, optimiser, checkpoint=inside)
    assert near(plan, batch, training_peak(net, batch, optimiser, inside).tensors, within=0.02)


@pytest.mark.parametrize("checkpoint", [("layer1",), ("layer2.1", "layer4"), ("layer1.0", "layer1.1", "layer3")])
def test_any_modules_can_be_checkpointed(checkpoint: tuple[str, ...]) -> None:
    net = build("resnet18", side=64, init="torch", seed=0)
    plan = training_memory(net.graph, "sgd", checkpoint=checkpoint)
    assert near(plan, 16, training_peak(net, 16, "sgd", checkpoint).tensors, within=0.02)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_half_precision_takes_two_bytes_a_value(name: str) -> None:
    net = build(name, side=64, init="torch", seed=0).bfloat16()
    assert near(inference_memory(net.graph, value_bytes=2), 8, inference_peak(net, 8).tensors, within=0.02)
    plan = training_memory(net.graph, "sgd", value_bytes=2)
    assert near(plan, 8, training_peak(net, 8, "sgd").tensors, within=0.02)


def test_moments_are_those_worked_out_by_hand() -> None:
    body = Seq(conv=Conv(4, 3, bias=False), bn=Norm(), relu=Relu, pool=Pool(2), flatten=Flatten, fc=Linear(5))
    graph = trace(body, 6, 2)
    weights, buffers = 4 * (72 + 8 + 185), 4 * 9
    image, full, pooled, logits = 4 * 72, 4 * 144, 4 * 36, 4 * 5
    plan = inference_memory(graph)
    assert (plan.weights, plan.buffers) == (weights, buffers)
    base = weights + buffers
    assert plan.moments == (
        Moment("conv", "forward", base, image + full),
        Moment("bn", "forward", base, image + 2 * full),
        Moment("relu", "forward", base, image + 2 * full),
        Moment("pool", "forward", base, image + full + pooled),
        Moment("flatten", "forward", base, image + pooled),  # in the pooled image's memory
        Moment("fc", "forward", base, image + pooled + logits),
    )
    plan = training_memory(graph, "adam")
    base += 2 * weights  # the two moments of Adam
    indices, statistics = 8 * 36, 4 * 2 * 4
    kept = image + 8 + 2 * full + pooled + indices + logits  # of bn's output nothing is left
    assert plan.kept == kept
    loss = next(moment for moment in plan.moments if moment.phase == "backward")
    assert loss == Moment("fc", "backward", base + statistics, kept + 3 * logits)  # log-probabilities, two gradients
    at_relu = kept - pooled - indices + 2 * full  # what pool and fc kept has gone, and a gradient has come and goes out
    assert plan.peak(10) == Moment("relu", "backward", base + statistics + 4 * 185, at_relu)
    assert plan.moments[-1] == Moment("", "update", base + weights + 3 * 4 * 180, image + 8 + logits)


def test_a_shortcut_and_each_branch_live_until_they_meet() -> None:
    def image_values(body: Node) -> dict[str, int]:
        return {m.path: m.image // (4 * 64) for m in inference_memory(trace(body, 8, 1)).moments}

    plain = image_values(Seq(a=Relu, b=Seq(c=Relu, d=Relu), e=Relu))
    assert plain == {"a": 2, "b.c": 3, "b.d": 4, "e": 3}  # b holds its input until it returns
    residual = image_values(Seq(a=Relu, b=Residual(Seq(c=Relu, d=Relu))))
    assert residual == {"a": 2, "b.c": 3, "b.d": 4, "b.add": 4}
    branches = image_values(Branches(Seq(a=Relu), Seq(b=Relu), Seq(c=Relu)))
    assert branches == {"a": 2, "b": 3, "c": 4, "concat": 7}
    assert image_values(Residual(Seq(a=Conv(1)))) == image_values(Seq(a=Relu)) | {"add": 3}


def test_the_image_costs_no_gradient_and_a_layer_that_learns_nothing_keeps_nothing() -> None:
    kept = training_memory(trace(Seq(pool=Pool(2), flatten=Flatten, fc=Linear(4)), 8, 1), "sgd").kept
    assert kept == 4 * 64 + 8 + 4 * 16 + 4 * 4  # image, label, the linear layer's input, logits: no indices


def test_gradients_that_meet_are_summed_in_place_where_nothing_else_holds_them() -> None:
    def moments_on_the_way_back(layer: Node, path: str) -> int:
        plan = training_memory(trace(after_a_convolution(layer), 8, 4), "sgd")
        return sum(moment.path == path and moment.phase == "backward" for moment in plan.moments)

    assert moments_on_the_way_back(LAYERS["residual"], "layer.a") == 1
    # what concatenation hands on is a view of the whole gradient, to which nothing can be added
    assert moments_on_the_way_back(Branches(Seq(a=Relu), Identity), "layer.a") == 2
    assert moments_on_the_way_back(LAYERS["a sum with itself"], "layer.b_add") == 1  # the sum alone: add makes nothing


@pytest.mark.parametrize("available", [10**7, 10**8, 10**9, 3 * 10**9, 16 * 2**30])
@pytest.mark.parametrize("name", ["lenet5", "vgg16", "resnet50", "mobilenet_v2"])
def test_one_image_more_than_the_largest_batch_does_not_fit(name: str, available: int) -> None:
    graph = trace(name)
    for plan in (inference_memory(graph), training_memory(graph), training_memory(graph, "adam")):
        most = plan.largest_batch(available)
        assert plan.peak_bytes(most + 1) > available
        assert most == 0 or plan.peak_bytes(most) <= available


def test_auxiliary_heads_run_in_training_and_stay_in_memory_in_inference() -> None:
    graph = trace("googlenet")
    plan, training = inference_memory(graph), training_memory(graph)
    assert plan.weights == training.weights == 4 * sum(row.facts.params for row in graph.rows)
    heads = {row.path for row in graph.rows if row.tap}
    assert not heads & {moment.path for moment in plan.moments}
    assert heads <= {moment.path for moment in training.moments}


def test_checkpointing_computes_again_and_never_takes_more_of_the_way_back() -> None:
    graph = trace("resnet50")
    plain, again = training_memory(graph, "sgd"), training_memory(graph, "sgd", checkpoint=stages(graph))
    assert again.kept < plain.kept / 4
    assert again.peak_bytes(64) < 0.7 * plain.peak_bytes(64)
    recomputed = {moment.path.partition(".")[0] for moment in again.moments if moment.phase == "again"}
    assert recomputed == set(stages(graph))


@pytest.mark.parametrize(("name", "expected"), [
    ("resnet50", ("layer1", "layer2", "layer3", "layer4")), ("vgg16", ("features", "classifier")), ("lenet5", ()),
    ("mobilenet_v2", (*(f"features.{i}" for i in range(19)), "classifier")),
])  # fmt: skip
def test_stages(name: str, expected: tuple[str, ...]) -> None:
    assert stages(trace(name)) == expected


def test_layers_of_a_built_network_are_not_in_place() -> None:
    for name in ("alexnet", "resnet18", "mobilenet_v2", "efficientnet_b0"):
        assert not any(getattr(module, "inplace", False) for module in build(name, device="meta").modules())


def test_refusals() -> None:
    graph = trace("resnet18")
    with pytest.raises(UnknownName, match=r"no optimiser is called 'adm'; did you mean 'adam'\? \(there are sgd, "):
        training_memory(graph, "adm")
    with pytest.raises(SpecError, match=r"checkpoint: no module with layers in it is called 'layer5'"):
        training_memory(graph, checkpoint=("layer5",))
    with pytest.raises(SpecError, match=r"checkpoint: 'layer1' and 'layer1\.1' share layers; name one of the two"):
        training_memory(graph, checkpoint=("layer1.1", "layer1"))
    with pytest.raises(SpecError, match=r"checkpoint: 'features' and 'features\.18' share layers"):
        training_memory(trace("mobilenet_v2"), checkpoint=("features.18", "features"))
    with pytest.raises(SpecError, match="batch must be an integer of at least 1, got 0"):
        memory(graph, 0)
    with pytest.raises(SpecError, match="available bytes must be an integer of at least 1, got 0"):
        memory(graph, 1, 0)


def test_an_imported_operation_without_a_rule_is_named() -> None:
    class Weighted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.matmul(x, x.transpose(2, 3))

    graph = from_torch(Weighted(), (3, 8, 8))
    with pytest.raises(SpecError, match=r"what torch keeps of .* is not known; plan the memory of a description"):
        inference_memory(graph)


def test_the_report_says_the_plans_peaks_and_what_fits() -> None:
    graph = trace("resnet50")
    found = memory(graph, 32, 8 * 10**9)
    data = found.plain()
    assert json.loads(json.dumps(data)) == data
    momentum, adam = (training_memory(graph, name) for name in ("momentum", "adam"))
    assert data["inference"]["peak_bytes"] == inference_memory(graph).peak_bytes(32)
    assert data["training"]["momentum"]["peak_bytes"] == momentum.peak_bytes(32)
    assert data["training"]["adam"]["largest_batch"] == adam.largest_batch(8 * 10**9)
    assert data["training"]["adam"]["kept_bytes_per_image"] == adam.kept
    checkpointed = training_memory(graph, "adam", checkpoint=stages(graph))
    assert data["training"]["adam"]["checkpointed"]["peak_bytes"] == checkpointed.peak_bytes(32)
    assert found.lines() == [
        "memory at batch 32: float32, of which weights 102.2 MB, buffers 212.7 kB",
        "inference: 455.7 MB at layer1.0.downsample.1; a batch of up to 715 fits in 8 GB",
        "training, SGD with momentum: 2.988 GB at layer4.2.after on the way back; a batch of up to 89 fits in 8 GB",
        "training, SGD with momentum, checkpointed: 1.841 GB at layer1.2.add, recomputed; "
        "a batch of up to 160 fits in 8 GB",
        "training, Adam: 3.09 GB at layer4.2.after on the way back; a batch of up to 88 fits in 8 GB",
        "training, Adam, checkpointed: 1.943 GB at layer1.2.add, recomputed; a batch of up to 158 fits in 8 GB",
        "checkpointed: layer1, layer2, layer3, layer4 are computed again on the way back",
    ]


def test_the_report_without_a_limit_and_where_nothing_fits() -> None:
    lines = memory(trace("lenet5"), 1).lines()
    assert len(lines) == 4
    assert "fits" not in "".join(lines)
    lines = memory(trace("vgg16"), 1, 10**9).lines()
    assert lines[1].endswith("a batch of up to 16 fits in 1 GB")
    assert lines[2].endswith("does not fit in 1 GB: one image takes 2.483 GB")
    assert " at the update of the weights; " in lines[2]


def test_optimisers_hold_the_state_that_torch_makes() -> None:
    graph = trace("lenet5")
    plans = {name: training_memory(graph, name) for name in OPTIMISERS}
    first = {name: plan.moments[0].fixed // plan.weights for name, plan in plans.items()}
    assert first == {"sgd": 1, "momentum": 2, "adam": 3, "adamw": 3}


@pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_networks_of_the_zoo_have_a_plan_that_ends_with_what_stays(step: int) -> None:
    for name in [*names()[::step], "nasnet_a_cifar"]:  # whose cells add a value to itself
        graph = trace(name)
        inference, training = inference_memory(graph), training_memory(graph, checkpoint=stages(graph))
        assert inference.weights + inference.buffers < inference.peak_bytes() < training.peak_bytes()
        largest = 4 * max(prod(w.shape) for row in graph.rows for w in row.facts.weights if w.trainable)
        update = training.moments[-1]
        assert update.fixed == 3 * training.weights + training.buffers + 2 * largest
        assert update.image == 4 * (graph.input.elements + outputs(graph)) + 8


def outputs(graph: Graph) -> int:
    return sum(graph.rows[i].out.elements for i in (graph.output, *(row for _, row in graph.taps)))
