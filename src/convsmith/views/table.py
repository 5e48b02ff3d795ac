"""The cost table: one row a layer, or one a block or stage."""

from __future__ import annotations

from typing import Any

from convsmith.spec.errors import UnknownName, nearest
from convsmith.views.cost import RULE
from convsmith.views.sheet import Column, Sheet
from convsmith.views.units import short

COLUMNS = {
    "params": "params", "buffers": "buffers", "macs": "MACs", "ops": "ops", "activations": "activations",
    "reads": "reads", "weight_bytes": "weight bytes", "activation_bytes": "activation bytes",
    "intensity": "MACs/byte", "receptive_field": "field", "jump": "jump",
}  # fmt: skip
"""Columns of numbers by their name in JSON, with their heading."""

USUAL = ("params", "macs", "ops", "activations", "receptive_field")

SUMMED = ("params", "buffers", "macs", "ops", "activations", "reads", "weight_bytes", "activation_bytes")


def table(found: dict[str, Any], *, every_row: bool = True) -> str:
    """Text for a terminal of what `describe` found. `every_row=False` leaves out layers without parameters."""
    return sheet(found, every_row=every_row).text()


def sheet(
    found: dict[str, Any], *, every_row: bool = True, depth: int | None = None, columns: tuple[str, ...] = USUAL
) -> Sheet:
    """The cost table of what `describe` found.

    every_row  False leaves out layers without parameters
    depth      gathers layers into modules of so many path segments: 1 are stages, 2 most often blocks
    columns    of `COLUMNS`, in this order

    Raises UnknownName for a column that is not there.
    """
    for name in columns:
        if name not in COLUMNS:
            raise UnknownName(f"no column {name!r}{nearest(name, COLUMNS)} (there are {', '.join(COLUMNS)})")
    rows = [row for row in found["layers"] if every_row or row["params"]]
    rows = rows if depth is None else gathered(rows, depth)
    heads = (Column("layer", False), Column("kind", False), Column("output", False))
    numbers = tuple(Column(COLUMNS[name]) for name in columns)
    cells = [(row["path"], row["kind"], size_text(row["out"]), *(_value(row, n) for n in columns)) for row in rows]
    total = (
        "total",
        None,
        None,
        *(found.get(name) if name in SUMMED or name == "intensity" else None for name in columns),
    )
    return Sheet(_head(found), RULE, (*heads, *numbers), tuple(cells), total, tuple(_foot(found)))


def gathered(rows: list[dict[str, Any]], depth: int) -> list[dict[str, Any]]:
    """Layers that follow each other and have `depth` path segments in common, as one row: sums, and the last's output.

    Its kind says how many layers it holds; its intensity is of all its MACs and bytes.
    """
    groups: list[tuple[str, list[dict[str, Any]]]] = []
    for row in rows:
        path = ".".join(row["path"].split(".")[: max(1, depth)])
        if groups and groups[-1][0] == path:
            groups[-1][1].append(row)
        else:
            groups.append((path, [row]))
    return [group[0] if len(group) == 1 else _sum(path, group) for path, group in groups]


def _sum(path: str, group: list[dict[str, Any]]) -> dict[str, Any]:
    sums = {name: sum(row[name] for row in group) for name in SUMMED}
    size = sums["activation_bytes"] // sums["activations"]
    moved = sums["weight_bytes"] + sums["activation_bytes"] + size * sums["reads"]
    return group[-1] | sums | {"path": path, "kind": f"{len(group)} layers", "intensity": sums["macs"] / (moved or 1)}


def size_text(size: Any) -> str:
    """`[64, 56, 56]` as 64×56×56."""
    return "×".join(map(str, size)) if isinstance(size, list | tuple) else str(size)


def _value(row: dict[str, Any], name: str) -> Any:
    value = row[name]
    return size_text(value) if isinstance(value, list) or name in ("receptive_field", "jump") else value


def _head(found: dict[str, Any]) -> str:
    side, out = found["side"], found["layers"][-1]["out"]
    size = f"{side}×{side}" if isinstance(side, int) else size_text(side)
    # a generator or a part of a network puts out an image, and has no classes
    classes = f"{found['classes']} class{'' if found['classes'] == 1 else 'es'}"
    end = classes if out == [found["classes"]] else f"puts out {size_text(out)}"
    batch = f" · batch {found['batch']}" if found["batch"] != 1 else ""
    form = " · as in training, with auxiliary heads" if found["train"] else ""
    return f"{found['name']} ({found['provenance']}) · input {found['channels']}×{size} · {end}{batch}{form}"


def _foot(found: dict[str, Any]) -> list[str]:
    weights = short(found["weight_bytes"], "B")
    every, conv, in_place = (short(found[f"{which}activations"]) for which in ("", "conv_", "in_place_"))
    lines = [
        f"{short(found['params'])} parameters, {short(found['macs'])} MACs, weights {weights} in {found['dtype']}",
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
    if found["unknown"]:
        lines.append(f"without a rule, counted as nothing: {', '.join(found['unknown'])}")
    return lines + [f"note: {remark}" for remark in found["remarks"]]
