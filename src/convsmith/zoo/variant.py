"""A variant: a named setting of an architecture, with where it comes from and where it departs from the paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from convsmith.spec.errors import SpecError, UnknownName, nearest
from convsmith.spec.network import Network, Provenance
from convsmith.spec.node import Node
from convsmith.spec.signature import positive_size


@dataclass(frozen=True)
class Variant:
    """`build(classes=..., **options)` gives the body. `weights` is the enum of torchvision that holds trained weights.

    `departs` says where this form parts from the paper; `remarks` are shown under its cost table. A `part` is a layer
    or module of a network, or a generator: it puts out an image, and its `classes` are the channels of that.
    """

    build: Callable[..., Node]
    options: Mapping[str, Any] = field(default_factory=dict)
    side: int = 224
    channels: int = 3
    classes: int = 1000
    provenance: Provenance = "paper"
    paper: str = ""
    year: int = 0
    init: str = "torch"
    weights: str | None = None
    departs: str = ""
    remarks: tuple[str, ...] = ()
    part: bool = False

    def network(self, name: str, classes: int | None = None, **options: Any) -> Network:
        """This variant as a network. Raises UnknownName for an option that the architecture does not have."""
        known = self.build.__code__.co_varnames[
            : self.build.__code__.co_argcount + self.build.__code__.co_kwonlyargcount
        ]
        for option in options:
            if option not in known:
                others = [k for k in known if k != "classes"]
                raise UnknownName(
                    f"{name} has no option {option!r}{nearest(option, known)} (it has {', '.join(others)})"
                )
        classes = positive_size("classes", self.classes if classes is None else classes)
        try:
            body = self.build(classes=classes, **{**self.options, **options})
        except (TypeError, ValueError, OverflowError) as error:
            raise SpecError(f"{name}: {options} cannot be ({error})") from None
        provenance = "own" if any(self.options.get(k) != v for k, v in options.items()) else self.provenance
        return Network(body, self.side, self.channels, classes, name, provenance, self.init)
