"""Trackers: TensorBoard's files as TensorBoard itself reads them; MLflow and W&B by small stand-ins, and for real where
they are installed (they are no part of the test extra: MLflow alone brings sixty packages)."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import convsmith
from convsmith.data import Data
from convsmith.nn import Net, build
from convsmith.spec.errors import MissingExtra, TrainingError, UnknownName
from convsmith.train import Interrupted, Recipe, Run, Silent, train
from convsmith.train.tracking import TRACKERS, About, Tracked, Writer, about, check, tracker

from .test_loop import Stop, equal, weights

TEST = {"split": "test", "top1": 0.75, "top5": None, "loss": 0.5, "n": 8, "classes": ["a", "b"]}


def record(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "step": 4 * epoch, "lr": 0.1 / epoch, "val_top1": epoch / 16, "note": "no number"}


def make(folder: Path, *names: str) -> Run:
    """A run that has begun to exist."""
    told = {
        "recipe": Recipe(epochs=3, milestones=(0.5, 0.75)).to_json(), "seed": 7, "track": dict.fromkeys(names),
        "data": {"name": "spots", "classes": ["a", "b"], "counts": {"train": 12}},
    }  # fmt: skip
    return Run.create(folder, told, convsmith.spec("lenet5"))


class Notes(Silent):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.notes: list[str] = []

    def start(self, *words: Any) -> None:
        self.heard.append(("start", *words))

    def step(self, *words: Any) -> None:
        self.heard.append(("step", *words))

    def epoch(self, record: dict[str, Any]) -> None:
        self.heard.append(("epoch", record))

    def work(self, *words: Any) -> None:
        self.heard.append(("work", *words))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def stop(self) -> None:
        self.heard.append(("stop",))


# what trackers hold, read back


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
    settings = {name: _text(getattr(value, value.WhichOneof("kind"))) for name, value in begun.items()}
    return Seen(settings, metrics, "_hparams_/session_end_info" in hparams)


def _text(value: Any) -> str:
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
    settings = {name: _text(_number(value)) for name, value in run.data.params.items()}
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
            seen.settings |= {name: _text(value) for name, value in config.items()}
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
    return Seen({name: _text(value) for name, value in run.config.items()}, metrics, run.code == 0)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def installed(*names: str) -> Any:
    return pytest.mark.skipif(not all(map(importlib.util.find_spec, names)), reason=f"without {names[0]}")


REAL = [
    pytest.param("tensorboard", marks=installed("tensorboard")),
    pytest.param("mlflow", marks=[installed("mlflow", "sqlalchemy"), pytest.mark.slow]),
    pytest.param("wandb", marks=[installed("wandb"), pytest.mark.slow]),
]


@pytest.fixture(params=[*REAL, "mlflow by a stand-in", "wandb by a stand-in"])
def place(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shelf: Shelf
) -> tuple[str, Reader]:
    """The name of a tracker, and what reads it back."""
    name, *stand_in = request.param.split(" by ")
    modules = {}
    readers: dict[str, Reader] = {"tensorboard": read_tensorboard, "mlflow": read_mlflow, "wandb": read_wandb}
    if stand_in and name == "mlflow":
        modules = stand_in_mlflow(shelf)
    elif stand_in:
        modules = stand_in_wandb(shelf)
        readers["wandb"] = lambda _: read_stand_in_wandb(shelf)
    for module, content in modules.items():
        monkeypatch.setitem(sys.modules, module, content)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    for setting in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):  # set by the writer: put back
        monkeypatch.setenv(setting, "1")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for unwanted in ("WANDB_PROJECT", "WANDB_DIR", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(unwanted, raising=False)
    return name, readers[name]


real = pytest.mark.filterwarnings("ignore")  # of other people's packages, where they are the real ones


def opened(run: Run, watch: Silent | None = None) -> Tracked:
    tracked = Tracked(watch or Notes(), run, [tracker(name)() for name in run.about["track"]])
    tracked.open()
    return tracked


def expect(seen: Seen, epochs: int) -> None:
    """Every epoch once, in order, with its values."""
    for name in ("epoch", "step", "lr", "val_top1"):
        steps = [step for step, _ in seen.metrics[name]]
        assert steps == list(range(1, epochs + 1))
        values = [value for _, value in seen.metrics[name]]
        assert values == pytest.approx([record(epoch)[name] for epoch in steps])
    assert "note" not in seen.metrics


@real
def test_a_tracker_has_settings_epochs_and_the_test_result(place: tuple[str, Reader], tmp_path: Path) -> None:
    name, read = place
    run = make(tmp_path / "run", name)
    tracked = opened(run)
    tracked.start("train", 12, 0)
    for epoch in (1, 2, 3):
        tracked.epoch(record(epoch))
    tracked.close(TEST)
    seen = read(run.folder)
    expect(seen, 3)
    assert {name: history for name, history in seen.metrics.items() if name.startswith("test_")} == {
        "test_top1": [(3, 0.75)], "test_loss": [(3, 0.5)], "test_n": [(3, 8)],
    }  # fmt: skip
    assert seen.complete
    wanted = {
        "network": "lenet5", "params": "61706", "macs": "416520", "data": "spots", "classes": "2", "train_images": "12",
        "seed": "7", "recipe.name": "default", "recipe.lr": "0.1", "recipe.epochs": "3", "recipe.flip": "none",
        "recipe.milestones": "0.5,0.75", "recipe.batch": "64",
    }  # fmt: skip
    assert {name: seen.settings[name] for name in wanted} == wanted
    assert seen.settings["recipe.nesterov"] in ("True", "1")
    assert Run.open(run.folder).about["track"][name]


@real
def test_a_stopped_run_goes_on_in_the_tracker_with_no_epoch_missing_or_twice(
    place: tuple[str, Reader], tmp_path: Path
) -> None:
    name, read = place
    run = make(tmp_path / "run", name)
    first = opened(run)
    first.start("train", 16, 0)
    for epoch in (1, 2):
        run.log(record(epoch))
        first.epoch(record(epoch))
    first.close()
    known = run.about["track"][name]
    run.log(record(3))  # known to the checkpoint, and stopped before the tracker heard of it
    again = Run.open(run.folder)
    second = opened(again)
    assert again.about["track"][name] == known
    second.start("train", 16, 12)
    second.epoch(record(4))
    second.close(TEST)
    seen = read(run.folder)
    expect(seen, 4)
    assert seen.metrics["test_top1"] == [(4, 0.75)]
    assert seen.complete


@real
def test_a_stop_is_told_as_such(place: tuple[str, Reader], tmp_path: Path) -> None:
    run = make(tmp_path / "run", place[0])
    tracked = opened(run)
    tracked.start("train", 12, 0)
    tracked.epoch(record(1))
    tracked.close()
    seen = place[1](run.folder)
    expect(seen, 1)
    assert not seen.complete
    assert not any(name.startswith("test_") for name in seen.metrics)


@pytest.mark.parametrize("name", TRACKERS)
def test_a_package_that_is_not_there_is_an_extra_named_beforehand(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tracker(name).module
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra) as refusal:
        check(name)
    assert str(refusal.value).startswith(f"--track {name} cannot import {module} (")
    assert str(refusal.value).endswith(f"): pip install 'convsmith[{name}]'")


def test_an_unknown_tracker_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no tracker is called 'tensorbord'; did you mean 'tensorboard'\? \(there"):
        check("tensorbord")


# the training is not to notice


class Moody(Writer):
    """A server that is away for some calls, and that prints."""

    name, module = "mlflow", "json"

    def __init__(self, *away: str) -> None:
        self.away, self.got, self.told = set(away), list[int](), list[str]()
        self.calls = 0

    def _call(self, what: str) -> None:
        self.calls += 1
        print("View your run here!")
        if what in self.away:
            raise ConnectionError("the server\nhas gone")

    def begin(self, about: About, known: str | None) -> tuple[str, int]:
        self._call("begin")
        return known or "an id", len(self.got)

    def epoch(self, number: int, values: dict[str, float]) -> None:
        self._call(f"epoch {number}")
        self.got.append(number)

    def tested(self, epochs: int, values: dict[str, float]) -> None:
        self._call("tested")
        self.told.append("tested")

    def end(self, complete: bool) -> None:
        self._call("end")
        self.told.append("complete" if complete else "stopped")


GONE = "mlflow fails (the server has gone): training goes on, and metrics.jsonl has everything"


def tracked_by(writer: Writer, folder: Path) -> tuple[Tracked, Notes, Run]:
    notes, run = Notes(), make(folder / "run", writer.name)
    return Tracked(notes, run, [writer]), notes, run


def test_a_server_that_goes_is_told_of_once_and_gets_what_it_lacks_in_the_end(tmp_path: Path) -> None:
    writer = Moody("epoch 2")
    tracked, notes, _ = tracked_by(writer, tmp_path)
    tracked.open()
    tracked.start("train", 12, 0)
    tracked.epoch(record(1))
    tracked.epoch(record(2))
    before = writer.calls
    tracked.epoch(record(3))
    assert writer.calls == before  # left alone: it may let each call wait
    assert notes.notes == [GONE]
    writer.away.clear()
    tracked.close(TEST)
    assert writer.got == [1, 2, 3]
    assert writer.told == ["tested", "complete"]
    assert notes.notes == [GONE]


def test_a_server_that_stays_away_is_told_of_once_and_ends_nothing(tmp_path: Path) -> None:
    tracked, notes, _ = tracked_by(Moody("epoch 1", "epoch 2", "tested", "end"), tmp_path)
    tracked.open()
    tracked.start("train", 8, 0)
    tracked.epoch(record(1))
    tracked.epoch(record(2))
    tracked.close(TEST)
    assert notes.notes == [GONE]
    assert [words[0] for words in notes.heard] == ["start", "epoch", "epoch"]


def test_a_tracker_that_cannot_begin_is_refused_before_training_with_the_way_on(tmp_path: Path) -> None:
    tracked, notes, run = tracked_by(Moody("begin"), tmp_path)
    with pytest.raises(TrainingError) as refusal:
        tracked.open()
    assert str(refusal.value) == (
        f"mlflow cannot begin to record {run.folder}: the server has gone; see to it, or "
        f"`convsmith resume {run.folder} --track none` trains without"
    )
    assert not notes.notes


def test_a_run_that_goes_on_does_not_need_its_tracker_and_catches_up_in_the_end(tmp_path: Path) -> None:
    writer = Moody("begin")
    tracked, notes, run = tracked_by(writer, tmp_path)
    run.update(track={"mlflow": "old id"})
    run.log(record(1))
    assert tracked.open() == {"mlflow": "old id"}
    tracked.start("train", 8, 4)
    tracked.epoch(record(2))
    assert notes.notes == [GONE]
    writer.away.clear()
    tracked.close(TEST)
    assert writer.got == [1, 2]
    assert writer.told == ["tested", "complete"]


def test_nothing_that_a_tracker_prints_reaches_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracked, _, _ = tracked_by(Moody(), tmp_path)
    tracked.open()
    tracked.start("train", 4, 0)
    tracked.epoch(record(1))
    tracked.close(TEST)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("View your run here!") == 4


def test_the_visible_watch_hears_everything(tmp_path: Path) -> None:
    tracked, notes, _ = tracked_by(Moody(), tmp_path)
    tracked.work("features", 1, 2)
    tracked.start("train", 4, 0)
    tracked.step(1, 0.5, 0.25, 100.0)
    tracked.epoch(record(1))
    tracked.note("a word")
    tracked.stop()
    assert notes.heard == [
        ("work", "features", 1, 2), ("start", "train", 4, 0), ("step", 1, 0.5, 0.25, 100.0), ("epoch", record(1)),
        ("stop",),
    ]  # fmt: skip
    assert notes.notes == ["a word"]


def test_two_trackers_do_not_hinder_each_other(tmp_path: Path) -> None:
    class Other(Moody):
        name = "wandb"

    notes, run = Notes(), make(tmp_path / "run", "mlflow", "wandb")
    writers = [Moody("epoch 1"), Other()]
    tracked = Tracked(notes, run, writers)
    assert tracked.open() == {"mlflow": "an id", "wandb": "an id"}
    tracked.start("train", 4, 0)
    tracked.epoch(record(1))
    tracked.close(TEST)
    assert writers[1].got == [1]
    assert writers[1].told == ["tested", "complete"]
    assert notes.notes == [GONE]


def test_a_real_training_is_the_same_with_a_tracker_that_fails_and_when_it_is_stopped(
    digits: Data, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=3, batch=32, lr=0.05)

    def net() -> Net:
        return build(convsmith.spec("resnet20", depth=8, width=4), channels=1, side=8, seed=1)

    plain, watched = net(), net()
    train(plain, digits, recipe, seed=2)
    run = make(tmp_path / "run", "mlflow")
    writer = Moody("epoch 1")
    tracked = Tracked(Stop(6), run, [writer])
    tracked.open()
    with pytest.raises(Interrupted):
        train(net(), digits, recipe, seed=2, run=run, watch=tracked)
    tracked.close()
    again = Moody()
    second = Tracked(Notes(), Run.open(run.folder), [again])
    second.open()
    train(watched, digits, recipe, seed=2, run=run, watch=second)
    second.close(TEST)
    assert equal(weights(plain), weights(watched))
    assert again.got == [1, 2, 3]
    assert [json.loads(line)["epoch"] for line in run.path("metrics.jsonl").read_text().splitlines()] == [1, 2, 3]


def test_settings_are_plain_and_say_what_the_network_costs(tmp_path: Path) -> None:
    found = about(make(tmp_path / "run"))
    assert found.name == "run"
    assert found.folder.is_absolute()
    assert all(isinstance(value, str | int | float) for value in found.settings.values())
    assert {name.removeprefix("recipe.") for name in found.settings if name.startswith("recipe.")} == set(
        Recipe().to_json()
    )
    assert found.settings["params"] == 61_706
