"""Inception-v3: torchvision's keys, counts, logits, auxiliary classifier and gradients; Table 1's module sizes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import Inception3, Inception_V3_Weights

from convsmith import build, cost, trace
from convsmith.nn import Net
from convsmith.spec import Network, SpecError
from convsmith.zoo import inception_v3

pytestmark = pytest.mark.usefixtures("one_thread")

PARAMS, WITH_HEAD, MACS = 23_834_568, 27_161_264, 5_713_216_096


def network(classes: int | None = None, **options: Any) -> Network:
    return inception_v3.VARIANTS["inception_v3"].network("inception_v3", classes, **options)


def theirs_on_meta(**options: Any) -> nn.Module:
    with torch.device("meta"):
        return Inception3(init_weights=False, **options)


def twins(aux: bool = True) -> tuple[Net, nn.Module]:
    theirs = theirs_on_meta(num_classes=11, dropout=0.0, aux_logits=aux)
    ours = build(network(11, rate=0.0, aux=aux), device="meta")
    draw = torch.Generator().manual_seed(5)
    state: dict[str, Tensor] = {}
    for key, old in theirs.state_dict().items():
        noise = torch.randn(old.shape, generator=draw, dtype=torch.float64)
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=torch.int64)
        elif old.dim() > 1:
            state[key] = noise * (2 / old[0].numel()) ** 0.5
        else:
            state[key] = 0.1 * noise + key.endswith(("running_var", "bn.weight"))
    for net in (ours, theirs):
        net.load_state_dict({key: tensor.clone() for key, tensor in state.items()}, assign=True)
    return ours, theirs


def image(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def gap(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    assert b.abs().max() > 0.01
    return float((a - b).abs().max() / b.abs().max())


def test_keys_and_shapes_are_torchvisions_in_the_same_order() -> None:
    wanted = [(key, tuple(tensor.shape)) for key, tensor in theirs_on_meta().state_dict().items()]
    assert list(trace(network()).weights.items()) == wanted
    assert [(k, tuple(t.shape)) for k, t in build(network(), device="meta").state_dict().items()] == wanted


def test_counts_are_torchvisions(macs_of: Callable[..., int]) -> None:
    total, bare, theirs = cost(trace(network())), cost(trace(network(aux=False))), theirs_on_meta()
    blank = torch.empty(2, 3, 299, 299, device="meta")  # in training the head normalises a 1x1 map: two images
    assert (total.params, total.macs) == (bare.params, bare.macs) == (PARAMS, MACS)
    assert 2 * total.macs == macs_of(theirs.eval(), blank)
    assert 2 * (total.macs + sum(row.macs for row in total.aux)) == macs_of(theirs.train(), blank)
    with_head = total.params + sum(row.params for row in total.aux)
    meta = Inception_V3_Weights.IMAGENET1K_V1.meta
    assert with_head == WITH_HEAD == meta["num_params"] == sum(p.numel() for p in theirs.parameters())
    assert meta["_ops"] == round(total.macs / 1e9, 3)
    assert total.params < 25e6  # abstract: "using less than 25 million parameters"


def test_logits_are_equal_in_evaluation() -> None:
    ours, theirs = twins()
    for side in ((75, 75), (91, 118)):
        with torch.no_grad():
            assert gap(ours.eval()(image(1, 3, *side)), theirs.eval()(image(1, 3, *side))) <= 1e-9


def test_both_outputs_are_equal_in_training() -> None:
    ours, theirs = twins()
    x = image(2, 3, 299, 299)  # the head wants 17x17 maps
    with torch.no_grad():
        found, wanted = ours.train()(x), theirs.train()(x)
    assert list(found) == ["logits", "AuxLogits"]
    assert gap(found["logits"], wanted.logits) <= 1e-9
    assert gap(found["AuxLogits"], wanted.aux_logits) <= 1e-9


def test_gradients_and_running_statistics_are_equal() -> None:
    ours, theirs = twins(aux=False)
    found, wanted = (
        dict(zip(dict(net.named_parameters()),
                 torch.autograd.grad(net.train()(image(4, 3, 107, 107)).square().mean(), list(net.parameters())),
                 strict=True))
        for net in (ours, theirs)
    )  # fmt: skip
    assert list(found) == list(wanted)
    assert len(wanted) == 284
    floor = 1e-10 * max(float(g.abs().max()) for g in wanted.values())
    for key, gradient in wanted.items():
        assert float((found[key] - gradient).abs().max()) <= 1e-8 * float(gradient.abs().max()) + floor, key
    buffers = dict(theirs.named_buffers())
    assert all(torch.allclose(b, buffers[k], rtol=1e-9) for k, b in ours.named_buffers() if "running" in k)


def test_stage_sizes_are_table_1s() -> None:
    graph = trace(network())
    outs = {row.path.split(".")[0]: row.out for row in graph.rows if row.tap is None}
    sizes = {name: (out.rows, out.channels) for name, out in outs.items()}
    # Table 1's input sizes of the next row: 149x149x32, 147x147x32, 147x147x64, 73x73x64, ..., 35x35x288, 17x17x768
    assert [sizes[n] for n in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1")] == [
        (149, 32), (147, 32), (147, 64), (73, 64),
    ]  # fmt: skip
    assert (sizes["Conv2d_3b_1x1"], sizes["Conv2d_4a_3x3"]) == ((73, 80), (71, 192))  # the table: 71x71x80, 35x35x192
    assert [sizes[n] for n in ("Mixed_5d", "Mixed_6a", "Mixed_6e", "Mixed_7a", "Mixed_7c", "avgpool")] == [
        (35, 288), (17, 768), (17, 768), (8, 1280), (8, 2048), (1, 2048),
    ]  # fmt: skip


def test_the_batch_normalisation_is_torchvisions() -> None:
    found, wanted = (
        {(m.eps, m.momentum) for m in net.modules() if isinstance(m, nn.BatchNorm2d)}
        for net in (build(network(), device="meta"), theirs_on_meta())
    )
    assert found == wanted == {(0.001, 0.1)}


def test_numbers_in_the_docstring_are_the_nets() -> None:
    words = inspect.getdoc(inception_v3) or ""
    assert [n for n in (PARAMS, WITH_HEAD) if f"{n:,}" not in words] == []


def test_width_scales_every_convolution() -> None:
    assert cost(trace(network(width=0.5, classes=10))).layers[0].out == (16, 149, 149)
    with pytest.raises(SpecError, match="width must be above 0"):
        network(width=0)
