"""From a source in words to tensors: the one place that knows which sources there are."""

from __future__ import annotations

from pathlib import Path

from convsmith.nn.weights.files import read_file
from convsmith.nn.weights.of_package import from_package
from convsmith.nn.weights.of_timm import from_timm
from convsmith.nn.weights.of_torchvision import from_torchvision
from convsmith.nn.weights.offline import look
from convsmith.nn.weights.origin import Weights, demand, origin_of, split
from convsmith.spec.errors import WeightsError


def read_weights(source: str | Path, name: str, sha256: str | None = None) -> Weights:
    """Tensors under their own names, for the network called `name`; `sha256` is demanded as `@sha256:HEX` is.

    Raises WeightsError for a missing or broken file, a pickle that holds more than tensors, or another hash;
    UnknownName for an entry or a model that a library lacks; MissingExtra if timm is wanted and not installed.
    """
    plain, wanted = split(str(source))
    given = _read(plain, name)
    for digits in (wanted, sha256):
        demand(given.origin, digits)
    return given


def _read(source: str, name: str) -> Weights:
    scheme, _, rest = source.partition(":")
    if scheme == "torchvision":
        return from_torchvision(rest, name)
    if scheme == "timm":
        return from_timm(rest)
    if scheme == "package":
        return from_package(rest)
    return _from_path(Path(source))


def _from_path(path: Path) -> Weights:
    found = path if path.is_file() else None if path.is_absolute() else look(str(path))
    if found is None:
        raise WeightsError(
            f"no weights at {path}; give a .safetensors or .pth file, torchvision:ENTRY, timm:NAME or "
            "package:DISTRIBUTION"
        )
    origin = origin_of(str(found.resolve()), found)
    return Weights(read_file(found), origin)
