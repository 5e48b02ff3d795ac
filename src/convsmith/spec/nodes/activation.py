"""Activation functions. They have no parameters, so they are values: `Relu`, not `Relu()`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convsmith.spec.errors import ShapeError, SpecError, nearest
from convsmith.spec.node import Category, Facts, Layer, Torch
from convsmith.spec.signature import Sig

FUNCTIONS: dict[str, Torch] = {
    "tanh": Torch("Tanh", {}),
    "scaled_tanh": Torch("ScaledTanh", {}),  # 1.7159 tanh(2x / 3): LeCun et al. 1998, Eq. 6 and appendix A
    "sigmoid": Torch("Sigmoid", {}),
    "relu": Torch("ReLU", {}),
    "relu6": Torch("ReLU6", {}),
    "leaky_relu": Torch("LeakyReLU", {"negative_slope": 0.2}),
    "silu": Torch("SiLU", {}),
    "hard_swish": Torch("Hardswish", {}),
    "hard_sigmoid": Torch("Hardsigmoid", {}),
    "gelu": Torch("GELU", {}),
    "softmax": Torch("Softmax", {"dim": 1}),
}

_new = tuple.__new__  # half the time of a named tuple's constructor


@dataclass(frozen=True)
class Activation(Layer):
    """One of `FUNCTIONS`, element by element (softmax: over the channels). Counted as one operation per element."""

    function: str
    kind: ClassVar[str] = "activation"
    category: ClassVar[Category] = "activation"

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            hint = nearest(str(self.function), FUNCTIONS)
            raise SpecError(f"activation: no function {self.function!r}{hint} (there are {', '.join(FUNCTIONS)})")

    @property
    def label(self) -> str:
        return self.function

    def infer(self, sig: Sig) -> Facts:
        if self.function == "softmax" and sig.last:
            raise ShapeError(f"softmax wants channels first, got {sig}; put ChannelsFirst before it")
        elements = sig[0] * sig[1] * sig[2]
        return _new(Facts, (sig, elements, 0, elements, 0, 0, None, (sig,)))

    def torch(self, sig: Sig) -> Torch:
        return FUNCTIONS[self.function]


Tanh, ScaledTanh, Sigmoid = Activation("tanh"), Activation("scaled_tanh"), Activation("sigmoid")
Relu, Relu6, LeakyRelu = Activation("relu"), Activation("relu6"), Activation("leaky_relu")
Silu, HardSwish, HardSigmoid = Activation("silu"), Activation("hard_swish"), Activation("hard_sigmoid")
Gelu, Softmax = Activation("gelu"), Activation("softmax")

NODES = (Activation,)
