from __future__ import annotations

import base64
import io
import json
import re

import pytest
import torch
from PIL import Image
from torch import nn

from convsmith.data import ImageSet, Preprocess
from convsmith.spec.errors import DataError
from convsmith.train import evaluate
from convsmith.train.evaluate import Evaluation, loss_and_top1, per_class
from convsmith.train.judge import Asked, judge
from convsmith.train.statistics import of_rate

metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle of the metrics")

PREPROCESS = Preprocess(1, (0.0,) * 3, (1.0,) * 3)


class Fixed(nn.Module):
    """Answers with given logits, whatever the image; keeps its place between batches."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits, self.at = logits, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        part = self.logits[self.at : self.at + len(x)]
        self.at += len(x)
        return part


def case(n: int, classes: int, seed: int = 0) -> tuple[Fixed, ImageSet, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    logits = torch.randn(n, classes, generator=generator) * 2
    logits[torch.arange(n), labels] += 1.5
    images = torch.randint(0, 256, (n, 3, 1, 1), generator=generator, dtype=torch.uint8)
    return Fixed(logits), ImageSet(images, labels, tuple(f"image{i}" for i in range(n))), logits


@pytest.mark.parametrize(("n", "classes"), [(600, 7), (40, 12), (300, 3)])
def test_metrics_equal_scikit_learns(n: int, classes: int) -> None:
    net, images, logits = case(n, classes)
    names = tuple(f"c{i}" for i in range(classes))
    found = evaluate(net, images, PREPROCESS, names, "test")
    y, p = images.labels.numpy(), logits.argmax(1).numpy()
    every = list(range(classes))
    assert found.top1 == pytest.approx(metrics.accuracy_score(y, p))
    assert found.loss == pytest.approx(metrics.log_loss(y, logits.double().softmax(1).numpy(), labels=every), rel=1e-5)
    assert [list(row) for row in found.confusion] == metrics.confusion_matrix(y, p, labels=every).tolist()
    precision, recall, f1, count = metrics.precision_recall_fscore_support(
        y, p, labels=every, zero_division=float("nan")
    )
    for i, row in enumerate(found.per_class):
        assert row["n"] == count[i]
        for key, value in (("precision", precision[i]), ("recall", recall[i]), ("f1", f1[i])):
            assert row[key] == pytest.approx(value) if row[key] is not None else value != value or count[i] == 0
    if classes > 5:
        assert found.top5 == pytest.approx(metrics.top_k_accuracy_score(y, logits.numpy(), k=5, labels=every))
    else:
        assert found.top5 is None


def test_the_most_confident_mistakes_come_first_with_their_image() -> None:
    net, images, logits = case(600, 7)
    found = evaluate(net, images, PREPROCESS, tuple("abcdefg"), "test")
    probabilities = logits.softmax(1)
    wrong = [i for i in range(600) if int(logits[i].argmax()) != int(images.labels[i])]
    expected = sorted(wrong, key=lambda i: -float(probabilities[i].max()))[:12]
    assert [m["name"] for m in found.mistakes] == [f"image{i}" for i in expected]
    first = Image.open(io.BytesIO(base64.b64decode(found.mistakes[0]["png"])))
    assert first.getpixel((0, 0)) == tuple(images.images[expected[0], :, 0, 0].tolist())


def test_a_class_that_is_never_seen_or_guessed_has_no_rate() -> None:
    rows = per_class(torch.tensor([[3, 1, 0], [0, 0, 0], [2, 0, 0]]), ("a", "b", "c"))
    assert rows[1]["recall"] is None
    assert rows[2]["precision"] is None
    assert rows[2]["recall"] == 0
    assert rows[0]["precision"] == 3 / 5


def test_the_mode_of_the_network_is_restored() -> None:
    net, images, _ = case(10, 3)
    net.train()
    evaluate(net, images, PREPROCESS, tuple("abc"), "val")
    assert net.training


@pytest.mark.slow  # importing torchmetrics takes seconds
def test_accuracy_and_confusion_equal_torchmetrics() -> None:
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification", reason="torchmetrics is an oracle")
    net, images, logits = case(500, 9)
    found = evaluate(net, images, PREPROCESS, tuple("abcdefghi"), "test")
    asked = (logits, images.labels)
    for k, value in ((1, found.top1), (5, found.top5)):
        expected = torchmetrics.multiclass_accuracy(*asked, num_classes=9, top_k=k, average="micro")
        assert value == pytest.approx(float(expected), abs=1e-6)
    assert [list(row) for row in found.confusion] == torchmetrics.multiclass_confusion_matrix(*asked, 9).tolist()
    ece = torchmetrics.multiclass_calibration_error(logits.double().softmax(1), images.labels, 9, n_bins=15)
    assert found.calibration.ece == pytest.approx(float(ece), abs=1e-6)
    recall = torchmetrics.multiclass_recall(*asked, num_classes=9, average="none")
    assert [row["recall"] for row in found.per_class] == pytest.approx(recall.tolist(), abs=1e-6)


def test_the_fields_of_a_stored_test_stay_and_interval_and_calibration_come_with_them() -> None:
    net, images, logits = case(300, 7)
    found = evaluate(net, images, PREPROCESS, tuple("abcdefg"), "test", resamples=200, seed=9)
    plain = json.loads(json.dumps(found.to_json()))
    before = {"split", "n", "top1", "top5", "loss", "classes", "confusion", "per_class", "mistakes"}
    assert set(plain) == before | {"interval", "calibration", "protocol"}
    right = logits.argmax(1) == images.labels
    assert plain["interval"] == of_rate(right, resamples=200, seed=9).to_json()
    assert plain["interval"]["low"] < plain["top1"] < plain["interval"]["high"]
    assert plain["calibration"]["nll"] == plain["loss"]
    assert plain["protocol"] == "centre"


def test_the_loss_is_that_of_the_logits_even_where_a_probability_vanishes() -> None:
    images = ImageSet(torch.zeros(2, 3, 1, 1, dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b"))
    logits = torch.tensor([[-300.0, 300.0], [40.0, 0.0]])
    found = evaluate(Fixed(logits), images, PREPROCESS, ("x", "y"), "test")
    assert found.loss == pytest.approx((600 + 40) / 2)
    assert found.loss == pytest.approx(loss_and_top1(Fixed(logits), images, PREPROCESS)[0])


def judged(n: int, rows: int, columns: int = 3) -> Evaluation:
    asked = Asked("val", torch.zeros(n, dtype=torch.int64), ["x"] * n, tuple("abc"), lambda i: torch.zeros(1, 1, 1))
    return judge(torch.full((rows, columns), 1 / columns), asked)


def test_an_empty_set_and_images_of_other_channels_are_refused() -> None:
    net, images, _ = case(10, 3)
    empty = ImageSet(images.images[:0], images.labels[:0], ())
    message = "val holds no images, so there is nothing to evaluate; choose another split or set"
    with pytest.raises(DataError, match=message):
        evaluate(net, empty, PREPROCESS, tuple("abc"), "val")
    with pytest.raises(DataError, match=message):
        judged(0, 0)
    grey = ImageSet(images.images[:, :1], images.labels, images.names)
    with pytest.raises(DataError, match="val: the images have 1 channel and the network reads 3; load them again with"):
        evaluate(net, grey, PREPROCESS, tuple("abc"), "val")
    colour = Preprocess(1, (0.0,), (1.0,))
    with pytest.raises(DataError, match="val: the images have 3 channels and the network reads 1"):
        evaluate(net, images, colour, tuple("abc"), "val")


def test_answers_without_a_row_an_image_and_a_column_a_class_are_refused() -> None:
    for rows, columns in ((4, 3), (5, 4)):
        message = f"val: there are {rows} × {columns} probabilities for 5 × 3, images by classes"
        with pytest.raises(DataError, match=re.escape(message)):
            judged(5, rows, columns)
