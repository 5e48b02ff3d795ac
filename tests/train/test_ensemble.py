"""Ensembles and comparisons: means of probabilities, refusals that name the classes, rows that agree with the parts."""

from __future__ import annotations

import json
import re

import pytest
import torch

from convsmith.data import Data, load
from convsmith.data.pictures import Pictures
from convsmith.nn import Net
from convsmith.spec.errors import DataError, UnknownName
from convsmith.train import Trained, evaluate
from convsmith.train.comparison import comparison
from convsmith.train.ensemble import Answers, answers, ensemble, same_classes
from convsmith.train.judge import Asked
from convsmith.train.statistics import mcnemar, of_difference

CLASSES = tuple("abcdef")


def case(members: int, n: int = 90, seed: int = 0) -> tuple[list[Answers], Asked]:
    """Members that each see the truth through noise of their own, so that their mean sees more."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 6, (n,), generator=generator)
    logits = torch.randn(members, n, 6, generator=generator) * 2 + 2.5 * torch.eye(6)[labels]
    images = torch.randint(0, 256, (n, 1, 2, 2), generator=generator, dtype=torch.uint8)
    asked = Asked("test", labels, [f"image{i}" for i in range(n)], CLASSES, images.__getitem__)
    return [Answers(f"run{i}", CLASSES, logits[i].softmax(1)) for i in range(members)], asked


def test_an_ensemble_is_the_mean_of_probabilities() -> None:
    members, _ = case(5)
    found = ensemble(members).probabilities
    expected = torch.stack([member.probabilities for member in members]).double().mean(0)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.sum(1), torch.ones(90, dtype=torch.float64), rtol=0, atol=1e-6)
    assert torch.equal(ensemble(members[:1]).probabilities, members[0].probabilities.double())
    torch.testing.assert_close(ensemble(members[::-1]).probabilities, found, rtol=0, atol=1e-15)


def test_independent_members_are_better_together_and_the_gain_says_by_how_much() -> None:
    members, asked = case(7, 400)
    found = comparison(members, asked, with_ensemble=True)
    together = found.together
    assert together is not None
    tops = [row.found.top1 for row in found.rows]
    assert together.mean == pytest.approx(sum(tops) / 7)
    assert together.gain.value == pytest.approx(together.row.found.top1 - together.mean)
    assert 0 < together.gain.low < together.gain.value < together.gain.high
    assert together.row.found.top1 > max(tops)


def test_each_row_is_judged_as_alone_and_against_the_first() -> None:
    members, asked = case(3)
    found = comparison(members, asked, resamples=500, seed=4)
    assert found.together is None
    right = [member.probabilities.argmax(1) == asked.labels for member in members]
    assert (found.rows[0].difference, found.rows[0].test) == (None, None)
    for i in (1, 2):
        row = found.rows[i]
        assert row.name == f"run{i}"
        assert row.found.top1 == pytest.approx(float(right[i].double().mean()))
        assert row.difference == of_difference(right[i], right[0], resamples=500, seed=4)
        assert row.test == mcnemar(right[i], right[0])
    plain = json.loads(json.dumps(found.to_json()))
    assert [row["name"] for row in plain["runs"]] == ["run0", "run1", "run2"]
    assert plain["ensemble"] is None
    assert plain["runs"][1]["mcnemar"] == found.rows[1].to_json()["mcnemar"]


@pytest.fixture(scope="module")
def whole() -> Data:
    """The embedded digits, all of them, with their originals."""
    return load("digits")


def test_the_centre_crop_is_what_evaluate_judges(whole: Data, net: Net) -> None:
    pictures = Pictures.of(whole, "test")
    found = answers("run", Trained(net.eval(), whole.preprocess, whole.classes), pictures)
    asked = Asked("test", pictures.labels, pictures.names, whole.classes, pictures.original)
    alone = evaluate(net, whole.test, whole.preprocess, whole.classes, "test")
    assert comparison([found], asked).rows[0].found == alone


def test_other_protocols_are_asked_for_by_name(whole: Data, net: Net) -> None:
    trained, pictures = Trained(net.eval(), whole.preprocess, whole.classes), Pictures.of(whole, "test")
    crops = answers("run", trained, pictures, "ten-crop", flip=False).probabilities
    centre = answers("run", trained, pictures).probabilities
    assert crops.shape == centre.shape
    assert not torch.equal(crops.double(), centre)
    with pytest.raises(UnknownName, match="did you mean 'ten-crop'"):
        answers("run", trained, pictures, "ten-corp")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (tuple("abcdeX"), "only the first knows 'f' and only the second knows 'X'"),
        (tuple("abcde"), "their classes differ, only the first knows 'f'; evaluate each by itself"),
        (tuple("abcdefg"), "their classes differ, only the second knows 'g'; evaluate each by itself"),
        (tuple("bacdef"), "their classes are in another order, 'a', 'b', 'c', 'd', 'e', 'f' and 'b', 'a',"),
    ],
)
def test_differing_class_maps_are_refused_by_the_names_on_each_side(other: tuple[str, ...], message: str) -> None:
    members, asked = case(2)
    odd = [members[0], Answers("odd", other, torch.ones(90, len(other)) / len(other))]
    for refused in (lambda: ensemble(odd), lambda: comparison(odd, asked, with_ensemble=True)):
        with pytest.raises(DataError, match=f"run0 and odd cannot be judged together.*{re.escape(message)}"):
            refused()


def test_nobody_one_and_others_images_are_refused() -> None:
    members, asked = case(2)
    with pytest.raises(DataError, match="there is no network to evaluate; name one run or more"):
        ensemble([])
    with pytest.raises(DataError, match="there is no network"):
        comparison([], asked)
    with pytest.raises(DataError, match="there is no network"):
        same_classes([])
    with pytest.raises(DataError, match="an ensemble needs two runs or more, got run0 alone"):
        comparison(members[:1], asked, with_ensemble=True)
    short = Answers("short", CLASSES, members[0].probabilities[:4])
    with pytest.raises(DataError, match="short has answered 4 and run0 90"):
        ensemble([members[0], short])
    with pytest.raises(DataError, match="short has answered 4 images, not these 90"):
        comparison([members[0], short], asked)
