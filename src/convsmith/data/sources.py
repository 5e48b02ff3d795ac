"""Opening a source: a built-in name, a folder, an archive or a CSV."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

from PIL import Image

from convsmith.data.builtin import SOURCES, builtin
from convsmith.data.finding import Finding
from convsmith.data.layout import layout
from convsmith.data.packed import SUFFIX, Packed
from convsmith.data.pixels import contents, header, picture
from convsmith.data.source import Example, Source
from convsmith.data.table import table
from convsmith.data.tree import Folder, Tree, archive
from convsmith.spec.errors import DataError, UnknownName, nearest


def open_source(where: str | Path) -> Source:
    """The source at `where`, examined in structure only: no image is opened.

    `where`  a name in SOURCES; a folder of class folders, with or without train/val/test above them; the same in a
             .zip, .tar, .tar.gz or .tgz; a .csv with the header `path,label[,split]`; or a .packed file.
    Raises:  UnknownName for a bare word that is neither, DataError for whatever cannot become two or more classes.
    """
    source = find(where)
    labels = source.labels()
    if len(labels) < 2:
        only = next(iter(labels))
        raise DataError(f"{source.name!r} has a single class, {only!r}; a classifier needs two or more class folders")
    return source


def find(where: str | Path) -> Source:
    """`open_source` without the demand for two classes, as an enforced class map may outnumber the data's classes."""
    if isinstance(where, str) and where in SOURCES:
        return builtin(where)
    path = Path(where).expanduser()
    if path.is_dir():
        return ClassFolders(Folder(path))
    if not path.is_file():
        raise _absent(where)
    if path.suffix.lower() == ".csv":
        return Table(path)
    if path.suffix.lower() == SUFFIX:
        return Packed(path)
    tree = archive(path)
    if tree is None:
        kinds = f"a folder, a .zip, .tar or .tar.gz, or a .csv or {SUFFIX} file"
        raise DataError(f"{path.name!r} is no source of images; give {kinds}")
    return ClassFolders(tree)


class ClassFolders(Source):
    """Class folders on disk or in an archive; an example's name is its path in there."""

    def __init__(self, tree: Tree) -> None:
        found = layout(tree)
        self.name = tree.name
        self.splits = found.splits
        self.flip: bool | None = None
        self.findings = found.findings
        self._tree = tree

    def look(self, example: Example) -> tuple[str, tuple[int, int]]:
        """From the file's header."""
        return header(example.name, lambda: self._tree.open(example.name))

    def raw(self, example: Example) -> bytes | None:
        """The file as it is."""
        return contents(example.name, lambda: self._tree.open(example.name))

    def read(self, example: Example) -> Image.Image:
        """The file, decoded."""
        return picture(example.name, lambda: self._tree.open(example.name))


class Table(Source):
    """The rows of a CSV; an example's name is its path as written there."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.splits = table(path)
        self.flip: bool | None = None
        self.findings: tuple[Finding, ...] = ()
        self._root = path.parent

    def _open(self, example: Example) -> IO[bytes]:
        return (self._root / example.name).open("rb")

    def look(self, example: Example) -> tuple[str, tuple[int, int]]:
        """From the file's header."""
        return header(example.name, lambda: self._open(example))

    def raw(self, example: Example) -> bytes | None:
        """The file as it is."""
        return contents(example.name, lambda: self._open(example))

    def read(self, example: Example) -> Image.Image:
        """The file, decoded."""
        return picture(example.name, lambda: self._open(example))


def _absent(where: str | Path) -> DataError | UnknownName:
    """A bare word was meant as a name, anything with a separator or a suffix as a path."""
    close = nearest(str(where), SOURCES)
    if isinstance(where, str) and re.fullmatch(r"[\w-]+", where):
        return UnknownName(f"no folder and no data set named {where!r}{close or '; known: ' + ', '.join(SOURCES)}")
    return DataError(f"nothing at {str(where)!r}{close}; give a folder, an archive, a .csv or a built-in name")
