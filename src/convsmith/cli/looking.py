"""What `look` begins with: a trained run, and the images that it is to be looked at with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from convsmith.cli import inputs, say
from convsmith.data import ImageSet, images_from, load_set
from convsmith.data.pictures import Pictures
from convsmith.nn.look import last_map
from convsmith.nn.look.layer import map_row
from convsmith.spec.errors import UnknownName, nearest
from convsmith.train import Run, Trained, restore
from convsmith.train.evaluate import probabilities_of

BATCHES, BATCH = 2, 64
"""How many images, and how many at a time, the statistics by depth are of."""


@dataclass(frozen=True)
class Subject:
    """A trained run, and what is asked of it: a layer's path and perhaps a class's index."""

    folder: str
    run: Run
    trained: Trained
    layer: str
    asked: int | None


@dataclass(frozen=True, eq=False)
class Seen:
    """The images to show: uint8 (N, C, S, S), with their names and, where they are known, labels int64 (N,).

    `about` says which they are; `sample` are labelled images for the statistics by depth, `of` says which.
    """

    images: Tensor
    names: Sequence[str]
    labels: Tensor | None
    about: str
    sample: tuple[Tensor, Tensor] | None
    of: str


def subject_of(folder: str, layer: str | None, class_: str | None) -> Subject:
    """Raises RunError for no finished run, UnknownName for another layer or class, SpecError for one without a map."""
    run = Run.open(Path(folder))
    trained = restore(run)
    if class_ is not None and class_ not in trained.classes:
        raise UnknownName(f"{folder} has no class {class_!r}{nearest(class_, trained.classes)}")
    if layer is not None:
        map_row(trained.net.graph, layer)
    asked = None if class_ is None else trained.classes.index(class_)
    return Subject(folder, run, trained, layer or last_map(trained.net.graph), asked)


def named(subject: Subject, paths: Sequence[str]) -> Seen:
    """Image files. Raises DataError naming one that is missing or cannot be read."""
    images, names = images_from(paths, subject.trained.preprocess)
    about = f"{len(names)} image{'s' * (len(names) != 1)}, by name; for each the predicted class"
    about += "." if subject.asked is None else f" and {subject.trained.classes[subject.asked]}."
    return Seen(images, names, None, about, None, "Left out: it takes labelled images; name none, or --data.")


def wrong(subject: Subject, screen: Console, data: str | None, split: str | None, most: int) -> Seen:
    """The surest wrong answers on the run's own images or on others; where all are right, the least sure ones."""
    trained = subject.trained
    preprocess, classes = trained.preprocess, trained.classes
    if data is None:
        own = inputs.reload(subject.run, screen)
        title = split or "test"
        images = Pictures.of(own, title, classes).at(preprocess)
        sample = _sample(Pictures.of(own, "train", classes), subject)
        where, of = f"the {title} images", "training images"
    else:
        images, findings = load_set(data, preprocess=preprocess, classes=classes, split=split)
        say.findings(findings, screen)
        where = data if split is None else f"the {split} images of {data}"
        sample, of = _drawn(images), f"images of {where}"
    probabilities = probabilities_of(trained.net, images, preprocess)
    sure, predicted = probabilities.max(1)
    bad = (predicted != images.labels).nonzero()[:, 0]
    chosen = bad[sure[bad].argsort(descending=True, stable=True)][:most]
    right, total = len(images) - len(bad), len(images)
    about = f"The surest {len(chosen)} of {len(bad):,} mistakes on {where}, of which {right:,} of {total:,} are right."
    if not len(bad):
        chosen = sure.argsort(stable=True)[:most]
        about = f"All {total:,} of {where} are right; shown are the {len(chosen)} answers that are least sure."
    names = [images.names[i] for i in chosen.tolist()]
    said = f"Of {len(sample[0])} {of}, in batches of {BATCH}."
    return Seen(images.images[chosen], names, images.labels[chosen], about, sample, said)


def _some(total: int) -> list[int]:
    """Whole batches of rows drawn without looking, always the same ones; as many as there are where these are few."""
    drawn = torch.randperm(total, generator=torch.Generator().manual_seed(0))[: BATCHES * BATCH].tolist()
    whole = len(drawn) // BATCH * BATCH
    return drawn[:whole] if whole else drawn


def _sample(pictures: Pictures, subject: Subject) -> tuple[Tensor, Tensor]:
    rows, resize = _some(len(pictures)), subject.trained.preprocess.resize
    return torch.cat([resize(pictures.original(i)[None]) for i in rows]), pictures.labels[rows]


def _drawn(images: ImageSet) -> tuple[Tensor, Tensor]:
    rows = _some(len(images))
    return images.images[rows], images.labels[rows]
