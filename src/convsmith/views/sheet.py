"""A table as a value: what to show, apart from how it is written. A notebook shows it by itself."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

FORMATS = ("text", "markdown", "csv", "html")


class Column(NamedTuple):
    """One column: its heading, and whether it holds numbers, which stand at the right."""

    name: str
    number: bool = True


@dataclass(frozen=True)
class Sheet:
    """A heading, the rule by which was counted, columns, rows, a last line of totals, and notes.

    Cells are numbers or text; None is a cell that says nothing. CSV has columns, rows and plain numbers alone.
    """

    title: str
    rule: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()

    def write(self, form: str) -> str:
        """One of `FORMATS`."""
        return {"text": self.text, "markdown": self.markdown, "csv": self.csv, "html": self.html}[form]()

    def text(self) -> str:
        """For a terminal."""
        lines = [tuple(column.name for column in self.columns), *map(self._cells, self.rows)]
        total = [self._cells(self.total)] if self.total else []
        widths = [max(len(line[i]) for line in [*lines, *total]) for i in range(len(self.columns))]
        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        body = [self._line(line, widths) for line in lines[1:]]
        end = [rule, self._line(total[0], widths)] if total else []
        return "\n".join([self.title, self.rule, "", self._line(lines[0], widths), rule, *body, *end, "", *self.notes])

    def markdown(self) -> str:
        """A GitHub table."""
        lines = [tuple(column.name for column in self.columns), *map(self._cells, self.rows)]
        if self.total:
            lines.append(tuple(f"**{cell}**" if cell else "" for cell in self._cells(self.total)))
        rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
        rows.insert(1, "| " + " | ".join("---:" if column.number else "---" for column in self.columns) + " |")
        return "\n".join([f"**{self.title}**", "", self.rule, "", *rows, "", *(f"- {note}" for note in self.notes)])

    def csv(self) -> str:
        """Comma-separated values with a heading, numbers as they are."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(column.name for column in self.columns)
        writer.writerows(["" if cell is None else cell for cell in row] for row in self.rows)
        return out.getvalue().rstrip("\n")

    def html(self) -> str:
        """A table that needs no style sheet."""

        def line(cells: tuple[str, ...], tag: str) -> str:
            made = [
                f'<{tag} style="text-align:{_side(column)};padding:1px 8px">{escape(cell)}</{tag}>'
                for cell, column in zip(cells, self.columns, strict=True)
            ]
            return f"<tr>{''.join(made)}</tr>"

        head = line(tuple(column.name for column in self.columns), "th")
        body = [line(self._cells(row), "td") for row in self.rows]
        foot = [f"<tfoot>{line(self._cells(self.total), 'th')}</tfoot>"] if self.total else []
        notes = [f"<div>{escape(note)}</div>" for note in self.notes]
        return "\n".join([
            "<div>", f"<div><b>{escape(self.title)}</b></div>", f"<div>{escape(self.rule)}</div>",
            '<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">',
            f"<thead>{head}</thead>", "<tbody>", *body, "</tbody>", *foot, "</table>", *notes, "</div>",
        ])  # fmt: skip

    def _repr_html_(self) -> str:
        return self.html()

    def __str__(self) -> str:
        return self.text()

    @staticmethod
    def _cells(row: tuple[Any, ...]) -> tuple[str, ...]:
        return tuple(map(_cell, row))

    def _line(self, cells: tuple[str, ...], widths: list[int]) -> str:
        aligned = [
            cell.rjust(width) if column.number else cell.ljust(width)
            for cell, width, column in zip(cells, widths, self.columns, strict=True)
        ]
        return "  ".join(aligned).rstrip()


def _side(column: Column) -> str:
    return "right" if column.number else "left"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if value else "·"
