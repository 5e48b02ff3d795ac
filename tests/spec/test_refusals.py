"""Every refusal of a description, with its exact words: bad description -> message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from convsmith import build, spec
from convsmith.spec import (
    BACK,
    HERE,
    IN,
    Activation,
    AvgPool,
    Branches,
    Cell,
    Chain,
    Conv,
    ConvTranspose,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    Identity,
    Linear,
    LocalNorm,
    Network,
    Node,
    Norm,
    Pool,
    PoolTo,
    Rbf,
    Relu,
    Residual,
    Scale,
    Seq,
    ShapeError,
    Shuffle,
    Slice,
    SpecError,
    Split,
    Step,
    TableConv,
    Tap,
    Width,
    ZeroChannels,
    trace,
)
from convsmith.spec.head import with_classes
from convsmith.spec.nodes.joins import Add
from convsmith.spec.signature import Sig

SIZE = "must be an integer of at least 1, got"
ANY: Any = None  # wrong types are the point of this file


def seq(**children: Any) -> Callable[[], object]:
    return lambda: trace(Seq(**children), 32)


def nested(levels: int) -> Node:
    node: Node = Seq(Conv(3))
    for _ in range(levels):
        node = Chain(node)
    return node


VALUES: dict[str, tuple[Callable[[], object], str]] = {
    # sizes
    "no channels": (lambda: Conv(0), f"conv: out {SIZE} 0"),
    "negative kernel": (lambda: Conv(8, -3), f"conv: kernel {SIZE} -3"),
    "boolean stride": (lambda: Conv(8, 3, True), f"conv: stride {SIZE} True"),
    "fractional channels": (lambda: Conv(8.0), f"conv: out {SIZE} 8.0"),  # type: ignore[arg-type]
    "text": (lambda: Conv("8"), f"conv: out {SIZE} '8'"),  # type: ignore[arg-type]
    "zero in a pair": (lambda: Conv(8, (3, 0)), f"conv: kernel {SIZE} (3, 0)"),
    "three kernel sizes": (lambda: Conv(8, (3, 3, 3)), f"conv: kernel {SIZE} (3, 3, 3)"),  # type: ignore[arg-type]
    "a list for a pair": (lambda: Conv(8, [3, 3]), f"conv: kernel {SIZE} [3, 3]"),  # type: ignore[arg-type]
    "a pair of channels": (lambda: Conv((8, 8)), f"conv: out {SIZE} (8, 8)"),  # type: ignore[arg-type]
    "a relative kernel": (
        lambda: Conv(8, HERE), f"conv: kernel {SIZE} Width(of='here', times=1, divide=1, multiple=1)"  # type: ignore[arg-type]
    ),
    "no dilation": (lambda: Conv(8, 3, dilation=0), f"conv: dilation {SIZE} 0"),
    "no groups": (lambda: Conv(8, 3, groups=0), f"conv: groups {SIZE} 0"),
    "too large": (lambda: Linear(2**31), "linear: out must be at most 2147483647, got a number of 32 bits"),
    "far too large": (lambda: Conv(10**5000), "conv: out must be at most 2147483647, got a number of 16610 bits"),
    "no linear outputs": (lambda: Linear(0), f"linear: out {SIZE} 0"),
    "no codes": (lambda: Rbf(0), f"rbf: out {SIZE} 0"),
    "no shuffle groups": (lambda: Shuffle(0), f"shuffle: groups {SIZE} 0"),
    "no pool": (lambda: Pool(0), f"max_pool: kernel {SIZE} 0"),
    "no pool stride": (lambda: AvgPool(2, 0), f"avg_pool: stride {SIZE} 0"),
    "no divisor": (lambda: AvgPool(2, divisor=0), f"avg_pool: divisor {SIZE} 0"),
    "no pool target": (lambda: PoolTo((7, 0)), f"pool_to: size {SIZE} (7, 0)"),
    "no norm size": (lambda: LocalNorm(0), f"local_norm: size {SIZE} 0"),
    "a pair of maps": (lambda: LocalNorm((5, 5)), f"local_norm: size {SIZE} (5, 5)"),  # type: ignore[arg-type]
    "no zero channels": (lambda: ZeroChannels(0), f"zero_channels: to {SIZE} 0"),
    "no parts": (lambda: Slice(0, 0), f"slice: parts {SIZE} 0"),
    "part out of range": (lambda: Slice(2, 2), "slice: index must be between 0 and 1, got 2"),
    # padding
    "negative padding": (
        lambda: Conv(8, 3, pad=-1),
        'conv: pad must be an integer, (rows, cols) or (top, bottom, left, right) or "same", none of it '
        'negative, got -1',
    ),
    "unknown padding": (
        lambda: Conv(8, 3, pad="valid"),  # type: ignore[arg-type]
        'conv: pad must be an integer, (rows, cols) or (top, bottom, left, right) or "same", none of it '
        'negative, got \'valid\'',
    ),
    "three sides": (
        lambda: Conv(8, 3, pad=(1, 1, 1)),  # type: ignore[arg-type]
        'conv: pad must be an integer, (rows, cols) or (top, bottom, left, right) or "same", none of it '
        'negative, got (1, 1, 1)',
    ),
    "one side": (
        lambda: Conv(8, 3, pad=(1,)),  # type: ignore[arg-type]
        'conv: pad must be an integer, (rows, cols) or (top, bottom, left, right) or "same", none of it '
        'negative, got (1,)',
    ),
    "another word for the padding of a pool": (
        lambda: Pool(3, 2, "valid"),  # type: ignore[arg-type]
        'max_pool: pad must be an integer, (rows, cols) or "same", got \'valid\'',
    ),
    "four sides of a pool": (
        lambda: Pool(3, 2, (1, 1, 1, 1)),  # type: ignore[arg-type]
        'max_pool: pad must be an integer, (rows, cols) or "same", got (1, 1, 1, 1)',
    ),
    "no padding of a pool": (
        lambda: Pool(3, 2, ANY), 'max_pool: pad must be an integer, (rows, cols) or "same", got None'
    ),
    "padding over half the kernel": (
        lambda: Pool(3, 2, 2), "max_pool: pad must be at most half the kernel, got pad 2 with kernel 3"
    ),
    "four sides transposed": (
        lambda: ConvTranspose(4, 3, pad=(1, 1, 1, 1)),  # type: ignore[arg-type]
        "conv_transpose: pad and extra are an integer or (rows, cols), got (1, 1, 1, 1)",
    ),
    "same transposed": (
        lambda: ConvTranspose(4, 3, pad="same"),  # type: ignore[arg-type]
        "conv_transpose: pad and extra are an integer or (rows, cols), got 'same'",
    ),
    "negative extra": (
        lambda: ConvTranspose(4, 3, 2, extra=-1),
        "conv_transpose: pad must be an integer, (rows, cols) or (top, bottom, left, right), none of it "
        "negative, got -1",
    ),
    "extra row that no step reaches": (
        lambda: ConvTranspose(4, 3, 1, extra=1), "conv_transpose: extra must be below the stride or the dilation, got 1"
    ),
    # numbers, functions, tables
    "rate of one": (lambda: Dropout(1.0), "dropout: rate must be at least 0 and below 1, got 1.0"),
    "negative rate": (lambda: DropPath(-0.1), "drop_path: rate must be at least 0 and below 1, got -0.1"),
    "rate not a number": (lambda: Dropout(float("nan")), "dropout: rate must be at least 0 and below 1, got nan"),
    "boolean rate": (lambda: Dropout(False), "dropout: rate must be at least 0 and below 1, got False"),
    "eps of zero": (lambda: Norm(0.0), "norm: eps must be above 0 and momentum between 0 and 1, got 0.0, 0.1"),
    "momentum above one": (lambda: Norm(momentum=2), "norm: eps must be above 0 and momentum between 0 and 1, "
    "got 1e-05, 2"),
    "eps not finite": (lambda: Norm(float("inf")), "norm: eps must be a finite number, got inf"),
    "eps as text": (lambda: Norm("1e-5"), "norm: eps must be a finite number, got '1e-5'"),  # type: ignore[arg-type]
    "alpha not a number": (
        lambda: LocalNorm(5, float("nan")), "local_norm: alpha must be a finite number, got nan"
    ),
    "start not a number": (lambda: Scale(float("nan")), "scale: start must be a finite number, got nan"),
    "unknown activation": (
        lambda: Activation("relu7"),
        "activation: no function 'relu7'; did you mean 'relu'? (there are tanh, scaled_tanh, sigmoid, relu, relu6, "
        "leaky_relu, silu, hard_swish, hard_sigmoid, gelu, softmax)",
    ),
    "unknown pooling": (
        lambda: PoolTo(1, "sum"), "pool_to: how must be 'avg' or 'max', got 'sum'"  # type: ignore[arg-type]
    ),
    "empty table": (lambda: TableConv((), 3), "table_conv: each output map needs at least one input map, each "
    "named once"),
    "empty table row": (
        lambda: TableConv(((0,), ()), 3), "table_conv: each output map needs at least one input map, each named once"
    ),
    "input map twice": (
        lambda: TableConv(((0, 0),), 3), "table_conv: each output map needs at least one input map, each named once"
    ),
    "table that is a number": (
        lambda: TableConv(5, 3), "table_conv: each output map needs at least one input map, each named once"  # type: ignore[arg-type]
    ),
    "negative input map": (lambda: TableConv(((-1,),), 3), "table_conv: input maps are numbered from 0 by integers"),
    "fractional input map": (
        lambda: TableConv(((1.5,),), 3), "table_conv: input maps are numbered from 0 by integers"  # type: ignore[arg-type]
    ),
    # relative widths
    "width of nowhere": (
        lambda: Width("there"), "a relative width is of 'here', 'in' or 'back', not 'there'"  # type: ignore[arg-type]
    ),
    "width of nothing": (
        lambda: HERE * 0,
        "a relative width wants a finite times > 0 and whole divide and multiple >= 1, "
        "got Width(of='here', times=0, divide=1, multiple=1)",
    ),
    "width that is no number": (
        lambda: IN * float("nan"),
        "a relative width wants a finite times > 0 and whole divide and multiple >= 1, "
        "got Width(of='in', times=nan, divide=1, multiple=1)",
    ),
    "width divided by a fraction": (
        lambda: IN // 1.5,  # type: ignore[operator]
        "a relative width wants a finite times > 0 and whole divide and multiple >= 1, "
        "got Width(of='in', times=1, divide=1.5, multiple=1)",
    ),
    # composition
    "bare layer in a residual": (
        lambda: Residual(Conv(8)), "residual: a bare conv has no name here; write Seq(name=...) around it"
    ),
    "bare shortcut": (
        lambda: Residual(Seq(a=Conv(8)), Relu), "residual: a bare relu has no name here; write Seq(name=...) around it"
    ),
    "bare branch": (
        lambda: Branches(Seq(a=Conv(8)), Pool(2)), "branches: a bare max_pool has no name here; write "
        "Seq(name=...) around it"
    ),
    "bare part": (lambda: Split(Relu), "split: a bare relu has no name here; write Seq(name=...) around it"),
    "bare link": (lambda: Chain(Relu), "chain: a bare relu has no name here; write Seq(name=...) around it"),
    "empty chain": (lambda: Chain(), "chain: needs at least one part"),
    "bare gate": (lambda: Gate(PoolTo(1)), "gate: a bare avg_pool_to has no name here; write Seq(name=...) around it"),
    "a class for a body": (lambda: Residual(ANY), "residual: expected a node, got None"),
    "a number for after": (lambda: Residual(Seq(a=Conv(8)), after=ANY), "residual: expected a node, got None"),
    "a number for a head": (lambda: Tap(5), "tap: expected a node, got 5"),  # type: ignore[arg-type]
    "a number for a gate": (lambda: Gate(5), "gate: expected a node, got 5"),  # type: ignore[arg-type]
    "sometimes a shortcut": (
        lambda: Residual(Seq(a=Conv(8)), when="often"),  # type: ignore[arg-type]
        "residual: when is 'needed' or, with a shortcut, 'always', got 'often'",
    ),
    "always no shortcut": (
        lambda: Residual(Seq(a=Conv(8)), when="always"),
        "residual: when is 'needed' or, with a shortcut, 'always', got 'always'",
    ),
    "mixed children": (
        lambda: Seq(Conv(8), b=Relu, a=Relu), "seq: children are all numbered or all named, got 1 and ['a', 'b']"
    ),
    "a class for a layer": (
        lambda: Seq(ANY), "seq: child '0' is not a node but None; parameterless layers are values"
    ),
    "dotted name": (
        lambda: Seq(**{"a.b": Relu}), "seq: a name is one path segment, without dots, got 'a.b'"
    ),
    "empty name": (lambda: Seq(**{"": Relu}), "seq: a name is one path segment, without dots, got ''"),
    "no branch": (lambda: Branches(), "branches: needs at least one branch"),
    "no part of a split": (lambda: Split(), "split: needs at least one branch"),
    # cells
    "step without source": (
        lambda: Step(Identity), "cell: a step is a node, its sources and join 'add' or 'concat', got "
        "IdentityNode(), (), 'add'"
    ),
    "unknown join": (
        lambda: Step(Identity, "x", join="mul"),  # type: ignore[arg-type]
        "cell: a step is a node, its sources and join 'add' or 'concat', got IdentityNode(), ('x',), 'mul'",
    ),
    "cell without output": (
        lambda: Cell(out=(), a=Step(Identity, "x")), "cell: needs at least one input and one output"
    ),
    "layer for a step": (
        lambda: Cell(out=("a",), a=Relu),  # type: ignore[arg-type]
        "cell: 'a' is not a step but Activation(function='relu'); write Step(node, sources)",
    ),
    "inputs alike": (
        lambda: Cell(("x", "x"), out=("x",)), "cell: its inputs need different names, got ('x', 'x')"
    ),
    "unknown source": (
        lambda: Cell(("input",), out=("a",), a=Step(Identity, "inptu")),
        "cell: step 'a' reads 'inptu', not an input or earlier step; did you mean 'input'?",
    ),
    "later source": (
        lambda: Cell(out=("b",), a=Step(Identity, "b"), b=Step(Identity, "x")),
        "cell: step 'a' reads 'b', not an input or earlier step",
    ),
    "step named as an input": (
        lambda: Cell(out=("x",), x=Step(Identity, "x")), "cell: 'x' is taken or has a dot; a step's name is one "
        "new path segment"
    ),
    "unknown output": (
        lambda: Cell(out=("stepp",), step=Step(Identity, "x")), "cell: output 'stepp' is no step; did you mean 'step'?"
    ),
    "dead step": (
        lambda: Cell(out=("b",), a=Step(Identity, "x"), b=Step(Identity, "x")),
        "cell: nothing reads step 'a'; name it in out or remove it",
    ),
    # networks
    "network of no size": (lambda: Network(Seq(Relu), 0), f"side {SIZE} 0"),
    "network of three sides": (lambda: Network(Seq(Relu), (1, 2, 3)), f"side {SIZE} (1, 2, 3)"),  # type: ignore[arg-type]
    "network of a fraction": (lambda: Network(Seq(Relu), 32.0), f"side {SIZE} 32.0"),  # type: ignore[arg-type]
    "network of no channel": (lambda: Network(Seq(Relu), 32, 0), f"channels {SIZE} 0"),
    "network of no class": (lambda: Network(Seq(Relu), 32, classes=True), f"classes {SIZE} True"),
    "network without body": (lambda: Network("resnet50", 32), "a network's body is a node, got str"),  # type: ignore[arg-type]
    "unknown provenance": (
        lambda: Network(Seq(Relu), 32, provenance="me"),  # type: ignore[arg-type]
        "provenance is one of paper, torchvision, timm, own, got 'me'",
    ),
    "another head": (
        lambda: with_classes(Network(Seq(a=Conv(8), p=PoolTo(1), f=Flatten), 32, classes=10, name="mine"), 5),
        "mine does not end in a layer of 10 outputs, so its head cannot be replaced",
    ),
}  # fmt: skip

TRACES: dict[str, tuple[Callable[[], object], str]] = {
    "no size": (lambda: trace(Seq(Conv(8))), "a description without an input size needs side=, in pixels"),
    "size of zero": (lambda: trace(Seq(Conv(8)), 0), f"side {SIZE} 0"),
    "negative size": (lambda: trace(Seq(Conv(8)), (32, -1)), f"side {SIZE} (32, -1)"),
    "boolean size": (lambda: trace(Seq(Conv(8)), True), f"side {SIZE} True"),
    "fractional size": (lambda: trace(Seq(Conv(8)), 32.5), f"side {SIZE} 32.5"),  # type: ignore[arg-type]
    "size as text": (lambda: trace(Seq(Conv(8)), "a"), f"side {SIZE} 'a'"),  # type: ignore[arg-type]
    "no channels": (lambda: trace(Seq(Conv(8)), 32, 0), f"channels {SIZE} 0"),
    "no description": (lambda: trace(5, 32), "a description is a node or a network, got 5"),  # type: ignore[arg-type]
    "empty": (lambda: trace(Seq(), 32), "the description has no layer"),
    "nothing but identities": (lambda: trace(Seq(Identity), 32), "the description has no layer"),
    "too deep": (lambda: trace(nested(20_000), 8), "the description is nested too deeply"),
    "width IN outside a block": (
        seq(a=Conv(IN)),
        "a: width IN is only known inside a Residual, Branches, Split or Cell; write a number here",
    ),
    "width BACK outside a gate": (
        seq(a=Residual(Seq(b=Conv(BACK)))),
        "a.b: width BACK is only known inside a Gate; write a number here",
    ),
    "width beyond reason": (
        seq(a=Conv(HERE * 10**9)),
        "a: width HERE comes to more than 2147483647 channels here; use a smaller factor",
    ),
    "two layers of one path": (
        seq(a=Branches(Seq(b=Conv(8)), Seq(b=Conv(8)))),
        "a.b: two layers have this path; give the branches or layers different names",
    ),
    "a layer called add": (
        seq(a=Residual(Seq(add=Conv(3)))),
        "a.add: two layers have this path; give the branches or layers different names",
    ),
    "tap in a tap": (
        seq(aux=Tap(Seq(p=Flatten, inner=Tap(Linear(2))))),
        "aux.inner: an auxiliary head cannot stand inside another (aux)",
    ),
    "join in a sequence": (seq(a=Add()), "a: add joins branches and cannot stand in a sequence"),
    "cell of two inputs in a sequence": (
        seq(a=Cell(("x", "y"), out=("z",), z=Step(Identity, "x", "y"))),
        "a: a cell of 2 inputs stands in another cell's step only",
    ),
    "layer that is not resolved": (
        lambda: Conv(HERE).infer(Sig(3, 8, 8)),
        "width HERE was not resolved; trace the layer inside a network",
    ),
}

SHAPES: dict[str, tuple[Callable[[], object], str]] = {
    "groups of the input": (seq(a=Conv(8, groups=2)), "a: 3 channels to 8 do not divide into 2 groups"),
    "groups of the output": (seq(a=Conv(8, groups=3)), "a: 3 channels to 8 do not divide into 3 groups"),
    "groups transposed": (seq(a=ConvTranspose(8, 2, groups=3)), "a: 3 channels to 8 do not divide into 3 groups"),
    "linear on an image": (
        seq(a=Linear(10)),
        "a: a linear layer wants a flat vector, got an image of 3×32×32; put Flatten before it",
    ),
    "codes on an image": (
        seq(a=Rbf(10)),
        "a: a radial-basis layer wants a flat vector, got an image of 3×32×32; put Flatten before it",
    ),
    "convolution on a vector": (seq(f=Flatten, a=Conv(8)), "a: a window wants an image, got a flat vector of 3072"),
    "transposed on a vector": (
        seq(f=Flatten, a=ConvTranspose(8, 2)),
        "a: a transposed convolution wants an image, got a flat vector of 3072",
    ),
    "pool on a vector": (seq(f=Flatten, a=Pool(2)), "a: a window wants an image, got a flat vector of 3072"),
    "pool to on a vector": (seq(f=Flatten, a=PoolTo(2)), "a: pooling wants an image, got a flat vector of 3072"),
    "local norm on a vector": (
        seq(f=Flatten, a=LocalNorm()),
        "a: local normalisation wants an image, got a flat vector of 3072",
    ),
    "shuffle on a vector": (
        seq(f=Flatten, a=Shuffle(2)),
        "a: channel shuffle wants an image, got a flat vector of 3072",
    ),
    "shuffle groups": (seq(a=Shuffle(2)), "a: 3 channels do not divide into 2 groups to shuffle"),
    "unequal parts": (seq(a=Split(Identity, Identity)), "a.part0: 3 channels do not split into 2 equal parts"),
    "fewer channels": (seq(a=ZeroChannels(2)), "a: zero channels can only be added: 3 enter, 2 are wanted"),
    "table beyond the maps": (
        seq(a=TableConv(((3,),), 3)),
        "a: the connection table names input map 3, but only 3 maps enter",
    ),
    "padding eats a transposed image": (
        lambda: trace(Seq(a=ConvTranspose(8, 1, pad=1)), 2),
        "a: padding of 1×1 leaves nothing of a 2×2 image",
    ),
    "branches of two sizes": (
        seq(mix=Branches(Seq(a=Conv(8)), Seq(b=Conv(8, 3, 2)))),
        "mix: cannot concatenate 8×32×32 and 8×16×16; give every branch the same stride and padding",
    ),
    "branches of image and vector": (
        seq(mix=Branches(Seq(a=Conv(8)), Seq(b=Flatten))),
        "mix: cannot concatenate 8×32×32 and 3072; give every branch the same stride and padding",
    ),
    "residual of two sizes": (
        seq(layer3=Seq(Residual(Seq(conv=Conv(8, 3, 2)), Seq(down=Conv(8))))),
        "layer3.0: cannot add 8×16×16 and 8×32×32; branches end at 16×16 and 32×32: give both the same stride "
        "and padding",
    ),
    "residual that loses its edge": (
        seq(a=Residual(Seq(conv=Conv(3, 3, pad=0)))),
        "a: cannot add 3×30×30 and 3×32×32; branches end at 30×30 and 32×32: give both the same stride and padding",
    ),
    "residual of two widths": (
        seq(a=Residual(Seq(conv=Conv(8)), Seq(down=Conv(6)))),
        "a: cannot add 8×32×32 and 6×32×32; give the shortcut a projection to 8 channels",
    ),
    "gate of other channels": (
        seq(se=Gate(Seq(p=PoolTo(1), c=Conv(4)))),
        "se: a gate of 4×1×1 cannot scale 3×32×32; end it with Conv(BACK)",
    ),
    "gate of another size": (
        seq(se=Gate(Seq(p=PoolTo(2)))),
        "se: a gate of 3×2×2 cannot scale 3×32×32; end it with Conv(BACK)",
    ),
    "cell of two widths": (
        seq(c=Cell(out=("z",), a=Step(Conv(4), "x"), z=Step(Identity, "a", "x"))),
        "c: cannot add 4×32×32 and 3×32×32; give the shortcut a projection to 4 channels",
    ),
    # too small: the layer and the smallest side that works
    "too small for the window": (
        lambda: trace(Seq(a=Conv(8, 5, pad=0)), 3),
        "a: the image is too small: 3×3 here, below the window of 5×5 (3×3 at the input; the smallest side that "
        "works is 5)",
    ),
    "too small when dilated": (
        lambda: trace(Seq(a=Conv(8, 3, pad=0, dilation=4)), 8),
        "a: the image is too small: 8×8 here, below the window of 3×3 (dilation 4) "
        "(8×8 at the input; the smallest side that works is 9)",
    ),
    "too narrow": (
        lambda: trace(Seq(a=Pool(2), b=Pool(2)), (16, 3)),
        "b: the image is too small: 8×1 here, below the window of 2×2 (16×3 at the input; the smallest side "
        "that works is 4)",
    ),
    "too small for lenet": (
        lambda: trace(spec("lenet5"), 12),
        "conv2: the image is too small: 4×4 here, below the window of 5×5 "
        "(12×12 at the input; the smallest side that works is 16)",
    ),
    "too small for alexnet": (
        lambda: trace(spec("alexnet"), 32),
        "features.12: the image is too small: 1×1 here, below the window of 3×3 "
        "(32×32 at the input; the smallest side that works is 63)",
    ),
    "too small for vgg": (
        lambda: trace(spec("vgg16"), 16),
        "features.30: the image is too small: 1×1 here, below the window of 2×2 "
        "(16×16 at the input; the smallest side that works is 32)",
    ),
    "never large enough": (
        lambda: trace(Seq(p=PoolTo(1), a=Conv(8, 3, pad=0)), 32),
        "a: the image is too small: 1×1 here, below the window of 3×3 (32×32 at the input; no image size works)",
    ),
}

ZOO: dict[str, tuple[Callable[[], object], str]] = {
    "no depth": (
        lambda: spec("resnet50", depth=49),
        "resnet: depth is one of [18, 34, 50, 101, 152] and stride_in '3x3' or '1x1', got 49, '3x3'",
    ),
    "no stride": (
        lambda: spec("resnet50", stride_in="5x5"),
        "resnet: depth is one of [18, 34, 50, 101, 152] and stride_in '3x3' or '1x1', got 50, '5x5'",
    ),
    "no shortcut": (
        lambda: spec("resnet34", shortcut="D"), "shortcut is 'A', 'B', 'C' or 'none', got 'D'"
    ),
    "no width": (lambda: spec("resnet18", width=0), f"conv: out {SIZE} 0"),
    "no lenet width": (lambda: spec("lenet5", width=-1), "lenet5: width must be above 0, got -1"),
    "no vgg width": (lambda: spec("vgg16", width=0), "vgg: width must be above 0, got 0"),
    "cifar depth": (
        lambda: spec("resnet20", depth=21), "resnet_cifar: depth is 6n + 2 (8, 14, 20, ...), got 21"
    ),
    "depth as text": (
        lambda: spec("resnet20", depth="x"),
        "resnet20: {'depth': 'x'} cannot be ('<' not supported between instances of 'str' and 'int')",
    ),
    "no classes": (lambda: spec("resnet18", classes=0), f"classes {SIZE} 0"),
    "rate of one": (lambda: spec("alexnet", rate=1), "dropout: rate must be at least 0 and below 1, got 1"),
}  # fmt: skip

BUILDS: dict[str, tuple[Callable[[], object], str]] = {
    "a name of torch's": (
        lambda: build(Network(Seq(block=Seq(Residual(Seq(type=Conv(3))))), 8)),
        "block.0: torch's modules use the name 'type'; choose another",
    ),
    "a name of ours": (
        lambda: build(Network(Seq(network=Conv(3)), 8)), "network: torch's modules use the name 'network'; "
        "choose another"
    ),
    "a layer above layers": (
        lambda: build(Network(Branches(Seq(a=Conv(3)), Seq(a=Seq(b=Conv(3)))), 8)),
        "a: one layer has this path and others lie below it; give them different names",
    ),
    "interleaved layers": (
        lambda: build(Network(Branches(Seq(a=Seq(x=Conv(3))), Seq(b=Conv(3)), Seq(a=Seq(y=Conv(3)))), 8)),
        "network: the layers of 'a' are interleaved with others and make no module",
    ),
    "no size": (lambda: build("lenet5", side=0), f"side {SIZE} 0"),
    "no channels": (lambda: build("lenet5", channels=-1), f"channels {SIZE} -1"),
    "no classes": (lambda: build("lenet5", classes=0), f"classes {SIZE} 0"),
}  # fmt: skip


def check(call: Callable[[], object], kind: type[SpecError], message: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_cannot_be_is_refused_when_it_is_written(name: str) -> None:
    check(VALUES[name][0], SpecError, VALUES[name][1])


@pytest.mark.parametrize("name", TRACES)
def test_a_description_that_cannot_be_traced_is_refused(name: str) -> None:
    check(TRACES[name][0], SpecError, TRACES[name][1])


@pytest.mark.parametrize("name", SHAPES)
def test_sizes_that_do_not_meet_are_named_with_the_layers_path(name: str) -> None:
    check(SHAPES[name][0], ShapeError, SHAPES[name][1])


@pytest.mark.parametrize("name", ZOO)
def test_an_option_that_cannot_be_is_refused(name: str) -> None:
    check(ZOO[name][0], SpecError, ZOO[name][1])


@pytest.mark.parametrize("name", BUILDS)
def test_a_description_that_makes_no_module_is_refused(name: str) -> None:
    check(BUILDS[name][0], SpecError, BUILDS[name][1])


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "vgg16", "alexnet_2012"])
def test_the_smallest_side_that_works_works_and_one_less_does_not(name: str) -> None:
    with pytest.raises(ShapeError, match="the smallest side that works is") as caught:
        trace(spec(name), 4)
    least = int(str(caught.value).rpartition(" ")[2].rstrip(")"))
    assert trace(spec(name), least).rows
    with pytest.raises(ShapeError, match=f"the smallest side that works is {least}"):
        trace(spec(name), least - 1)
