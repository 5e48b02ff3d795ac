"""What a trace leaves behind: a `Graph` of rows, from which every table, picture and module is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from convsmith.spec.signature import Sig

if TYPE_CHECKING:
    from convsmith.spec.node import Category, Facts, Leaf

INPUT = -1
"""Index that stands for the network's input in `Row.inputs`."""


class Row(NamedTuple):
    """One operation: `path` in the module tree, the leaf with its widths resolved, the rows it reads, and its facts.

    `tap` is the path of the auxiliary head that the row belongs to, or None for the network itself. Numbers are for one
    image.
    """

    path: str
    node: Leaf
    inputs: tuple[int, ...]
    facts: Facts
    tap: str | None = None

    @property
    def kind(self) -> str:
        """The leaf's word in tables: conv, relu, add, ..."""
        return self.node.label

    @property
    def category(self) -> Category:
        """The kind of work that it is."""
        return self.node.category

    @property
    def out(self) -> Sig:
        """Signature of the output."""
        return self.facts.out

    @property
    def params(self) -> int:
        """Trained values."""
        return self.facts.params

    @property
    def buffers(self) -> int:
        """Values that are not trained (running statistics)."""
        return self.facts.buffers

    @property
    def macs(self) -> int:
        """Multiply-adds of convolutions, linear layers and matrix products."""
        return self.facts.macs

    @property
    def ops(self) -> int:
        """Element-wise, normalisation and pooling operations."""
        return self.facts.ops

    @property
    def activations(self) -> int:
        """Elements of the output."""
        return self.facts.activations

    @property
    def reads(self) -> int:
        """Elements of the inputs."""
        return sum([sig.elements for sig in self.facts.entering])


@dataclass(frozen=True)
class Graph:
    """A traced network: plain data, no weights, no torch. `rows` are in execution order.

    `output` is the index of the row that holds the logits, `taps` the auxiliary outputs by path.
    """

    input: Sig
    rows: tuple[Row, ...]
    output: int
    taps: tuple[tuple[str, int], ...] = ()
    name: str = ""

    def sigs(self, row: Row) -> tuple[Sig, ...]:
        """Signatures of a row's inputs."""
        return tuple(self.input if index == INPUT else self.rows[index].facts.out for index in row.inputs)

    @cached_property
    def weights(self) -> Mapping[str, tuple[int, ...]]:
        """State-dict key -> shape, buffers included, in the order of rows (torch puts bare parameters first)."""
        return {w.key(row.path): w.shape for row in self.rows for w in row.facts.weights}
