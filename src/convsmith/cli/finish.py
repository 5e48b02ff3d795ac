"""The end of a run: weights, the one test, measurements, the exported model and the pages; or a stop before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console

from convsmith.data import Data
from convsmith.nn import Net, measure
from convsmith.spec.errors import MissingExtra, RunError
from convsmith.train import Interrupted, Run, evaluate, store
from convsmith.train.features import FEATURES
from convsmith.train.runtime import Runtime


@contextmanager
def resumable(run: Run, out: Console, runtime: Runtime | None = None) -> Iterator[None]:
    """A stop on request leaves the run resumable and says how; any other end but success marks it interrupted."""
    main = runtime is None or runtime.main
    if main:
        run.update(status="running")
    try:
        yield
    except BaseException as error:
        if main:
            with suppress(RunError):  # on a full disk the run says that it is running, and can be resumed all the same
                run.update(status="interrupted")
        if isinstance(error, Interrupted | KeyboardInterrupt):
            out.print(f"stopped; nothing is lost: convsmith resume {run.folder}", markup=False)
            raise SystemExit(130) from None
        raise


def finish(run: Run, net: Net, data: Data, out: Console, runtime: Runtime | None = None) -> dict[str, Any]:
    """Everything after training: weights, the one test, measurements, ONNX, card, report. Returns the verdict.

    Processes share the test; the rest is the main one's, and the others' verdict is empty.
    """
    result = evaluate(net, data.test, data.preprocess, data.classes, "test", runtime)
    if runtime is not None and not runtime.main:
        return {}
    net = net.cpu()
    store(run, net)
    run.write_json("test.json", result.to_json())
    measured = measure(net).to_json() | {"peak_memory_bytes": peak_memory(), "train_seconds": _trained(run)}
    run.write_json("measured.json", measured | on_target(run, net, out))
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


def on_target(run: Run, net: Net, out: Console) -> dict[str, Any]:
    """The network's latency where the budget limits it."""
    asked = run.about.get("budget") or {}
    if "latency_ms" not in asked:
        return {}
    from convsmith.deploy.engines import latency
    from convsmith.search.target import Target
    from convsmith.spec.errors import BusyError

    try:
        return {"target": asked["target"] | latency(net.network, Target(**asked["target"])).to_json()}
    except (BusyError, MissingExtra) as error:
        out.print(f"latency not measured: {error}", style="yellow", markup=False)
        return {}


def _export(run: Run, net: Net, data: Data, out: Console) -> None:
    try:
        from convsmith.deploy import export_onnx

        exported = export_onnx(net, data.preprocess, data.classes, run.path("model.onnx"), images=data.test.images[:64])
    except (MissingExtra, ModuleNotFoundError) as error:
        out.print(f"no ONNX file: {error}", style="yellow", markup=False)
        return
    run.write_json("export.json", exported.to_json())


def _trained(run: Run) -> float:
    """Seconds of training steps, and of the features that a head learnt on."""
    import json

    lines = run.path("metrics.jsonl").read_text().splitlines()
    return round(sum(float(json.loads(line)["seconds"]) for line in lines) + float(run.about.get(FEATURES, 0.0)), 2)
