"""Calibration against torchmetrics, scikit-learn, and the published loop over bins in float64."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convsmith.spec.errors import DataError
from convsmith.train.calibration import BINS, calibration


def case(n: int, classes: int, seed: int, sharp: float = 2.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    logits = torch.randn(n, classes, generator=generator, dtype=torch.float64) * sharp
    logits[torch.arange(n), labels] += 1.0
    return logits.softmax(1), labels


def guo(confidence: list[float], right: list[bool], bins: int) -> tuple[float, float]:
    """ECE and MCE as equations 3 and 5 say it: bins (m - 1, m] / M, image by image."""
    total, largest = 0.0, 0.0
    for m in range(1, bins + 1):
        own = [i for i, c in enumerate(confidence) if (m - 1) / bins < c <= m / bins]
        if own:
            gap = abs(sum(right[i] for i in own) / len(own) - math.fsum(confidence[i] for i in own) / len(own))
            total += len(own) / len(confidence) * gap
            largest = max(largest, gap)
    return total, largest


SIZES = [(500, 10, 2.0), (37, 3, 1.0), (1000, 100, 4.0), (1, 2, 1.0)]


@pytest.mark.parametrize(("n", "classes", "sharp"), SIZES)
@pytest.mark.parametrize("seed", [0, 1])
def test_ece_equals_the_papers_equations(n: int, classes: int, sharp: float, seed: int) -> None:
    probabilities, labels = case(n, classes, seed, sharp)
    found = calibration(probabilities, labels)
    confidence, predicted = probabilities.max(1)
    expected = guo(confidence.tolist(), (predicted == labels).tolist(), BINS)
    assert (found.ece, found.mce) == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow  # importing torchmetrics takes seconds
@pytest.mark.parametrize(("n", "classes", "sharp"), SIZES)
def test_ece_equals_torchmetrics(n: int, classes: int, sharp: float) -> None:
    torchmetrics = pytest.importorskip("torchmetrics.classification", reason="torchmetrics is an oracle")
    probabilities, labels = case(n, classes, 2, sharp)
    found = calibration(probabilities, labels)
    for norm, value in (("l1", found.ece), ("max", found.mce)):
        metric = torchmetrics.MulticlassCalibrationError(num_classes=classes, n_bins=BINS, norm=norm)
        assert value == pytest.approx(float(metric(probabilities, labels)), abs=1e-6)


@pytest.mark.parametrize("classes", [2, 5])
def test_nll_and_brier_equal_scikit_learns(classes: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is an oracle")
    probabilities, labels = case(300, classes, 3)
    found = calibration(probabilities, labels)
    y, p, every = labels.numpy(), probabilities.numpy(), list(range(classes))
    assert found.nll == pytest.approx(metrics.log_loss(y, p, labels=every), rel=1e-12)
    assert found.brier == pytest.approx(metrics.brier_score_loss(y, p, labels=every, scale_by_half=False), rel=1e-12)


def test_a_bin_holds_its_upper_end_as_in_the_paper() -> None:
    """1.0 is in the last bin with 0.95, where torchmetrics gives it a sixteenth of its own."""
    probabilities = torch.tensor([[1.0, 0.0], [0.95, 0.05], [2 / 3, 1 / 3]], dtype=torch.float64)
    found = calibration(probabilities, torch.tensor([1, 0, 0]))
    assert [row.n for row in found.bins] == [0] * 9 + [1] + [0] * 4 + [2]
    last, tenth = found.bins[-1], found.bins[9]
    assert (last.confidence, last.accuracy, last.gap) == pytest.approx((0.975, 0.5, -0.475))
    assert tenth.high == pytest.approx(2 / 3)
    assert found.ece == pytest.approx(2 / 3 * 0.475 + 1 / 3 * 1 / 3)
    assert found.mce == pytest.approx(0.475)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(2, 6), st.integers(0, 10_000), st.floats(0.01, 30), st.integers(1, 20))
def test_bins_hold_every_image_once_and_errors_stay_in_their_range(
    n: int, classes: int, seed: int, sharp: float, bins: int
) -> None:
    probabilities, labels = case(n, classes, seed, sharp)
    for p in (probabilities, probabilities.float()):
        found = calibration(p, labels, bins=bins)
        assert sum(row.n for row in found.bins) == n
        assert len(found.bins) == bins
        assert 0 <= found.ece <= found.mce + 1e-12
        assert found.mce <= 1
        assert 0 <= found.brier <= 2 + 1e-6
        rate = sum(row.n * row.accuracy for row in found.bins if row.accuracy is not None) / n
        assert rate == pytest.approx(float((p.argmax(1) == labels).double().mean()))
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
        assert calibration(p[order], labels[order], bins=bins).ece == pytest.approx(found.ece, abs=1e-12)


def test_a_certain_and_right_network_is_calibrated_and_a_certain_and_wrong_one_is_not() -> None:
    sure = torch.eye(3)
    right, wrong = calibration(sure, torch.arange(3)), calibration(sure, torch.tensor([1, 2, 0]))
    assert (right.ece, right.nll, right.brier) == (0, 0, 0)
    assert (wrong.ece, wrong.mce, wrong.brier) == (1, 1, 2)
    assert wrong.nll == pytest.approx(-math.log(torch.finfo(torch.float32).tiny))


def test_it_is_plain_data_and_bins_without_images_say_nothing() -> None:
    plain = json.loads(json.dumps(calibration(*case(5, 3, 0)).to_json()))
    assert set(plain) == {"ece", "mce", "nll", "brier", "bins"}
    empty = [row for row in plain["bins"] if not row["n"]]
    assert empty
    assert all(row["accuracy"] is row["confidence"] is None for row in empty)


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="there are no images"):
        calibration(torch.empty(0, 3), torch.empty(0, dtype=torch.int64))
