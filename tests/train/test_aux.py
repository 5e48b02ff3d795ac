"""GoogLeNet's auxiliary classifiers: 0.3 of their losses in training (Szegedy et al. 2014, section 5), else nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import convsmith
from convsmith.data import Data
from convsmith.nn import Net, build
from convsmith.train import Recipe, evaluate, recipe, train
from convsmith.train.loss import loss_of

pytestmark = pytest.mark.usefixtures("one_thread")

PLAIN = Recipe(
    epochs=1, batch=121, weight_decay=0.0, label_smoothing=0.0, rotate=0, scale=0, shift=0, flip=False, warmup=0
)  # fmt: skip


@pytest.fixture
def net() -> Net:
    """GoogLeNet an eighth as wide, without dropout, on 32 x 32."""
    network = convsmith.spec("googlenet", 10, width=1 / 8, rate=0.0, aux_rate=0.0)
    return build(replace(network, side=32), channels=1, seed=2).train()


@pytest.fixture
def batch(digits: Data) -> tuple[Tensor, Tensor]:
    data = digits.resized(32)
    return data.preprocess.normalise(data.train.images[:12]), data.train.labels[:12]


def gradients(net: Net, loss: Tensor) -> dict[str, Tensor]:
    names, parameters = zip(*net.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_main_one_and_three_tenths_of_both_heads(
    smoothing: float, net: Net, batch: tuple[Tensor, Tensor]
) -> None:
    images, labels = batch
    out = net(images)
    assert set(out) == {"logits", "aux1", "aux2"}
    loss, logits = loss_of(out, labels, smoothing)
    wanted = 0.9 * F.one_hot(labels, 10) + 0.01 if smoothing else F.one_hot(labels, 10)
    each = {name: -(wanted * head.double().log_softmax(1)).sum(1).mean() for name, head in out.items()}
    assert loss.item() == pytest.approx((each["logits"] + 0.3 * (each["aux1"] + each["aux2"])).item(), rel=1e-6)
    assert torch.equal(logits, out["logits"])
    assert loss_of(out, labels, smoothing, 0.0)[0].item() == pytest.approx(each["logits"].item(), rel=1e-6)


def test_gradients_reach_what_lies_before_a_head_and_nothing_behind_it(net: Net, batch: tuple[Tensor, Tensor]) -> None:
    images, labels = batch
    out = net(images)
    whole = gradients(net, loss_of(out, labels, 0.0)[0])
    main, aux1, aux2 = (gradients(net, F.cross_entropy(out[name], labels)) for name in ("logits", "aux1", "aux2"))
    for name, gradient in whole.items():
        torch.testing.assert_close(gradient, main[name] + 0.3 * (aux1[name] + aux2[name]), rtol=1e-2, atol=2e-5)
    reached = {
        head: {name.partition(".")[0] for name, g in found.items() if g.abs().max() > 0}
        for head, found in (("aux1", aux1), ("aux2", aux2))
    }
    stem = {"conv1", "conv2", "conv3", "inception3a", "inception3b", "inception4a"}
    assert reached == {"aux1": {*stem, "aux1"}, "aux2": {*stem, "inception4b", "inception4c", "inception4d", "aux2"}}


def test_training_weighs_the_heads_as_its_recipe_says(net: Net, digits: Data) -> None:
    data = digits.resized(32)
    out = net(data.preprocess.normalise(data.train.images))
    losses = {name: F.cross_entropy(head, data.train.labels).item() for name, head in out.items()}
    before = {name: tensor.clone() for name, tensor in net.state_dict().items() if "running" not in name}
    for aux in (0.3, 0.0):
        net.load_state_dict(before, strict=False)
        record = train(net, data, replace(PLAIN, aux=aux))[0]
        wanted = losses["logits"] + aux * (losses["aux1"] + losses["aux2"])
        assert record["train_loss"] == pytest.approx(wanted, rel=1e-5)
        moved = {
            key.partition(".")[0] for key, tensor in net.named_parameters() if not torch.equal(tensor, before[key])
        }
        assert ({"aux1", "aux2"} <= moved) == (aux > 0)
        assert "inception5b" in moved


def test_the_papers_weight_is_the_recipes() -> None:
    assert recipe("googlenet_2014").aux == 0.3
    assert Recipe().aux == 0.3


def test_evaluation_never_asks_the_heads(net: Net, digits: Data) -> None:
    data = digits.resized(32)
    before = evaluate(net, data.val, data.preprocess, data.classes, "val")
    with torch.no_grad():
        for head in (net.aux1, net.aux2):
            for parameter in head.parameters():
                parameter.fill_(float("nan"))
    assert evaluate(net, data.val, data.preprocess, data.classes, "val") == before
    assert isinstance(net.eval()(torch.zeros(1, 1, 32, 32)), Tensor)
