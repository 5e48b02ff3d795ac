"""The mean and deviation that weights were trained with go with them: others cost points of accuracy."""

from __future__ import annotations

from dataclasses import replace

from convsmith.data import Preprocess
from convsmith.zoo.cards import weights


def as_trained(preprocess: Preprocess, network: str, source: str) -> Preprocess:
    """`preprocess` with the mean and deviation of the weights' card; as it is where nobody tells (a file, a run).

    Grey images get the mean over the colours. `source` is as given to `--weights`.
    """
    plain = source.partition("@sha256:")[0]
    rows = [row for row in weights().get(network, ()) if row.source == plain]
    if plain == "torchvision:DEFAULT":
        rows = [row for row in weights().get(network, ()) if row.source.startswith("torchvision:")]
    if not rows:
        return preprocess
    mean, std = rows[-1].mean, rows[-1].std
    if preprocess.channels == 1:
        mean, std = (sum(mean) / len(mean),), (sum(std) / len(std),)
    return replace(preprocess, mean=mean, std=std) if len(mean) == preprocess.channels else preprocess
