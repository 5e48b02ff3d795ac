"""ONNX Runtime on the CPU, and the images that go in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from convsmith.deploy.extra import need, reason
from convsmith.spec.errors import DataError, ExportError

BATCH, BATCH_VALUES = 64, 2**26  # images, and grey levels, at once: memory grows neither with N nor with the size

Images = torch.Tensor | np.ndarray[Any, np.dtype[np.uint8]]
Floats = np.ndarray[Any, np.dtype[np.float32]]


def open_session(model: bytes | Path, *, name: str, threads: int = 0, profile: Path | None = None) -> Any:
    """An inference session on a file or its bytes; `threads` 0 means one a core.

    `profile` is the beginning of a file's name into which the session writes what its nodes take.

    Raises ExportError naming the model by `name`, MissingExtra.
    """
    runtime = need("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors alone: they arrive as exceptions too
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    try:
        source = model if isinstance(model, bytes) else str(model)
        return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions share no base class of their own
        why = reason(error).rpartition("failed:")[2]  # what stands before it repeats the path
        remedy = "" if isinstance(model, bytes) else "; the file is cut short or no model, so export it again"
        raise ExportError(f"ONNX Runtime cannot load {name}: {why}{remedy}") from None


def run(session: Any, images: torch.Tensor, output: str) -> Floats:
    """One output, float32 (N, classes), for uint8 images (N, C, H, W)."""
    return np.concatenate([session.run([output], {"image": part.numpy()})[0] for part in batches(images)])


def batches(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """(N, C, H, W) in pieces along N that fit the memory."""
    return torch.split(images, max(1, min(BATCH, BATCH_VALUES // images[0].numel())))


def checked(images: Images, channels: int) -> torch.Tensor:
    """uint8 (N, C, H, W) as a tensor on the CPU. Raises DataError for another type or shape, or for no image at all."""
    kind, shape = str(images.dtype).removeprefix("torch."), tuple(images.shape)
    if kind != "uint8" or len(shape) != 4 or shape[1] != channels or 0 in shape:
        raise DataError(f"images are uint8 (N, {channels}, H, W) with at least one pixel, got {kind} {shape}")
    if isinstance(images, torch.Tensor):
        return images.detach().cpu().contiguous()
    return torch.from_numpy(np.require(images, requirements=["C", "W"]))  # torch warns of arrays that cannot be written
