"""Which stages learn, from the words of the command line, or by the number of images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from convsmith.spec.errors import SpecError
from convsmith.train.advice import advice
from convsmith.train.recipe import override
from convsmith.train.settings import Settled


def learning(freeze: str | None, unfreeze: str | None) -> dict[str, Any]:
    """`--freeze backbone|none`, `--unfreeze all|last:N` as a recipe's fields; the second says it more exactly."""
    if freeze not in (None, "backbone", "none"):
        raise SpecError(f"--freeze takes backbone or none, got {freeze!r}; stages are named by --unfreeze last:2")
    if unfreeze is not None:
        return {"trains": unfreeze}
    return {} if freeze is None else {"trains": "head" if freeze == "backbone" else "all"}


def advised(settled: Settled, images: int) -> tuple[Settled, str]:
    """What learns where trained weights are there and nobody has said it, and why; else as it is, and ""."""
    if "trains" in settled.changed or settled.recipe.trains != "all" or settled.recipe.whiten:
        return settled, ""
    fields, why = advice(images)
    fields = {name: value for name, value in fields.items() if name not in settled.changed}
    origins = settled.origins | dict.fromkeys(fields, "number of images")
    return replace(settled, recipe=override(settled.recipe, fields), origins=origins), why
