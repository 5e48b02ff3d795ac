"""A run folder as training would leave it: ten digits, a ResNet-8, numbers that fit each other."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convsmith import cost, spec, trace
from convsmith.spec import write

CLASSES = [str(digit) for digit in range(10)]
WRONG = {(8, 3): 2, (1, 8): 1, (9, 5): 1, (3, 5): 2, (7, 9): 1}
N = 27
NETWORK = replace(spec("resnet20", depth=8), side=16, channels=1, name="resnet8")
PARAMS, MACS = cost(trace(NETWORK)).params, cost(trace(NETWORK)).macs

Plant = Callable[..., Path]


def picture(seed: int) -> str:
    """A small grey PNG as base64."""
    image = Image.new("L", (8, 8))
    image.putdata([(seed * 37 + (x - 3) * (x - 3) * 19 + y * 11) % 256 for y in range(8) for x in range(8)])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def metrics(epochs: int) -> str:
    lines = []
    for epoch in range(1, epochs + 1):
        left = math.exp(-epoch / 7) + 0.02 * math.sin(epoch * 1.7) ** 2
        row = {"epoch": epoch, "step": 20 * epoch, "lr": 0.05 * (1 + math.cos(math.pi * epoch / epochs))}
        row |= {"train_loss": 2.2 * left + 0.01, "train_top1": 1 - 0.7 * left}
        row |= {"val_loss": 2.0 * left + 0.06, "val_top1": 1 - 0.6 * left - 0.01}
        lines.append(json.dumps(row | {"images_per_s": 9000 + 30 * epoch, "seconds": 0.2}))
    return "\n".join(lines) + "\n"


def about(classes: list[str]) -> dict[str, Any]:
    findings = [{"level": "note", "message": "images are 8×8 and grey: small networks suffice"}]
    return {
        "format": "convsmith.run", "version": 1, "task": "fit", "status": "complete",
        "command": "convsmith fit digits --max-params 100k --max-macs 4M", "created": "2026-11-24T17:00:00+00:00",
        "seed": 0,
        "environment": {
            "python": "3.11.9", "torch": "2.9.1", "convsmith": "0.1.0", "platform": "Linux x86_64", "cpu": "2 cores",
            "threads": 2,
        },
        "budget": {"params": 100_000, "macs": 4_000_000},
        "data": {
            "source": "digits", "name": "digits", "classes": classes,
            "counts": {"train": 1257, "val": 270, "test": 270},
            "channels": 1, "side": 8, "flip": False, "fingerprint": "5f0c2c1e9a7b", "findings": findings,
            "preprocess": {"side": 16, "mean": [0.3053], "std": [0.3764], "fit": "short side, centre crop"},
        },
        "recipe": {"name": "default", "epochs": 60, "batch": 64, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0005},
    }  # fmt: skip


def candidate(name: str, params: int, macs: int, tops: list[float], *, chosen: bool = False) -> dict[str, Any]:
    scores = [{"epochs": 4 * 2**i, "top1": top, "loss": 1.2 - top, "seconds": 1.1 * 2**i} for i, top in enumerate(tops)]
    return {
        "name": name, "family": "resnet_cifar", "options": {}, "side": 16, "params": params, "macs": macs,
        "memory_bytes": 60 * macs // 10, "seconds": macs / 3e5, "scores": scores, "chosen": chosen,
    }  # fmt: skip


def race() -> dict[str, Any]:
    rows = [
        candidate("resnet8 ×1 @16", PARAMS, MACS, [0.93, 0.967, 0.982], chosen=True),
        candidate("resnet14 ×0.75 @16", 97_834, 3_611_904, [0.915, 0.959, 0.978]),
        candidate("vgg ×0.125 @16", 89_146, 2_204_160, [0.907, 0.948]),
        candidate("resnet20 ×0.5 @16", 68_386, 2_601_728, [0.885, 0.937]),
        candidate("lenet5 ×1 @32", 61_706, 416_520, [0.856]),
        candidate("plain14 ×0.75 @16", 96_100, 3_590_000, [0.801]),
    ]
    return {"candidates": rows, "considered": 120, "over_budget": 95, "over_time": 3}


def result(classes: list[str]) -> dict[str, Any]:
    matrix = [[0] * 10 for _ in range(10)]
    for i in range(10):
        matrix[i][i] = N
    for (true, predicted), count in WRONG.items():
        matrix[true][true] -= count
        matrix[true][predicted] += count
    taken = [sum(row[i] for row in matrix) for i in range(10)]
    rows = [
        {
            "class": name, "precision": matrix[i][i] / taken[i], "recall": matrix[i][i] / N,
            "f1": 2 * matrix[i][i] / (taken[i] + N), "n": N,
        }
        for i, name in enumerate(classes)
    ]  # fmt: skip
    wrong = [pair for pair, count in WRONG.items() for _ in range(count)]
    mistakes = [
        {
            "name": f"digits/{17 * i + 5}", "label": classes[true], "predicted": classes[predicted],
            "confidence": round(0.97 - 0.06 * i, 4), "png": picture(i),
        }
        for i, (true, predicted) in enumerate(wrong)
    ]  # fmt: skip
    right = 10 * N - len(wrong)
    return {
        "split": "test", "n": 10 * N, "top1": right / (10 * N), "top5": 1.0, "loss": 0.0812, "classes": classes,
        "confusion": matrix, "per_class": rows, "mistakes": mistakes,
    }  # fmt: skip


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """`plant(classes=..., without=("race.json",), **changes_of_run)`: a complete run folder."""

    def make(*, classes: list[str] = CLASSES, without: tuple[str, ...] = (), **changes: Any) -> Path:
        folder = tmp_path / "run"
        folder.mkdir()
        write(NETWORK, folder / "spec.json")
        measured = {"params": PARAMS, "macs": MACS, "latency_ms": 0.412, "latency_p95_ms": 0.47, "threads": 2}
        files = {
            "run.json": about(classes) | changes,
            "race.json": race(),
            "test.json": result(classes),
            "measured.json": measured | {"train_seconds": 12.4, "peak_memory_bytes": 401_211_392},
            "export.json": {
                "file": "model.onnx", "bytes": 331_000, "opset": 20, "max_abs_logit_difference": 3.1e-6,
                "top1_agreement": 1.0, "resized_max_abs_logit_difference": 0.0021,
            },
        }  # fmt: skip
        for name, data in files.items():
            if name not in without:
                (folder / name).write_text(json.dumps(data))
        if "metrics.jsonl" not in without:
            (folder / "metrics.jsonl").write_text(metrics(60))
        return folder

    return make
