"""What rows read of their inputs; in imported networks exactly where it is known, and everything where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision import models

from convsmith import build, from_torch, receptive_field, spec, trace
from convsmith.spec import Conv, ConvTranspose, Seq
from convsmith.views.reading import places, taps
from convsmith.views.region import Box, inside, region

pytestmark = pytest.mark.usefixtures("one_thread")


class Example(nn.Module):
    """A convolution, then the function it is given with the layers it is given. Random weights: nothing cancels."""

    def __init__(self, run: Callable[[Any, Tensor], Tensor], **parts: Any) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, self.first(x))


def attention(m: Any, x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    mixed = F.scaled_dot_product_attention(tokens, tokens, tokens)
    return mixed.transpose(1, 2).reshape(x.shape)


def windows(m: Any, x: Tensor) -> Tensor:
    """Swin's: each 4 x 4 window on its own."""
    n, c, h, w = x.shape
    cut = x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 1, 3, 5)
    return (cut + cut.mean((4, 5), keepdim=True)).permute(0, 3, 1, 4, 2, 5).reshape(n, c, h, w)


EXACT: dict[str, tuple[Callable[[Any, Tensor], Tensor], dict[str, Any]]] = {
    "functions": (lambda m, x: F.elu(torch.maximum(x * 0.3, x.abs() + 1) - x).clamp(-9, 9) / (x.square() + 1), {}),
    "two ways": (lambda m, x: m.c(x).sin() + 0.5 * x.cos(), {"c": nn.Conv2d(4, 4, 3, padding=1)}),
    "own swish": (lambda m, x: m.c(x * F.relu6(x + 3) / 6), {"c": nn.Conv2d(4, 2, 3)}),
    "unequal parts": (lambda m, x: m.c(F.gelu(x[:, 1:])), {"c": nn.Conv2d(3, 2, 3, stride=2)}),
    "unequal parts joined": (lambda m, x: m.c(torch.cat((x[:, 1:], m.d(x)), 1)),
                             {"c": nn.Conv2d(5, 2, 3), "d": nn.Conv2d(4, 2, 5, padding=2)}),
    "padding with ones": (lambda m, x: m.c(F.pad(x, (2, 1, 3, 0), value=1.0)), {"c": nn.Conv2d(4, 2, 5, stride=2)}),
    "cropped": (lambda m, x: m.c(F.pad(x, (-1, -2, -3, 1))), {"c": nn.Conv2d(4, 2, 3, padding=1)}),
    "repeated": (lambda m, x: m.c(F.interpolate(m.p(x), scale_factor=2)),
                 {"p": nn.AvgPool2d(3, 2), "c": nn.Conv2d(4, 2, 3, padding=1)}),
    "spatial attention": (lambda m, x: m.c(x * torch.sigmoid(m.a(x.mean(1, keepdim=True)))),
                          {"a": nn.Conv2d(1, 1, 5, padding=2), "c": nn.Conv2d(4, 2, 3)}),
    "linear gate": (lambda m, x: m.c(x * m.f(x.mean((2, 3)))[:, :, None, None]),
                    {"f": nn.Linear(4, 4), "c": nn.Conv2d(4, 2, 3)}),
    "linear gate before its map": (lambda m, x: m.c(m.f(x.mean((2, 3))).view(1, 4, 1, 1) * x),
                                   {"f": nn.Linear(4, 4), "c": nn.Conv2d(4, 2, 3)}),
    "one unit taken off": (lambda m, x: m.c(x - m.o(x)), {"o": nn.Conv2d(4, 4, (9, 12), 9), "c": nn.Conv2d(4, 2, 3)}),
    "channels last": (lambda m, x: m.c(m.f(m.n(x.permute(0, 2, 3, 1)).square()).permute(0, 3, 1, 2)),
                      {"n": nn.LayerNorm(4), "f": nn.Linear(4, 4), "c": nn.Conv2d(4, 2, 3)}),
    "transposed": (lambda m, x: m.c(m.t(x)), {"t": nn.ConvTranspose2d(4, 3, 3, 2), "c": nn.Conv2d(3, 2, 3)}),
}  # fmt: skip

EVERYTHING: dict[str, tuple[Callable[[Any, Tensor], Tensor], dict[str, Any]]] = {
    "group norm": (lambda m, x: m.n(x), {"n": nn.GroupNorm(2, 4)}),
    "instance norm": (lambda m, x: m.n(x), {"n": nn.InstanceNorm2d(4)}),
    "norm of the batch alone": (lambda m, x: m.n(x), {"n": nn.BatchNorm2d(4, track_running_stats=False)}),
    "layer norm over the image": (lambda m, x: m.n(x), {"n": nn.LayerNorm((4, 12, 16))}),
    "layer norm over a row": (lambda m, x: m.n(x), {"n": nn.LayerNorm(16)}),
    "softmax over a row": (lambda m, x: x.softmax(3), {}),
    "log-softmax over a column": (lambda m, x: x.log_softmax(2), {}),
    "response norm": (lambda m, x: x / (torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True) + 1), {}),
    "linear over a row": (lambda m, x: m.f(x), {"f": nn.Linear(16, 16)}),
    "mean over a row": (lambda m, x: x * x.mean(3, keepdim=True), {}),
    "transposed": (lambda m, x: x.transpose(2, 3), {}),
    "rolled": (lambda m, x: x.roll((1, 2), (2, 3)), {}),
    "flipped": (lambda m, x: x.flip(3), {}),
    "every second row": (lambda m, x: x[:, :, ::2], {}),
    "reflected": (lambda m, x: F.pad(x, (1, 1, 1, 1), mode="reflect"), {}),
    "bilinear": (lambda m, x: F.interpolate(x, scale_factor=2, mode="bilinear"), {}),
    "nearest, no multiple": (lambda m, x: F.interpolate(x, size=(15, 17)), {}),
    "dilated pooling": (lambda m, x: F.max_pool2d(x, 3, 1, 1, 2), {}),
    "tokens": (lambda m, x: m.f(x.flatten(2)).view(x.shape), {"f": nn.Linear(12 * 16, 12 * 16)}),
    "tokens of pixels": (lambda m, x: m.f(x.flatten(2).transpose(1, 2)), {"f": nn.Linear(4, 4)}),
    "matrix product": (lambda m, x: x @ x.transpose(2, 3), {}),
    "attention": (attention, {}),
    "windows": (windows, {}),
    "pixel shuffle": (lambda m, x: F.pixel_shuffle(x, 2), {}),
    "joined side by side": (lambda m, x: torch.cat((x, x), 3), {}),
}  # fmt: skip


def last_row(run: Callable[[Any, Tensor], Tensor], parts: dict[str, Any]) -> tuple[Any, int, Callable[..., Box | None]]:
    """The imported graph, its output's row, and the truth for a unit of it."""
    torch.manual_seed(0)
    module = Example(run, **parts).double().eval()
    image = torch.randn(1, 3, 12, 16, dtype=torch.float64, requires_grad=True)
    graph = from_torch(module, image.detach())
    made = module(image)

    def seen(i: int, j: int) -> Box | None:
        (gradient,) = torch.autograd.grad(made[0, :, i, j].sum(), image, retain_graph=True)
        pixels = (gradient[0] != 0).any(0).nonzero()
        (top, left), (bottom, right) = pixels.amin(0).tolist(), pixels.amax(0).tolist()
        return Box(top, bottom + 1, left, right + 1)

    return graph, graph.output, seen


@pytest.mark.parametrize("name", EXACT)
def test_what_an_imported_operation_keeps_in_place_is_followed_exactly(name: str) -> None:
    graph, row, seen = last_row(*EXACT[name])
    rows, cols = places(graph.rows[row].out)
    for i in range(rows):
        for j in {0, i % cols, cols // 2, cols - 1}:
            assert region(graph, row, (i, j)) == seen(i, j)
    found = receptive_field(graph)[row]
    assert found.whole is ("gate" in name)
    assert "gate" not in name or (found.rows.jump, found.cols.jump) == (1, 1)  # the map's, not the gate's


@pytest.mark.parametrize("name", EVERYTHING)
def test_an_imported_operation_that_moves_or_mixes_places_is_said_to_see_everything(name: str) -> None:
    graph, row, _ = last_row(*EVERYTHING[name])
    found = receptive_field(graph)[row]
    assert found.whole
    assert min(found.size) >= 12
    assert region(graph, row) == (0, 12, 0, 16)


def test_a_cut_with_channels_last_is_not_taken_for_an_image() -> None:
    """(8, 8, 10) cut to (8, 8, 8): three equal axes, of which the last are no places."""
    module = Example(lambda m, x: x.permute(0, 2, 3, 1)[..., :8], first=nn.Conv2d(3, 10, 3, padding=1))
    graph = from_torch(module, 8)
    assert receptive_field(graph)[graph.output].whole


@pytest.mark.parametrize(
    "name", ["resnet18", "googlenet", "efficientnet_b0", "shufflenet_v2_x0_5", "mobilenet_v3_small"]
)
def test_an_imported_network_has_the_fields_of_its_description(name: str) -> None:
    options: dict[str, dict[str, Any]] = {"efficientnet_b0": {"drop_path": 0.0}, "googlenet": {"aux": False}}
    network = spec(name, **options.get(name, {}))
    ours, theirs = trace(network), from_torch(build(network, device="meta"), 224)
    fields = [dict(zip((r.path for r in g.rows), receptive_field(g), strict=True)) for g in (ours, theirs)]
    assert fields[0] == fields[1]


@pytest.mark.parametrize("name", ["swin_t", "vit_b_16"])
def test_transformers_see_the_whole_from_their_first_reshape_on(name: str) -> None:
    with torch.device("meta"):
        module = getattr(models, name)()
    graph = from_torch(module, 224)
    fields = receptive_field(graph)
    patch = fields[0]
    assert patch.size == {"swin_t": (4, 4), "vit_b_16": (16, 16)}[name]
    first = next(i for i, row in enumerate(graph.rows) if row.kind in ("reshape", "pad", "roll") and fields[i].whole)
    assert all(field.size == (224, 224) for field in fields[first:])
    assert fields[graph.output].whole


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 5), st.integers(0, 3), st.integers(1, 9))
def test_taps_of_a_transposed_convolution_are_those_that_the_definition_gives(
    kernel: int, stride: int, dilation: int, pad: int, size: int
) -> None:
    """Output o = input * stride + tap * dilation - pad."""
    span = (size - 1) * stride + dilation * (kernel - 1) + 1
    pad = min(pad, (span - 1) // 2)
    (row,) = trace(Seq(ConvTranspose(1, kernel, stride, pad, 0, dilation)), size, 1).rows
    window = row.facts.window
    assert window is not None
    for unit in range(row.out.rows):
        by_hand = {i for i in range(size) for t in range(kernel) if i * stride + t * dilation - pad == unit}
        assert set(inside(taps(window, 0, unit), size)) == by_hand


@given(st.integers(-9, 9), st.integers(0, 12), st.integers(1, 5), st.integers(1, 9))
def test_inside_leaves_out_what_is_not_on_the_map(start: int, count: int, step: int, size: int) -> None:
    units = range(start, start + count * step, step)
    assert list(inside(units, size)) == [unit for unit in units if 0 <= unit < size]


def test_a_plain_convolution_of_one_pixel_reads_its_own_place() -> None:
    graph = trace(Seq(Conv(4), Conv(4, 1, 2)), 9)
    assert [field.size for field in receptive_field(graph)] == [(1, 1), (1, 1)]
    assert region(graph, 1, (2, 3)) == (4, 5, 6, 7)
