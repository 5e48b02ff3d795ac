"""Stages: every row in one of them, and the blocks that people call by these names."""

from __future__ import annotations

import pytest

from convsmith import names, trace
from convsmith.spec import Flatten, Network, Pool, Seq, SpecError
from convsmith.views.reading import places
from convsmith.views.stages import head_row, stages, trunk

NAMED = {
    "lenet5": ["conv1", "conv2", "fc1 to fc2", "fc3"],
    "alexnet_2012": ["conv1", "conv2", "conv3 to conv5", "fc6 to fc7", "fc8"],
    "resnet50": ["conv1 to bn1", "layer1", "layer2", "layer3", "layer4", "fc"],
    "resnet20": ["conv1 to layer1", "layer2", "layer3", "fc"],
    "mobilenet_v2": [
        "features.0 to features.1", "features.2 to features.3", "features.4 to features.6", "features.7 to features.13",
        "features.14 to features.18", "classifier",
    ],
    "tf_efficientnet_lite0": [
        "conv_stem to blocks.0", "blocks.1", "blocks.2", "blocks.3 to blocks.4", "blocks.5 to bn2", "classifier",
    ],
    "googlenet": [
        "conv1", "conv2 to conv3", "inception3a to inception3b", "inception4a to inception4e",
        "inception5a to inception5b", "fc",
    ],
    "nasnet_a_mobile": ["conv0", "cell_stem_0 to cell_11", "last_linear"],
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_stages_are_the_papers(name: str) -> None:
    assert [stage.name for stage in stages(trace(name))] == NAMED[name]


@pytest.mark.parametrize("name", [name for name in names() if not name.startswith(("layer_", "dcgan_generator"))])
def test_each_row_is_in_one_stage_and_maps_shrink(name: str) -> None:
    graph = trace(name)
    found = stages(graph)
    assert sorted(row for stage in found for row in stage.rows) == list(range(len(graph.rows)))
    assert len({stage.name for stage in found}) == len(found)
    ends = [[places(graph.rows[i].out) for i in stage.rows if graph.rows[i].facts.weights][-1] for stage in found[:-1]]
    assert ends == sorted(ends, reverse=True)
    assert all(graph.rows[i].facts.weights for i in (stage.rows[0] for stage in found[:1]))
    weighted = [i for i in found[-1].rows if graph.rows[i].facts.weights and graph.rows[i].tap is None]
    assert len(weighted) == 1


def test_auxiliary_heads_and_a_dropout_before_the_last_layer_belong_to_the_head() -> None:
    graph = trace("googlenet")
    head = stages(graph)[-1].rows
    assert {graph.rows[i].path for i in head} >= {"dropout", "fc", "aux1.fc2"}
    assert graph.rows[head_row(graph)].path == "dropout"
    assert head_row(graph) - 1 in trunk(graph)


def test_a_network_without_weights_has_no_head() -> None:
    with pytest.raises(SpecError, match="has no layer with weights, and so no head"):
        stages(trace(Network(Seq(Pool(2), Flatten), side=8, classes=12)))
