from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from convsmith.cli.words import settings as words
from convsmith.data import Augment, Data, ImageSet, Memory, load
from convsmith.data.checks import balance
from convsmith.data.feed import permutation
from convsmith.data.shards import Shards
from convsmith.nn import Net, build
from convsmith.spec import Conv, Dropout, Flatten, Linear, Network, Norm, PoolTo, Relu, Seq
from convsmith.spec.errors import SpecError, TrainingError
from convsmith.train import Recipe, Run, evaluate, override, settle, train
from convsmith.train.find_lr import find_lr
from convsmith.train.imbalance import balanced_draw, class_weights, effective_number, epoch_order
from convsmith.train.loss import loss_of
from convsmith.train.runtime import Processes, Solo
from convsmith.train.setup import Setup

from .test_loop import Interrupted, Stop, equal, weights

BALANCED = Recipe(class_weights="balanced")


def labels_of(*counts: int) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def names(count: int) -> list[str]:
    return [f"class {i}" for i in range(count)]


counts_of_classes = st.lists(st.integers(1, 40), min_size=2, max_size=6)


# weights


@given(counts=counts_of_classes)
@settings(deadline=None)
def test_balanced_weights_are_scikit_learn_s(counts: list[int]) -> None:
    labels = labels_of(*counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels.numpy())
    found = class_weights(BALANCED, labels, names(len(counts)))
    assert found is not None
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_effective_numbers_are_the_sum_of_what_each_image_adds() -> None:
    counts = [1, 2, 10, 5000, 200_000]
    expected = [float((0.9999 ** np.arange(n, dtype=np.float64)).sum()) for n in counts]  # Cui et al., section 3
    np.testing.assert_allclose(effective_number(torch.tensor(counts)).numpy(), expected, rtol=1e-9)
    assert effective_number(torch.tensor([10**7])).item() <= 1e4 * (1 + 1e-9)


def test_effective_weights_have_the_paper_s_ratios_and_a_mean_of_one_over_the_images() -> None:
    counts, beta = np.array([20_000, 5000, 7]), 0.9999
    labels = labels_of(*counts.tolist())
    found = class_weights(Recipe(class_weights="effective"), labels, names(3))
    assert found is not None
    alpha = (1 - beta) / (1 - beta**counts)
    np.testing.assert_allclose((found / found[0]).numpy(), alpha / alpha[0], rtol=1e-5)
    assert found[labels].double().mean().item() == pytest.approx(1, abs=1e-6)
    balanced = class_weights(BALANCED, labels, names(3))
    assert balanced is not None
    assert found[2] / found[0] < balanced[2] / balanced[0] / 2  # it flattens where there are many images


def test_nothing_is_weighed_by_default_nor_in_balanced_epochs() -> None:
    labels = labels_of(9, 1)
    assert class_weights(Recipe(), labels, names(2)) is None
    assert class_weights(Recipe(sampling="balanced"), labels, names(2)) is None
    assert class_weights(Recipe(sampling="balanced", class_weights="balanced"), labels, names(2)) is None


@pytest.mark.parametrize("recipe", [BALANCED, Recipe(class_weights="effective"), Recipe(sampling="balanced")])
def test_a_class_without_images_is_named(recipe: Recipe) -> None:
    with pytest.raises(TrainingError) as refusal:
        class_weights(recipe, labels_of(3, 0, 2, 0), ["cat", "dog", "owl", "emu"])
    assert str(refusal.value) == (
        "classes without training images cannot be balanced: 'dog', 'emu'; add images, "
        "or say --set class_weights=none --set sampling=natural"
    )
    assert class_weights(Recipe(), labels_of(3, 0, 2, 0), ["cat", "dog", "owl", "emu"]) is None


def test_weights_beside_balanced_epochs_are_refused_as_idle() -> None:
    with pytest.raises(SpecError, match=r"^class_weights .* has no effect with sampling balanced: it is for natural$"):
        settle(None, None, {"class_weights": "balanced", "sampling": "balanced"})


def test_other_words_are_refused() -> None:
    with pytest.raises(SpecError, match="class_weights must be none, balanced or effective, got 'inverse'"):
        override(Recipe(), {"class_weights": "inverse"})
    with pytest.raises(SpecError, match="sampling must be natural or balanced, got 'weighted'"):
        override(Recipe(), {"sampling": "weighted"})


def test_the_doctor_s_remedies_can_be_typed() -> None:
    rows = [("train", SimpleNamespace(label=label)) for label in "a" * 300 + "b" * 20]
    evidence = SimpleNamespace(survey=SimpleNamespace(rows=rows))
    (found,) = balance(evidence, range(320))  # type: ignore[arg-type]
    sets = [word.strip(",") for word in found.message.split() if "=" in word]
    assert sets == ["class_weights=balanced", "sampling=balanced"]
    assert [override(Recipe(), words([word])) for word in sets] == [BALANCED, Recipe(sampling="balanced")]


# the loss


def batch(count: int = 12, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    logits, labels = torch.randn(count, classes) * 3, torch.randint(classes, (count,))
    shares = torch.rand(count, classes)
    return logits, labels, shares / shares.sum(1, keepdim=True), torch.tensor([0.2, 1.0, 3.0, 0.5])[:classes]


def test_the_weighted_loss_of_shares_is_torch_s() -> None:
    logits, _, shares, weight = batch()
    torch.testing.assert_close(loss_of(logits, shares, 0.0, weights=weight)[0], F.cross_entropy(logits, shares, weight))


def test_the_weighted_loss_of_labels_is_torch_s_sum_over_the_images() -> None:
    logits, labels, _, weight = batch()
    found = loss_of(logits, labels, 0.0, weights=weight)[0]
    torch.testing.assert_close(found, F.cross_entropy(logits, labels, weight, reduction="sum") / len(labels))
    mean = F.cross_entropy(logits, labels, weight)  # torch divides by the weights
    torch.testing.assert_close(found, mean * weight[labels].mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3])
def test_the_weighted_loss_is_the_smoothed_one_of_each_image_times_the_weight_of_its_class(smoothing: float) -> None:
    logits, labels, shares, weight = batch()
    smoothed = partial(F.cross_entropy, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(
        loss_of(logits, labels, smoothing, weights=weight)[0], (weight[labels] * smoothed(logits, labels)).mean()
    )
    mixed = sum(shares[:, k] * weight[k] * smoothed(logits, torch.full((len(labels),), k)) for k in range(4))
    assert isinstance(mixed, torch.Tensor)
    torch.testing.assert_close(loss_of(logits, shares, smoothing, weights=weight)[0], mixed.mean())


def test_smoothing_leaves_the_label_the_best_answer_however_rare_another_class_is() -> None:
    weight = class_weights(BALANCED, labels_of(100, 1), names(2))
    assert weight is not None
    logits, label = torch.zeros(1, 2, requires_grad=True), torch.tensor([0])
    loss_of(logits, label, 0.1, weights=weight)[0].backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[0, 0] < 0  # down the gradient goes the label's own logit up; by torch's rule it would go down
    other = torch.zeros(1, 2, requires_grad=True)
    F.cross_entropy(other, label, weight, label_smoothing=0.1).backward()  # type: ignore[no-untyped-call]
    assert other.grad is not None
    assert other.grad[0, 0] > 0


def test_the_weighted_loss_and_its_gradient_are_the_formula_s_in_float64() -> None:
    logits, labels, _, weight = batch()
    logits.requires_grad_()
    loss_of(logits, labels, 0.1, weights=weight)[0].backward()  # type: ignore[no-untyped-call]
    exact = logits.detach().double().requires_grad_()
    target = weight.double()[labels, None] * (F.one_hot(labels, 4).double() * 0.9 + 0.1 / 4)
    probabilities = exact.exp() / exact.exp().sum(1, keepdim=True)
    (-(target * probabilities.log()).sum() / len(labels)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert exact.grad is not None
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=1e-5, atol=1e-7)


def test_parts_of_a_batch_add_up_to_the_batch_however_they_are_cut() -> None:
    # so processes, whose losses count by their images, find the gradient of one; dividing by weights would not
    logits, labels, _, weight = batch()
    whole = loss_of(logits, labels, 0.1, weights=weight)[0]
    for size in (2, 3, 5):
        parts = zip(torch.tensor_split(logits, size), torch.tensor_split(labels, size), strict=True)
        total = sum(loss_of(x, y, 0.1, weights=weight)[0] * len(y) / len(labels) for x, y in parts)
        torch.testing.assert_close(total, whole)


def test_equal_weights_change_nothing_and_auxiliary_heads_are_weighed_too() -> None:
    logits, labels, _, weight = batch()
    torch.testing.assert_close(loss_of(logits, labels, 0.1, weights=torch.ones(4))[0], loss_of(logits, labels, 0.1)[0])
    both = loss_of({"logits": logits, "aux": logits.flip(0)}, labels, 0.1, 0.5, weight)[0]
    alone, other = (loss_of(x, labels, 0.1, weights=weight)[0] for x in (logits, logits.flip(0)))
    torch.testing.assert_close(both, alone + 0.5 * other)


# the balanced order


@given(counts=counts_of_classes, seed=st.integers(0, 5), epoch=st.integers(0, 50), data=st.data())
@settings(deadline=None)
def test_every_class_has_its_share_of_an_epoch_to_one_image(
    counts: list[int], seed: int, epoch: int, data: st.DataObject
) -> None:
    labels = labels_of(*counts)[torch.tensor(data.draw(st.permutations(range(sum(counts)))))]
    drawn = balanced_draw(labels, len(counts), seed=seed, epoch=epoch)
    total, classes = sum(counts), len(counts)
    assert drawn.shape == (total,)
    shares = Counter(labels[drawn % total].tolist())
    assert all(total // classes <= shares[label] <= -(-total // classes) for label in range(classes))
    assert len(set(drawn.tolist())) == total  # what comes again has an index of its own
    assert torch.equal(drawn, balanced_draw(labels, classes, seed=seed, epoch=epoch))


@given(counts=counts_of_classes, seed=st.integers(0, 5), epochs=st.integers(1, 12))
@settings(deadline=None)
def test_over_a_training_the_images_of_a_class_come_equally_often_and_classes_too(
    counts: list[int], seed: int, epochs: int
) -> None:
    labels, total = labels_of(*counts), sum(counts)
    drawn = torch.cat([balanced_draw(labels, len(counts), seed=seed, epoch=epoch) % total for epoch in range(epochs)])
    seen = torch.bincount(drawn, minlength=total)
    for label in range(len(counts)):
        own = seen[labels == label]
        assert own.max() - own.min() <= 1
        assert epochs * total // len(counts) <= own.sum() <= -(-epochs * total // len(counts))


def memory(counts: Sequence[int], augment: Augment | None = None, side: int = 6) -> Memory:
    labels = labels_of(*counts)
    images = torch.randint(256, (len(labels), 1, side, side), dtype=torch.uint8)
    return Memory(ImageSet(images, labels, tuple(map(str, range(len(labels))))), augment or Augment())


@given(counts=counts_of_classes, seed=st.integers(0, 3), epoch=st.integers(0, 9), size=st.integers(1, 4))
@settings(deadline=None)
def test_every_process_has_the_same_order_and_their_parts_are_the_whole(
    counts: list[int], seed: int, epoch: int, size: int
) -> None:
    alone = epoch_order(memory(counts), "balanced", len(counts), seed=seed, epoch=epoch)
    batches = torch.tensor_split(alone, 3)
    runtimes = [Solo()] if size == 1 else [Processes(rank, size, None) for rank in range(size)]
    parts = []
    for runtime in runtimes:
        own = epoch_order(memory(counts), "balanced", len(counts), seed=seed, epoch=epoch)
        parts.append([runtime.split(index) for index in torch.tensor_split(own, 3)])
    for whole, shares in zip(batches, zip(*parts, strict=True), strict=True):
        assert torch.equal(torch.cat(shares), whole)


def test_shards_are_read_one_after_the_other_in_balanced_epochs_too() -> None:
    sizes, window = [12, 30, 6, 20], 10
    first = [0, 12, 42, 48, 68]
    labels = labels_of(60, 8)[torch.randperm(68, generator=torch.Generator().manual_seed(0))]
    tars = SimpleNamespace(
        shards=[SimpleNamespace(names=range(size)) for size in sizes], first=first, classes=("a", "b"), labels=labels,
        files=SimpleNamespace(most=2),
    )  # fmt: skip
    feed = Shards(tars, preprocess=None, augment=None, window=window)  # type: ignore[arg-type]
    shards = permutation(4, 3, 5).tolist()
    for sampling in ("natural", "balanced"):
        order = epoch_order(feed, sampling, 2, seed=3, epoch=5)
        turn = [shards.index(sum(row >= end for end in first[1:])) for row in (order % 68).tolist()]
        for place, now in enumerate(turn):  # none is farther than a window from where its shard is read
            assert now >= max(turn[: max(0, place - window)], default=0)
        assert len(set(order.tolist())) == 68
    assert (labels[order % 68] == 1).sum() == 34


def test_the_order_is_another_with_each_epoch_and_seed_and_mixes_the_classes() -> None:
    feed, order = memory([40, 40, 4]), partial(epoch_order, sampling="balanced", classes=3)
    first = order(feed, seed=0, epoch=0)
    assert not torch.equal(first, order(feed, seed=0, epoch=1))
    assert not torch.equal(first, order(feed, seed=1, epoch=0))
    large = first[feed.labels[first % 84] == 0].sort().values
    other = order(feed, seed=1, epoch=0)
    assert not torch.equal(large, other[feed.labels[other % 84] == 0].sort().values)  # other images, not only order
    assert all(len(set(feed.labels[part % 84].tolist())) == 3 for part in first.split(28))
    assert torch.equal(order(feed, sampling="natural", seed=0, epoch=0), feed.order(0, 0))


@pytest.mark.parametrize(
    "augment", [Augment(rotate=30.0, shift=2), Augment(area=(0.3, 1.0), side=6)], ids=["whole batches", "cut first"]
)
def test_an_image_that_comes_again_is_augmented_anew(augment: Augment) -> None:
    feed = memory([30, 2], augment, side=12)
    index = epoch_order(feed, "balanced", 2, seed=0, epoch=0)
    (found,) = feed.batches([index], seed=0, epoch=0)
    assert torch.equal(found.index, index % 32)
    assert torch.equal(found.labels, feed.labels[index % 32])
    rare = found.images[found.labels == 1].flatten(1)
    assert len(rare) == 16
    assert len(rare.unique(dim=0)) >= 14  # of two images; a flip or shift may repeat itself
    usual = index < 32
    (plain,) = feed.batches([index[usual]], seed=0, epoch=0)
    assert torch.equal(plain.images, found.images[usual])


# training


@pytest.fixture(scope="module")
def lopsided() -> Data:
    """Digits with 60 images of each class and six of zero."""
    data = load("digits")
    labels = data.train.labels
    kept = torch.cat([(labels == label).nonzero()[: 60 if label else 6, 0] for label in range(10)]).sort().values
    few = ImageSet(data.train.images[kept], labels[kept], tuple(data.train.names[i] for i in kept.tolist()))
    return replace(data, train=few)


def make() -> Net:
    body = Seq(conv=Conv(16, 3, stride=2), bn=Norm(), relu=Relu, pool=PoolTo(2), flatten=Flatten, fc=Linear(10))
    return build(Network(body, side=8, channels=1, classes=10), seed=1)


def recall(data: Data, recipe: Recipe, seed: int = 0) -> float:
    net = make()
    train(net, data, recipe, seed=seed)
    result = evaluate(net, data.test, data.preprocess, data.classes, "test")
    return float(result.per_class[0]["recall"])


SHORT = Recipe(epochs=8, batch=32, lr=0.05, rotate=0.0, scale=0.0)


@pytest.fixture(scope="module")
def usual(lopsided: Data) -> float:
    return recall(lopsided, SHORT)


@pytest.mark.parametrize(
    "changes", [{"class_weights": "balanced"}, {"class_weights": "effective"}, {"sampling": "balanced"}]
)
def test_a_rare_class_is_found_more_often_when_classes_are_balanced(
    lopsided: Data, usual: float, changes: dict[str, str]
) -> None:
    assert recall(lopsided, override(SHORT, changes)) > usual + 0.4


@pytest.mark.parametrize("changes", [{"class_weights": "balanced"}, {"sampling": "balanced"}, {"mixup": 0.2}])
def test_a_balanced_training_that_was_stopped_goes_on_to_the_same_weights(
    lopsided: Data, changes: dict[str, object], tmp_path: Path
) -> None:
    recipe = override(Recipe(epochs=2, batch=32, class_weights="effective"), {"sampling": "natural"} | changes)
    if recipe.sampling == "balanced":
        recipe = replace(recipe, class_weights="none")

    def dropping() -> Net:
        body = Seq(conv=Conv(6, 3), relu=Relu, pool=PoolTo(2), flatten=Flatten, drop=Dropout(0.3), fc=Linear(10))
        return build(Network(body, side=8, channels=1, classes=10), seed=1)

    whole, resumed = dropping(), dropping()
    train(whole, lopsided, recipe, seed=2)
    run = Run.create(tmp_path / "run", {})
    with pytest.raises(Interrupted):
        train(dropping(), lopsided, recipe, seed=2, run=run, watch=Stop(24))
    train(resumed, lopsided, recipe, seed=2, run=run)
    assert equal(weights(whole), weights(resumed))


def test_training_by_weights_is_the_training_by_torch_s_weighted_loss(lopsided: Data) -> None:
    # one step without momentum, decay, smoothing or augmentation: w - lr * gradient, by hand
    recipe = Recipe(
        epochs=1, batch=len(lopsided.train), lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0, warmup=0.0,
        schedule="constant", label_smoothing=0.0, shift=0.0, rotate=0.0, scale=0.0, class_weights="balanced",
    )  # fmt: skip
    net, twin = make(), make().train()
    train(net, lopsided, recipe, seed=0)
    labels = lopsided.train.labels
    loss = F.cross_entropy(
        twin(lopsided.preprocess.normalise(lopsided.train.images)), labels,
        torch.tensor(compute_class_weight("balanced", classes=np.arange(10), y=labels.numpy())).float(),
    )  # fmt: skip  # over all images the weights' mean is 1, so torch's two divisors are one
    loss.backward()
    for own, other in zip(net.parameters(), twin.parameters(), strict=True):
        assert other.grad is not None
        torch.testing.assert_close(own, other - 0.1 * other.grad, rtol=1e-4, atol=1e-6)


def test_a_search_for_a_learning_rate_sees_the_recipe_s_balance(lopsided: Data) -> None:
    found = {
        tuple(find_lr(make(), lopsided, override(Recipe(batch=32), changes), steps=10).losses)
        for changes in ({}, {"class_weights": "balanced"}, {"sampling": "balanced"})
    }
    assert len(found) == 3


def test_a_class_without_images_is_refused_before_training(lopsided: Data) -> None:
    some = lopsided.train.labels != 3
    kept = ImageSet(
        lopsided.train.images[some], lopsided.train.labels[some],
        tuple(name for name, keep in zip(lopsided.train.names, some.tolist(), strict=True) if keep),
    )  # fmt: skip
    with pytest.raises(TrainingError, match="cannot be balanced: '3'"):
        train(make(), replace(lopsided, train=kept), Recipe(epochs=1, sampling="balanced"), setup=Setup())
