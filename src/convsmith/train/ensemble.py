"""Several trained networks as one: the mean of what they hold likely.

p(class) = 1/M * sum over members of softmax(logits_m), the mean of probabilities and not of logits, as in Krizhevsky,
Sutskever and Hinton 2012 (section 6: five networks, 18.2 % top-5 error, 16.4 % together; seven, 15.4 %) and
Lakshminarayanan, Pritzel and Blundell 2017 (section 2.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convsmith.data.finding import named
from convsmith.data.pictures import Pictures
from convsmith.spec.errors import DataError
from convsmith.train.evaluate import probabilities_of
from convsmith.train.inference import quickest
from convsmith.train.judge import CENTRE
from convsmith.train.protocols import probabilities
from convsmith.train.restore import Trained
from convsmith.train.watch import Watch

ENSEMBLE = "ensemble"


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network, named as its run, says of N images: probabilities float (N, classes), columns in class order."""

    name: str
    classes: tuple[str, ...]
    probabilities: Tensor


def answers(
    name: str,
    trained: Trained,
    pictures: Pictures,
    protocol: str = CENTRE,
    *,
    flip: bool = True,
    watch: Watch | None = None,
) -> Answers:
    """By one of `PROTOCOLS`; `flip` says whether mirror images keep their class. By the centre crop as `evaluate`.

    Raises UnknownName for another protocol, DataError for pictures of another channel count or class map.
    """
    if protocol != CENTRE:
        how = quickest(trained.net)
        found = probabilities(trained, pictures, protocol, flip=flip, execution=how, watch=watch)
    else:
        found = probabilities_of(trained.net, pictures.at(trained.preprocess), trained.preprocess)
    return Answers(name, trained.classes, found)


def ensemble(members: Sequence[Answers]) -> Answers:
    """The mean of the members' probabilities, float64 (N, classes).

    Raises DataError for no members, class maps that differ, and answers to different numbers of images.
    """
    classes = same_classes([(member.name, member.classes) for member in members])
    sizes = {len(member.probabilities): member.name for member in members}
    if len(sizes) > 1:
        (few, one), (many, other), *_ = sorted(sizes.items())
        raise DataError(f"an ensemble answers the same images, but {one} has answered {few} and {other} {many}")
    total = torch.zeros(members[0].probabilities.shape, dtype=torch.float64)
    for member in members:
        total += member.probabilities.double()
    return Answers(ENSEMBLE, classes, total / len(members))


def same_classes(maps: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[str, ...]:
    """The class map that all networks, given as (name, class map), share.

    Raises DataError if there is none to share, naming the classes on each side that the other lacks.
    """
    if not maps:
        raise DataError("there is no network to evaluate; name one run or more")
    (first, own), *others = maps
    for name, classes in others:
        if classes != own:
            raise DataError(f"{first} and {name} cannot be judged together: {_apart(own, classes)}")
    return own


def _apart(first: tuple[str, ...], second: tuple[str, ...]) -> str:
    only = [[name for name in a if name not in b] for a, b in ((first, second), (second, first))]
    sides = [
        f"only the {word} knows {named(names)}" for word, names in zip(("first", "second"), only, strict=True) if names
    ]
    if sides:
        return (
            f"their classes differ, {' and '.join(sides)}; evaluate each by itself, or train them on the same classes"
        )
    return f"their classes are in another order, {named(first)} and {named(second)}; train them on the same data"
