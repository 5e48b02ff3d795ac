"""What claims about single layers are computed with: pure functions that trace small descriptions, without biases."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

from convsmith.spec import Conv, Flatten, Graph, Linear, Node, Seq, ShapeError, trace
from convsmith.views.cost import cost
from convsmith.views.receptive_field import receptive_field
from convsmith.zoo import spec
from convsmith.zoo.blocks import conv

WIDTH, SIDE = 64, 56
"""Channels and side at which layers are compared where the claim gives none."""


def stack(kernel: int, times: int) -> Graph:
    """`times` convolutions of k x k behind one another, on as many channels throughout."""
    return trace(Seq(*[conv(WIDTH, kernel)] * times), SIDE, WIDTH)


def weights_over_squared_width(*stacks: tuple[int, int]) -> tuple[Fraction, ...]:
    """Weights of stacks (kernel, times), in units of D^2 for D channels in and out."""
    return tuple(Fraction(cost(stack(*one)).params, WIDTH**2) for one in stacks)


def weights_ratio(stack_a: tuple[int, int], stack_b: tuple[int, int]) -> tuple[Fraction]:
    """Weights of one stack (kernel, times) over those of another on as many channels."""
    return (Fraction(cost(stack(*stack_a)).params, cost(stack(*stack_b)).params),)


def stack_macs_ratio(stack_a: tuple[int, int], stack_b: tuple[int, int]) -> tuple[Fraction]:
    """MACs of one stack (kernel, times) over those of another on as large maps."""
    return (Fraction(cost(stack(*stack_a)).macs, cost(stack(*stack_b)).macs),)


def stack_fields(*stacks: tuple[int, int]) -> tuple[int, ...]:
    """Side of the receptive field of stacks (kernel, times), in pixels."""
    return tuple(receptive_field(stack(*one))[-1].rows.size for one in stacks)


def reduced_fields(kernel: int) -> tuple[int, int]:
    """Receptive fields of a k x k, and of the same behind a 1x1."""
    both = (Seq(conv(WIDTH, kernel)), Seq(conv(WIDTH // 4), conv(WIDTH, kernel)))
    alone, behind = (receptive_field(trace(body, SIDE, WIDTH))[-1].rows.size for body in both)
    return alone, behind


def saved_by_reduction(kernel: int, width: int, reduced: int) -> tuple[Fraction]:
    """Share of the weights of a k x k, width to width, that a 1x1 to `reduced` channels before it saves."""
    bodies: tuple[Node, Node] = (Seq(conv(width, kernel)), Seq(conv(reduced), conv(width, kernel)))
    alone, behind = (cost(trace(body, SIDE, width)).params for body in bodies)
    return (1 - Fraction(behind, alone),)


def linear_weights(inputs: int, outputs: int) -> tuple[int]:
    """Weights of a linear layer."""
    return (cost(trace(Seq(Flatten, Linear(outputs, bias=False)), 1, inputs)).params,)


def convolution_weights(inputs: int, outputs: int) -> tuple[int]:
    """Weights of the 1x1 convolution that stands for a linear layer: as many channels enter as numbers did."""
    return (cost(trace(Seq(conv(outputs)), 1, inputs)).params,)


def convolution_over_linear(inputs: int, outputs: int) -> tuple[Fraction]:
    """Weights of that 1x1 convolution over those of the linear layer."""
    return (Fraction(convolution_weights(inputs, outputs)[0], linear_weights(inputs, outputs)[0]),)


def plain_macs(kernel: int, inputs: int, side: int, outputs: int) -> tuple[int]:
    """MACs of a convolution whose maps stay `side` x `side`."""
    return (cost(trace(Seq(conv(outputs, kernel)), side, inputs)).macs,)


def output_sides(side: int, kernel: int, pad: int, *strides: int) -> tuple[int, ...]:
    """Sides of a convolution's maps with each stride."""
    return tuple(trace(Seq(Conv(1, kernel, stride, pad)), side, 1).rows[0].out.rows for stride in strides)


def size_formula_agrees() -> tuple[Fraction]:
    """Share of settings (n to 32, f to 7, p to 3, s to 4, f within the padded n) whose traced side is the formula's."""
    cases = agree = 0
    for side, kernel, pad, stride in product(range(1, 33), range(1, 8), range(4), range(1, 5)):
        try:
            traced = output_sides(side, kernel, pad, stride)[0]
        except ShapeError:  # the kernel is larger than the padded image
            traced = None
        if traced is not None or kernel <= side + 2 * pad:
            cases += 1
            agree += traced == (side + 2 * pad - kernel) // stride + 1
    return (Fraction(agree, cases),)


def separable_share(inputs: int, outputs: int, kernel: int) -> tuple[Fraction]:
    """MACs of a depthwise separable convolution over those of a full one."""
    apart, full = (
        cost(trace(spec(name, outputs, kernel=kernel), None, inputs)).macs
        for name in ("layer_separable", "layer_plain")
    )
    return (Fraction(apart, full),)


def next_stage(width: int, side: int) -> tuple[Fraction, Fraction, Fraction]:
    """MACs, output values and weights of a 3x3 with twice the channels on half the side, over those before pooling."""
    before, after = (cost(trace(Seq(conv(w, 3)), s, w)) for w, s in ((width, side), (2 * width, side // 2)))
    return (
        Fraction(after.macs, before.macs),
        Fraction(after.activations, before.activations),
        Fraction(after.params, before.params),
    )


def bottleneck_macs_ratio(width: int) -> tuple[Fraction]:
    """MACs of a bottleneck on 4 * `width` channels over those of two 3x3 on `width`."""
    narrow, wide = spec("layer_basic", width), spec("layer_bottleneck", 4 * width)
    return (Fraction(cost(trace(wide, SIDE, 4 * width)).macs, cost(trace(narrow, SIDE, width)).macs),)
