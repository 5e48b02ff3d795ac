"""How many images a second do training steps take, beside torchvision's reference step, timm's, and Keras'?

Synthetic images, batch 32 at 224 (128 at 32), SGD with momentum, cross entropy. Each contestant is a process of its
own, so that what one keeps in memory does not help another; they step in turn, A B C A B C ..., and a round in which
others used the machine is taken again or refused. torchvision: its references' step, float32, contiguous. timm: its
train.py's step by its defaults (its own ResNet-50, MobileNet v2 and DenseNet-121; it has no ResNet-20). Ours: setting
by setting, each row with those above it; the last is what `convsmith train` finds the fastest. Of the larger networks
only the first and the last setting take part, as each contestant keeps its memory: it wants 20 GB.

    python benchmarks/train_speed.py [--rounds 3] [--keras PYTHON] [NET ...]

`--keras` is a Python that has TensorFlow and Keras; without the option, what KERAS_PYTHON says.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import torch
import torch.nn.functional as F
from timing import in_turn, table
from torch import Tensor, nn

from convsmith import build
from convsmith.train import machine
from convsmith.train.execution import Execution

NETS = {"resnet20": (128, 32), "mobilenet_v2": (32, 224), "densenet121": (32, 224), "resnet50": (32, 224)}
TIMM = {"resnet50": "resnet50", "mobilenet_v2": "mobilenetv2_100", "densenet121": "densenet121"}
KERAS = {"resnet50": "ResNet50", "mobilenet_v2": "MobileNetV2", "densenet121": "DenseNet121"}
STEPS = {"resnet20": 8, "mobilenet_v2": 2}
"""Steps a turn, where one is too short for the clocks that tell who used the machine."""
LAST = Execution(channels_last=True, precision="bfloat16", fused=True)
WAYS = {
    "channels-last": (Execution(channels_last=True), False),
    "+ bfloat16": (replace(LAST, fused=False), False),
    "+ kept memory": (replace(LAST, fused=False), True),
    "+ fused": (LAST, True),
}
"""Ours: the execution, and whether freed memory is kept."""
FEWER = {"resnet50": ("channels-last", "+ fused"), "densenet121": ("channels-last", "+ fused")}
KERAS_TURNS = """
import sys, os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy
make, batch, side, steps = sys.argv[1], *map(int, sys.argv[2:])
net = getattr(keras.applications, make)(weights=None, input_shape=(side, side, 3))
net.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy")
images, labels = numpy.random.rand(batch, side, side, 3).astype("float32"), numpy.zeros(batch, "int64")
for _ in sys.stdin:
    for _ in range(steps):
        net.train_on_batch(images, labels)
    print("done", flush=True)
"""


def torchvision_step(name: str, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """references/classification/train.py: train_one_epoch, without metrics; ResNet-20 is ours, in torch's modules."""
    import torchvision

    net = build(name, seed=0) if name == "resnet20" else getattr(torchvision.models, name)()
    criterion = nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(net.train().parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        loss = criterion(net(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def timm_step(name: str, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """train.py's update: SGD with Nesterov momentum."""
    from timm import create_model
    from timm.optim import create_optimizer_v2

    net = create_model(TIMM[name]).train()
    optimiser = create_optimizer_v2(net, opt="sgd", lr=0.01, weight_decay=2e-5)

    def step() -> None:
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def our_step(name: str, way: Execution, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """A step as the training loop does it."""
    net = way.prepare(build(name, seed=0).train())
    images = way.images(images)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        with way.autocast():
            out = net(images)
        loss = F.cross_entropy(out.float(), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def take_turns(who: str, name: str) -> None:
    """A contestant's process: `STEPS` a line of input, and an answer to each."""
    batch, side = NETS[name]
    torch.manual_seed(0)
    images, labels = torch.randn(batch, 3, side, side), torch.randint(0, 10, (batch,))
    if who == "torchvision":
        step = torchvision_step(name, images, labels)
    elif who == "timm":
        step = timm_step(name, images, labels)
    else:
        way, kept = WAYS[who]
        if not kept:
            machine.keep_memory = str  # `prepare` always keeps it
        step = our_step(name, way, images, labels)
    for _ in sys.stdin:
        for _ in range(STEPS.get(name, 1)):
            step()
        print("done", flush=True)


class Contestant:
    """A process that steps when it is told; `task` tells it and waits. Raises RuntimeError with its last words."""

    def __init__(self, *words: str) -> None:
        self.said = tempfile.TemporaryFile("w+")  # noqa: SIM115  `stop` closes it
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.said}
        self.process = subprocess.Popen(words, text=True, **pipes)

    def task(self) -> None:
        """One turn."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        if self.process.stdout.readline() != "done\n":
            self.said.seek(0)
            raise RuntimeError((self.said.read().strip().splitlines() or ["it ended"])[-1])

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
        self.said.close()


def contestants(name: str, keras: str | None) -> tuple[dict[str, Contestant], dict[str, str]]:
    """Those that can take part, warm, and why the others cannot."""
    batch, side = NETS[name]
    words: dict[str, tuple[str, ...]] = {
        who: (sys.executable, __file__, "--contestant", who, name)
        for who in ["torchvision", "timm", *FEWER.get(name, WAYS)]
    }
    absent = {}
    if name not in TIMM:
        absent["timm"] = "it has no ResNet-20"
    if name not in KERAS:
        absent["Keras"] = "keras.applications has no ResNet-20"
    elif keras is None:
        absent["Keras"] = "absent: --keras was not given"
    else:
        sizes = map(str, (batch, side, STEPS.get(name, 1)))
        words["Keras"] = (keras, "-c", KERAS_TURNS, KERAS[name], *sizes)
    begun = {who: Contestant(*line) for who, line in words.items() if who not in absent}  # they load side by side
    found = {}
    for who, one in begun.items():
        try:
            one.task()
            found[who] = one
        except RuntimeError as error:
            absent[who] = f"absent: {error}"
            one.stop()
    return found, absent


def compare(name: str, keras: str | None, rounds: int) -> str:
    """A table of one network."""
    load, watch = machine.load(), machine.Watch()
    found, absent = contestants(name, keras)
    try:
        times = in_turn({who: one.task for who, one in found.items()}, rounds, warm=True)
    finally:
        for one in found.values():
            one.stop()
    images = NETS[name][0] * STEPS.get(name, 1)
    lines: list[tuple[str, ...]] = []
    for who, taken in times.items():
        each = [seconds * 1e3 / STEPS.get(name, 1) for seconds in taken]
        faster = statistics.median(base / t for base, t in zip(times["torchvision"], taken, strict=True))
        rate, spread = images / statistics.median(taken), f"{min(each):.0f}-{max(each):.0f}"
        lines.append((who, f"{statistics.median(each):.0f}", spread, f"{rate:.1f}", f"{faster:.2f}×"))
    lines += [(who, "", "", why, "") for who, why in absent.items()]
    title = f"\n**{name}**, batch {NETS[name][0]} (before: {load}; meanwhile: {watch.seen()})\n\n"
    return title + table(("step", "median ms", "min-max ms", "images/s", "faster than torchvision"), lines)


def main() -> None:
    """A table a network, and the load under which it came about."""
    parser = argparse.ArgumentParser()
    parser.add_argument("nets", nargs="*", default=list(NETS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keras", default=os.environ.get("KERAS_PYTHON"))
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.contestant:
        take_turns(asked.contestant, *asked.nets)
        return
    for name in asked.nets:
        print(compare(name, asked.keras, asked.rounds), flush=True)


if __name__ == "__main__":
    main()
