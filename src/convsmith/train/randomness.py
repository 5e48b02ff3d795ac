"""Torch's, Python's and NumPy's global random streams, left as they were found."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def same_randomness() -> Iterator[None]:
    """Whatever draws inside, the streams go on afterwards as if nothing had; also after an exception or Ctrl-C.

    NumPy's stream is only looked at where NumPy is loaded, an accelerator's only where one has been used.
    """
    numpy: Any = sys.modules.get("numpy")
    python, state = random.getstate(), torch.get_rng_state()
    arrays = numpy.random.get_state() if numpy is not None else None
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = torch.cuda.get_rng_state_all() if used else []
    try:
        yield
    finally:
        random.setstate(python)
        torch.set_rng_state(state)
        if arrays is not None:
            numpy.random.set_state(arrays)
        if used:
            torch.cuda.set_rng_state_all(devices)
