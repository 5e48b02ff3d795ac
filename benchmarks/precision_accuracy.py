"""Does the fast execution learn as well as float32, over seeds?

ResNet-8 (three stages of one block, 16 channels) on the built-in digits, recipe `default` in 20 epochs, three seeds;
both see the same images in the same order from the same weights. Test top-1 (270 images: one is 0.37 %), mean and
spread.

    python benchmarks/precision_accuracy.py [--seeds 3]
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace

from timing import table

from convsmith import build, spec
from convsmith.data import load
from convsmith.train import Execution, Setup, evaluate, recipe, train

EPOCHS = 20
WAYS = {
    "float32": Execution(),
    "bfloat16, channels-last, fused": Execution(precision="bfloat16", channels_last=True, fused=True),
}


def top1(way: Execution, seed: int) -> float:
    """Test top-1 of one training; the network is evaluated as it was built, in float32."""
    data = load("digits", seed=seed)
    channels, side = data.train.images.shape[1:3]
    net = build(spec("resnet20", depth=8), channels=channels, side=side, seed=seed)
    train(net, data, replace(recipe("default"), epochs=EPOCHS), seed=seed, setup=Setup(way))
    return evaluate(net, data.test, data.preprocess, data.classes, "test").top1


def main() -> None:
    """A row an execution."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    lines = []
    for name, way in WAYS.items():
        found = [top1(way, seed) for seed in seeds]
        spread = f"{statistics.mean(found):.2%} ± {statistics.stdev(found):.2%}"
        lines.append((name, *(f"{one:.2%}" for one in found), spread))
    print(table(("execution", *(f"seed {seed}" for seed in seeds), "mean ± standard deviation"), lines))


if __name__ == "__main__":
    main()
