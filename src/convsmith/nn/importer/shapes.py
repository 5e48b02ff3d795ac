"""Operations that only move numbers: flatten, permute, shuffle, slice, concatenate, and means over the image."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from convsmith.nn.importer.calls import Call
from convsmith.nn.importer.reader import At, Held, Padded, Pieces, Reader
from convsmith.spec.nodes.foreign import Foreign
from convsmith.spec.nodes.joins import Concat
from convsmith.spec.nodes.pool import PoolTo
from convsmith.spec.nodes.shape import ChannelsFirst, ChannelsLast, Flatten, Shuffle, Slice, ZeroChannels

CONCAT = Concat()


def same(r: Reader, call: Call) -> Any:
    """Contiguous, clone, detach, casts: the value itself."""
    return r.value(call, next(iter(call.args)))


def reshape(r: Reader, call: Call) -> At:
    """Flatten where an image becomes a vector; a channel shuffle where views come in that pattern."""
    at, shape = r.at(call, next(iter(call.args))), call.shape or ()
    if at.sig.shape == shape[1:] and shape[:1] == (1,):
        return at
    if len(shape) == 2 and shape[0] == 1 and at.sig.axes is None:
        return at if at.sig.flat else r.layer(call, Flatten, at)
    return _shuffled(r, call, at) or _moved(r, call, at, shape[1:])


def _shuffled(r: Reader, call: Call, at: At) -> At | None:
    """(C, H, W) as (g, C / g, H, W), the first two axes exchanged, and back: one row in place of three."""
    if len(r.rows) < 2 or at.row != len(r.rows) - 1 or len(call.shape or ()) != 4:
        return None
    first, second = r.rows[-2:]
    before = r.sig_of(first.inputs[0])
    groups = (first.facts.out.axes or (0,))[0]
    views = isinstance(first.node, Foreign) and isinstance(second.node, Foreign) and second.inputs == (at.row - 1,)
    turned = second.node.label in ("transpose", "permute")
    if not views or not turned or first.node.label != "reshape" or before.axes is not None:
        return None
    expected = (groups, before.channels // max(groups, 1), before.rows, before.cols)
    if first.facts.out.axes != expected or second.facts.out.axes != (expected[1], groups, *expected[2:]):
        return None
    if before.shape != (call.shape or ())[1:]:
        return None
    if not all(r.read_once(row) for row in (at.row - 1, at.row)):
        return None
    for row in r.rows[-2:]:
        r.paths.discard(row.path)
    del r.rows[-2:]
    return r.layer(call, Shuffle(groups), At(first.inputs[0], before))


def permute(r: Reader, call: Call) -> At:
    """Channels last or first where it is that, else the axes in another order."""
    at, dims = r.at(call, "self"), tuple(call.args.get("dims", ()))
    image = at.sig.axes is None and not at.sig.flat
    if image and dims == (0, 2, 3, 1) and not at.sig.last:
        return r.layer(call, ChannelsLast, at)
    if image and dims == (0, 3, 1, 2) and at.sig.last:
        return r.layer(call, ChannelsFirst, at)
    return _moved(r, call, at, tuple(int(v) for v in call.args.values() if isinstance(v, int)) or dims)


def mean(r: Reader, call: Call) -> At:
    """A mean (or maximum) over the image is global pooling; a sum, and other axes, are an operation an element."""
    at, dims = r.at(call, "self"), call.args.get("dim")
    dims = sorted(d % (len(at.sig.shape) + 1) for d in ([dims] if isinstance(dims, int) else dims or ()))
    image = at.sig.axes is None and not at.sig.flat and not at.sig.last
    if image and dims == [2, 3] and call.op != "sum":
        pooled = r.layer(call._replace(shape=None), PoolTo(1, "max" if call.op == "amax" else "avg"), at)
        return pooled if call.args.get("keepdim") else r.layer(call._replace(leaf=False), Flatten, pooled)
    return r.foreign(call, (at,), "pooling", ops=at.sig.elements)


def cat(r: Reader, call: Call) -> At:
    """Branches meet along the channels; along other axes something else does."""
    values = r.value(call, "tensors")
    ats = [r.settle(call, value) for value in values if isinstance(value, At | Padded)]
    held = [value for value in values if isinstance(value, Held)]
    plain = all(at.sig.axes is None and not at.sig.last for at in ats)
    if plain and not held and call.args.get("dim", 0) in (1, -3 if len(call.shape or ()) == 4 else -1):
        return r.join(call, CONCAT, ats)
    return r.foreign(call, ats, "shape", *held, setting=(call.args.get("dim", 0),))


def chunk(r: Reader, call: Call) -> Pieces:
    """Parts of the channels, taken when they are used."""
    at = r.at(call, "self")
    sizes = call.shapes
    equal = len(set(sizes)) == 1 and at.sig.axes is None and not at.sig.last
    along = call.args.get("dim", 0) == 1
    made = []
    for index, size in enumerate(sizes):
        one = call._replace(shape=size)
        if equal and along:
            made.append(r.layer(one, Slice(index, len(sizes)), at))
        else:
            made.append(r.foreign(one, (at,), "shape", setting=(index,), word="slice"))
    return Pieces(tuple(made))


def take(r: Reader, call: Call) -> At:
    """A slice: nothing where it takes all, a part of the channels where parts are equal."""
    at = r.at(call, "self")
    shape = (call.shape or ())[1:]
    if shape == at.sig.shape and (call.shape or (0,))[0] == 1:
        return at
    if call.op == "slice" and call.args.get("dim") == 1 and at.sig.axes is None and not at.sig.last:
        size, start = shape[0], call.args.get("start") or 0
        if at.sig.channels % size == 0 and start % size == 0 and call.args.get("step", 1) == 1:
            return r.layer(call, Slice(start // size, at.sig.channels // size), at)
    setting = tuple(v for name, v in call.args.items() if name != "self" and isinstance(v, int))
    return r.foreign(call, (at,), "shape", setting=setting)


def pad(r: Reader, call: Call) -> Any:
    """Zeros (or minus infinity) around the image, which the next layer takes for its own padding."""
    at, by = r.at(call, "self"), list(call.args["pad"])
    value = call.args.get("value")
    image = at.sig.axes is None and not at.sig.flat and not at.sig.last
    if image and call.args.get("mode", "constant") == "constant" and len(by) == 4:
        left, right, top, bottom = by
        return Padded(at, (top, bottom, left, right), 0.0 if value is None else float(value), call) if any(by) else at
    if image and value in (None, 0) and len(by) == 6 and not any(by[:5]) and by[5] > 0:
        return r.layer(call, ZeroChannels(at.sig.channels + by[5]), at)
    return r.foreign(call, (at,), "shape", setting=tuple(by))


def resize(r: Reader, call: Call) -> At:
    """Interpolation: one operation an element."""
    return r.foreign(call, (r.at(call, "input"),), "shape", ops=prod(call.shape or ()))


def moved(r: Reader, call: Call) -> At:
    """Any other rearrangement."""
    values = [r.value(call, name) for name in call.args]
    items = [item for value in values for item in (value if isinstance(value, list) else [value])]
    ats = [r.settle(call, item) for item in items if isinstance(item, At | Padded)]
    setting = tuple(item for item in items if isinstance(item, int | float | str))
    return r.foreign(call, ats, "shape", *[v for v in items if isinstance(v, Held)], setting=setting)


def pieces(r: Reader, call: Call) -> Pieces:
    """Unbind: each part a row."""
    at = r.at(call, "self")
    return Pieces(tuple(
        r.foreign(call._replace(shape=shape, leaf=False), (at,), "shape", setting=(index,))
        for index, shape in enumerate(call.shapes)
    ))  # fmt: skip


def nothing(r: Reader, call: Call) -> Held:
    """A check of torch's own, whose result nobody reads."""
    return Held((), ())


def constant(r: Reader, call: Call) -> Held:
    """A tensor of zeros or ones in the shape of another: none of the image's numbers are in it."""
    return Held((), call.shape or ())


def _moved(r: Reader, call: Call, at: At, setting: tuple[int, ...]) -> At:
    word = "reshape" if call.op in ("view", "reshape", "flatten", "unflatten", "_unsafe_view") else call.op
    return r.foreign(call, (at,), "shape", setting=setting, word=word)


CONSTANTS = ("new_zeros", "new_ones", "new_full", "new_empty", "zeros_like", "ones_like", "full_like", "empty_like")
SAME = ("contiguous", "clone", "detach", "alias", "to", "_to_copy", "lift_fresh_copy")
RESHAPES = ("view", "reshape", "reshape_as", "flatten", "_unsafe_view", "unflatten", "squeeze", "unsqueeze")
MOVED = (
    "roll", "expand", "repeat", "flip", "stack", "index", "gather", "index_select", "pixel_shuffle", "pixel_unshuffle",
    "im2col", "select", "expand_as", "repeat_interleave", "tile", "rot90", "as_strided", "unfold",
)  # fmt: skip
RESIZES = ("upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d", "_upsample_bilinear2d_aa")

SHAPES: dict[str, Callable[[Reader, Call], Any]] = {
    **dict.fromkeys(CONSTANTS, constant), **dict.fromkeys(SAME, same), **dict.fromkeys(RESHAPES, reshape),
    **dict.fromkeys(MOVED, moved), **dict.fromkeys(RESIZES, resize),
    **dict.fromkeys(("permute", "transpose", "swapaxes"), permute), **dict.fromkeys(("mean", "amax", "sum"), mean),
    **dict.fromkeys(("cat", "concat"), cat), **dict.fromkeys(("slice", "narrow"), take),
    **dict.fromkeys(("chunk", "split", "split_with_sizes", "tensor_split"), chunk),
    **dict.fromkeys(("pad", "constant_pad_nd"), pad), "unbind": pieces,
    "_assert_tensor_metadata": nothing,
}  # fmt: skip
