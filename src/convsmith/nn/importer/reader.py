"""Reads an exported module call by call and writes the rows of its graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from convsmith.nn.importer.calls import Call, Program, Ref, Shape
from convsmith.spec.errors import ImportFailed, ShapeError
from convsmith.spec.node import Category, Facts, Join, Layer, Leaf, Stated, Weight, Window, facts
from convsmith.spec.nodes.foreign import Foreign
from convsmith.spec.nodes.shape import Shift
from convsmith.spec.signature import Rational, Sig
from convsmith.spec.trace import INPUT, Graph, Row

Pads = tuple[int, int, int, int]


class At(NamedTuple):
    """Where an activation stands: the row that made it, and its signature."""

    row: int
    sig: Sig


class Held(NamedTuple):
    """A tensor that the module holds, or that it makes of such tensors alone: state-dict keys and shape."""

    keys: tuple[str, ...]
    shape: Shape


class Padded(NamedTuple):
    """An activation with `value` around it, until the layer that reads it takes the padding for its own."""

    at: At
    pads: Pads
    value: float
    call: Call


class Pieces(NamedTuple):
    """What a call with several outputs gives."""

    items: tuple[Any, ...]


@dataclass
class Reader:
    """The rows so far, and what each value of the program stands for. `holders` are modules with tensors."""

    program: Program
    image: Sig
    state: Mapping[str, tuple[Shape, bool]]
    values: dict[Ref, Any]
    sizes: dict[Ref, Shape]
    holders: frozenset[str]
    uses: Counter[Ref]
    rows: list[Row]
    paths: set[str]
    counted: set[str]

    @staticmethod
    def of(program: Program) -> Reader:
        """A reader that has seen the network's input and tensors, and no call yet."""
        image, held = Sig(*program.size), program.tensors
        state = {tensor.key: (tensor.shape, tensor.trainable) for tensor in held.values() if tensor.key}
        values: dict[Ref, Any] = {ref: Held((t.key,) if t.key else (), t.shape) for ref, t in held.items()}
        sizes = {ref: tensor.shape for ref, tensor in held.items()} | {program.image: (1, *program.size)}
        sizes |= {call.makes: call.shape for call in program.calls if call.shape is not None}
        holders = frozenset(key.rpartition(".")[0] for key in state)
        values |= {program.image: At(INPUT, image)}
        uses = Counter(ref for call in program.calls for ref in call.reads) + Counter([program.output])
        return Reader(program, image, state, values, sizes, holders, uses, [], set(), set())

    def value(self, call: Call, name: str) -> Any:
        """What an argument stands for; numbers and lists stand for themselves."""
        return self._of(call.args.get(name))

    def _of(self, arg: Any) -> Any:
        if isinstance(arg, Ref):
            return self.values[arg]
        return [self._of(item) for item in arg] if isinstance(arg, list) else arg

    def at(self, call: Call, name: str) -> At:
        """The activation that an argument stands for."""
        return self.settle(call, self.value(call, name))

    def settle(self, call: Call, value: Any) -> At:
        """An activation; padding that no layer has taken becomes a row of its own."""
        if isinstance(value, Padded):
            return self._pad(value)
        if not isinstance(value, At):
            raise ImportFailed(f"{call.path or 'the module'}: {call.op} wants the image here, got {_kind(value)}")
        return value

    def padded(self, call: Call, name: str, fill: float) -> tuple[At, Pads]:
        """The activation, and the padding around it that this layer may take for its own."""
        value = self.value(call, name)
        if isinstance(value, Padded) and value.value == fill and min(value.pads) >= 0:
            return value.at, value.pads
        return self.settle(call, value), (0, 0, 0, 0)

    def layer(self, call: Call, node: Layer, at: At, *held: Held | None, sig: Sig | None = None) -> At:
        """Append the row of a layer that descriptions have too. Its facts must be what torch made of the image."""
        path, weights = self._weights(call, held)
        try:
            found = node.infer(at.sig if sig is None else sig)
        except ShapeError as error:
            raise ImportFailed(f"{path or call.op}: {error}") from None
        if call.shape is not None and found.out.elements != prod(call.shape):
            raise ImportFailed(f"{path}: {call.op} gives {list(call.shape)} in torch, {found.out} by our rule")
        made = facts((at.sig,), found.out, weights, macs=found.macs, ops=found.ops, window=found.window)
        return self._row(call, node, (at,), made, path)

    def join(self, call: Call, node: Join, ats: Sequence[At]) -> At:
        """Append the row where branches meet."""
        return self._row(call, node, tuple(ats), node.infer(*(at.sig for at in ats)), "")

    def foreign(
        self, call: Call, ats: Sequence[At], group: Category, *held: Held | None, setting: tuple[Any, ...] = (),
        macs: int = 0, ops: int = 0, sig: Sig | None = None, window: Window | None = None, word: str = "",
    ) -> At:  # fmt: skip
        """Append the row of an operation that descriptions do not have, of the shape that torch gives it."""
        path, weights = self._weights(call, held)
        if sig is None:
            same = ats and call.shape is not None and ats[0].sig.shape == call.shape[1:]
            sig = ats[0].sig if same else shaped(call.shape or (1,), ats[0].sig.stride if ats else (1, 1))
        made = facts(tuple(at.sig for at in ats), sig, weights, macs=macs, ops=ops, window=window)
        return self._row(call, Foreign(word or call.op, group, setting), tuple(ats), made, path)

    def sig_of(self, row: int) -> Sig:
        """Signature of what a row (or the input) holds."""
        return self.image if row == INPUT else self.rows[row].facts.out

    def read_once(self, row: int) -> bool:
        """Whether each name for what a row holds is read by one call."""
        names = [ref for ref, value in self.values.items() if isinstance(value, At) and value.row == row]
        return all(self.uses[ref] == 1 for ref in names)

    def _pad(self, value: Padded) -> At:
        at, (top, bottom, left, right) = value.at, value.pads
        if top < 0 and value.pads == (top, -top, top, -top) and value.value == 0:
            return self.layer(value.call, Shift(-top), at)
        sig = at.sig._replace(rows=at.sig.rows + top + bottom, cols=at.sig.cols + left + right)
        setting = (*value.pads, value.value)
        window = Window((1, 1), pad=(top, left))
        return self.foreign(value.call, (at,), "shape", setting=setting, sig=sig, window=window, word="pad")

    def _weights(self, call: Call, held: Sequence[Held | None]) -> tuple[str, tuple[Weight, ...]]:
        """The path of the module that holds the tensors, and those of them that no row has counted yet."""
        keys = [key for item in held if item is not None for key in item.keys]
        if not keys:
            return "", ()
        path = keys[0].rpartition(".")[0]
        if call.op in ("mul", "add") or not all(key.startswith(f"{path}.") for key in keys):
            path = path if len(keys) > 1 else keys[0]  # a bare parameter is a layer of its container
        counter = f"{path}.num_batches_tracked"
        keys += [counter] if call.op == "batch_norm" and counter in self.state else []
        new = [key for key in dict.fromkeys(keys) if key not in self.counted]
        self.counted.update(new)
        return path, tuple(Weight(_name_in(path, key), *self.state[key]) for key in new)

    def _row(self, call: Call, node: Leaf, ats: tuple[At, ...], made: Facts, path: str) -> At:
        inside = not (call.leaf and call.path) or call.path in self.holders  # one of several operations of its module
        name = path or (f"{call.path}.{node.label}".lstrip(".") if inside else call.path)
        unique, count = name, 1
        while unique in self.paths:
            count += 1
            unique = f"{name}_{count}"
        self.paths.add(unique)
        if unique != name:
            elsewhere = tuple(w._replace(name=f"/{w.key(name)}") for w in made.weights)
            made = made._replace(source=Stated(elsewhere, made.window))
        self.rows.append(Row(unique, node, tuple(at.row for at in ats), made))
        return At(len(self.rows) - 1, made.out)

    def graph(self) -> Graph:
        """The graph, once every call is read."""
        end, name = self.values[self.program.output], self.program.name
        if not isinstance(end, At | Padded):
            raise ImportFailed(f"{name}: what comes out does not depend on the image")
        if isinstance(end, At) and end.row == INPUT:
            raise ImportFailed(f"{name} hands its input on unchanged")
        last = self.settle(self.program.calls[-1], end)
        return Graph(self.image, tuple(self.rows), last.row, name=name)


def _name_in(path: str, key: str) -> str:
    """A tensor's name below `path`: "" where it is the path, the whole key after a slash if it lies elsewhere."""
    if key == path:
        return ""
    return key.removeprefix(f"{path}.") if key.startswith(f"{path}.") else f"/{key}"


def shaped(shape: Shape, stride: tuple[Rational, Rational]) -> Sig:
    """The signature of a tensor of any shape; a batch axis of one is left out."""
    axes = shape[1:] if shape[:1] == (1,) else shape
    if len(axes) == 1:
        return Sig(axes[0], 1, 1, stride, flat=True)
    return Sig(axes[-1] if axes else 1, prod(axes[:-1]), 1, stride, axes=axes)


def as_image(sig: Sig) -> Sig:
    """The same tensor seen as an image: (C, H, W)."""
    if sig.axes is not None and len(sig.axes) == 3:
        return Sig(*sig.axes, sig.stride)
    return sig


def _kind(value: Any) -> str:
    return "a tensor of the module's own" if isinstance(value, Held) else repr(value)
