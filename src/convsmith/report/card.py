"""card.md: the run as a model card, in the form that model hubs read (a YAML head, then Markdown)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from convsmith.report.folder import RunFiles, blaming, read_folder
from convsmith.report.numbers import percent, quantity, wilson
from convsmith.spec.files import write_whole
from convsmith.views.card import card_facts
from convsmith.zoo.cards import card_of

USE = """\
```python
import numpy as np, onnxruntime as ort
from PIL import Image

session = ort.InferenceSession({file})
image = np.asarray(Image.open("image.png").convert({mode}), np.uint8){axes}  # (N, C, H, W), any size
probabilities, logits = session.run(["probabilities", "logits"], {{"image": image}})
print(probabilities[0].argmax(), probabilities[0].max())  # {outputs}
```"""


def write_card(folder: Path) -> Path:
    """Write `folder/card.md` from the run folder's files, and return its path.

    The licence is left to whoever publishes. Raises RunError naming a file that is broken or cannot be written.
    """
    folder = Path(folder)
    files = read_folder(folder)
    with blaming(folder / "run.json" if files.test is None else folder / "test.json"):
        text = "\n\n".join([_head(files), *_what(files), *_results(files), *_use(files), *_again(files)])
    path = folder / "card.md"
    write_whole(path, f"{text}\n".encode())
    return path


def plain(text: object) -> str:
    """A string as Markdown shows it: nothing in it is markup, HTML or a new line."""
    line = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", line)


def _head(files: RunFiles) -> str:
    """YAML, with every string quoted as JSON, which YAML reads alike."""
    lines = [
        "---",
        "library_name: onnx" if files.export else "library_name: convsmith",
        "pipeline_tag: image-classification",
        "tags:",
        *(f"- {tag}" for tag in ("image-classification", "convolutional-neural-network", "convsmith")),
        "metrics:",
        "- accuracy",
    ]
    if files.test:
        name, data = json.dumps(files.network.name), json.dumps(str(files.run["data"]["name"]))
        lines += [
            "model-index:",
            f"- name: {name}",
            "  results:",
            "  - task: {type: image-classification}",
            f"    dataset: {{name: {data}, type: {data}, split: {json.dumps(str(files.test.get('split', 'test')))}}}",
            "    metrics:",
            f"    - {{type: accuracy, value: {float(files.test['top1']):.4f}}}",
        ]
    return "\n".join([*lines, "---"])


def _what(files: RunFiles) -> list[str]:
    found, data, recipe = files.found, files.run["data"], files.run["recipe"]
    counts = ", ".join(f"{count:,} {plain(split)}" for split, count in data["counts"].items())
    settings = ", ".join(f"{plain(key)} {plain(value)}" for key, value in recipe.items() if key != "name")
    return [
        f"# {plain(files.network.name)}",
        f"A convolutional network of {quantity(found['params'])} parameters and {quantity(found['macs'])} MACs, "
        f"for {len(files.classes)} classes of images of {found['channels']} × {_side(found['side'])} pixels. "
        f"Receptive field: {_side(found['receptive_field'])} pixels.",
        *_member(files),
        "## Intended use",
        f"Images like those of *{plain(data['name'])}*, one of these classes each: {_list(files.classes)}. "
        "An image of anything else gets one of these classes too, possibly with high confidence.",
        "## Data",
        f"{counts} images from {plain(data['source'])}"
        + (f" (fingerprint {plain(data['fingerprint'])})." if data.get("fingerprint") else "."),
        *(f"- {plain(finding['level'])}: {plain(finding['message'])}" for finding in data.get("findings", [])),
        "## Training",
        f"Recipe *{plain(recipe.get('name', 'default'))}*: {settings}; seed {plain(files.run['seed'])}.",
    ]


def _member(files: RunFiles) -> list[str]:
    """Of a network of the zoo, what is known of it besides."""
    about = card_of(files.network)
    if about is None:
        return []
    facts = "\n".join(f"- {plain(word)}: {plain(fact)}" for word, fact in card_facts(about).items())
    return [f"It is in convsmith's zoo. Accuracies here are of the data that they name:\n\n{facts}"]


def _results(files: RunFiles) -> list[str]:
    test = files.test
    if test is None:
        return ["## Results", "Not tested yet: the run has no test.json.", *_limits(files)]
    low, high = (percent(bound) for bound in wilson(test["top1"], test["n"]))
    rates = ("precision", "recall", "f1")
    rows = [
        f"| {plain(row['class'])} | {' | '.join(percent(row[rate]) for rate in rates)} | {row['n']} |"
        for row in test["per_class"]
    ]
    return [
        "## Results",
        f"Top-1 accuracy on {test['n']:,} {plain(test.get('split', 'test'))} images: **{percent(test['top1'])}** "
        f"(95 % interval {low} to {high}).",
        "\n".join(["| class | precision | recall | F1 | images |", "| --- | ---: | ---: | ---: | ---: |", *rows]),
        *_limits(files),
    ]


def _limits(files: RunFiles) -> list[str]:
    lines = ["Measured on one split of one data set, with one seed; other cameras, scales and places were not tested."]
    rows = [row for row in (files.test or {}).get("per_class", []) if row["recall"] is not None]
    if rows:
        worst = min(rows, key=lambda row: float(row["recall"]))
        lines.append(f"The class found least often is {plain(worst['class'])} (recall {percent(worst['recall'])}).")
    if files.measured:
        lines.append(
            f"Latency of {quantity(files.measured['latency_ms'], 'ms')} holds for the machine it was measured on."
        )
    return ["## Limits", "\n".join(f"- {line}" for line in lines)]


def _use(files: RunFiles) -> list[str]:
    if files.export is None:
        return ["## Use", "There is no ONNX file: install `convsmith[export]` before training, and one is written."]
    grey = files.network.channels == 1
    text = USE.format(
        file=json.dumps(file_of(files.export)),
        mode='"L"' if grey else '"RGB"',
        axes="[None, None]" if grey else ".transpose(2, 0, 1)[None]",
        outputs="index into the classes above, and its probability",
    )
    return ["## Use", "The file holds resizing, cropping and normalisation too: give it raw pixels.", text]


def _again(files: RunFiles) -> list[str]:
    made_with = ", ".join(f"{plain(key)} {plain(value)}" for key, value in files.run["environment"].items())
    command = " ".join(str(files.run["command"]).split()).replace("```", "")
    return ["## Reproduce", f"```\n{command}\n```", f"Made with {made_with}."]


def file_of(export: dict[str, Any]) -> str:
    """Name of the exported file: `file`, or the last part of `path`."""
    return Path(str(export.get("file") or export.get("path") or "model.onnx")).name


def _side(side: Any) -> str:
    return f"{side} × {side}" if isinstance(side, int) else " × ".join(map(str, side))


def _list(names: list[str]) -> str:
    return ", ".join(map(plain, names[:50])) + (f" and {len(names) - 50} more" if len(names) > 50 else "")
