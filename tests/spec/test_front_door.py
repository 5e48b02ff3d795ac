"""What `import convsmith` offers and what it costs."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import convsmith
from convsmith.spec import Conv, Relu, Seq, SpecError, UnknownName

HEAVY = ("torch", "torchvision", "numpy", "typer", "rich", "PIL")


def test_the_names_of_the_front_door_are_these() -> None:
    assert convsmith.__all__ == [
        "ConvsmithError", "build", "cost", "from_torch", "names", "receptive_field", "sheet", "spec", "trace"
    ]  # fmt: skip
    assert all(callable(getattr(convsmith, name)) for name in convsmith.__all__)


def test_importing_and_describing_loads_the_standard_library_alone(python: Callable[..., str]) -> None:
    code = f"""
import sys, json, convsmith
from convsmith.views import describe, table
graph = convsmith.trace("resnet50")
text = table(describe(convsmith.spec("resnet50"), graph))
print(json.dumps([convsmith.cost(graph).macs, [name for name in {HEAVY} if name in sys.modules]]))
"""
    assert json.loads(python(code)) == [4_089_184_256, []]


def test_torch_is_imported_when_build_is_first_used(python: Callable[..., str]) -> None:
    code = "import sys, convsmith; a = 'torch' in sys.modules; convsmith.build; print(a, 'torch' in sys.modules)"
    assert python(code).split() == ["False", "True"]


def test_a_module_and_a_function_may_share_the_name_spec(python: Callable[..., str]) -> None:
    code = (
        "import convsmith.spec.trace, convsmith; print(convsmith.spec('lenet5').name, convsmith.trace('lenet5').name)"
    )
    assert python(code).split() == ["lenet5", "lenet5"]


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'convsmith' has no attribute 'bild'"):
        convsmith.bild  # noqa: B018 - the access is the test


@pytest.mark.parametrize(("call", "message"), [
    (lambda: convsmith.spec("resnet5"), "no network is called 'resnet5'; did you mean 'resnet56'? (`convsmith "
    "list` shows all)"),
    (lambda: convsmith.trace("Lenet5"), "no network is called 'Lenet5'; did you mean 'lenet5'? (`convsmith "
    "list` shows all)"),
    (lambda: convsmith.build("vgg16bn"), "no network is called 'vgg16bn'; did you mean 'vgg16_bn'? (`convsmith "
    "list` shows all)"),
    (lambda: convsmith.spec("qqqq"), "no network is called 'qqqq' (`convsmith list` shows all)"),
    (lambda: convsmith.spec("resnet50", shortcuts="A"),
     "resnet50 has no option 'shortcuts'; did you mean 'shortcut'? (it has depth, shortcut, stride_in, width)"),
    (lambda: convsmith.spec("lenet5", clases=3), "lenet5 has no option 'clases'; did you mean 'classes'? (it "
    "has width)"),
    (lambda: convsmith.spec("vgg_d", column="F"), "VGG has no column 'F' (Table 1 has A, A-LRN, B, C, D, E)"),
    (lambda: convsmith.spec("vgg_d", column="A-LR"),
     "VGG has no column 'A-LR'; did you mean 'A-LRN'? (Table 1 has A, A-LRN, B, C, D, E)"),
])  # fmt: skip
def test_an_unknown_name_offers_the_nearest(call: Callable[[], object], message: str) -> None:
    with pytest.raises(UnknownName) as caught:
        call()
    assert str(caught.value) == message


def test_a_network_is_taken_by_name_or_as_a_description() -> None:
    named = convsmith.trace("lenet5")
    assert convsmith.trace(convsmith.spec("lenet5")) == named
    assert convsmith.trace(Seq(Conv(8, 3, 2), Relu), 32).rows[1].out.shape == (8, 16, 16)
    assert convsmith.trace("lenet5", side=36).rows[0].out.shape == (6, 32, 32)
    assert convsmith.receptive_field(named)[0].size == (5, 5)
    assert convsmith.cost(named).params == 61_706


def test_every_refusal_of_a_description_is_one_kind_of_error() -> None:
    assert issubclass(UnknownName, SpecError)
    assert issubclass(SpecError, convsmith.ConvsmithError)
    with pytest.raises(convsmith.ConvsmithError, match="needs side="):
        convsmith.trace(Seq(Conv(8)))
