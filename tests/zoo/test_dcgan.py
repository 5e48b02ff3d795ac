"""DCGAN against PyTorch's example, written down here, and Fig. 1 of the paper."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convsmith import build, cost, trace
from convsmith.nn import INITS
from convsmith.spec import Network, ShapeError
from convsmith.zoo import dcgan

pytestmark = pytest.mark.usefixtures("one_thread")

# parameters, and multiply-adds layer by layer: [in, out, 4, 4] on each input pixel (generator), on each output pixel
COUNTS = {
    ("dcgan_generator", 128): (12_658_432, 1_638_400 + 3 * 134_217_728 + 6_291_456),
    ("dcgan_generator", 64): (3_576_704, 819_200 + 3 * 33_554_432 + 3_145_728),  # the example's own: ngf = ndf = 64
    ("dcgan_discriminator", 64): (2_765_568, 3_145_728 + 3 * 33_554_432 + 8_192),
}


def network(name: str, classes: int | None = None, **options: object) -> Network:
    return dcgan.VARIANTS[name].network(name, classes, **options)


class Main(nn.Module):
    """A module of pytorch/examples, dcgan/main.py: its layers are `main.0`, `main.1`, ..."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.main = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)


def example_generator(ngf: int, nz: int = 100, nc: int = 3) -> Main:
    return Main(
        nn.ConvTranspose2d(nz, ngf * 8, 4, 1, 0, bias=False), nn.BatchNorm2d(ngf * 8), nn.ReLU(),
        nn.ConvTranspose2d(ngf * 8, ngf * 4, 4, 2, 1, bias=False), nn.BatchNorm2d(ngf * 4), nn.ReLU(),
        nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(ngf * 2), nn.ReLU(),
        nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False), nn.BatchNorm2d(ngf), nn.ReLU(),
        nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip


def example_discriminator(ndf: int, nc: int = 3) -> Main:
    return Main(
        nn.Conv2d(nc, ndf, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
        nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(ndf * 2), nn.LeakyReLU(0.2),
        nn.Conv2d(ndf * 2, ndf * 4, 4, 2, 1, bias=False), nn.BatchNorm2d(ndf * 4), nn.LeakyReLU(0.2),
        nn.Conv2d(ndf * 4, ndf * 8, 4, 2, 1, bias=False), nn.BatchNorm2d(ndf * 8), nn.LeakyReLU(0.2),
        nn.Conv2d(ndf * 8, 1, 4, 1, 0, bias=False), nn.Sigmoid(),
    )  # fmt: skip


EXAMPLES: dict[str, Callable[[int], Main]] = {
    "dcgan_generator": example_generator,
    "dcgan_discriminator": example_discriminator,
}
INPUTS = {"dcgan_generator": (100, 1, 1), "dcgan_discriminator": (3, 64, 64)}


def drawn(theirs: nn.Module) -> nn.Module:
    """Weights that keep signals of order one, norms and statistics away from their starts."""
    torch.manual_seed(1)
    for key, tensor in theirs.state_dict().items():
        if tensor.dim() == 4:
            tensor.normal_(0, 1.5 * tensor[0].numel() ** -0.5)
        elif key.endswith(("weight", "running_var")):
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.2)
    return theirs


def noise(name: str, batch: int = 3) -> Tensor:
    return torch.randn(batch, *INPUTS[name], generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def gap(found: Tensor, wanted: Tensor) -> float:
    assert wanted.detach().abs().max() > 0.01
    return float((found - wanted).detach().abs().max() / wanted.detach().abs().max())


@pytest.mark.parametrize(("name", "width"), COUNTS)
def test_keys_shapes_and_counts_are_the_examples(name: str, width: int, macs_of: Callable[..., int]) -> None:
    with torch.device("meta"):
        theirs, image = EXAMPLES[name](width), torch.empty(1, *INPUTS[name])
    found = trace(network(name, width=width))
    assert list(found.weights.items()) == [(key, tuple(tensor.shape)) for key, tensor in theirs.state_dict().items()]
    total = cost(found)
    assert (total.params, total.macs) == COUNTS[name, width]
    assert (total.params, total.macs) == (sum(p.numel() for p in theirs.parameters()), macs_of(theirs.eval(), image))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", EXAMPLES)
def test_outputs_and_gradients_are_the_examples(name: str, training: bool) -> None:
    theirs = drawn(EXAMPLES[name](64).double()).train(training)
    ours = build(network(name, width=64)).double().train(training)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict(), strict=True)
    logits = ours(noise(name))
    found = logits if name == "dcgan_generator" else logits.sigmoid().view(-1, 1, 1, 1)  # the example ends in a sigmoid
    wanted = theirs(noise(name))
    assert found.shape == wanted.shape
    assert gap(found, wanted) <= 1e-9
    for a, b in zip(
        torch.autograd.grad(found.square().sum(), list(ours.parameters())),
        torch.autograd.grad(wanted.square().sum(), list(theirs.parameters())),
        strict=True,
    ):
        assert b.abs().max() > 0
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-9 * float(b.abs().max()))
    after = theirs.state_dict()
    assert all(torch.allclose(tensor, after[key], rtol=1e-12) for key, tensor in ours.state_dict().items())


@pytest.mark.parametrize("name", ["dcgan_generator", "dcgan_generator_paper"])
def test_map_sizes_are_fig_1s(name: str) -> None:
    rows = [row for row in trace(network(name)).rows if row.node.category == "convolution"]
    assert [row.out.shape for row in rows] == [
        (1024, 4, 4), (512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64),
    ]  # fmt: skip
    kernel = 4 if name == "dcgan_generator" else 5  # Fig. 1: "5", "Stride 2"
    assert [row.facts.weights[0].shape[2:] for row in rows] == [(4, 4), *[(kernel, kernel)] * 4]


def test_the_papers_kernels_cost_25_16ths_of_the_examples() -> None:
    ours, paper = (cost(trace(network(name))) for name in ("dcgan_generator", "dcgan_generator_paper"))
    head, norms = 100 * 1024 * 16, 2 * (1024 + 512 + 256 + 128)
    assert (ours.macs - head) * 25 == (paper.macs - head) * 16
    assert (ours.params - head - norms) * 25 == (paper.params - head - norms) * 16
    assert (paper.params, paper.macs) == (18_855_040, 640_614_400)


def test_the_first_layer_is_fig_1s_projection_and_reshape() -> None:
    net = build(network("dcgan_generator_paper", width=8)).double()
    first, z = net.main[0], noise("dcgan_generator")
    linear = nn.Linear(100, 64 * 4 * 4, bias=False).double()
    linear.weight = nn.Parameter(first.weight.detach().flatten(1).T)
    assert gap(first(z), linear(z.flatten(1)).view(-1, 64, 4, 4)) <= 1e-12


@pytest.mark.parametrize("kernel", range(1, 8))
def test_every_kernel_grows_the_image_to_64(kernel: int) -> None:
    net = build(network("dcgan_generator", width=4, kernel=kernel)).eval().double()
    image = net(noise("dcgan_generator", 1))
    assert image.shape == (1, 3, 64, 64)
    assert float(image.detach().abs().max()) <= 1


def test_the_papers_layer_is_the_gradient_of_a_5x5_of_stride_2() -> None:
    layer = build(network("dcgan_generator_paper", width=4)).double().main[3]
    small, large = torch.randn(1, 32, 4, 4).double(), torch.randn(1, 16, 8, 8).double().requires_grad_()
    forward = nn.functional.conv2d(large, layer.weight, stride=2, padding=2)
    (wanted,) = torch.autograd.grad(forward, large, small)
    assert gap(layer(small), wanted) <= 1e-12


def test_guidelines_of_section_3_hold() -> None:
    kinds = {name: [row.kind for row in trace(network(name)).rows] for name in dcgan.VARIANTS}
    for name in ("dcgan_generator", "dcgan_generator_paper"):
        assert kinds[name] == ["conv_transpose", *["norm", "relu", "conv_transpose"] * 4, "tanh"]
    assert kinds["dcgan_discriminator"] == [
        "conv", "leaky_relu", *["conv", "norm", "leaky_relu"] * 3, "conv", "flatten",
    ]  # fmt: skip


def test_channels_and_classes_are_free_and_small_images_are_refused() -> None:
    assert trace(network("dcgan_generator", 1)).rows[-1].out.shape == (1, 64, 64)
    assert trace(network("dcgan_discriminator", 7)).rows[-1].out.shape == (7,)
    assert {trace(network("dcgan_discriminator", kernel=k)).rows[-1].out.shape for k in range(1, 8)} == {(1,)}
    with pytest.raises(ShapeError):
        trace(network("dcgan_discriminator"), 32)


def test_numbers_in_the_remark_are_the_nets() -> None:
    (remark,) = dcgan.VARIANTS["dcgan_generator"].remarks
    assert f"{cost(trace(network('dcgan_generator', width=64))).params:,}" in remark
    assert {found.init for found in dcgan.VARIANTS.values()} <= set(INITS)
