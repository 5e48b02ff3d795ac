"""An SVG as a file of the kind that its name ends in."""

from __future__ import annotations

from pathlib import Path

from convsmith.spec.errors import MissingExtra, SpecError
from convsmith.spec.files import write_whole

KINDS = (".svg", ".png", ".pdf")

SCALE = 2
"""Pixels of a PNG for one px of the SVG, so that its text is sharp on dense screens."""

WIDEST = 12000
"""Pixels of a PNG's longer side at most; a larger picture gets fewer for one px."""


def check(path: Path) -> None:
    """Refuse a name that ends in none of `KINDS`. Raises SpecError."""
    if path.suffix.lower() not in KINDS:
        raise SpecError(f"{path}: a picture's name ends in {', '.join(KINDS[:-1])} or {KINDS[-1]}")


def save(svg: str, path: Path) -> None:
    """Write the SVG, or a PNG or PDF of it, whole.

    Raises MissingExtra where PNG or PDF lack vl-convert, RunError where the file cannot be written.
    """
    kind = path.suffix.lower()
    if kind == ".svg":
        write_whole(path, svg.encode())
        return
    try:
        import vl_convert
    except ImportError:
        raise MissingExtra(f"writing {kind} needs vl-convert: pip install 'convsmith[report]', or write .svg") from None
    if kind == ".pdf":
        write_whole(path, vl_convert.svg_to_pdf(svg))
    else:
        write_whole(path, vl_convert.svg_to_png(svg, scale=min(SCALE, WIDEST / max(_size(svg)))))


def _size(svg: str) -> tuple[float, float]:
    """Width and height of the document in px."""
    _, _, width, height = svg.partition('viewBox="')[2].partition('"')[0].split()
    return float(width), float(height)
