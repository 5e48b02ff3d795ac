"""The cost table as text."""

from __future__ import annotations

from typing import Any

from convsmith.views.cost import RULE
from convsmith.views.units import short

COLUMNS = ("layer", "kind", "output", "params", "MACs", "ops", "activations", "field")


def table(found: dict[str, Any], *, every_row: bool = True) -> str:
    """Text for a terminal of what `describe` found. `every_row=False` leaves out layers without parameters."""
    rows = [row for row in found["layers"] if every_row or row["params"]]
    cells = [COLUMNS, *(_cells(row) for row in rows)]
    total = ("total", "", "", *(f"{found[c]:,}" for c in ("params", "macs", "ops", "activations")), "")
    widths = [max(len(line[i]) for line in [*cells, total]) for i in range(len(COLUMNS))]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [_head(found), RULE, "", _line(cells[0], widths), rule]
    lines += [_line(line, widths) for line in cells[1:]]
    lines += [rule, _line(total, widths), "", *_foot(found)]
    return "\n".join(lines)


def _head(found: dict[str, Any]) -> str:
    side, out = found["side"], found["layers"][-1]["out"]
    size = f"{side}×{side}" if isinstance(side, int) else f"{side[0]}×{side[1]}"
    # a generator or a part of a network puts out an image, and has no classes
    end = f"{found['classes']} classes" if out == [found["classes"]] else f"puts out {'×'.join(map(str, out))}"
    return f"{found['name']} ({found['provenance']}) · input {found['channels']}×{size} · {end}"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    field = row["receptive_field"]
    numbers = (f"{row[c]:,}" if row[c] else "·" for c in ("params", "macs", "ops", "activations"))
    return (
        row["path"],
        row["kind"],
        "×".join(map(str, row["out"])),
        *numbers,
        str(field) if isinstance(field, int) else f"{field[0]}×{field[1]}",
    )


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(
        c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()


def _foot(found: dict[str, Any]) -> list[str]:
    weights = short(found["weight_bytes"], "B")
    every, conv, in_place = (short(found[f"{which}activations"]) for which in ("", "conv_", "in_place_"))
    lines = [
        f"{short(found['params'])} parameters, {short(found['macs'])} MACs, weights {weights} in float32",
        f"activations: {every} in all outputs, {conv} in convolutions' outputs, "
        f"{in_place} with element-wise layers in place (input included)",
    ]
    for column, words in (("activations", "activations"), ("params", "parameters"), ("macs", "MACs")):
        where = found["concentration"][column]
        shares = ", ".join(
            f"{category} {share:.0%}" for category, share in where["by_category"].items() if share >= 0.005
        )
        lines.append(f"{words} by category: {shares}; most in {where['largest']} ({where['largest_share']:.0%})")
    if found["aux"]:
        params, macs = (sum(row[c] for row in found["aux"]) for c in ("params", "macs"))
        lines.append(f"auxiliary heads, in no total: {short(params)} parameters, {short(macs)} MACs")
    return lines + [f"note: {remark}" for remark in found["remarks"]]
