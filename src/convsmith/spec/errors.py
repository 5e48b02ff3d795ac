"""Everything convsmith refuses, as one tree.

    ConvsmithError
    ├── SpecError            a description that cannot be a network
    │   ├── ShapeError       sizes that do not meet, or an image too small for the net
    │   ├── UnknownName      no such variant, option, field or source
    │   └── CodecError       JSON that is not a description of ours
    ├── BudgetError          nothing fits the budget
    ├── SpaceError           choices that cannot be a space, or a genome of another one
    ├── DataError            images, labels or splits that cannot be trained on
    ├── WeightsError         weights that do not cover the network, or are not tensors
    ├── StudyError           a search that cannot be reached, joined or read
    ├── RunError             a run folder that cannot be written, read or resumed
    ├── TrainingError        a training that cannot go on (loss not a number)
    ├── BusyError            a timing that others on the machine disturb
    ├── TableError           a table of latencies that cannot be read or is of elsewhere
    ├── ImportFailed         a module that cannot be read as a graph, or that has not the structure asked for
    ├── ClaimError           a claim that cannot be computed, or whose reason does not go with its verdict
    ├── ExportError          an exported model that disagrees with its source
    └── MissingExtra         an optional dependency that the command needs

A message is one sentence: where, what was got, what was wanted, the remedy. Library code raises these for whatever a
user can cause; anything else that escapes is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable


class ConvsmithError(Exception):
    """Root of the tree. The command line prints it as one line and exits with code 2."""


class SpecError(ConvsmithError):
    """A description that cannot be a network."""


class ShapeError(SpecError):
    """Sizes that do not meet, or an image too small for a layer; the message begins with the layer's path."""


class UnknownName(SpecError):
    """A name nobody knows; the message offers the nearest one."""


class CodecError(SpecError):
    """JSON that is not a description of ours, or of a format version that we cannot read."""


class BudgetError(ConvsmithError):
    """Nothing fits the budget; the message names the smallest design there is."""


class SpaceError(ConvsmithError):
    """Choices that cannot be a space of designs, or a genome that is none of this space's."""


class DataError(ConvsmithError):
    """Images, labels or splits that cannot be trained on."""


class WeightsError(ConvsmithError):
    """Weights that do not cover the network, have other shapes, or are not plain tensors."""


class StudyError(ConvsmithError):
    """A search that cannot be reached, or is another than the one asked for."""


class RunError(ConvsmithError):
    """A run folder that cannot be written, read or resumed."""


class TrainingError(ConvsmithError):
    """A training that cannot go on."""


class BusyError(ConvsmithError):
    """Others use the machine so much that a timing would be theirs."""


class TableError(ConvsmithError):
    """A table of latencies that cannot be read, or that is of another machine or engine than is asked for."""


class ImportFailed(ConvsmithError):
    """A module that torch cannot export, or whose operations or structure we cannot read."""


class ClaimError(ConvsmithError):
    """A claim that cannot be computed, or whose reason and verdict do not go together."""


class ExportError(ConvsmithError):
    """An exported model that disagrees with the network it came from."""


class MissingExtra(ConvsmithError):
    """An optional dependency is not installed; the message gives the pip command."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'resnet50'?"` for a close miss, else `""`."""
    from difflib import get_close_matches  # a refusal may take its time; a success should not pay for it

    close = get_close_matches(name[:80], list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
