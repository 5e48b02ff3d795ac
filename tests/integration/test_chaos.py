"""A training that is killed 25 times, at any step and inside the writing of its checkpoints, ends bit for bit as one
that nobody disturbed: with dropout, an average of the weights, mixing, a plateau schedule and all that is random.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from convsmith.spec import Conv, Dropout, Flatten, Linear, Network, Norm, PoolTo, Relu, Seq, write

from .conftest import finish, start

NURSERY = Path(__file__).parent / "nursery.py"
LIVES = 25
RECIPES = {
    "plateau": "schedule=plateau patience=0 ema=0.97 mixup=0.2 cutmix=1 optimiser=sgd",
    "steps": "schedule=steps milestones=0.5,0.75 ema=0.97 mixup=0.2 jitter=0.3 optimiser=adamw lr=0.003 alpha=0.99",
}
COMMON = "epochs=14 batch=64 warmup=0.1 shift=0.1 rotate=10 clip=2 cutout=0.2 weight_decay=0.001"


@pytest.mark.parametrize("kind", ["plateau"])
def test_killed_25_times_it_ends_bit_identical(kind: str, tmp_path: Path) -> None:
    body = Seq(conv=Conv(8, 3), bn=Norm(), relu=Relu, pool=PoolTo(2), flatten=Flatten, drop=Dropout(0.2), fc=Linear(10))
    write(Network(body, side=8, channels=1, classes=10), tmp_path / "net.json")
    changes = [word for change in f"{COMMON} {RECIPES[kind]}".split() for word in ("--set", change)]
    words = ("train", "digits", "-n", tmp_path / "net.json", "--seed", 5, "--checkpoint-every", 3, *changes, "--out")
    chaos = subprocess.run(
        [sys.executable, NURSERY, "7", str(LIVES), *map(str, words), str(tmp_path / "run")],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    moments = chaos.stdout.splitlines()
    assert len(moments) == LIVES, chaos.stderr
    assert all(line.endswith(" 9") for line in moments), "\n".join([*moments, chaos.stderr])
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "running"
    finish(start("resume", tmp_path / "run"))
    finish(start(*words, tmp_path / "whole"))
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("run", "whole")]
    assert weights[0] == weights[1]
    logs = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("run", "whole")]
    for a, b in zip(*logs, strict=True):
        mine, expected = json.loads(a), json.loads(b)
        assert all(mine[key] == expected[key] for key in mine if key not in ("images_per_s", "seconds"))
    assert not [path.name for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]
