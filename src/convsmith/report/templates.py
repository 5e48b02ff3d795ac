"""The pages' templates: one look, and every value escaped."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from convsmith.report.extras import need


def fill(name: str, values: Mapping[str, Any], filters: Mapping[str, Any]) -> str:
    """A template of this folder with its values; what it lacks raises jinja2's UndefinedError.

    It has `style`, the look of all pages, and `safe`, which marks what is HTML already.
    """
    jinja2, room = need("jinja2"), files("convsmith.report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda file: room.joinpath(file).read_text("utf-8")), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= filters
    safe = need("markupsafe").Markup
    page: str = environment.get_template(name).render(
        values, style=safe(room.joinpath("page.css").read_text("utf-8")), safe=safe
    )
    return page
