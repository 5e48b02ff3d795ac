"""An evaluation as text: one run with its classes, or several as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convsmith.train.comparison import Comparison, Row, Together
from convsmith.train.judge import Evaluation
from convsmith.train.statistics import Interval

HEADS = ("top-1", "95 % interval", "top-5", "loss", "ECE", "less the first", "95 % interval", "McNemar p")


def one(found: Evaluation, title: str) -> Iterator[str]:
    """Headline and classes."""
    top5 = "" if found.top5 is None else f", top-5 {found.top5:.2%}"
    ece = f"ECE {found.calibration.ece:.2%}"
    yield f"{title}: top-1 {found.top1:.2%}{top5}, loss {found.loss:.4f}, {ece} on {found.n:,} images{_by(found)}"
    yield f"95 % interval of top-1: {_span(found.interval)} ({_method(found.interval)})"
    width = max(len("class"), *(len(row["class"]) for row in found.per_class))
    yield f"{'class':{width}}  precision  recall      f1       n"
    for row in found.per_class:
        precision, recall, f1 = (
            f"{row[key]:.2%}" if row[key] is not None else "none" for key in ("precision", "recall", "f1")
        )
        yield f"{row['class']:{width}}  {precision:>9}  {recall:>6}  {f1:>6}  {row['n']:>6,}"


def several(found: Comparison, title: str) -> Iterator[str]:
    """A table with a row a run, then what the ensemble gains on its mean member."""
    first, together = found.rows[0], found.together
    rows = [(row.name, *_cells(row)) for row in found.rows]
    if together is not None:
        rows.append((f"ensemble of {together.members}", *_cells(together.row)))
    yield f"{title}: {len(found.rows)} runs on the same {first.found.n:,} images{_by(first.found)}"
    yield from _aligned([("run", *HEADS), *rows])
    if together is not None:
        yield _gain(together)
    yield f"differences (points of top-1) and McNemar's exact test are against {first.name}"


def _gain(together: Together) -> str:
    gain = together.gain
    word = "above" if gain.value >= 0 else "below"
    return (
        f"the mean member has {together.mean:.2%}; the ensemble is {abs(gain.value) * 100:.2f} points {word} it "
        f"(95 % interval {_points(gain)})"
    )


def _cells(row: Row) -> tuple[str, ...]:
    found = row.found
    top5 = "" if found.top5 is None else f"{found.top5:.2%}"
    own = (f"{found.top1:.2%}", _span(found.interval), top5, f"{found.loss:.4f}", f"{found.calibration.ece:.2%}")
    if row.difference is None or row.test is None:
        return (*own, "", "", "")
    return (*own, f"{row.difference.value * 100:+.2f}", _points(row.difference), f"{row.test.p:.3g}")


def _span(interval: Interval) -> str:
    return f"{interval.low:.2%} to {interval.high:.2%}"


def _points(interval: Interval) -> str:
    return f"{interval.low * 100:+.2f} to {interval.high * 100:+.2f}"


def _method(interval: Interval) -> str:
    if interval.resamples:
        return f"{interval.method}, {interval.resamples:,} resamples, seed {interval.seed}"
    return f"{interval.method}, as every answer is {'right' if interval.value else 'wrong'}"


def _by(found: Evaluation) -> str:
    return "" if found.protocol == "centre" else f", by {found.protocol}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Columns side by side, the first to the left; a column that is empty throughout is left out."""
    kept = [at for at in range(len(rows[0])) if any(row[at] for row in rows[1:])]
    widths = [max(len(row[at]) for row in rows) for at in kept]
    for row in rows:
        cells = (f"{row[at]:{'<' if not at else '>'}{width}}" for at, width in zip(kept, widths, strict=True))
        yield "  ".join(cells).rstrip()
