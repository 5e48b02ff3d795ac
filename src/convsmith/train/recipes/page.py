"""docs/recipes.md: how settings are given, what the fields mean, and every recipe's values and source."""

from __future__ import annotations

from convsmith.train.fields import FIELDS, said
from convsmith.train.recipes import RECIPES, source

HEAD = """\
<!-- Made by `make docs` from the recipes (convsmith.train.recipes): change those, not this file. -->

# Recipes

A recipe is everything about a training that is neither the network nor the data. `convsmith recipes` lists them,
`convsmith recipes NAME` explains one field by field, and `convsmith recipes NAME --diff OTHER` compares two.

    convsmith train photos/ -n resnet18 --recipe resnet_2015 --set epochs=30

What the command line says comes first, then a TOML file, then the recipe; a run records each value. A file holds fields
and may name the recipe that it starts from (`--recipe` on the command line wins over that line, too):

    recipe = "resnet_2015"
    epochs = 30
    batch = 64
    lr = 0.025               # a rate belongs to its batch: a quarter of 256, a quarter of 0.1
    schedule = "steps"
    milestones = [0.5, 0.75]

The papers' recipes keep the papers' figures, epochs included, which are those of a million images: on a smaller set
give `epochs`, and where memory wants a smaller `batch`, change `lr` by the same factor. `default`, `plain`, `modern`,
`fast` and `finetune` take their epochs from the number of images (60 at 1,257, 20 at 50,000). Dropout, drop path, swish
and batch normalisation's momentum are the network's, and so are not here. The texts under [Sources](#sources) say what
is a paper's, what is its authors' code's and what is ours, and where the course notes differ.
"""


def page() -> str:
    """All of it as Markdown."""
    parts = [HEAD, "## Fields", "", "| field | meaning | values |", "| --- | --- | --- |"]
    parts += [f"| `{name}` | {field.meaning} | {field.kind.wanted} |" for name, field in FIELDS.items()]
    fields = [name for name in FIELDS if name != "name"]
    parts += ["", "## Values", "", f"| field | {' | '.join(RECIPES)} |", f"| --- {'| ---: ' * len(RECIPES)}|"]
    for name in fields:
        values = ["" if found.idle(name) else said(getattr(found, name)) for found in RECIPES.values()]
        parts.append(f"| `{name}` | {' | '.join(values)} |")
    parts += ["", "## Sources", ""]
    for name in RECIPES:
        parts += [f"### {name}", "", _plain(source(name)), ""]
    return "\n".join(parts)


def _plain(text: str) -> str:
    """Text in which nothing is markup."""
    return text.replace("*", r"\*").replace("<", "&lt;")


def main() -> None:
    """Print the file, for `make docs`."""
    print(page(), end="")


if __name__ == "__main__":
    main()
