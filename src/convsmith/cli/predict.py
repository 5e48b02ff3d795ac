"""`convsmith predict`: what a trained run says of images."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli.guard import guarded


@guarded
def command(
    run: Annotated[str, typer.Argument(help="The run folder.")],
    images: Annotated[list[str], typer.Argument(help="Image files, or folders of them.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes to name for each image.")] = 3,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Classify images with a trained network, by the preprocessing that it was trained with.

    Example: convsmith predict runs/digits photo.png
    """
    import json
    from pathlib import Path

    import torch

    from convsmith.data import images_from
    from convsmith.train import Run, restore

    trained = restore(Run.open(Path(run)))
    batch, names = images_from(images, trained.preprocess)
    with torch.inference_mode():
        chunks = [trained.net(trained.preprocess.normalise(part)).softmax(1) for part in torch.split(batch, 256)]
    likely = torch.cat(chunks).topk(min(top, len(trained.classes)), 1)
    found = [
        {
            "image": name,
            "classes": [
                {"class": trained.classes[i], "probability": round(p, 6)} for p, i in zip(ps, ids, strict=True)
            ],
        }
        for name, ps, ids in zip(names, likely.values.tolist(), likely.indices.tolist(), strict=True)
    ]
    if json_:
        print(json.dumps(found, ensure_ascii=False))
        return
    for row in found:
        said = ", ".join(f"{c['class']} {c['probability']:.1%}" for c in row["classes"])  # type: ignore[index]
        print(f"{row['image']}: {said}")
