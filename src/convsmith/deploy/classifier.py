"""An exported model at work, without torch's network code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convsmith.data.preprocess import Preprocess
from convsmith.deploy.label import Label
from convsmith.deploy.session import Floats, Images, checked, open_session, run
from convsmith.spec.errors import ExportError


class OnnxClassifier:
    """A file that `export_onnx` wrote, in ONNX Runtime on the CPU; `threads` 0 means one a core.

    `label` has the network's name and the hash of its description. Raises ExportError naming a file that is missing,
    broken or not ours, MissingExtra.
    """

    def __init__(self, path: str | Path, *, threads: int = 0) -> None:
        path = Path(path)
        if not path.is_file():
            raise ExportError(f"no file at {path}; export a model there first")
        self._session: Any = open_session(path, name=str(path), threads=threads)
        self.label = Label.from_metadata(self._session.get_modelmeta().custom_metadata_map, str(path))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the probabilities."""
        return self.label.classes

    @property
    def preprocess(self) -> Preprocess:
        """What the model does to an image before the network sees it; there is no need to do it by hand."""
        return self.label.preprocess

    def predict(self, images: Images) -> Floats:
        """uint8 (N, C, H, W), any size -> probabilities float32 (N, classes). Raises DataError for other images."""
        return run(self._session, checked(images, self.preprocess.channels), "probabilities")
