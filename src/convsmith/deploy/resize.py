"""`Preprocess.resize` as an ONNX graph, for images of any size.

ONNX has a Resize with antialiasing, but ONNX Runtime's (1.32) is up to 15 grey levels from torch's (2.14) when it
shrinks an image of noise by a factor that is not whole. A linear resize is two matrix products, though, and a crop is
a choice of rows of the two matrices:

    pixels = R image C^T,    r_oi = max(0, 1 - |i + 1/2 - (o + 1/2) s| / max(1, s)) / (the sum over i)

for output row o of the crop, input row i and s = input size / output size; C likewise along the columns. Written with
elementary operations in torch's own precision, it agrees with torch to 2e-4 of a grey level in ONNX Runtime and in
ONNX's reference runtime (tests/deploy/test_resize.py), and where the size already fits both matrices are the identity.
The price: the products are dense, side x H x W MACs a channel for the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convsmith.data.preprocess import Preprocess
from convsmith.deploy.extra import need

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18

# sizes as in `cover`: all integers, rounded half up; `//` on positive numbers is ONNX's Div
GRAPH = """
<ir_version: {ir_version}, opset_import: ["": {opset}]>
resize (uint8[N, {channels}, H, W] image) => (float[N, {channels}, {side}, {side}] pixels) {{
    resize_0 = Constant <value = int64 {{0}}> ()
    resize_1 = Constant <value = int64 {{1}}> ()
    resize_2 = Constant <value = int64 {{2}}> ()
    resize_3 = Constant <value = int64 {{3}}> ()
    resize_half = Constant <value = float {{0.5}}> ()
    resize_one = Constant <value = float {{1.0}}> ()
    resize_black = Constant <value = float {{0.0}}> ()
    resize_white = Constant <value = float {{255.0}}> ()
    resize_last = Constant <value = int64[1] {{1}}> ()
    resize_side = Constant <value = int64 {{{side}}}> ()
    resize_shape = Shape (image)
    resize_height = Gather (resize_shape, resize_2)
    resize_width = Gather (resize_shape, resize_3)
    resize_short = Min (resize_height, resize_width)
    resize_twice_short = Mul (resize_2, resize_short)
    resize_twice_side = Mul (resize_2, resize_side)
    resize_out = Range (resize_0, resize_side, resize_1)
    {rows}
    {cols}
    resize_float = Cast <to = 1> (image)
    resize_cols_t = Transpose (resize_cols)
    resize_narrow = MatMul (resize_float, resize_cols_t)
    resize_grey = MatMul (resize_rows, resize_narrow)
    resize_round = Round (resize_grey)
    pixels = Clip (resize_round, resize_black, resize_white)
}}
"""

# (side, size): what each pixel of the crop takes from each pixel of the image along one axis
MATRIX = """
    {m}_product = Mul (resize_twice_side, {size})
    {m}_raised = Add ({m}_product, resize_short)
    {m}_grown = Div ({m}_raised, resize_twice_short)
    {m}_margins = Sub ({m}_grown, resize_side)
    {m}_first = Div ({m}_margins, resize_2)
    {m}_size_f = Cast <to = 1> ({size})
    {m}_grown_f = Cast <to = 1> ({m}_grown)
    {m}_scale = Div ({m}_size_f, {m}_grown_f)
    {m}_reach = Max ({m}_scale, resize_one)
    {m}_out = Add (resize_out, {m}_first)
    {m}_out_f = Cast <to = 1> ({m}_out)
    {m}_out_mid = Add ({m}_out_f, resize_half)
    {m}_at = Mul ({m}_out_mid, {m}_scale)
    {m}_centre = Unsqueeze ({m}_at, resize_last)
    {m}_in = Range (resize_0, {size}, resize_1)
    {m}_in_f = Cast <to = 1> ({m}_in)
    {m}_in_mid = Add ({m}_in_f, resize_half)
    {m}_offset = Sub ({m}_in_mid, {m}_centre)
    {m}_distance = Abs ({m}_offset)
    {m}_ratio = Div ({m}_distance, {m}_reach)
    {m}_fall = Sub (resize_one, {m}_ratio)
    {m}_triangle = Relu ({m}_fall)
    {m}_total = ReduceSum <keepdims = 1> ({m}_triangle, resize_last)
    {m} = Div ({m}_triangle, {m}_total)
"""


def resize_model(preprocess: Preprocess, ir_version: int) -> ModelProto:
    """`image` uint8 (N, C, H, W) -> `pixels` float32 (N, C, side, side), whole grey levels 0..255.

    Raises MissingExtra.
    """
    text = GRAPH.format(
        ir_version=ir_version,
        opset=OPSET,
        channels=preprocess.channels,
        side=preprocess.side,
        rows=MATRIX.format(m="resize_rows", size="resize_height"),
        cols=MATRIX.format(m="resize_cols", size="resize_width"),
    )
    model: ModelProto = need("onnx.parser").parse_model(text)
    return model
