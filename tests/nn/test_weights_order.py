"""Names moved by order: one to one in number, order, shape and last part, or the first place where the two part."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from convsmith import build
from convsmith.nn import Net
from convsmith.nn.weights import by_order
from convsmith.spec import Conv, Flatten, Linear, Network, Norm, PoolTo, Relu, Residual, Seq, WeightsError

pytestmark = pytest.mark.usefixtures("one_thread")

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def net() -> Net:
    block = Residual(Seq(conv=Conv(6, 3), norm=Norm()), after=Relu)
    body = Seq(stem=Conv(6, 3), block=block, pool=PoolTo(1), flatten=Flatten, fc=Linear(4))
    return build(Network(body, 8, classes=4, name="small"), seed=1)


@pytest.fixture
def theirs(net: Net) -> State:
    """The same tensors under another library's names."""
    return {f"_layer.{i}.{key.rpartition('.')[2]}": t for i, (key, t) in enumerate(net.state_dict().items())}


def parts(state: State, net: Net, *free: str) -> str:
    with pytest.raises(WeightsError) as caught:
        by_order(state, net, free)
    return str(caught.value)


def swapped(state: State, a: int, b: int) -> State:
    items = list(state.items())
    items[a], items[b] = items[b], items[a]
    return dict(items)


def test_every_tensor_gets_our_name(net: Net, theirs: State) -> None:
    moved = by_order(theirs, net)
    assert list(moved) == list(net.state_dict())
    assert all(torch.equal(tensor, net.state_dict()[key]) for key, tensor in moved.items())


def test_the_first_place_where_shapes_part_is_named(net: Net, theirs: State) -> None:
    theirs["_layer.2.weight"] = torch.zeros(6, 7, 3, 3)
    assert parts(theirs, net) == (
        "tensor 3 is _layer.2.weight [6, 7, 3, 3], but in small it is block.conv.weight [6, 6, 3, 3]: these are "
        "another network's"
    )


def test_equal_shapes_with_other_last_parts_are_told_apart(net: Net, theirs: State) -> None:
    assert parts(swapped(theirs, 4, 5), net) == (  # the norm's weight and bias are both [6]
        "tensor 5 is _layer.5.bias [6], but in small it is block.norm.weight [6]: these are another network's"
    )


def test_one_tensor_too_few_or_too_many_is_named(net: Net, theirs: State) -> None:
    last = list(theirs)[-1]
    assert parts({k: t for k, t in theirs.items() if k != last}, net) == (
        "10 tensors for the 11 of small: fc.bias is left over; these are another network's"
    )
    assert parts(theirs | {"more.weight": torch.zeros(1)}, net) == (
        "12 tensors for the 11 of small: more.weight is left over; these are another network's"
    )
    assert "11 of small: stem.weight is left over" in parts({}, net)


def test_only_shapes_that_are_free_may_differ(net: Net, theirs: State) -> None:
    weight, bias = list(theirs)[-2:]
    theirs |= {weight: torch.zeros(9, 6), bias: torch.zeros(9)}
    assert by_order(theirs, net, ("fc.weight", "fc.bias"))["fc.weight"].shape == (9, 6)
    assert f"but in small it is {'fc.bias'} [4]" in parts(theirs, net, "fc.weight")
    theirs[weight] = torch.zeros(9)
    assert "but in small it is fc.weight [4, 6]" in parts(theirs, net, "fc.weight", "fc.bias")
