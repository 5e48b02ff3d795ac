"""What a model file says about itself: class names, preprocessing, and the network that it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from convsmith.data.preprocess import Preprocess
from convsmith.spec.errors import DataError, ExportError

VERSION = "1"


@dataclass(frozen=True)
class Label:
    """`network` is the variant's name and `hash` the content hash of its description."""

    classes: tuple[str, ...]
    preprocess: Preprocess
    network: str
    hash: str

    def to_metadata(self) -> dict[str, str]:
        """The file's metadata, text by name."""
        return {
            "convsmith.version": VERSION,
            "convsmith.classes": json.dumps(self.classes, ensure_ascii=False),
            "convsmith.preprocess": json.dumps(self.preprocess.to_json()),
            "convsmith.network": self.network,
            "convsmith.hash": self.hash,
        }

    @staticmethod
    def from_metadata(data: Mapping[str, str], file: str) -> Label:
        """Inverse of `to_metadata`. Raises ExportError naming `file` for what we did not write."""
        version = data.get("convsmith.version")
        if version is None:
            raise ExportError(f"{file} was not exported by convsmith: its class names and preprocessing are not inside")
        if version != VERSION:
            raise ExportError(f"{file} is of export format {version!r}; this convsmith reads {VERSION}")
        try:
            classes = json.loads(data["convsmith.classes"])
            if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
                raise ValueError("classes are no list of names")
            preprocess = Preprocess.from_json(json.loads(data["convsmith.preprocess"]))
            return Label(tuple(classes), preprocess, data["convsmith.network"], data["convsmith.hash"])
        except (KeyError, TypeError, ValueError, DataError) as error:
            raise ExportError(f"{file} has damaged metadata ({error}); export it again") from None
