from __future__ import annotations

import base64
import io

import pytest
import torch
from PIL import Image
from torch import nn

from convsmith.data import ImageSet, Preprocess
from convsmith.train import evaluate
from convsmith.train.evaluate import per_class

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
