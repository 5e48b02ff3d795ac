"""What `look` finds: the record that its page is made of, and the same without pictures for programs."""

from __future__ import annotations

from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from convsmith.cli.looking import BATCH, Seen, Subject
from convsmith.nn.look import by_depth, feature_maps, first_filters, grad_cam, liveliest, occlusion
from convsmith.train import command_line, environment
from convsmith.train.loss import loss_of

MAPS = 36
"""Feature maps that are shown of one image."""


def record(subject: Subject, seen: Seen, screen: Console) -> dict[str, Any]:
    """What `write_look` makes a page of."""
    trained = subject.trained
    x = trained.preprocess.normalise(seen.images)
    classes = _classes(subject, seen, x)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal or screen.quiet) as bar:
        task = bar.add_task("occlusion")
        hidden = occlusion(
            trained.net, x, classes, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    cams = [
        grad_cam(trained.net, x, layer=subject.layer, classes=column).scaled((trained.preprocess.side,) * 2)
        for column in classes.T
    ]
    shown = [
        {
            "name": name,
            "label": None if seen.labels is None else trained.classes[int(seen.labels[i])],
            "picture": seen.images[i].permute(1, 2, 0).numpy(),
            "views": [
                {
                    "class": trained.classes[int(classes[i, k])],
                    "role": _role(int(classes[i, k]), k, seen, i),
                    "probability": float(hidden.whole[i, k]),
                    "cam": cams[k][i].numpy(),
                    "occlusion": hidden.drops[i, k].numpy(),
                }
                for k in range(classes.shape[1])
                if int(classes[i, k]) not in classes[i, :k].tolist()
            ],
        }
        for i, name in enumerate(seen.names)
    ]
    about = subject.run.about
    return {
        "run": subject.folder, "network": trained.net.network.name, "data": about["data"]["name"],
        "command": command_line(), "environment": environment(), "layer": subject.layer, "about": seen.about,
        "images": shown, "square": hidden.side, **_inside(subject, seen, x),
    }  # fmt: skip


def told(record: dict[str, Any]) -> dict[str, Any]:
    """The record without its arrays, for programs."""
    rows = [
        {
            "name": image["name"],
            "label": image["label"],
            "views": [{key: view[key] for key in ("class", "role", "probability")} for view in image["views"]],
        }
        for image in record["images"]
    ]
    return {key: record[key] for key in ("run", "network", "data", "layer")} | {
        "images": rows,
        "depth": record["depth"],
    }


def _classes(subject: Subject, seen: Seen, x: Tensor) -> Tensor:
    """int64 (N, k): the predicted class of each, then the true one, then the one asked for; some may be the same."""
    with torch.inference_mode():
        columns = [torch.cat([subject.trained.net(part).argmax(1) for part in torch.split(x, BATCH)])]
    if seen.labels is not None:
        columns.append(seen.labels)
    if subject.asked is not None:
        columns.append(torch.full_like(columns[0], subject.asked))
    return torch.stack(columns, 1).clone()


def _role(label: int, column: int, seen: Seen, i: int) -> str:
    true = seen.labels is not None and int(seen.labels[i]) == label
    if column == 0:
        return "predicted and true" if true else "predicted"
    return "true" if true else "asked for"


def _inside(subject: Subject, seen: Seen, x: Tensor) -> dict[str, Any]:
    net, filters = subject.trained.net, first_filters(subject.trained.net)
    maps = feature_maps(net, x[:1], subject.layer)[0]
    channels = liveliest(maps, MAPS)
    depth = None
    if seen.sample is not None:
        images, labels = seen.sample
        batches = [
            (subject.trained.preprocess.normalise(part), answers)
            for part, answers in zip(torch.split(images, BATCH), torch.split(labels, BATCH), strict=True)
        ]
        smoothing = float(subject.run.about["recipe"].get("label_smoothing", 0.0))
        rows = by_depth(net, batches, loss=lambda out, wanted: loss_of(out, wanted, smoothing)[0])
        depth = [row.to_json() for row in rows]
    return {
        "filters": filters
        and {"layer": filters.layer, "pictures": filters.pictures.permute(0, 2, 3, 1).contiguous().numpy()},
        "maps": {
            "layer": subject.layer,
            "image": seen.names[0],
            "channels": channels.tolist(),
            "of": len(maps),
            "maps": maps[channels].numpy(),
        },
        "depth": depth,
        "depth_about": seen.of,
    }
