"""docs/gallery is what `make gallery` writes: small, well-formed, and its page shows every picture that is there."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from convsmith.views.gallery import BLOCKS, NETWORKS, files, main

FOLDER = Path(__file__).parents[2] / "docs/gallery"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return files()


def test_the_committed_gallery_is_what_is_generated(made: dict[str, str]) -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir() if path.is_file()}
    assert sorted(found) == sorted(made), "run `make gallery`"
    assert [name for name in made if found[name] != made[name]] == [], "run `make gallery`"


def test_the_page_shows_every_picture_once_by_year(made: dict[str, str]) -> None:
    page = made["README.md"]
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", page)
    assert sorted(shown) == sorted(name for name in made if name.endswith(".svg"))
    assert len(shown) == len(NETWORKS) + len(BLOCKS)
    for chapter in page.split("\n## ")[1:]:
        years = re.findall(r"^(\d{4}): ", chapter, re.M)
        assert years == sorted(years)
        assert len(years) == chapter.count("\n### ")


def test_pictures_are_small_well_formed_and_without_anything_from_elsewhere(made: dict[str, str]) -> None:
    assert sum(len(text.encode()) for text in made.values()) < 3_000_000
    for name in made:
        if name.endswith(".svg"):
            root = ET.fromstring(made[name])
            assert root.tag == f"{SVG}svg"
            assert {node.tag.removeprefix(SVG) for node in root.iter()} <= {
                "svg", "title", "g", "rect", "path", "circle", "polyline", "polygon", "text",
            }  # fmt: skip
            assert "http" not in made[name].replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_commands_in_the_page_draw_the_pictures(made: dict[str, str]) -> None:
    for picture in (*NETWORKS, *BLOCKS):
        assert f"`{picture.command}`" in made["README.md"]
        assert picture.command.endswith(f"-o {picture.file}")


def test_writing_it_removes_pictures_that_are_no_longer_in_it(
    tmp_path: Path, made: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.svg").write_text("<svg/>")
    monkeypatch.setattr(sys, "argv", ["gallery", str(tmp_path)])
    main()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(made)
