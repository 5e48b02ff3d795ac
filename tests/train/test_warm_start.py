"""Deep from shallow: exactly the paper's layers, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import convsmith
from convsmith.nn import Net, build
from convsmith.spec import Conv, Flatten, Linear, Network, PoolTo, Relu, Seq
from convsmith.spec.errors import RunError, WeightsError
from convsmith.train import Run, store
from convsmith.train.warm_start import warm_start


def vgg(name: str, seed: int, *, width: float = 1 / 16, classes: int = 10) -> Net:
    network = convsmith.spec(name, classes, width=width, hidden=24)
    return build(replace(network, side=32), seed=seed)


def state(net: Net) -> dict[str, torch.Tensor]:
    return {key: tensor.clone() for key, tensor in net.state_dict().items()}


# torchvision's numbers: conv1_1, conv2_1, conv3_1, conv3_2 and fc6, fc7, fc8 of column A, and where D and E have them
A = ("features.0", "features.3", "features.6", "features.8", "classifier.0", "classifier.3", "classifier.6")
PLACES = {
    "vgg13": ("features.0", "features.5", "features.10", "features.12", *A[4:]),
    "vgg16": ("features.0", "features.5", "features.10", "features.12", *A[4:]),
    "vgg19": ("features.0", "features.5", "features.10", "features.12", *A[4:]),
}


@pytest.mark.parametrize("name", PLACES)
def test_vgg_takes_the_papers_layers_and_leaves_the_others(name: str) -> None:
    shallow, deep = vgg("vgg11", 1), vgg(name, 2)
    before, source = state(deep), state(shallow)
    report = warm_start(deep, shallow)
    assert (report.rule, report.source) == ("vgg", "vgg11")
    assert report.taken == tuple(zip(A, PLACES[name], strict=True))
    for key, tensor in deep.state_dict().items():
        path, _, part = key.rpartition(".")
        taken = path in PLACES[name]
        wanted = source[f"{A[PLACES[name].index(path)]}.{part}"] if taken else before[key]
        assert torch.equal(tensor, wanted), key
        if taken and part == "weight":
            assert not torch.equal(tensor, before[key]), key
    assert {path for path, _ in report.left} == {key.rpartition(".")[0] for key in before} - set(PLACES[name])
    assert all(torch.equal(tensor, source[key]) for key, tensor in shallow.state_dict().items())


def test_the_papers_own_columns_at_full_width_have_the_same_shapes_there() -> None:
    graphs = {name: convsmith.trace(convsmith.spec(name)) for name in ("vgg11", *PLACES)}
    for name, places in PLACES.items():
        for theirs, ours in zip(A, places, strict=True):
            assert graphs["vgg11"].weights[f"{theirs}.weight"] == graphs[name].weights[f"{ours}.weight"]


def test_the_report_says_what_was_taken_and_what_was_left() -> None:
    text = str(warm_start(vgg("vgg13", 2), vgg("vgg11", 1)))
    assert text.startswith("7 of 13 layers begin with those of vgg11 by VGG's rule: features.0, features.5 from featur")
    assert "; left: features.2 (vgg11 has none for it), " in text


def test_normalisation_comes_with_its_convolution() -> None:
    shallow, deep = vgg("vgg11_bn", 1), vgg("vgg16_bn", 2)
    with torch.no_grad():
        shallow.features[1].running_mean.fill_(0.25)
    report = warm_start(deep, shallow)
    assert [ours for _, ours in report.taken][:4] == ["features.0", "features.1", "features.7", "features.8"]
    assert deep.features[1].running_mean.tolist() == [0.25] * 4
    assert len(report.taken) == 11


def test_a_head_for_other_classes_stays_as_it_was() -> None:
    deep = vgg("vgg16", 2, classes=7)
    before = state(deep)
    report = warm_start(deep, vgg("vgg11", 1))
    assert ("classifier.6", "10×24 in vgg11, 7×24 here") in report.left
    assert torch.equal(deep.classifier[6].weight, before["classifier.6.weight"])
    assert len(report.taken) == 6


def test_other_networks_take_what_has_the_same_name_and_shape() -> None:
    shallow = build(convsmith.spec("resnet20", depth=8, width=4), channels=1, side=8, seed=1)
    deep = build(convsmith.spec("resnet20", depth=14, width=4), channels=1, side=8, seed=2)
    before, source = state(deep), state(shallow)
    report = warm_start(deep, shallow)
    assert report.rule == "names"
    for key, tensor in deep.state_dict().items():
        assert torch.equal(tensor, source[key] if key in source else before[key]), key
    assert {theirs for theirs, _ in report.taken} == {key.rpartition(".")[0] for key in source}
    assert "by equal names: " in str(report)


def test_a_chain_that_is_not_deeper_takes_by_name() -> None:
    report = warm_start(vgg("vgg11", 2, classes=7), vgg("vgg11", 1))
    assert report.rule == "names"
    assert [path for path, _ in report.left] == ["classifier.6"]


def test_it_copies_in_place_and_keeps_what_is_frozen_and_the_memory_format() -> None:
    deep = vgg("vgg16", 2).to(memory_format=torch.channels_last)
    deep.features[0].weight.requires_grad_(False)
    seen = {name: (p.data_ptr(), p.stride(), p.requires_grad) for name, p in deep.named_parameters()}
    warm_start(deep, vgg("vgg11", 1))
    assert seen == {name: (p.data_ptr(), p.stride(), p.requires_grad) for name, p in deep.named_parameters()}


def test_nothing_that_fits_is_refused_and_nothing_is_changed() -> None:
    deep = vgg("vgg16", 2, width=1 / 32)
    body = Seq(conv=Conv(5, 5), relu=Relu, pool=PoolTo(2), flatten=Flatten, fc=Linear(10))
    other, before = build(Network(body, side=32, channels=3, classes=10, name="tiny"), seed=1), state(deep)
    with pytest.raises(
        WeightsError, match=r"^nothing of tiny fits vgg16: features\.0 is left \(5×3×5×5 in tiny, 2×3×3×3 here\)"
    ):
        warm_start(deep, other)
    assert all(torch.equal(tensor, before[key]) for key, tensor in deep.state_dict().items())


def test_a_run_gives_its_trained_weights(tmp_path: Path) -> None:
    shallow = vgg("vgg11", 1)
    data = {"classes": [str(i) for i in range(10)], "preprocess": {"side": 32, "mean": [0.5] * 3, "std": [0.2] * 3}}
    run = Run.create(tmp_path / "run", {"data": data})
    run.write_spec(shallow.network)
    with pytest.raises(RunError, match="has no trained weights yet"):
        warm_start(vgg("vgg13", 2), run)
    store(run, shallow)
    deep = vgg("vgg13", 2)
    warm_start(deep, run)
    assert torch.equal(deep.features[0].weight, shallow.features[0].weight)


@given(st.sampled_from(["resnet20", "lenet5", "vgg11", "vgg13", "mobilenet_v2"]), st.sampled_from(["vgg16", "lenet5"]))
@settings(deadline=None, max_examples=12)
def test_every_layer_is_taken_whole_or_left(source: str, target: str) -> None:
    ours, theirs = convsmith.spec(target, 10), convsmith.spec(source, 10)
    ours, theirs = replace(ours, channels=3, side=32), replace(theirs, channels=3, side=32)
    net, other = (build(network, device="meta") for network in (ours, theirs))
    try:
        report = warm_start(net, other)
    except WeightsError:
        return
    layers = {row.path for row in net.graph.rows if row.facts.weights}
    taken = [path for _, path in report.taken]
    assert sorted([*taken, *(path for path, _ in report.left)]) == sorted(layers)
    for theirs_at, ours_at in report.taken:
        mine, their = net.get_submodule(ours_at).state_dict(), other.get_submodule(theirs_at).state_dict()
        assert {k: v.shape for k, v in mine.items()} == {k: v.shape for k, v in their.items()}
