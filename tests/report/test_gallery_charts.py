"""docs/gallery/charts is what its script lists: every picture is there, well-formed, and made by its command."""

from __future__ import annotations

import importlib.util
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

from convsmith.cli.main import VERBS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/gallery/charts"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "scripts/gallery.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_page_is_the_scripts_and_every_picture_is_there(script: ModuleType) -> None:
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == script.page(), "run `make gallery`"
    assert {path.name for path in FOLDER.glob("*.svg")} == {picture.file for picture in script.PICTURES}
    for picture in script.PICTURES:
        program, verb, *words = shlex.split(picture.command)
        assert (program, verb in VERBS, picture.file in words) == ("convsmith", True, True)


def test_pictures_are_small_well_formed_and_load_nothing(script: ModuleType) -> None:
    texts = {picture.file: (FOLDER / picture.file).read_text(encoding="utf-8") for picture in script.PICTURES}
    assert sum(map(len, texts.values())) < 1_500_000
    for text in texts.values():
        assert ET.fromstring(text).tag.endswith("svg")
        for reference in ('href="http', "src=", "@import", "url(http"):
            assert reference not in text


@pytest.mark.slow
def test_the_script_makes_the_same_pictures_again(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("vl_convert", reason="vl-convert is not installed")
    monkeypatch.setattr(script, "FOLDER", tmp_path / "charts")
    monkeypatch.setattr(
        script, "PICTURES", [p for p in script.PICTURES if p.file.startswith(("alexnet", "vgg16.sees"))]
    )
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts/old.svg").write_text("<svg/>")
    script.main()
    assert {path.name for path in (tmp_path / "charts").iterdir()} == {
        "README.md",
        "alexnet.zfnet.svg",
        "vgg16.sees.svg",
    }
    for name in ("alexnet.zfnet.svg", "vgg16.sees.svg"):
        assert (tmp_path / "charts" / name).read_text() == (FOLDER / name).read_text()
