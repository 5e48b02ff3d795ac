"""A first convolution that takes the correlation out of neighbouring pixels and is kept: Page 2018, "How to train your
ResNet 8"; Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (arXiv:2404.00498), section 3.2.

With the eigenvectors v and eigenvalues e of the covariance of k x k patches (about 0, as images are normalised), the
filters are v / sqrt(e + eps) and their negatives, so that no half is lost in the ReLU or GELU that follows. The authors
take the first 5,000 images of a shuffled set; here they are spread over it, as folders come sorted by class.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convsmith.data import Preprocess
from convsmith.nn import Net
from convsmith.spec import INPUT, Conv
from convsmith.spec.errors import TrainingError
from convsmith.spec.signature import Pair

IMAGES = 5000
"""How many images are looked at."""

EPS = 5e-4
"""Added to the eigenvalues, so that the noise of the smallest is not blown up."""

BLOCK = 500
"""Images whose patches are held at a time."""


def whiten(net: Net, images: Tensor, preprocess: Preprocess) -> None:
    """Set the convolution that reads the image and freeze it, but for its bias, which begins at 0 and learns.

    `images` uint8 (N, C, S, S), of which up to `IMAGES` are used. Where the layer has fewer filters than there are, it
    gets those of the largest eigenvalues. Raises TrainingError where it has more, an odd number, or none is the first.
    """
    layer = first(net)
    count = min(IMAGES, len(images))
    few = images[torch.arange(count) * len(images) // count]
    rows, cols = layer.kernel_size
    values, vectors = axes(few, preprocess, (rows, cols))
    half = layer.out_channels // 2
    if layer.out_channels % 2 or half > len(values):
        raise TrainingError(
            f"whitening has {2 * len(values)} filters, in pairs, for {rows}x{cols} patches of {layer.in_channels} "
            f"channels, but the first convolution of {net.network.name} has {layer.out_channels}; "
            "say --set whiten=false"
        )
    found = (vectors / (values + EPS).sqrt().view(-1, 1, 1, 1))[:half]
    with torch.no_grad():
        layer.weight.copy_(torch.cat([found, -found]))
        if layer.bias is not None:
            layer.bias.zero_()
    layer.weight.requires_grad_(False)


def first(net: Net) -> nn.Conv2d:
    """The convolution that reads the image, if it alone does and reads all channels at once; else TrainingError."""
    readers = [row for row in net.graph.rows if INPUT in row.inputs]
    if len(readers) == 1 and isinstance(readers[0].node, Conv):
        layer = net.get_submodule(readers[0].path)
        if isinstance(layer, nn.Conv2d) and layer.groups == 1:
            return layer
    raise TrainingError(
        f"{net.network.name} does not begin with one convolution of all channels, which is what whitening sets; say "
        "--set whiten=false"
    )


def axes(images: Tensor, preprocess: Preprocess, kernel: Pair) -> tuple[Tensor, Tensor]:
    """Eigenvalues, falling (D,), and eigenvectors (D, C, *kernel) of the patches' covariance, D = C * kernel's area.

    In float64, and each eigenvector's largest element is positive, so that rounding is all that machines differ by.
    """
    size = images.shape[1] * kernel[0] * kernel[1]
    total, count = torch.zeros(size, size, dtype=torch.float64, device=images.device), 0
    for start in range(0, len(images), BLOCK):
        seen = nn.functional.unfold(preprocess.normalise(images[start : start + BLOCK]), kernel)
        flat = seen.transpose(0, 1).flatten(1).double()
        total += flat @ flat.T
        count += flat.shape[1]
    values, vectors = torch.linalg.eigh(total / count)
    vectors = vectors.T.flip(0)
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return values.flip(0).clamp(min=0), (vectors * largest.sign()).view(size, images.shape[1], *kernel)
