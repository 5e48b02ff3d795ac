"""What `evaluate` begins with: trained runs, and the pictures that all of them are asked about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from convsmith.cli import inputs, say
from convsmith.data import Data, ImageSet, load_set
from convsmith.data.images import Kept
from convsmith.data.pictures import Pictures, load_pictures
from convsmith.spec.errors import DataError, RunError
from convsmith.train import Bar, Run, Trained, restore
from convsmith.train.ensemble import Answers, answers, same_classes
from convsmith.train.judge import CENTRE, Asked


@dataclass(frozen=True)
class Member:
    """A run as it was named, and its trained network."""

    name: str
    run: Run
    trained: Trained

    def about(self) -> dict[str, Any]:
        """What a page says of it besides its results."""
        about = self.run.about
        recipe = about["recipe"]
        return {
            "network": self.trained.net.network.name,
            "recipe": f"{recipe.get('name', 'default')}, {recipe.get('epochs', '?')} epochs",
            "seed": about["seed"],
            "command": about["command"],
        }


@dataclass(frozen=True)
class Question:
    """Which images, and how they are shown. `data` None: each run's own; `split` None: test, or all of other data."""

    data: str | None
    split: str | None
    protocol: str
    skip_unreadable: bool

    @property
    def title(self) -> str:
        """What the answers are headed by."""
        return self.split or self.data or "test"


def members_of(folders: Sequence[str]) -> list[Member]:
    """The runs' networks. Raises RunError for one that is not trained to its end, or named twice; DataError for runs
    of different classes."""
    for at, folder in enumerate(folders):
        if folder in folders[:at]:
            raise RunError(f"{folder} is named twice; name each run once")
    opened = [(folder, Run.open(Path(folder))) for folder in folders]
    same_classes([(folder, run.classes) for folder, run in opened])
    return [Member(folder, run, restore(run)) for folder, run in opened]


def ask(members: Sequence[Member], question: Question, screen: Console) -> tuple[Asked, list[Answers]]:
    """Every network's answers to the same pictures. Raises DataError if their own images are not the same."""
    asked, found = None, []
    for member, pictures in zip(members, _pictures(members, question, screen), strict=True):
        if asked is None:
            asked = _asked(member, pictures, question)
            first = pictures
        elif pictures.names != first.names or not torch.equal(pictures.labels, first.labels):
            raise DataError(
                f"{members[0].name} and {member.name} do not have the same {question.title} images, as they were split "
                "by another seed or come from other data; name images that none was trained on with --data"
            )
        flip, bar = bool(member.run.about["data"].get("flip", False)), Bar(screen, every_epoch=False)
        found.append(answers(member.name, member.trained, pictures, question.protocol, flip=flip, watch=bar))
    assert asked is not None  # there is a member, as `same_classes` wants one
    return asked, found


def _pictures(members: Sequence[Member], question: Question, screen: Console) -> Iterator[Pictures]:
    """For each member in turn; what several share is read, and fitted to their side, once."""
    loaded: dict[Any, Data] = {}
    made: dict[Any, Pictures] = {}
    for member in members:
        about, preprocess = member.run.about["data"], member.trained.preprocess
        own = (about["source"], repr(about["load"]), about["fingerprint"]) if question.data is None else ()
        key = (own, preprocess.channels, preprocess.side if question.protocol == CENTRE else None)
        if key not in made:
            if own and own not in loaded:
                loaded[own] = inputs.reload(member.run, screen)
            quiet = screen if not made else say.console(quiet=True)
            made[key] = _of(loaded[own], member, question) if own else _read(member, question, quiet)
        yield made[key]


def _of(data: Data, member: Member, question: Question) -> Pictures:
    """A split of a run's own data."""
    split, trained = question.split or "test", member.trained
    if question.protocol == CENTRE:
        return _kept(inputs.split_of(data, trained.preprocess, split), trained)
    return Pictures.of(data, split, trained.classes)


def _read(member: Member, question: Question, screen: Console) -> Pictures:
    """Other images; by the centre crop decoded once and kept at the network's side."""
    options: dict[str, Any] = {
        "preprocess": member.trained.preprocess,
        "classes": member.trained.classes,
        "split": question.split,
        "skip_unreadable": question.skip_unreadable,
    }
    assert question.data is not None  # else they are the run's own
    if question.protocol == CENTRE:
        images, findings = load_set(question.data, **options)
        pictures = _kept(images, member.trained)
    else:
        pictures, findings = load_pictures(question.data, **options)
    say.findings(findings, screen)
    return pictures


def _kept(images: ImageSet, trained: Trained) -> Pictures:
    return Pictures(images.labels, images.names, trained.classes, Kept(images.images), trained.preprocess.channels)


def _asked(member: Member, pictures: Pictures, question: Question) -> Asked:
    """Mistakes are shown as the first network saw them; by other protocols whole, at the same size."""
    preprocess = member.trained.preprocess

    def picture(i: int) -> Tensor:
        if question.protocol == CENTRE:
            return preprocess.resize(pictures.original(i)[None])[0]
        return pictures.short_side(i, preprocess.side)

    return Asked(question.title, pictures.labels, pictures.names, pictures.classes, picture)
