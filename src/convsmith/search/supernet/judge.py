"""What a member reaches with its slice of the shared weights."""

from __future__ import annotations

import torch
from torch import nn

from convsmith.data import Data
from convsmith.search.spaces import Genome
from convsmith.search.supernet.shared import Shared

BATCH = 250
SEEN, ASKED = 1000, 2000
"""Training images that statistics are measured on, and validation images that are answered, at most."""


@torch.no_grad()
def judged(shared: Shared, genome: Genome, data: Data) -> float:
    """Top-1 on validation images, 0..1. The normalisations' statistics are those of this member, measured anew on
    training images, as shared weights have no statistics that are right for all (Yu & Huang 2019, section 3.3)."""
    net = shared.net(genome)
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
    try:
        net.train()
        rows = torch.linspace(0, len(data.train) - 1, min(SEEN, len(data.train))).long()
        for part in torch.split(data.train.images[rows], BATCH):
            shared(genome, data.preprocess.normalise(part))
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
    net.eval()
    images, labels = data.val.images[:ASKED], data.val.labels[:ASKED]
    right = [
        (shared(genome, data.preprocess.normalise(part)).argmax(1) == truth).sum()
        for part, truth in zip(torch.split(images, BATCH), torch.split(labels, BATCH), strict=True)
    ]
    return float(sum(right)) / len(labels)
