"""Descriptions as JSON and back. What comes as data is only ever data: nothing in it runs, and nothing unknown passes.

{"format": "convsmith.network", "version": 1, "hash": "...", "name": ..., "side": 32, ..., "body": {"node": "seq", ...}}

A node is an object with its kind and the fields that differ from their defaults; a relative width is
{"width": "in", "times": 6}. The hash is of what the network computes on (input and body), not of its labels.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, Field, fields
from math import isfinite
from pathlib import Path
from typing import Any

from convsmith.spec.cell import Cell, Step
from convsmith.spec.combinators import Branches, Chain, Seq, Split
from convsmith.spec.errors import CodecError, SpecError, nearest
from convsmith.spec.files import write_whole
from convsmith.spec.kinds import COMBINATORS, LEAVES
from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.spec.widths import Width

FORMAT, VERSION = "convsmith.network", 1
LARGEST_BYTES = 64 * 2**20
DEEPEST = 100
"""Levels of nodes in nodes; networks have a dozen, and comparing values of some hundred exhausts Python's stack."""
KINDS: dict[str, type[Node]] = {**LEAVES, **COMBINATORS}
LABELS = ("name", "provenance", "init")


def encode(network: Network) -> dict[str, Any]:
    """A network as plain data, with format, version and content hash."""
    head = {"format": FORMAT, "version": VERSION, "hash": content_hash(network)}
    labels = {name: getattr(network, name) for name in LABELS}
    return head | labels | _essence(network)


def decode(data: object) -> Network:
    """Inverse of `encode`. Raises CodecError for what is not ours, and SpecError for what cannot be a network."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CodecError(f'not a network description: expected an object with "format": "{FORMAT}"')
    if data.get("version") != VERSION:
        raise CodecError(f"description of format version {data.get('version')!r}; this convsmith reads {VERSION}")
    known = {"format", "version", "hash", "side", "channels", "classes", "body", *LABELS}
    _refuse_unknown(data, known, "the description")
    missing = {"side", "channels", "classes", "body"} - data.keys()
    if missing:
        raise CodecError(f"the description lacks {', '.join(sorted(missing))}")
    try:
        labels = {name: data[name] for name in LABELS if name in data}
        if not all(isinstance(label, str) for label in labels.values()):
            raise CodecError("name, provenance and init must be text")
        body = _node(data["body"], "body")
        side = _tuples(data["side"])
        if not isinstance(side, int) and not (isinstance(side, tuple) and len(side) == 2):
            raise CodecError(f"side is an integer or [rows, cols], got {data['side']!r}")
        network = Network(body, side, data["channels"], data["classes"], **labels)
    except RecursionError:
        raise CodecError("the description is nested too deeply") from None
    if data.get("hash") not in (None, content_hash(network)):
        raise CodecError(
            "the description was changed after it was written: its hash does not match; remove the hash to accept it"
        )
    return network


def dumps(network: Network) -> str:
    """JSON text, one line a top-level field, stable across processes."""
    lines = (f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in encode(network).items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def loads(text: str | bytes) -> Network:
    """Inverse of `dumps`. Raises CodecError."""
    if len(text) > LARGEST_BYTES:
        raise CodecError(f"the description is larger than {LARGEST_BYTES >> 20} MiB")
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise CodecError(f"not JSON: {reason}") from None
    return decode(data)


def write(network: Network, path: str | Path) -> None:
    """Write a description whole or not at all."""
    write_whole(Path(path), dumps(network).encode())


def read(path: str | Path) -> Network:
    """Read a description. Raises CodecError naming the file."""
    try:
        return loads(Path(path).read_bytes())
    except OSError as error:
        raise CodecError(f"{path}: {error.strerror}") from None
    except SpecError as error:
        raise type(error)(f"{path}: {error}") from None


def content_hash(network: Network) -> str:
    """SHA-256 of the canonical JSON of input and body; equal networks under other names hash alike."""
    text = json.dumps(_essence(network), sort_keys=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _essence(network: Network) -> dict[str, Any]:
    side = list(network.side) if isinstance(network.side, tuple) else network.side
    try:
        body = _plain(network.body)
    except RecursionError:
        raise SpecError("the description is nested too deeply") from None
    return {"side": side, "channels": network.channels, "classes": network.classes, "body": body}


def _plain(value: Any) -> Any:
    if isinstance(value, Seq | Branches | Split | Chain):
        names = [name for name, _ in value.children]
        numbered = names == [str(i) for i in range(len(names))] if isinstance(value, Seq) else not any(names)
        children = [[name, _plain(child)] for name, child in value.children]
        return {"node": value.kind, "children": [c for _, c in children] if numbered else children}
    if isinstance(value, Cell):
        steps = {name: {"of": _plain(s.node), "from": list(s.sources), "join": s.join} for name, s in value.steps}
        return {"node": "cell", "inputs": list(value.inputs), "out": list(value.out), "steps": steps}
    if isinstance(value, Node):
        return {"node": value.kind, **_changed(value)}
    if isinstance(value, Width):
        return {"width": value.of, **{k: v for k, v in _changed(value).items() if k != "of"}}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole else value  # 3.0 equals 3, so both are written alike


def _changed(value: Any) -> dict[str, Any]:
    changed = [(f, item) for f in fields(value) if (item := getattr(value, f.name)) != f.default]
    return {f.name: bool(item) if f.type == "bool" else _plain(item) for f, item in changed}


def _node(data: Any, where: str) -> Node:
    if where.count(".") > DEEPEST:
        raise CodecError("the description is nested too deeply")
    if not isinstance(data, dict) or not isinstance(data.get("node"), str):
        raise CodecError(f'{where}: a node is an object with "node": its kind, got {_short(data)}')
    kind = data["node"]
    if kind not in KINDS:
        raise CodecError(f"{where}: no node of kind {kind!r}{nearest(kind, KINDS)}")
    rest = {key: value for key, value in data.items() if key != "node"}
    try:
        if kind in ("seq", "branches", "split", "chain"):
            return _children(KINDS[kind], rest, where)
        if kind == "cell":
            return _cell(rest, where)
        return _fields(KINDS[kind], rest, where)
    except CodecError:
        raise
    except (SpecError, TypeError, ValueError) as error:
        raise CodecError(f"{where}: {error}") from None


def _children(of: Any, data: dict[str, Any], where: str) -> Node:
    _refuse_unknown(data, {"children"}, where)
    children = data.get("children", [])
    if not isinstance(children, list):
        raise CodecError(f"{where}: children must be a list, got {_short(children)}")
    if not any(isinstance(child, list) for child in children):
        return of(*(_node(child, f"{where}.{i}") for i, child in enumerate(children)))  # type: ignore[no-any-return]
    for child in children:
        if not isinstance(child, list) or len(child) != 2 or not isinstance(child[0], str):
            raise CodecError(f"{where}: a named child is [name, node], got {_short(child)}")
    positional = [child for child in children if not child[0]]
    if positional != children[: len(positional)] or len({name for name, _ in children if name}) + len(positional) < len(
        children
    ):
        raise CodecError(f"{where}: children's names must be unique, nameless ones first")
    nodes = [_node(node, f"{where}.{name}") for name, node in children[: len(positional)]]
    named = {name: _node(node, f"{where}.{name}") for name, node in children[len(positional) :]}
    return of(*nodes, **named)  # type: ignore[no-any-return]


def _cell(data: dict[str, Any], where: str) -> Cell:
    _refuse_unknown(data, {"inputs", "out", "steps"}, where)
    steps = data.get("steps")
    if not isinstance(steps, dict):
        raise CodecError(f"{where}: a cell's steps are an object by name, got {_short(steps)}")
    made = {}
    for name, step in steps.items():
        if not isinstance(step, dict):
            raise CodecError(f"{where}.{name}: a step is an object, got {_short(step)}")
        _refuse_unknown(step, {"of", "from", "join"}, f"{where}.{name}")
        made[name] = Step(
            _node(step.get("of"), f"{where}.{name}"), *_words(step.get("from"), where), join=step.get("join", "add")
        )
    return Cell(_words(data.get("inputs"), where), out=_words(data.get("out"), where), **made)


def _words(data: Any, where: str) -> tuple[str, ...]:
    if not isinstance(data, list) or not all(isinstance(word, str) for word in data):
        raise CodecError(f"{where}: expected a list of names, got {_short(data)}")
    return tuple(data)


def _fields(of: Any, data: dict[str, Any], where: str) -> Node:
    known = {field.name: field for field in fields(of)}
    _refuse_unknown(data, known.keys(), where)
    for name, field in known.items():
        if field.default is MISSING and name not in data:
            raise CodecError(f"{where}: a {of.kind} needs {name!r}")
    return of(**{name: _value(value, known[name], f"{where}.{name}") for name, value in data.items()})  # type: ignore[no-any-return]


def _value(value: Any, field: Field[Any], where: str) -> Any:
    wanted = str(field.type)
    if isinstance(value, dict) and "width" in value and wanted == "Channels":
        rest = {key: item for key, item in value.items() if key != "width"}
        _refuse_unknown(rest, {"times", "divide", "multiple"}, where)
        if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in rest.values()):
            raise CodecError(f"{where}: a width's factors are numbers, got {_short(value)}")
        return Width(value["width"], **rest)
    if isinstance(value, dict) and wanted.startswith("Node"):
        return _node(value, where)
    if isinstance(value, dict) or (isinstance(value, float) and not isfinite(value)):
        expected = "a finite number" if isinstance(value, float) else wanted
        raise CodecError(f"{where}: expected {expected}, got {_short(value)}")
    kinds = {"bool": bool, "float": (int, float), "str": str}
    if wanted in kinds and (not isinstance(value, kinds[wanted]) or (wanted == "float" and isinstance(value, bool))):  # type: ignore[arg-type]
        raise CodecError(f"{where}: expected {wanted}, got {_short(value)}")
    return _tuples(value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _refuse_unknown(data: dict[str, Any], known: Any, where: str) -> None:
    for key in data:
        if key not in known:
            raise CodecError(f"{where}: unknown field {key!r}{nearest(str(key), known)}")


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not a number in JSON")


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
