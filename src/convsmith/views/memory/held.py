"""A tally of what is alive: tensors by key, each counted once however many hold it."""

from __future__ import annotations

from collections.abc import Hashable

from convsmith.views.memory.rules import Bytes


class Held:
    """Tensors with the number of their holders; `fixed` and `image` are the bytes of all that have one."""

    def __init__(self) -> None:
        self.fixed = self.image = 0
        self._holders: dict[Hashable, int] = {}
        self._sizes: dict[Hashable, Bytes] = {}

    def hold(self, key: Hashable, size: Bytes) -> None:
        """One more holder; `size` counts with the first."""
        self._holders[key] = self._holders.get(key, 0) + 1
        if self._holders[key] == 1:
            self._sizes[key] = size
            self.fixed += size.fixed
            self.image += size.image

    def drop(self, key: Hashable) -> None:
        """One holder fewer; the last one frees the tensor."""
        self._holders[key] -= 1
        if not self._holders[key]:
            size = self._sizes.pop(key)
            del self._holders[key]
            self.fixed -= size.fixed
            self.image -= size.image

    def holders(self, key: Hashable) -> int:
        """How many hold it."""
        return self._holders.get(key, 0)
