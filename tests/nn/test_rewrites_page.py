"""What docs/rewrites.md says is what happens."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("one_thread")

PAGE = (Path(__file__).parents[2] / "docs/rewrites.md").read_text()


def test_every_block_runs_and_gives_what_its_comments_say() -> None:
    scope: dict[str, object] = {}
    shown = 0
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        lines = block.splitlines()
        for statement in ast.parse(block).body:
            code = ast.unparse(statement)
            if not isinstance(statement, ast.Expr):
                exec(code, scope)
                continue
            _, _, said = lines[(statement.end_lineno or 0) - 1].partition("  # ")
            assert said, f"{code}: a value that is not shown"
            assert repr(eval(code, scope)) == said, code
            shown += 1
    assert shown == 22
