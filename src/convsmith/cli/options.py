"""Options that several verbs have, so that they are the same words everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli.words import complete_recipe

MaxParams = Annotated[str | None, typer.Option(help="At most so many parameters: 100k, 4M.")]
MaxMacs = Annotated[str | None, typer.Option(help="At most so many MACs for one image: 4M, 1.2G.")]
MaxWeights = Annotated[
    str | None, typer.Option(help="At most so many bytes of weights and buffers in float32: 400k, 16M.")
]
MaxMemory = Annotated[
    str | None, typer.Option(help="At most so many bytes alive in a forward pass of one image: 1M, 64M.")
]

RecipeName = Annotated[
    str | None, typer.Option(autocompletion=complete_recipe, help="The training recipe; by default `default`.")
]
RecipeFile = Annotated[str | None, typer.Option(metavar="FILE.toml", help="Fields of the recipe in a file.")]
RecipeChanges = Annotated[
    list[str] | None, typer.Option("--set", help="Change a field of the recipe: --set epochs=3, --set lr=0.05.")
]

Side = Annotated[int | None, typer.Option(help="Read images at this side instead of their own.")]
Channels = Annotated[int | None, typer.Option(help="Read images as 1 (grey) or 3 (colour) channels.")]
Seed = Annotated[int, typer.Option(help="Seed of splits, weights and order.")]
SkipUnreadable = Annotated[bool, typer.Option("--skip-unreadable", help="Leave broken image files out.")]
