"""One operator of an ONNX graph, and what is known of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from convsmith.nn.importer.calls import Call, Ref, Shape
from convsmith.spec.errors import ImportFailed


class Operator(NamedTuple):
    """One node of an ONNX graph: names of what it reads and makes, known shapes, and numbers of short constants."""

    word: str
    reads: tuple[str, ...]
    makes: tuple[str, ...]
    attributes: Mapping[str, Any]
    shapes: Mapping[str, Shape]
    numbers: Mapping[str, list[Any]]
    path: str
    leaf: bool = True

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, with bytes as text."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def read(self, index: int) -> Ref | None:
        """The name of an input, None where it is left out."""
        return Ref(self.reads[index]) if index < len(self.reads) and self.reads[index] else None

    def shape(self, index: int = 0) -> Shape:
        """The shape of an input. Raises ImportFailed where it is not known."""
        return self.known(self.reads[index])

    def list(self, index: int, name: str) -> list[Any] | None:
        """Numbers that are an attribute in older files and an input in newer ones."""
        value = self.attributes.get(name)
        if value is None and index < len(self.reads):
            value = self.numbers.get(self.reads[index])
        return None if value is None else list(value) if isinstance(value, list | tuple) else [value]

    def call(self, op: str, args: Mapping[str, Any], makes: str = "", shape: Shape | None = None) -> Call:
        """A call that makes this operator's (first) result."""
        name = makes or self.makes[0]
        return Call(op, args, Ref(name), self.known(name) if shape is None else shape, self.path, self.leaf)

    def known(self, name: str) -> Shape:
        """The shape of a value. Raises ImportFailed where it is not known."""
        if name not in self.shapes:
            raise ImportFailed(
                f"{self.path}: the shape of {name!r} cannot be inferred; export the model at a fixed size"
            )
        return self.shapes[name]


Rule = Callable[[Operator], list[Call]]
