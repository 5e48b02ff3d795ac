"""What trackers hold, read back: TensorBoard's, MLflow's and W&B's own files, and small stand-ins for the last two."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any


@dataclass
class Seen:
    """A tracker's only run: settings as text, (step, value) of each metric, and whether it ended well."""

    settings: dict[str, str]
    metrics: dict[str, list[tuple[int, float]]]
    complete: bool


Reader = Callable[[Path], Seen]


def read_tensorboard(folder: Path) -> Seen:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    (place,) = folder.rglob("tensorboard")
    events = EventAccumulator(str(place))
    events.Reload()
    metrics = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    hparams = {
        tag: HParamsPluginData.FromString(content) for tag, content in events.PluginTagToContent("hparams").items()
    }
    begun = hparams["_hparams_/session_start_info"].session_start_info.hparams
    settings = {name: text(getattr(value, value.WhichOneof("kind"))) for name, value in begun.items()}
    return Seen(settings, metrics, "_hparams_/session_end_info" in hparams)


def text(value: Any) -> str:
    """Numbers without the point that protocol buffers give them."""
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def read_mlflow(folder: Path) -> Seen:
    import mlflow

    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name("convsmith")
    (run,) = client.search_runs([found.experiment_id])
    assert run.info.run_name == "run"
    metrics = {}
    for name in run.data.metrics:
        metrics[name] = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]
    settings = {name: text(_number(value)) for name, value in run.data.params.items()}
    return Seen(settings, metrics, {"FINISHED": True, "KILLED": False}[run.info.status])


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def entries(data: bytes, block: int = 1 << 15) -> Iterator[bytes]:
    """Of a file in LevelDB's log format, after seven bytes of W&B's: blocks of parts with checksum, length and kind."""
    at, begun = 7, b""
    while at + 7 <= len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        begun += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last of several
            yield begun
            begun = b""


def read_wandb(folder: Path) -> Seen:
    """The last file of an offline run, which has all of it."""
    from wandb.proto import wandb_internal_pb2

    files = sorted(folder.rglob("*.wandb"), key=lambda path: path.stat().st_mtime_ns)
    seen, code, summary = Seen({}, {}, False), None, dict[str, Any]()
    for data in entries(files[-1].read_bytes()):
        entry = wandb_internal_pb2.Record.FromString(data)
        if entry.HasField("run"):
            config = {item.key: json.loads(item.value_json) for item in entry.run.config.update}
            seen.settings |= {name: text(value) for name, value in config.items()}
        if entry.HasField("history"):
            row = {(*item.nested_key, item.key)[0]: json.loads(item.value_json) for item in entry.history.item}
            for name, value in row.items():
                if not name.startswith("_"):
                    seen.metrics.setdefault(name, []).append((row["_step"], value))
        if entry.HasField("summary"):
            summary |= {(*i.nested_key, i.key)[0]: json.loads(i.value_json) for i in entry.summary.update}
        if entry.HasField("exit"):
            code = entry.exit.exit_code
    last = max(step for step, _ in seen.metrics["epoch"])
    seen.metrics |= {name: [(last, value)] for name, value in summary.items() if name.startswith("test_")}
    seen.complete = code == 0
    return seen


@dataclass
class Shelf:
    """Where the stand-ins keep what they are told."""

    runs: dict[str, Any] = field(default_factory=dict)
    down: bool = False

    def answer(self) -> None:
        if self.down:
            raise ConnectionError("connection refused")


def stand_in_mlflow(shelf: Shelf) -> dict[str, ModuleType]:
    """As much of MLflow's client as is used, with its rules: parameters never change, histories only grow."""

    class Client:
        def get_experiment_by_name(self, name: str) -> Any:
            shelf.answer()
            return SimpleNamespace(experiment_id="1") if shelf.runs else None

        def create_experiment(self, name: str) -> str:
            return "1"

        def create_run(self, experiment_id: str, run_name: str) -> Any:
            shelf.answer()
            info = SimpleNamespace(run_id=f"r{len(shelf.runs)}", run_name=run_name, status="RUNNING")
            shelf.runs[info.run_id] = SimpleNamespace(info=info, params={}, history={})
            return self.get_run(info.run_id)

        def get_run(self, run_id: str) -> Any:
            shelf.answer()
            run = shelf.runs[run_id]
            latest = {name: max(history)[1] for name, history in run.history.items()}
            return SimpleNamespace(info=run.info, data=SimpleNamespace(params=run.params, metrics=latest))

        def update_run(self, run_id: str, status: str) -> None:
            shelf.answer()
            shelf.runs[run_id].info.status = status

        set_terminated = update_run

        def log_batch(self, run_id: str, metrics: Any = (), params: Any = ()) -> None:
            shelf.answer()
            assert len(params) <= 100
            for param in params:
                assert shelf.runs[run_id].params.setdefault(param.key, param.value) == param.value
            for metric in metrics:
                shelf.runs[run_id].history.setdefault(metric.key, []).append((metric.step, metric.value))

        def search_runs(self, experiments: list[str]) -> list[Any]:
            return [self.get_run(name) for name in shelf.runs]

        def get_metric_history(self, run_id: str, name: str) -> list[Any]:
            return [SimpleNamespace(step=step, value=value) for step, value in shelf.runs[run_id].history[name]]

    def metric(key: str, value: float, timestamp: int, step: int) -> Any:
        assert isinstance(value, float)
        return SimpleNamespace(key=key, value=value, timestamp=timestamp, step=step)

    module, entities = ModuleType("mlflow"), ModuleType("mlflow.entities")
    module.MlflowClient = Client  # type: ignore[attr-defined]
    entities.Param = lambda key, value: SimpleNamespace(key=key, value=value)  # type: ignore[attr-defined]
    entities.Metric = metric  # type: ignore[attr-defined]
    return {"mlflow": module, "mlflow.entities": entities}


def stand_in_wandb(shelf: Shelf) -> dict[str, ModuleType]:
    """As much of W&B as is used, online: a resumed run knows its summary, and steps only grow."""

    class History:
        def __init__(self, name: str) -> None:
            self.id, self.resumed, self.config, self.rows = name, False, dict[str, Any](), list[tuple[int, Any]]()
            self.summary, self.code = dict[str, Any](), None

        def log(self, values: dict[str, float], step: int) -> None:
            shelf.answer()
            assert not self.rows or step > self.rows[-1][0]
            self.rows.append((step, values))
            self.summary.update(values)

        def finish(self, exit_code: int) -> None:
            shelf.answer()
            self.code = exit_code

    def init(**words: Any) -> History:
        shelf.answer()
        assert words["resume"] == "allow"
        assert words["project"] == "convsmith"
        assert words["name"] == "run"
        run = shelf.runs.setdefault(words["id"] or f"w{len(shelf.runs)}", None) or History(f"w{len(shelf.runs) - 1}")
        run.resumed = shelf.runs[run.id] is not None
        run.config.update(words["config"])
        shelf.runs[run.id] = run
        return run  # type: ignore[no-any-return]

    module = ModuleType("wandb")
    module.init = init  # type: ignore[attr-defined]
    return {"wandb": module}


def read_stand_in_wandb(shelf: Shelf) -> Seen:
    (run,) = shelf.runs.values()
    metrics: dict[str, list[tuple[int, float]]] = {}
    for step, values in run.rows:
        for name, value in values.items():
            metrics.setdefault(name, []).append((step, value))
    metrics |= {name: [(run.rows[-1][0], value)] for name, value in run.summary.items() if name.startswith("test_")}
    return Seen({name: text(value) for name, value in run.config.items()}, metrics, run.code == 0)
