"""Cards, and weights.csv against torchvision's and timm's own metadata and nets."""

from __future__ import annotations

import csv
import json
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import convsmith.zoo
from convsmith import names, spec
from convsmith.spec import UnknownName
from convsmith.zoo import variant
from convsmith.zoo.cards import Best, card, card_of

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "src/convsmith/zoo/weights.csv"
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/weights.py, which writes the table."""
    found = util.spec_from_file_location("weights_script", ROOT / "scripts/weights.py")
    assert found is not None
    assert found.loader is not None
    module = util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def of(rows: list[dict[str, str]], name: str, where: str) -> list[dict[str, str]]:
    return [row for row in rows if row["variant"] == name and row["source"].startswith(f"{where}:")]


def test_a_card_holds_what_the_papers_file_says() -> None:
    found = card("resnet50")
    assert (found.name, found.family, found.arxiv, found.year, found.side) == (
        "resnet50", "resnet", "1512.03385", 2015, 224,
    )  # fmt: skip
    assert found.departs == variant("resnet50").departs
    assert (card("alexnet_2012").arxiv, card("alexnet_2012").weights) == (None, ())
    with pytest.raises(UnknownName, match="no network is called 'resnet51'; did you mean 'resnet"):
        card("resnet51")


@pytest.mark.parametrize("name", names())
def test_every_card_is_plain_data_and_names_its_paper(name: str) -> None:
    found = card(name)
    assert (found.arxiv is None) is ("arXiv" not in found.paper)
    again = json.loads(json.dumps(found.plain()))
    assert again["name"] == name
    assert again["family"] in (file.name for file in pkgutil.iter_modules(convsmith.zoo.__path__))
    for weights in found.weights:
        assert 0 < weights.side <= weights.resize
        assert len(weights.mean) == len(weights.std) == found.channels
        assert weights.top1 is None or 0.4 < weights.top1 < (weights.top5 or 0) < 1
        assert (weights.top1 is None) is (weights.measured_by == "")


def test_the_best_top1_is_that_of_weights_and_else_what_is_printed() -> None:
    assert card("alexnet").best == Best(0.56522, 224, "torchvision:IMAGENET1K_V1")
    assert card("resnet50_paper").best == Best(0.7715, 224, "Table 3")  # printed as an error of 22.85 %
    assert card("resnet20").best is None  # 8.75 % is on CIFAR-10


def test_the_best_top1_is_at_the_input_size_whose_cost_is_listed() -> None:
    found = card("resnet50")
    own = [weights.top1 for weights in found.weights if weights.side == 224 and weights.top1 is not None]
    assert found.best is not None
    assert found.best.top1 == max(own) < max(weights.top1 or 0 for weights in found.weights)
    assert {weights.side for weights in card("resnetv2_50").weights} == {288}
    assert (card("resnetv2_50").best or found.best).side == 288


def test_a_network_is_a_variant_whatever_its_classes_and_size() -> None:
    small = replace(spec("resnet18", classes=7), side=64, channels=1)
    found = card_of(small)
    assert found is not None
    assert found.name == "resnet18"
    assert card_of(spec("resnet34", shortcut="C")) is None
    assert card_of(replace(spec("resnet34"), name="resnet18")) is None
    assert card_of(replace(spec("resnet18"), name="mine")) is None
    assert card_of(replace(spec("lenet5"), name="inception_naive")) is None  # which cannot have ten classes


def test_nothing_is_read_before_a_card_is_asked_for(python: Callable[..., str]) -> None:
    code = (
        "import sys, convsmith\n"
        "convsmith.cost(convsmith.trace('resnet50'))\n"
        "print('convsmith.zoo.cards' in sys.modules)\n"
        "from convsmith.zoo import cards\n"
        "print(cards.figures.cache_info().misses, cards.weights.cache_info().misses)\n"
        "cards.card('resnet50')\n"
        "print(cards.figures.cache_info().misses, 'torch' in sys.modules)"
    )
    assert python(code).split() == ["False", "0", "0", "1", "False"]


def test_the_table_is_of_variants_and_a_row_stands_once(rows: list[dict[str, str]]) -> None:
    assert {row["variant"] for row in rows} <= set(names())
    keys = [(row["variant"], row["source"]) for row in rows]
    assert len(keys) == len(set(keys))


def test_torchvisions_rows_are_its_metadata_for_all_of_its_classifiers(
    script: ModuleType, rows: list[dict[str, str]]
) -> None:
    wanted = {name: list(script.torchvision_rows(name)) for name in script.torchvision_names()}
    assert {name: of(rows, name, "torchvision") for name in wanted} == wanted
    assert {row["variant"] for row in rows if row["source"].startswith("torchvision:")} == set(wanted)
    assert "torchvision:IMAGENET1K_FEATURES" not in {row["source"] for row in rows}  # they cannot classify


def test_every_variant_with_torchvisions_weights_has_rows_and_no_other(script: ModuleType) -> None:
    theirs = set(script.torchvision_names())
    for name in names():
        has = any(found.source.startswith("torchvision:") for found in card(name).weights)
        assert has is (variant(name).weights is not None) is (name in theirs), name


def test_a_row_says_the_preprocessing_of_the_entry(rows: list[dict[str, str]]) -> None:
    (row,) = [row for row in of(rows, "resnet50", "torchvision") if row["source"].endswith("V2")]
    assert row == {
        "variant": "resnet50", "source": "torchvision:IMAGENET1K_V2", "side": "224", "resize": "232",
        "interpolation": "bilinear", "mean": "0.485 0.456 0.406", "std": "0.229 0.224 0.225", "top1": "80.858",
        "top5": "95.434", "measured_by": "torchvision's metadata",
    }  # fmt: skip


def test_timms_rows_are_its_configurations(
    script: ModuleType, rows: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("timm", reason="timm's own configurations are the reference")
    monkeypatch.setattr(script, "computes_the_same", lambda name, theirs: True)  # tried below
    measured = {(r["source"], int(r["side"])): (r["top1"], r["top5"]) for r in rows}
    having = {row["variant"] for row in rows if row["source"].startswith("timm:")}
    assert len(having) > 25
    for name in having & set(names()):
        assert of(rows, name, "timm") == list(script.timm_rows(name, measured)), name


@pytest.mark.parametrize(("name", "theirs", "same"), [
    ("resnet18", "resnet18", True),
    ("mobilenet_v2_050", "mobilenetv2_050", True),  # the keys differ
    ("mnasnet1_0", "mnasnet_100", True),
    ("convnext_tiny", "convnext_tiny", True),  # the order of tensors differs, too
    ("mobilenet_v1", "mobilenetv1_100", False),  # ReLU6
    ("mobilenet_v3_small", "mobilenetv3_small_100", False),  # eps of normalisation
    ("seresnet50_paper", "legacy_seresnet50", False),  # Caffe's pooling
    ("resnet34_paper", "resnet34", False),  # other tensors
])  # fmt: skip
def test_what_computes_the_same_is_told_from_what_does_not(
    script: ModuleType, name: str, theirs: str, same: bool
) -> None:
    pytest.importorskip("timm", reason="timm's own nets are the reference")
    assert script.computes_the_same(name, theirs) is same


def test_packages_have_rows_as_soon_as_their_variants_are_here(script: ModuleType, rows: list[dict[str, str]]) -> None:
    assert len(script.PACKAGES) == 3
    for name in script.PACKAGES.keys() & set(names()):
        assert of(rows, name, "package") == list(script.package_rows(name))


def test_the_script_keeps_what_it_cannot_find_anew(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "weights.csv"
    head = ",".join(script.COLUMNS)
    known = "resnet18,timm:resnet18.a1_in1k,288,288,bicubic,0.5 0.5 0.5,0.5 0.5 0.5,73.164,91.054,timm's results"
    table.write_text(f"{head}\n{known}\n")
    monkeypatch.setattr(script, "TABLE", table)
    assert script.known_accuracies(None) == {("timm:resnet18.a1_in1k", 288): ("73.164", "91.054")}
    published = tmp_path / "published.csv"
    published.write_text(
        "variant,input_size,top1,top5,source\ntimm/resnet18.a1_in1k,288,1,2,timm results-imagenet.csv + more\n"
        "timm/resnet18,224,,,timm 1.0.31 definition\n"
    )
    assert script.known_accuracies(published) == {("timm:resnet18.a1_in1k", 288): ("1", "2")}


def run(script: ModuleType, monkeypatch: pytest.MonkeyPatch, **few: Any) -> str:
    for name, value in few.items():
        monkeypatch.setattr(script, name, value)
    monkeypatch.setattr(sys, "argv", ["weights.py"])
    script.main()
    return str(script.TABLE.read_text())


def test_the_script_writes_the_tables_own_rows(
    script: ModuleType, rows: list[dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("timm", reason="the script asks timm")
    table = tmp_path / "weights.csv"
    table.write_text(TABLE.read_text())
    few = {name: variant(name) for name in ("vgg11", "resnet18", "plain18")}
    text = run(script, monkeypatch, TABLE=table, VARIANTS=few, torchvision_names=lambda: ["resnet18", "vgg11"])
    assert text.splitlines()[0] == ",".join(script.COLUMNS)
    assert list(csv.DictReader(text.splitlines())) == [row for row in rows if row["variant"] in few]
