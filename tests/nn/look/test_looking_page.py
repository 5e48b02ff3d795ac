"""The code of docs/looking-inside.md gives what its comments say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("one_thread")

PAGE = (Path(__file__).parents[3] / "docs" / "looking-inside.md").read_text("utf-8")


def test_every_value_is_the_one_that_is_shown() -> None:
    scope: dict[str, object] = {}
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    lines = block.splitlines()
    for statement in ast.parse(block).body:
        code = ast.unparse(statement)
        if not isinstance(statement, ast.Expr):
            exec(code, scope)
            continue
        _, _, said = lines[(statement.end_lineno or 0) - 1].partition("  # ")
        assert said, f"{code}: a value that is not shown"
        assert repr(eval(code, scope)) == said, code
