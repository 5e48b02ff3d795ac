"""Where weights come from, and the hash that says whether they are still the same."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from convsmith.spec.errors import WeightsError

State = dict[str, Tensor]

DEMAND = "@sha256:"
IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")
"""torch.hub's convention: `resnet50-11ad3fa6.pth` begins its SHA-256 with 11ad3fa6."""


@dataclass(frozen=True)
class Origin:
    """`source` reads the weights again (a file's absolute path, or as given); `file` held them, with this SHA-256.

    The last two are None where a library does not tell which file it read.
    """

    source: str
    file: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Weights:
    """Tensors by their names, and what may help to bring them under a network's own names.

    module   the library's module that holds them, where there is one, and the `image` (C, H, W) that it is for
    ordered  the names stand in the order of execution
    """

    state: State
    origin: Origin
    module: nn.Module | None = None
    image: tuple[int, int, int] = (3, 224, 224)
    ordered: bool = False


def origin_of(source: str, path: Path) -> Origin:
    """The origin of weights that one file holds. Raises WeightsError if the file cannot be read."""
    return Origin(source, str(path.absolute()), sha256_of(path))


def sha256_of(path: Path) -> str:
    """64 hexadecimal digits. Raises WeightsError if the file cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}; check the path and its permissions") from None


def split(source: str) -> tuple[str, str | None]:
    """`w.pth@sha256:HEX` -> (`w.pth`, HEX). Raises WeightsError for a hash that is none."""
    plain, demand, digits = source.partition(DEMAND)
    if not demand:
        return source, None
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise WeightsError(f"{source}: a SHA-256 has 64 hexadecimal digits, got {digits!r}; `sha256sum {plain}` has it")
    return plain, digits.lower()


def demand(origin: Origin, sha256: str | None) -> None:
    """Raise WeightsError, naming both, if the weights' hash is not the one that is demanded (None: any is good)."""
    if sha256 is None or origin.sha256 == sha256:
        return
    where = origin.source if origin.file in (None, origin.source) else f"{origin.source} ({origin.file})"
    if origin.sha256 is None:
        raise WeightsError(
            f"{where} was to have the SHA-256 {sha256}, but the file it was read from is not known; give that file"
        )
    raise WeightsError(
        f"{where} has the SHA-256 {origin.sha256} instead of {sha256}: these are other weights; bring the first back"
    )


def check_name(origin: Origin) -> None:
    """Raise WeightsError if the file's name holds the beginning of a hash that is not its own."""
    found = IN_NAME.search(origin.file or "")
    if found and not (origin.sha256 or "").startswith(found[1]):
        raise WeightsError(
            f"{origin.file} is broken: its SHA-256 begins with {(origin.sha256 or '')[: len(found[1])]} and not as its "
            "name says; delete it and fetch it again"
        )
