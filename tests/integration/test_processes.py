"""Several processes train as one: same order, same metrics, equal weights; their end is one message."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from .conftest import COMMAND, finish, lines, start, wait_for

WORKER = Path(__file__).parent / "worker.py"
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone")
KEYS = ("epoch", "step", "lr", "train_top1", "val_top1")


def several(size: int, command: tuple[object, ...]) -> list[subprocess.Popen[str]]:
    """`command` in processes that know of each other as torchrun would have it; one alone knows of nobody."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "COLUMNS": "160"}
    return [
        subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | (place | {"RANK": str(rank), "LOCAL_RANK": str(rank)} if size > 1 else {}),
        )
        for rank in range(size)
    ]  # fmt: skip


def all_ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Code, output and error text of each, once all have ended."""
    said = [process.communicate(timeout=200) for process in processes]
    return [(process.returncode, *texts) for process, texts in zip(processes, said, strict=True)]


def work(folder: Path, size: int, **settings: Any) -> tuple[list[dict[str, torch.Tensor]], list[dict[str, Any]]]:
    """Weights, and histories and results, of each process of a training."""
    folder.mkdir()
    ends = all_ended(several(size, (sys.executable, WORKER, folder, json.dumps(settings))))
    assert ends == [(0, "", "")] * size
    weights = [load_file(folder / f"{rank}.safetensors") for rank in range(size)]
    return weights, [json.loads((folder / f"{rank}.json").read_text()) for rank in range(size)]


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max(float((a[key].double() - b[key].double()).abs().max()) for key in a)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """One process, with all that could tell processes apart: mixing, an average, clipping; 125 images in 4 steps."""
    weights, said = work(tmp_path_factory.mktemp("alone") / "1", 1, **ALL)
    return weights[0], said[0]


ALL = {"mixup": 0.2, "cutmix": 1.0, "ema": 0.9, "clip": 1.0, "optimiser": "sgd"}


@pytest.mark.parametrize("size", [2, 3])
def test_with_synchronised_norms_many_train_as_one(
    size: int, alone: tuple[dict[str, torch.Tensor], dict[str, Any]], tmp_path: Path
) -> None:
    weights, said = work(tmp_path / "run", size, sync_norm=True, **ALL)
    assert all(distance(weights[0], other) == 0 for other in weights[1:])
    assert distance(weights[0], alone[0]) < 1e-5
    for own in said:
        for record, expected in zip(own["history"], alone[1]["history"], strict=True):
            assert [record[key] for key in KEYS] == [expected[key] for key in KEYS]
            assert record["train_loss"] == pytest.approx(expected["train_loss"], abs=1e-5)
        assert own["result"] == said[0]["result"]
        assert own["result"]["confusion"] == alone[1]["result"]["confusion"]


def test_norms_of_their_own_leave_processes_with_equal_weights(tmp_path: Path) -> None:
    weights, said = work(tmp_path / "run", 2, dropout=0.3)
    assert distance(*weights) == 0
    assert [[r[key] for key in (*KEYS, "train_loss", "val_loss")] for r in said[0]["history"]] == [
        [r[key] for key in (*KEYS, "train_loss", "val_loss")] for r in said[1]["history"]
    ]


def test_sharded_over_two_it_is_the_same_training(
    alone: tuple[dict[str, torch.Tensor], dict[str, Any]], tmp_path: Path
) -> None:
    weights, said = work(tmp_path / "run", 2, sharded=True, sync_norm=True, **ALL)
    assert distance(*weights) == 0
    assert distance(weights[0], alone[0]) < 1e-5
    assert said[0]["result"]["confusion"] == alone[1]["result"]["confusion"]


def test_an_error_in_one_process_ends_the_others_in_silence(tmp_path: Path) -> None:
    settings = json.dumps({"fail": 3, "epochs": 50})
    first, second = all_ended(several(2, (sys.executable, WORKER, tmp_path, settings)))
    assert first == (1, "", "")
    assert second[0] == 1
    assert second[2].rstrip().endswith("ZeroDivisionError: in step 3 of process 1")


EVALUATE = """
import sys, json, torch
from convsmith.data import load
from convsmith.nn import build
from convsmith.train import evaluate
from convsmith.train.runtime import connect
from importlib import import_module
torch.set_num_threads(1)
runtime = connect()
with runtime.together():
    data = load("digits").resized(28)
    net = build("lenet5", channels=1, side=28, classes=10, seed=5)
    found = []
    for batch in (50, 300):
        import_module("convsmith.train.evaluate").BATCH = batch
        found.append(evaluate(net, data.test, data.preprocess, data.classes, "test", runtime).to_json())
    open(f"{sys.argv[1]}.{runtime.size}.{runtime.rank}", "w").write(json.dumps(found))
"""


def test_a_test_is_the_same_to_the_bit_for_one_to_four(tmp_path: Path) -> None:
    # 269 images: six ragged batches of 50, or a single one of 300 for one process, and none for the others
    for size in (1, 2, 3, 4):
        ends = all_ended(several(size, (sys.executable, "-c", EVALUATE, tmp_path / "r")))
        assert ends == [(0, "", "")] * size
    first = json.loads((tmp_path / "r.1.0").read_text())
    assert [sum(map(sum, found["confusion"])) for found in first] == [found["n"] for found in first] == [269, 269]
    for size in (2, 3, 4):
        for rank in range(size):
            assert json.loads((tmp_path / f"r.{size}.{rank}").read_text()) == first


TRAIN = ("train", "digits", "-n", "lenet5", "--set", "epochs=8", "--seed", 4, "--checkpoint-every", 5)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training by two processes from the command line."""
    folder = tmp_path_factory.mktemp("two") / "run"
    (code, out, err), second = all_ended(several(2, (*COMMAND, *TRAIN, "--out", folder, "--json")))
    assert code == 0, err
    assert second == (0, "", "")
    assert json.loads(out)["test_images"] == 269
    assert err.count("test top-1") == 1
    return folder


def test_the_main_process_alone_writes_and_prints(undisturbed: Path) -> None:
    run = json.loads((undisturbed / "run.json").read_text())
    assert run["status"] == "complete"
    assert lines(undisturbed / "metrics.jsonl") == 8
    assert not [path for path in undisturbed.iterdir() if path.name.startswith(".")]


def test_a_killed_worker_is_started_again_by_the_agent_and_nothing_is_lost(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ("--nproc-per-node", 2, "--max-restarts", 2, "-m", "convsmith", *TRAIN, "--out", folder)
    agent = subprocess.Popen(
        [*map(str, (*TORCHRUN, *words))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: lines(folder / "metrics.jsonl") >= 2, agent)
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    finish(agent)
    assert json.loads((folder / "run.json").read_text())["status"] == "complete"
    assert [json.loads(line)["epoch"] for line in (folder / "metrics.jsonl").read_text().splitlines()] == [*range(1, 9)]
    # two summands have one sum: with two processes also the bits are the same
    assert (folder / "weights.safetensors").read_bytes() == (undisturbed / "weights.safetensors").read_bytes()


def test_ctrl_c_on_one_process_ends_all_and_one_resumes_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first, second = several(2, (*COMMAND, *TRAIN, "--out", folder))
    wait_for(lambda: lines(folder / "metrics.jsonl") >= 2, first)
    os.kill(second.pid, signal.SIGINT)
    (code, _, err), other = all_ended([first, second])
    assert code == 130, err
    assert other[1:] == ("", "")
    assert err.count("nothing is lost") == 1
    assert "Traceback" not in err
    finish(start("resume", folder))
    assert lines(folder / "metrics.jsonl") == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere/at/all", "-n", "lenet5"), "error: "),
        (("digits", "-n", "resnet20", "--side", 8, "--set", "batch=3"), "error: a step has 2 images, too few for 2"),
    ],
)
def test_an_error_is_said_once(words: tuple[object, ...], message: str, tmp_path: Path) -> None:
    both = several(2, (*COMMAND, "train", *words, "--out", tmp_path / "run"))
    ends = all_ended(both)
    assert all(code != 0 and out == "" for code, out, _ in ends)
    errors = [line for _, _, err in ends for line in err.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert errors[0].startswith(message)
    assert not any("Traceback" in err for _, _, err in ends)
