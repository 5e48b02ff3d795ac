"""From the names in a tree to splits and classes: class folders, with or without train/val/test above them.

    cat/1.jpg                     all:   'cat'
    train/cat/1.jpg               train: 'cat'      (val, valid and validation are one split; test another)
    flowers/img/train/cat/1.jpg   the same: folders around everything are looked through
    cat/2021/1.jpg                all:   'cat'      (folders inside a class folder belong to the class)

Hidden names (a leading dot, `__MACOSX`, `Thumbs.db`) never make a class: a stray `.ipynb_checkpoints` would otherwise
shift every class index after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from convsmith.data.finding import Finding, Level, named, natural, plural
from convsmith.data.pixels import SUFFIXES
from convsmith.data.source import SYNONYMS, Example, in_order
from convsmith.data.tree import Tree
from convsmith.spec.errors import DataError

CLUTTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Layout:
    """Examples per split, named by their path in the tree, and what was left out."""

    splits: Mapping[str, Sequence[Example]]
    findings: tuple[Finding, ...]


def hidden(path: str) -> bool:
    """True if a part of the path begins with a dot or is clutter of an operating system."""
    return any(part.startswith(".") or part.lower() in CLUTTER for part in PurePosixPath(path).parts)


def is_image(path: str) -> bool:
    """True if the suffix is that of an image."""
    return PurePosixPath(path).suffix.lower() in SUFFIXES


def layout(tree: Tree) -> Layout:
    """Splits and classes of a tree. Raises DataError if it has no class folders."""
    shown = [path for path in tree.files if not hidden(path)]
    images = [path for path in shown if is_image(path)]
    prefix = _wrapper(images, [f for f in tree.folders if not hidden(f)])
    below = [path[len(prefix) :] for path in images]
    tagged = _split_folders(below)
    found = {path: _place(path, tagged) for path in below}
    splits: dict[str, list[Example]] = {}
    for path in sorted(below, key=natural):
        split, label = found[path]
        if label:
            splits.setdefault(split, []).append(Example(prefix + path, label))
    if not splits:
        raise DataError(_no_classes(tree.name, len(images)))
    inner = [f[len(prefix) :] for f in tree.folders if f.startswith(prefix) and not hidden(f)]
    findings = [
        *_said("note", [prefix.rstrip("/")] if prefix else [], "folder", "around everything, looked through"),
        *_said("note", _tops(filter(hidden, [*tree.folders, *tree.files])), "hidden name", "ignored"),
        *_said("note", [p for p in shown if not is_image(p)], "file", "without an image's suffix, ignored"),
        *_said("warning", [p for p in below if not found[p][1]], "image", "outside any class folder, ignored"),
        *_said("warning", _empty(inner, below, tagged), "class folder", "without images, ignored"),
    ]
    return Layout(in_order(splits), tuple(findings))


def _wrapper(images: Sequence[str], folders: Sequence[str]) -> str:
    """`"flowers/images/"`: the folders around everything, down to the splits or classes; none of them has a sibling."""
    prefix = ""
    while images and all(path[len(prefix) :].count("/") > 1 for path in images):
        tops = {path[len(prefix) :].partition("/")[0] for path in (*images, *folders) if path.startswith(prefix)} - {""}
        top = next(iter(tops))
        if len(tops) > 1 or top.lower() in SYNONYMS:
            break
        prefix += top + "/"
        inside = {path[len(prefix) :].partition("/")[0] for path in images}
        if len(inside) > 1 or any(name.lower() in SYNONYMS for name in inside):
            return prefix
    return ""


def _split_folders(images: Sequence[str]) -> frozenset[str]:
    """Top folders that are splits: a `train` of folders is a split, a `train` of loose images a class (of trains)."""
    tops = {path.split("/")[0] for path in images if "/" in path}
    tagged = {path.split("/")[0] for path in images if path.count("/") > 1} & {t for t in tops if t.lower() in SYNONYMS}
    trained = any(top.lower() == "train" for top in tagged)
    return frozenset(tagged) if trained or tagged == tops else frozenset()


def _place(path: str, tagged: frozenset[str]) -> tuple[str, str]:
    """(split, label) of an image; the label is empty where no class folder holds it."""
    parts = path.split("/")
    if not tagged:
        return "all", parts[0] if len(parts) > 1 else ""
    split = SYNONYMS.get(parts[0].lower(), "")
    return split, parts[1] if parts[0] in tagged and len(parts) > 2 else ""


def _empty(folders: Iterable[str], images: Iterable[str], tagged: frozenset[str]) -> list[str]:
    """Folders where classes are expected and in which no image lies, at any depth."""
    full = {parent.as_posix() for path in images for parent in PurePosixPath(path).parents}
    depth = 1 if tagged else 0
    spots = [f for f in folders if f.count("/") == depth and (not tagged or f.split("/")[0] in tagged)]
    return sorted((f for f in spots if f not in full), key=natural)


def _tops(paths: Iterable[str]) -> list[str]:
    """Without the paths that lie inside another one of them."""
    every = set(paths)
    return sorted(p for p in every if not any(up.as_posix() in every for up in PurePosixPath(p).parents))


def _said(level: Level, paths: Sequence[str], noun: str, what: str) -> list[Finding]:
    return [Finding(level, f"{plural(len(paths), noun)} {what}: {named(paths)}")] if paths else []


def _no_classes(name: str, images: int) -> str:
    if images == 0:
        return f"{name!r} has no images; give a folder with one folder of images per class"
    return (
        f"{name!r} has {plural(images, 'image')} but no class folders; put the images of each class in their own folder"
    )
