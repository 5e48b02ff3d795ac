"""What the verbs that train share: loading data with a bar, the record of a run, and the end of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import typer
from rich.console import Console
from rich.progress import Progress

from convsmith.data import Data, Finding, ImageSet, Preprocess, load, outline
from convsmith.nn import Net, measure
from convsmith.search import Budget, within
from convsmith.search.estimate import training_bytes
from convsmith.spec.errors import DataError, MissingExtra
from convsmith.spec.head import with_classes
from convsmith.spec.network import Network
from convsmith.spec.trace import trace
from convsmith.train import Interrupted, Recipe, Run, command_line, environment, evaluate, store
from convsmith.views.cost import cost
from convsmith.views.units import seconds, short


def console(quiet: bool = False) -> Console:
    """Where progress goes: standard error, so that standard output holds the result alone."""
    return Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)


def load_data(source: str, out: Console, **options: Any) -> Data:
    """Load with a progress bar and print the doctor's warnings."""
    with Progress(console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task(f"reading {source}")
        data = load(source, progress=lambda done, total: bar.update(task, completed=done, total=total), **options)
    counts = f"{len(data.train):,} train, {len(data.val):,} val, {len(data.test):,} test"
    out.print(f"{data.name}: {counts} images of {len(data.classes)} classes, {data.channels}×{data.side}×{data.side}")
    say_findings(data.findings, out)
    return data


def reload(run: Run, out: Console) -> Data:
    """The data of a run again, as it was. Raises DataError if the images are others now."""
    about = run.about["data"]
    data = load_data(about["source"], out, **about["load"], classes=run.classes)
    if data.fingerprint != about["fingerprint"]:
        raise DataError(
            f"{about['source']} has changed since {run.folder} was started: its images, labels or splits are others"
        )
    return data


def split_of(data: Data, preprocess: Preprocess, split: str) -> ImageSet:
    """One split of the data (or all of it) at the network's side."""
    data = data.resized(preprocess.side)
    sets = {"train": data.train, "val": data.val, "test": data.test}
    parts = list(sets.values()) if split == "all" else [sets[split]]
    images, labels = torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts])
    return ImageSet(images, labels, tuple(name for part in parts for name in part.names))


def say_findings(findings: tuple[Finding, ...], out: Console) -> None:
    """What the doctor found, a line each."""
    for finding in findings:
        style = {"error": "red", "warning": "yellow"}.get(finding.level, "dim")
        out.print(f"  {finding.level}: {finding.message}", style=style, markup=False)


def check_budget(budget: Budget, source: str, side: int | None, channels: int | None) -> None:
    """Refuse an impossible budget from the images' headers, before any is decoded."""
    if budget.limits:
        seen = outline(source, side=side, channels=channels)
        within(budget, seen.channels, seen.classes, seen.side)


def fitted(network: Network, data: Data, side: int | None) -> Network:
    """The network with the data's classes and channels, at `side` or its own. Raises SpecError if it does not fit."""
    own = network.side if side is None else side
    if not isinstance(own, int):
        raise DataError(f"{network.name} is for images of {own[0]}×{own[1]}; training takes square images, say --side")
    changed = with_classes(network, len(data.classes))
    return replace(changed, channels=data.channels, side=own)


def say_cost(network: Network, data: Data, recipe: Recipe, out: Console) -> None:
    """The dry run of a single training: what the network costs and what a step will hold."""
    total = cost(trace(network))
    memory = short(training_bytes(total, min(recipe.batch, len(data.train))), "B")
    out.print(
        f"{network.name} at {network.channels}×{network.side}×{network.side}: {total.params:,} parameters, "
        f"{total.macs:,} MACs, about {memory} to train with batch {recipe.batch}, {recipe.epochs} epochs",
        markup=False,
    )


@contextmanager
def resumable(run: Run, out: Console) -> Iterator[None]:
    """A stop on request leaves the run resumable and says how; any other end but success marks it interrupted."""
    run.update(status="running")
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        run.update(status="interrupted")
        out.print(f"stopped; nothing is lost: convsmith resume {run.folder}", markup=False)
        raise typer.Exit(130) from None
    except BaseException:
        run.update(status="interrupted")
        raise


def about(
    task: str, data: Data, recipe: Recipe, *, source: str, seed: int, load_options: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """What run.json says of a run that begins now."""
    counts = {"train": len(data.train), "val": len(data.val), "test": len(data.test)}
    return {
        "task": task,
        "command": command_line(),
        "seed": seed,
        "environment": environment(),
        "recipe": recipe.to_json(),
        "data": {
            "source": source if not Path(source).exists() else str(Path(source).resolve()),
            "name": data.name,
            "load": load_options,
            "classes": list(data.classes),
            "counts": counts,
            "channels": data.channels,
            "side": data.side,
            "flip": data.flip,
            "fingerprint": data.fingerprint,
            "findings": [{"level": f.level, "message": f.message} for f in data.findings],
            "preprocess": data.preprocess.to_json(),
        },
        **more,
    }


def finish(run: Run, net: Net, data: Data, out: Console) -> dict[str, Any]:
    """Everything after training: weights, the one test, measurements, ONNX, card, report. Returns the verdict."""
    store(run, net)
    history = run.path("metrics.jsonl").read_text().splitlines()
    result = evaluate(net, data.test, data.preprocess, data.classes, "test")
    run.write_json("test.json", result.to_json())
    run.write_json(
        "measured.json",
        measure(net).to_json() | {"peak_memory_bytes": peak_memory(), "train_seconds": _trained(history)},
    )
    _export(run, net, data, out)
    run.update(status="complete")
    verdict = {
        "run": str(run.folder),
        "network": net.network.name,
        "test_top1": result.top1,
        "test_images": result.n,
        **{key: run.read_json("measured.json")[key] for key in ("params", "macs", "latency_ms")},
    }
    return verdict | write_pages(run, out)


def write_pages(run: Run, out: Console) -> dict[str, str]:
    """Card and report of a run; says what is missing where the extra is not installed."""
    try:
        from convsmith.report import write_card, write_report

        return {"card": str(write_card(run.folder)), "report": str(write_report(run.folder))}
    except (MissingExtra, ModuleNotFoundError) as error:
        out.print(f"no report: {error}", style="yellow", markup=False)
        return {}


def peak_memory() -> int | None:
    """Largest resident memory of this process so far, in bytes; None where the system does not tell."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    import sys

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def say_verdict(verdict: dict[str, Any], out: Console, begun: float) -> None:
    """The last lines of a run, for people."""
    out.print(
        f"[bold]{verdict['network']}[/bold]: test top-1 [bold]{verdict['test_top1']:.2%}[/bold] "
        f"on {verdict['test_images']} images, "
        f"{verdict['params']:,} parameters, {verdict['macs']:,} MACs, {verdict['latency_ms']:.2f} ms an image"
    )
    out.print(f"run {verdict['run']}, {seconds(time.perf_counter() - begun)}", markup=False)
    if "report" in verdict:
        out.print(f"report {verdict['report']}", markup=False)


def _export(run: Run, net: Net, data: Data, out: Console) -> None:
    try:
        from convsmith.deploy import export_onnx

        exported = export_onnx(net, data.preprocess, data.classes, run.path("model.onnx"), images=data.test.images[:64])
    except (MissingExtra, ModuleNotFoundError) as error:
        out.print(f"no ONNX file: {error}", style="yellow", markup=False)
        return
    run.write_json("export.json", exported.to_json())


def _trained(history: list[str]) -> float:
    import json

    return round(sum(float(json.loads(line)["seconds"]) for line in history), 2)
