"""ResNet-20 trained as one would with torchvision: a data set, its transforms a sample at a time, a loop in float32."""

from __future__ import annotations

from typing import Any

import torch
from cifar_data import Cifar
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from convsmith import build, spec

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
BATCH = 128


class Samples(Dataset[tuple[Tensor, int]]):
    """As torchvision.datasets.CIFAR10: a PIL image of an array, then the transform."""

    def __init__(self, images: Tensor, labels: Tensor, transform: transforms.Compose) -> None:
        self.images = [to_pil_image(image) for image in images]
        self.labels, self.transform = labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), self.labels[index]


class Plain:
    """SGD 0.1, momentum 0.9, weight decay 1e-4, batches of 128, padding of 4 and flips, the rate a cosine by epoch.

    The net is convsmith's (torchvision has no ResNet-20), which are torch's own modules, contiguous. No worker loads
    images: on two cores workers cost more than they bring.
    """

    def __init__(self, data: Cifar, seed: int, epochs: int) -> None:
        torch.manual_seed(seed)
        augment = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
        ending = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        self.loader = DataLoader(
            Samples(data.train, data.train_labels, transforms.Compose(augment + ending)), BATCH, shuffle=True
        )
        self.net: nn.Module = build(spec("resnet20"), seed=seed)
        self.optimiser = torch.optim.SGD(self.net.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, epochs)
        self.epochs = epochs

    def epoch(self) -> None:
        """One pass over the training images."""
        criterion = nn.CrossEntropyLoss()
        self.net.train()
        for images, labels in self.loader:
            loss = criterion(self.net(images), labels)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
        self.schedule.step()

    def logits(self, images: Tensor) -> Tensor:
        """Of uint8 images, as it stands."""
        self.net.eval()
        pixels = transforms.functional.normalize(images / 255, MEAN, STD)
        with torch.inference_mode():
            return torch.cat([self.net(part) for part in pixels.split(500)])

    def state(self) -> dict[str, Any]:
        """All that an interrupted training needs."""
        parts = {"net": self.net, "optimiser": self.optimiser, "schedule": self.schedule}
        return {name: part.state_dict() for name, part in parts.items()}  # type: ignore[attr-defined]

    def load(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
