"""Diagrams of imported networks: what was written without our combinators is read as blocks all the same."""

from __future__ import annotations

import re

import pytest
import torch
import torchvision
from torch import Tensor, nn

from convsmith.nn.importer import from_torch
from convsmith.views.blocks import structure
from convsmith.views.diagram import diagram
from convsmith.views.items import Section, Tangle


class Dense(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.act, self.conv = nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, 4, 3, padding=1)

    def forward(self, found: list[Tensor]) -> Tensor:
        out: Tensor = self.conv(self.act(self.norm(torch.cat(found, 1))))
        return out


class DenseBlock(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Dense(3 + 4 * i) for i in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        found = [x]
        for layer in self.layers:
            found.append(layer(found))
        return torch.cat(found, 1)


def test_a_dense_block_is_one_part_that_is_counted() -> None:
    graph = from_torch(nn.Sequential(DenseBlock(5), nn.Flatten(), nn.Linear(23 * 64, 2)), (3, 8, 8))
    (tangle,) = (inner for item in structure(graph)[0] for inner in _inside(item) if isinstance(inner, Tangle))
    (layers, join) = tangle.parts
    assert (layers.repeat, layers.dense, len(layers.every)) == (5, True, 5 * len(layers.rows))
    assert graph.rows[join.rows[0]].kind in ("concat", "cat")
    svg = diagram(graph)
    params = sum(graph.rows[i].facts.params for i in layers.every)
    assert f">{params / 1000:.4g} k parameters" in svg
    assert "each reads all before it</text>" in svg
    assert ">×5</text>" in svg


def _inside(item: object) -> list[object]:
    return [item, *(found for inner in item.items for found in _inside(inner))] if isinstance(item, Section) else [item]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    ("name", "repeats"),
    [
        ("vit_b_16", ["12"]),
        ("swin_t", ["3", "2"]),
        ("densenet121", ["6", "12", "24", "16"]),
        ("resnet50", ["2", "3", "5", "2"]),
    ],
)
def test_torchvision_s_networks_repeat_what_they_repeat(name: str, repeats: list[str]) -> None:
    graph = from_torch(torchvision.models.get_model(name), (3, 224, 224))
    assert re.findall(r">×(\d+)</text>", diagram(graph)) == repeats
