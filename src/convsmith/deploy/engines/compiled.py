"""`torch.compile`: the network's kernels made for it, which takes a C++ compiler and some twenty seconds a network."""

from __future__ import annotations

import os
import shutil

import torch

from convsmith.deploy.engines import eager
from convsmith.search.target import Target
from convsmith.search.timing import Call
from convsmith.spec.errors import MissingExtra
from convsmith.spec.network import Network


def version() -> str:
    """Torch's. Raises MissingExtra without a C++ compiler."""
    if not any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++", "cl")):
        raise MissingExtra("the target compiled needs a C++ compiler: install g++, or choose eager")
    return f"torch.compile {torch.__version__}"


def prepared(network: Network, target: Target) -> Call:
    """The compiled network, whose first call compiles."""
    net, images = eager.ready(network, target)
    return eager.called(torch.compile(net), images)
