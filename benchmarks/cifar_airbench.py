"""Airbench's 94 % training in our own words: Jordan 2024 (arXiv:2404.00498) and legacy/airbench94.py of its code.

As published, but for the device (CPU), the number format (float32, where theirs is float16) and that images are cropped
a batch at a time instead of all at the beginning of an epoch.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import torch
import torch.nn.functional as F
from cifar_data import Cifar
from cifar_plain import MEAN, STD
from torch import Tensor, nn

EPOCHS, BATCH, MOMENTUM, SMOOTHING = 9.9, 1024, 0.85, 0.2
RATE, DECAY, BIAS = 11.5, 0.0153, 64.0
"""For 1,024 images, apart from the momentum; the norms' biases have 64 times the rate and the same decay."""
WHITEN_BIAS_EPOCHS, SHIFT, LOOK = 3, 2, 5
KILOSTEP = 1024 * (1 + 1 / (1 - MOMENTUM))


class Conv(nn.Conv2d):
    """A convolution that begins by handing its input through."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__(into, out, 3, padding="same", bias=False)
        with torch.no_grad():
            nn.init.dirac_(self.weight[:into])


def norm(maps: int) -> nn.BatchNorm2d:
    """Biases learn, scales stay 1."""
    layer = nn.BatchNorm2d(maps, eps=1e-12, momentum=0.4)
    layer.weight.requires_grad_(False)
    return layer


def group(into: int, out: int) -> nn.Sequential:
    """31, 15 or 7 pixels to half."""
    first = (Conv(into, out), nn.MaxPool2d(2), norm(out), nn.GELU())
    return nn.Sequential(*first, Conv(out, out), norm(out), nn.GELU())


class Scaled(nn.Linear):
    """Outputs times 1/9."""

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return super().forward(x) / 9


def make_net() -> nn.Sequential:
    """1,972,792 parameters."""
    whiten = nn.Conv2d(3, 24, 2)
    with torch.no_grad():  # what the weights' average begins with
        nn.init.dirac_(whiten.weight[:3])
        nn.init.zeros_(whiten.bias)  # type: ignore[arg-type]
    whiten.weight.requires_grad_(False)
    groups = group(24, 64), group(64, 256), group(256, 256)
    net = nn.Sequential(
        whiten, nn.GELU(), *groups, nn.MaxPool2d(3), nn.Flatten(), Scaled(256, 10, bias=False)
    )  # fmt: skip
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def whiten(layer: nn.Conv2d, images: Tensor) -> None:
    """Eigenvectors of 2x2 patches over the roots of their eigenvalues, and their negatives."""
    patches = F.unfold(images, 2).transpose(0, 1).flatten(1)
    values, vectors = torch.linalg.eigh(patches @ patches.T / patches.shape[1])
    found = (vectors / (values + 5e-4).sqrt()).T.flip(0).view(12, 3, 2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.cat([found, -found]))
        layer.bias.zero_()  # type: ignore[union-attr]


def share_of_rate(step: int, steps: int) -> float:
    """A triangle: from 0.2 up to 1 in the first 23 % of the steps, then down to 0.07."""
    up = int(steps * 0.23)
    return 0.2 + 0.8 * step / up if step < up else 1 - 0.93 * (step - up) / (steps - up)


class Lookahead:
    """Every five steps the weights go back to their average, more and more of the way."""

    def __init__(self, net: nn.Module) -> None:
        self.average = {name: tensor.clone() for name, tensor in net.state_dict().items()}

    def update(self, net: nn.Module, decay: float) -> None:
        """average = decay * average + (1 - decay) * net; net = average."""
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point():
                self.average[name].lerp_(tensor, 1 - decay)
                tensor.copy_(self.average[name])


def normalised(images: Tensor) -> Tensor:
    """uint8 to zero mean and unit deviation, channels last."""
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (MEAN, STD))
    return ((images / 255 - mean) / std).to(memory_format=torch.channels_last)


class Airbench:
    """The training, an epoch at a time."""

    def __init__(self, data: Cifar, seed: int, epochs: float = EPOCHS) -> None:
        torch.manual_seed(seed)
        self.images, self.labels = data.train, data.train_labels
        self.batches = len(self.images) // BATCH
        self.steps, self.epochs = ceil(self.batches * epochs), ceil(epochs)
        self.net = make_net()
        self.lookahead = Lookahead(self.net)  # before it is whitened, as theirs
        count = min(5000, len(self.images))  # their first 5,000 are shuffled, ours sorted by class
        spread = self.images[torch.arange(count) * len(self.images) // count]
        whiten(self.net[0], normalised(spread))  # type: ignore[arg-type]
        rate = RATE / KILOSTEP
        groups: list[dict[str, Any]] = []
        for is_bias, factor in ((True, BIAS), (False, 1.0)):
            own = [p for layer in self.net.modules() for p in layer.parameters(recurse=False)
                   if p.requires_grad and isinstance(layer, nn.BatchNorm2d) == is_bias]  # fmt: skip
            lr = rate * factor
            groups.append({"params": own, "lr": lr, "weight_decay": DECAY * BATCH / KILOSTEP / lr})
        self.optimiser = torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)
        self.rates = [group["lr"] for group in groups]
        self.flipped = torch.rand(len(self.images)) < 0.5
        self.at, self.passed = 0, 0

    def epoch(self) -> None:
        """Up to 48 steps; the last of 9.9 epochs ends early."""
        self.net.train()
        self.net[0].bias.requires_grad_(self.passed < WHITEN_BIAS_EPOCHS)  # type: ignore[union-attr, operator]
        for index in torch.randperm(len(self.images)).split(BATCH)[: self.batches]:
            if self.at < self.steps:
                self.step(self.augmented(index), self.labels[index])
        self.passed += 1

    def step(self, images: Tensor, labels: Tensor) -> None:
        """One batch; the loss is summed."""
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * share_of_rate(self.at, self.steps)
        loss = F.cross_entropy(self.net(images), labels, label_smoothing=SMOOTHING, reduction="sum")
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.at += 1
        if self.at % LOOK == 0:
            self.lookahead.update(self.net, 0.95**5 * (self.at / self.steps) ** 3)
        if self.at == self.steps:
            self.lookahead.update(self.net, 1.0)

    def augmented(self, index: Tensor) -> Tensor:
        """Reflected by 2 pixels and shifted; half are mirrored in even epochs, the others in odd ones."""
        padded = F.pad(normalised(self.images[index]), (SHIFT,) * 4, "reflect")
        corner = torch.randint(0, 2 * SHIFT + 1, (len(index), 2))
        mirrored = self.flipped[index] ^ (self.passed % 2 == 1)
        out = torch.empty(len(index), 3, 32, 32).to(memory_format=torch.channels_last)
        for down in range(2 * SHIFT + 1):
            for across in range(2 * SHIFT + 1):
                here = (corner[:, 0] == down) & (corner[:, 1] == across)
                out[here] = padded[here, :, down : down + 32, across : across + 32]
        out[mirrored] = out[mirrored].flip(3)
        return out

    def logits(self, images: Tensor, views: bool = False) -> Tensor:
        """Of uint8 images; with `views`, the mean over mirror images, a half of it over shifts by one pixel."""
        self.net.eval()
        with torch.inference_mode():
            return torch.cat([self._views(normalised(part), views) for part in images.split(2000)])

    def _views(self, images: Tensor, views: bool) -> Tensor:
        both = lambda x: (self.net(x) + self.net(x.flip(3))) / 2
        if not views:
            return self.net(images)  # type: ignore[no-any-return]
        padded = F.pad(images, (1,) * 4, "reflect")
        shifted = both(padded[..., :32, :32]) + both(padded[..., 2:, 2:])
        return both(images) / 2 + shifted / 4  # type: ignore[no-any-return]

    def state(self) -> dict[str, Any]:
        """All that an interrupted training needs."""
        parts = {"net": self.net.state_dict(), "optimiser": self.optimiser.state_dict()}
        return {
            **parts,
            "average": self.lookahead.average,
            "flipped": self.flipped,
            "at": self.at,
            "passed": self.passed,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.lookahead.average = state["average"]
        self.flipped, self.at, self.passed = state["flipped"], state["at"], state["passed"]
