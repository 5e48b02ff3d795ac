"""A convolution with its normalisation and activation, again and again in one flat sequence, as a small function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from convsmith.nn.eject.layout import INDENT, Arg, Call, Text, lines, positional

LEAST = 4
"""Fewer are written out."""

FOLLOWING = ("nn.BatchNorm2d", "nn.ReLU", "nn.ReLU6", "nn.SiLU", "nn.Tanh", "nn.Hardswish", "nn.GELU")

Phrase = tuple[Call, ...]


def phrased(items: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """The items with phrases that differ in channels alone as calls of a function, and its source ([] if none)."""
    spans = _spans(items)
    counts = Counter(key for _, _, key in spans)
    key, many = max(counts.items(), key=lambda item: item[1], default=((), 0))
    if many < LEAST:
        return list(items), []
    found = {start: end for start, end, own in spans if own == key}
    name = "conv_norm_act" if any("BatchNorm" in word for word, *_ in key) else "conv_act"
    out: list[Any] = []
    at = 0
    while at < len(items):
        if at in found:
            out.append(Call(name, positional(arg.value for arg in items[at].args[:2]), star="*"))
        else:
            out.append(items[at])
        at = found.get(at, at + 1)
    first = next(iter(found))
    return out, _function(name, items[first : found[first]])


def _spans(items: Sequence[Any]) -> list[tuple[int, int, tuple[Any, ...]]]:
    """Start, end and what must be equal, of every convolution that layers follow which go with it."""
    found = []
    for start, item in enumerate(items):
        if not isinstance(item, Call) or item.function != "nn.Conv2d":
            continue
        end = start + 1
        while end < len(items) and isinstance(items[end], Call) and items[end].function in FOLLOWING:
            end += 1
        numbers = [arg.value for arg in item.args[:2]]
        if end > start + 1 and all(type(number) is int for number in numbers):
            found.append((start, end, tuple(_key(call, numbers) for call in items[start:end])))
    return found


def _key(call: Call, numbers: Sequence[int]) -> tuple[Any, ...]:
    return call.function, *((arg.name, repr(arg.value)) for arg in _general(call, numbers).written)


def _general(call: Call, numbers: Sequence[int]) -> Call:
    """The call for any channels: the convolution's own, or those of what follows it."""
    words = ["in_channels", "out_channels"] if call.function == "nn.Conv2d" else ["out_channels"]
    general = [Arg(arg.name, Text(word)) for arg, word in zip(call.args, words, strict=False)]
    own = list(numbers) if len(words) == 2 else list(numbers[1:])
    fits = [arg.value for arg in call.args[: len(words)]] == own
    return Call(call.function, (*general, *call.args[len(words) :])) if fits and call.args else call


def _function(name: str, phrase: Sequence[Call]) -> list[str]:
    numbers = [arg.value for arg in phrase[0].args[:2]]
    layers = Call("", positional(_general(call, numbers) for call in phrase), "[", "]")
    about = (
        "A convolution, its normalisation and activation." if "norm" in name else "A convolution and its activation."
    )
    head = f"def {name}(in_channels: int, out_channels: int) -> list[nn.Module]:"
    return [head, f'{INDENT}"""{about}"""', *lines("return ", layers, "", 1)]
