"""The report in a real browser: nothing fetched, nothing cut off, on a desk and on a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import finish, start

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to open the report with")

PROBE = """<script>addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter(e => {
    if (e.closest("svg svg, .scroll, pre, table, figure, details")) return false;
    const r = e.getBoundingClientRect(); return r.width && r.right > innerWidth + 1 });
  const broken = [...document.images].filter(i => !i.complete || !i.naturalWidth).length;
  document.title = JSON.stringify({overflow: document.documentElement.scrollWidth - innerWidth, broken,
    wide: wide.length,
    fetched: performance.getEntriesByType("resource").filter(r => !r.name.startsWith("data:")).length});
})</script>"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report") / "run"
    finish(start("train", "digits", "-n", "lenet5", "--set", "epochs=2", "--out", folder))
    return (folder / "report.html").read_text()


@pytest.mark.parametrize("width", [1280, 500])
def test_the_page_fits_and_fetches_nothing(report: str, width: int, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    open_to_scripts = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", report)  # the page allows none
    page.write_text(open_to_scripts.replace("</body>", PROBE + "</body>"))
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.S)
    assert title is not None
    found = json.loads(title[1].replace("&quot;", '"'))
    assert found.pop("overflow") <= 0  # negative by the width of a scroll bar
    assert found == {"broken": 0, "wide": 0, "fetched": 0}


def test_the_page_has_no_scripts_of_its_own(report: str) -> None:
    assert "<script" not in report
    assert "Content-Security-Policy" in report
    assert not re.search(r'(src|href)="https?:', report)
