"""report.html: the whole run on one page, in one file that works offline, without scripts."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from convsmith.report import charts
from convsmith.report.card import file_of
from convsmith.report.extras import need
from convsmith.report.folder import RunFiles, blaming, read_folder
from convsmith.report.numbers import budget_verdict, concentration, limits, percent, quantity, wilson
from convsmith.report.templates import fill
from convsmith.spec.errors import RunError
from convsmith.spec.files import write_whole
from convsmith.views.card import card_facts
from convsmith.views.cost import RULE
from convsmith.views.diagram import diagram
from convsmith.zoo.cards import card_of

PNG = b"\x89PNG\r\n\x1a\n"


def write_report(folder: Path) -> Path:
    """Write `folder/report.html` from the run folder's files, and return its path.

    A file that is absent (but run.json and spec.json) is said to be missing in its section. Raises RunError naming a
    file that is broken or cannot be written; MissingExtra where the libraries for reports are not installed.
    """
    folder = Path(folder)
    for library in ("jinja2", "altair", "vl_convert"):
        need(library)  # before anything is read, so that the message is about what is missing
    path = folder / "report.html"
    write_whole(path, render(read_folder(folder)).encode())
    return path


def render(files: RunFiles) -> str:
    """The page's HTML. Every string of the run is escaped."""
    context = _head(files) | _cost(files) | _race(files) | _training(files) | _test(files) | _data(files)
    try:
        helpers = {"file_of": file_of, "rule": RULE}
        return fill("report.html", context | helpers, {"quantity": quantity, "percent": percent})
    except (need("jinja2").UndefinedError, TypeError, ValueError) as error:
        raise RunError(f"{files.folder}: a file of this run lacks a field that the report shows ({error})") from None


def _head(files: RunFiles) -> dict[str, Any]:
    with blaming(files.folder / "measured.json"):
        rows = limits(files)
        verdict, words = budget_verdict(rows)
    about = card_of(files.network)
    return {
        "run": files.run,
        "folder": str(files.folder),
        "created": str(files.run.get("created", "")).replace("T", " ").replace("+00:00", " UTC"),
        "name": files.network.name,
        "found": files.found,
        "card": card_facts(about) if about else {},
        "limits": rows,
        "budget": verdict,
        "budget_words": words,
        "measured": files.measured,
        "export": files.export,
    }


def _cost(files: RunFiles) -> dict[str, Any]:
    svg = diagram(files.graph)
    return {
        "diagram": svg,
        "diagram_width": int(svg.partition(' width="')[2].partition('"')[0]),
        "layers_chart": charts.layer_costs(files.found["layers"]),
        "concentration": concentration(files.found),
    }


def _race(files: RunFiles) -> dict[str, Any]:
    if files.race is None:
        return {"race": None}
    with blaming(files.folder / "race.json"):
        rows = [
            {
                "name": row["name"],
                "params": row["params"],
                "macs": row["macs"],
                "memory": row.get("memory_bytes"),
                "estimate": row.get("seconds"),
                "spent": sum(score["seconds"] for score in row["scores"]) if row["scores"] else None,
                "scores": row["scores"],
                "best": row["scores"][-1]["top1"] if row["scores"] else None,
                "chosen": bool(row.get("chosen")),
            }
            for row in files.race["candidates"]
        ]
        rows.sort(key=lambda row: (not row["chosen"], -len(row["scores"]), -(row["best"] or 0)))
        return {"race": files.race, "race_rows": rows, "rungs": max((len(row["scores"]) for row in rows), default=0)}


def _training(files: RunFiles) -> dict[str, Any]:
    rows = files.metrics
    if not rows:
        return {"curves": [], "last": None}
    with blaming(files.folder / "metrics.jsonl"):
        loss = charts.curve(rows, {"train_loss": "train", "val_loss": "validation"}, title="Loss")
        top1 = charts.curve(
            rows, {"train_top1": "train", "val_top1": "validation"}, percent=True, title="Top-1 accuracy"
        )
        rate = charts.curve(rows, {"lr": ""}, title="Learning rate")
        best = max(rows, key=lambda row: float(row["val_top1"]))
        speed = sum(float(row["images_per_s"]) for row in rows) / len(rows)
        last = {
            "epochs": len(rows),
            "best": best,
            "speed": speed,
            "seconds": sum(float(row["seconds"]) for row in rows),
        }
        return {"curves": [loss, top1, rate], "last": last}


def _test(files: RunFiles) -> dict[str, Any]:
    test = files.test
    if test is None:
        return {"test": None, "confusion": ""}
    with blaming(files.folder / "test.json"):
        interval = test.get("interval")
        low, high = (interval["low"], interval["high"]) if interval else wilson(test["top1"], test["n"])
        if len(test["confusion"]) != len(test["classes"]):
            raise ValueError(f"{len(test['confusion'])} rows of confusion for {len(test['classes'])} classes")
        chart = charts.confusion(test["confusion"], list(map(str, test["classes"])))
        mistakes = [mistake | {"png": _image(mistake["png"])} for mistake in test["mistakes"]]
        return {"test": test, "low": low, "high": high, "confusion": chart, "mistakes": mistakes}


def _data(files: RunFiles) -> dict[str, Any]:
    with blaming(files.folder / "run.json"):
        data = files.run["data"]
        return {"data": data, "classes": files.classes, "images": sum(data["counts"].values())}


def _image(text: str) -> str:
    """The base64 text of a PNG again, if it is one: nothing else gets into an image's address."""
    raw = b64decode(text, validate=True)
    if not raw.startswith(PNG):
        raise ValueError("a mistake's picture is no PNG")
    return b64encode(raw).decode()
