"""Products of matrices that are activations both: attention and its kin."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from convsmith.nn.importer.calls import Call
from convsmith.nn.importer.reader import At, Held, Padded, Reader
from convsmith.spec.errors import ImportFailed


def matmul(r: Reader, call: Call) -> At:
    """a b: as many MACs as elements come out, times the inner size."""
    names = [name for name in call.args if isinstance(r.value(call, name), At | Padded | Held)]
    values = [r.value(call, name) for name in names]
    inner = r.sizes[call.args[names[-2]]][-1]
    return _product(r, call, values, prod(call.shape or ()) * inner)


def attention(r: Reader, call: Call) -> At:
    """softmax(q k^T) v: both products."""
    q, k, v = (r.sizes[call.args[name]] for name in ("query", "key", "value"))
    heads = prod(q[:-2])
    values = [r.value(call, name) for name in ("query", "key", "value", "attn_mask")]
    macs = heads * q[-2] * k[-2] * (q[-1] + v[-1])
    return _product(r, call, values, macs, ops=heads * q[-2] * k[-2])


def einsum(r: Reader, call: Call) -> At:
    """Two operands: as many MACs as there are values of all indices together."""
    values = r.value(call, "tensors")
    shapes = [r.sizes[ref] for ref in call.args["tensors"]]
    names = str(call.args["equation"]).replace(" ", "").partition("->")[0].split(",")
    if len(shapes) != 2 or "..." in names[0] + names[1]:
        raise ImportFailed(f"{call.path}: einsum {call.args['equation']!r} has no rule; write it as matmul")
    sizes = {
        name: int(size)
        for word, shape in zip(names, shapes, strict=True)
        for name, size in zip(word, shape, strict=True)
    }
    return _product(r, call, values, prod(sizes.values()))


def _product(r: Reader, call: Call, values: list[Any], macs: int, ops: int = 0) -> At:
    ats = [r.settle(call, value) for value in values if isinstance(value, At | Padded)]
    return r.foreign(call, ats, "linear", *[v for v in values if isinstance(v, Held)], macs=macs, ops=ops)


MIXING: dict[str, Callable[[Reader, Call], Any]] = {
    **dict.fromkeys(("matmul", "bmm", "mm"), matmul), "scaled_dot_product_attention": attention, "einsum": einsum,
}  # fmt: skip
