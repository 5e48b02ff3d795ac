"""How many images a second does an evaluation take, beside torchvision's reference loop on the same weights?

Random weights and images, 224 pixels (32 for ResNet-20). torchvision: `evaluate` of its classification reference, in
float32, by its batches of 32, contiguous, with loss, top-1 and top-5; it is handed batches that are normalised already
(ResNet-20, which it has not, is ours in torch's modules). A second one has glibc keep freed memory, as all of ours do:
it tells how much of a difference is the allocator's. Ours, from uint8 images in memory, with the same loss and rates:
`evaluate` is what reports and `convsmith evaluate` are made with: channels side by side, batch norms folded, in a copy
whose making counts. The others are `probabilities` by the centre protocol: as the network stands, by that same
execution, and by it in bfloat16. Each is a process of its own; they take turns, A B C A B C ..., and a round in which
others used the machine is taken again or refused.

    python benchmarks/eval_speed.py [--rounds 5] [NET ...]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from timing import in_turn, table
from torch import nn
from train_speed import Contestant

from convsmith import build
from convsmith.data import Preprocess
from convsmith.data.images import Kept
from convsmith.data.pictures import Pictures
from convsmith.nn import Net
from convsmith.train import Execution, Trained, machine
from convsmith.train.evaluate import probabilities_of
from convsmith.train.protocols import probabilities

NETS = {"resnet20": (2048, 32), "mobilenet_v2": (64, 224), "resnet50": (48, 224)}
"""Images and their side."""
BATCH = 32
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
THEIRS, KEPT, EVALUATE = "torchvision", "torchvision, memory kept", "evaluate"
WAYS: dict[str, Execution | None] = {
    "as it stands": None,
    "channels-last, folded": Execution(channels_last=True),
    "+ bfloat16": Execution(channels_last=True, precision="bfloat16"),
}
Measured = tuple[float, float, float]
"""Loss, top-1 and top-5."""


def question(name: str) -> tuple[Net, Pictures]:
    """The same for every contestant."""
    count, side = NETS[name]
    net = build(name, seed=0).eval()
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, side, side), generator=draws, dtype=torch.uint8)
    classes = net.network.classes
    labels = torch.randint(0, classes, (count,), generator=draws)
    names = tuple(str(i) for i in range(classes))
    return net, Pictures(labels, tuple(str(i) for i in range(count)), names, Kept(images), 3)


def torchvision_turn(name: str) -> Callable[[], Measured]:
    """references/classification/train.py: evaluate, and utils.py: accuracy, without the logger."""
    import torchvision

    ours, pictures = question(name)
    net: nn.Module = ours
    if name != "resnet20":
        net = getattr(torchvision.models, name)()
        net.load_state_dict(ours.state_dict())
    criterion = nn.CrossEntropyLoss(label_smoothing=0.0)
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (MEAN, STD))
    pixels = torch.stack([pictures.original(i) for i in range(len(pictures))])
    images = ((pixels / 255 - mean) / std).split(BATCH)
    batches = list(zip(images, pictures.labels.split(BATCH), strict=True))

    def turn() -> Measured:
        net.eval()
        loss = first = fifth = 0.0
        with torch.inference_mode():
            for image, target in batches:
                image, target = image.to("cpu", non_blocking=True), target.to("cpu", non_blocking=True)
                output = net(image)
                loss += criterion(output, target).item() * len(image)
                correct = output.topk(5, 1, True, True)[1].t().eq(target[None])
                first += correct[:1].flatten().sum().item()
                fifth += correct[:5].flatten().sum().item()
        return loss / len(pictures), first / len(pictures), fifth / len(pictures)

    return turn


def our_turn(name: str, who: str) -> Callable[[], Measured]:
    """From uint8 to loss and rates."""
    net, pictures = question(name)
    trained = Trained(net, Preprocess(NETS[name][1], MEAN, STD), pictures.classes)

    def turn() -> Measured:
        if who == EVALUATE:
            found = probabilities_of(net, pictures.at(trained.preprocess), trained.preprocess)
        else:
            found = probabilities(trained, pictures, execution=WAYS[who])
        correct = found.topk(5, 1).indices == pictures.labels[:, None]
        loss = F.nll_loss(found.double().log(), pictures.labels)
        return float(loss), float(correct[:, 0].double().mean()), float(correct.any(1).double().mean())

    return turn


def take_turns(who: str, name: str) -> None:
    """A contestant's process: an evaluation a line of input, and an answer to each."""
    warnings.simplefilter("ignore")  # of processors without bfloat16: the table shows it
    if who == KEPT:
        machine.keep_memory()
    turn = torchvision_turn(name) if who in (THEIRS, KEPT) else our_turn(name, who)
    for _ in sys.stdin:
        turn()
        print("done", flush=True)


def compare(name: str, rounds: int) -> str:
    """A table of one network."""
    load, watch = machine.load(), machine.Watch()
    begun = {
        who: Contestant(sys.executable, __file__, "--contestant", who, name) for who in (THEIRS, KEPT, EVALUATE, *WAYS)
    }
    try:
        for one in begun.values():
            one.task()
        times = in_turn({who: one.task for who, one in begun.items()}, rounds, warm=True)
    finally:
        for one in begun.values():
            one.stop()
    count, lines = NETS[name][0], []
    for who, taken in times.items():
        faster = statistics.median(base / t for base, t in zip(times[THEIRS], taken, strict=True))
        rates = sorted(count / seconds for seconds in taken)
        spread = f"{rates[0]:,.1f}-{rates[-1]:,.1f}"
        lines.append((who, f"{statistics.median(rates):,.1f}", spread, f"{faster:.2f}×"))
    title = f"\n**{name}**, {count:,} images (before: {load}; meanwhile: {watch.seen()})\n\n"
    return title + table(("evaluation", "images/s", "min-max", "faster than torchvision"), lines)


def main() -> None:
    """A table a network, and the load under which it came about."""
    parser = argparse.ArgumentParser()
    parser.add_argument("nets", nargs="*", default=list(NETS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.contestant:
        take_turns(asked.contestant, *asked.nets)
        return
    for name in asked.nets:
        print(compare(name, asked.rounds), flush=True)


if __name__ == "__main__":
    main()
