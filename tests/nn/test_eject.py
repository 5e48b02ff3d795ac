"""An ejected file builds the network that it comes from: the same keys, outputs and gradients, bit for bit."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor, nn

from convsmith import names, spec
from convsmith.nn import Net, build
from convsmith.nn.eject import eject
from convsmith.spec import (
    Branches,
    Cell,
    Conv,
    Dropout,
    DropPath,
    Flatten,
    Identity,
    LayerScale,
    Linear,
    Network,
    Node,
    Norm,
    PoolTo,
    Relu,
    Residual,
    Seq,
    SpecError,
    Split,
    Step,
    Tap,
    Times,
    UnknownName,
)
from convsmith.zoo import family

from ..spec.test_laws import networks  # noqa: TID252 - the laws' own strategy

pytestmark = pytest.mark.usefixtures("one_thread")

ALLOWED = {"torch", "torch.nn.functional", "collections", "typing"}

# one of a family, the side of its images, and how many
LIVE: dict[str, int] = {
    "lenet5": 32, "lenet5_1998": 32, "alexnet_2012": 227, "zfnet": 224, "nin_cifar": 32, "vgg11_bn": 32,
    "googlenet": 96, "googlenet_paper": 224, "dcgan_generator": 1, "dcgan_discriminator": 64, "resnet18": 64,
    "resnet50": 64, "resnet20": 32, "inception_v3": 299, "inception_v4": 107, "inception_resnet_v2": 107,
    "squeezenet_bypass": 64, "resnetv2_50": 64, "wrn_16_8": 32, "resnext29_8x64d": 32, "densenet40_k12": 32,
    "mobilenet_v1_025": 64, "nasnet_a_mobile": 97, "seresnet18": 64, "shufflenet_g3_x0_25": 64,
    "mobilenet_v2_035": 64, "shufflenet_v2_x0_5": 64, "mnasnet_a1": 64, "efficientnet_b0": 64,
    "mobilenet_v3_small": 64, "tf_efficientnet_lite0": 64, "regnet_y_400mf": 64, "efficientnet_v2_s": 48,
    "convnext_tiny": 64, "airbench96": 32, "layer_tiled": 56,
}  # fmt: skip
FAST = ("lenet5_1998", "resnet18", "mobilenet_v2_035", "shufflenet_v2_x0_5", "convnext_tiny", "densenet40_k12")


def source_of(text: str) -> type[nn.Module]:
    """The file's last class, which is the network."""
    scope: dict[str, Any] = {"__name__": "ejected"}
    exec(compile(text, "ejected", "exec"), scope)
    found: type[nn.Module] = [v for v in scope.values() if isinstance(v, type) and v.__module__ == "ejected"][-1]
    return found


def imports(text: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def outputs(made: Any) -> dict[str, Tensor]:
    return made if isinstance(made, dict) else {"logits": made}


def check_equal(network: Network, gradients: bool = True) -> None:
    """Outputs in evaluation and training, gradients and statistics are the same, to the bit, in double precision."""
    theirs = build(network, seed=3).double()
    ours = source_of(eject(network))().double()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    rows, cols = network.side if isinstance(network.side, tuple) else (network.side, network.side)
    x = torch.randn(2, network.channels, rows, cols, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(ours.eval()(x), theirs.eval()(x))
    found, wanted = (run(net, x, gradients) for net in (ours, theirs))
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def run(net: nn.Module, x: Tensor, gradients: bool) -> dict[str, Tensor]:
    """Everything that one step of training makes, in the order in which it is named."""
    torch.manual_seed(11)
    made = outputs(net.train()(x))
    kept = {f"output {key}": value.detach() for key, value in made.items()}
    if gradients:
        torch.stack([value.square().mean() for value in made.values()]).sum().backward()
        kept |= {f"gradient {key}": p.grad for key, p in net.named_parameters() if p.grad is not None}
    return kept | {f"buffer {key}": buffer for key, buffer in net.named_buffers()}


def on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    """Without memory, and without drawing weights, which takes half of the time even so."""

    def same(w: Tensor, *_: Any, **__: Any) -> Tensor:
        return w

    with torch.device("meta"), patch.multiple(Tensor, normal_=same, uniform_=same):
        return make()


def check_file(name: str) -> None:
    text = eject(name)
    assert "convsmith" not in text
    assert imports(text) <= ALLOWED
    assert max(map(len, text.splitlines())) <= 120
    theirs, ours = on_meta(lambda: build(name, device="meta")), on_meta(source_of(text))
    wanted = theirs.state_dict()
    assert [(k, t.shape, t.dtype) for k, t in ours.state_dict().items()] == [
        (k, t.shape, t.dtype) for k, t in wanted.items()
    ]
    ours.load_state_dict(wanted, strict=True, assign=True)
    assert [k for k, _ in ours.named_parameters()] == [k for k, _ in theirs.named_parameters()]


@pytest.mark.parametrize("name", FAST)
def test_the_file_needs_torch_alone_and_has_the_same_keys_in_the_same_order(name: str) -> None:
    check_file(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_every_variant_has_the_same_keys_in_the_same_order(name: str) -> None:
    check_file(name)


@pytest.mark.parametrize("name", [name for name in FAST if name != "convnext_tiny"])
def test_outputs_and_gradients_are_the_same(name: str) -> None:
    check_equal(replace(spec(name), side=LIVE[name]))


FEW = {"densenet40_k12", "shufflenet_v2_x0_5", "nasnet_a_mobile", "efficientnet_b0", "googlenet", "convnext_tiny"}
"""Families that differ most in structure."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in FEW else pytest.mark.wide) for n in LIVE])
def test_outputs_and_gradients_are_the_same_in_every_family(name: str) -> None:
    large = name in ("alexnet_2012", "zfnet", "googlenet_paper")  # their hidden layers' gradients are no news
    check_equal(replace(spec(name), side=LIVE[name]), gradients=not large)


def test_every_family_is_held() -> None:
    assert {family(name) for name in LIVE} == {family(name) for name in names()}


@settings(
    max_examples=40, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(networks())
def test_any_description_is_ejected_as_what_it_builds(network: Network) -> None:
    check_equal(network)


SQUEEZED = Seq(pool=PoolTo(1), flatten=Flatten, fc=Linear(3))


@pytest.mark.parametrize(
    "body",
    [
        Seq(**{"a-b": Conv(4, 3), "class": Norm(), "__m": Relu, "β": Conv(4), **dict(SQUEEZED.children)}),
        Seq(Conv(4, 3), Residual(Seq(a=Conv(4, 3), drop=Dropout(0.3)), drop=0.4), Relu, SQUEEZED),
        Seq(stem=Conv(4, 3), block=Residual(Seq(**{"0": Conv(4), "s": LayerScale(0.5)})), **dict(SQUEEZED.children)),
        Seq(stem=Conv(4, 3), halves=Split(Seq(a=Conv(2)), Seq(b=Conv(2), t=Times(0.3))), **dict(SQUEEZED.children)),
        Seq(stem=Conv(6, 3), three=Split(Identity, Seq(b=Conv(2)), Seq(c=Norm())), **dict(SQUEEZED.children)),
        Seq(stem=Conv(4, 3), body=Seq(a=Conv(4), head=Tap(SQUEEZED), b=Conv(4)), **dict(SQUEEZED.children)),
        Seq(
            stem=Conv(4, 3),
            cell=Cell(
                ("x",), out=("c", "a"), a=Step(Seq(Conv(4), DropPath(0.5)), "x"), b=Step(Conv(4), "x"),
                c=Step(Conv(2), "b", "a", "x", join="concat"),
            ),
            **dict(SQUEEZED.children),
        ),
        Seq(stem=Conv(4, 3), out=Branches(x=Conv(2), nn=Conv(2), torch=Conv(2)), **dict(SQUEEZED.children)),
    ],
)  # fmt: skip
def test_names_and_structures_that_are_hard_to_write(body: Node) -> None:
    check_equal(Network(body, 8, classes=3, name='a """ \\ net\n'))


@pytest.mark.parametrize(
    ("name", "called"),
    [("none", "NoneNet"), ("drop_path", "DropPathNet"), ("3", "Network3"), ("β", "Network"),
     ("ordered-dict", "OrderedDictNet"), ("mobilenet_v2", "MobileNetV2"), ("basic_block", "BasicBlock")],
)  # fmt: skip
def test_a_class_never_takes_another_name(name: str, called: str) -> None:
    block = Residual(Seq(a=Conv(4, 3), b=Conv(4, 3), drop=DropPath(0.5)))
    network = Network(Seq(block=block, **dict(SQUEEZED.children)), 8, channels=4, classes=3, name=name)
    assert source_of(eject(network)).__name__ == called
    check_equal(network)


def test_rates_that_differ_from_block_to_block_stay_exact() -> None:
    text = eject("convnext_tiny")
    assert "Block(96, drop_rate=0.1 * 1 / 17)" in text
    assert "*[Block(384, drop_rate=0.1 * i / 17) for i in range(6, 15)]" in text
    rates = [m.rate for m in on_meta(source_of(text)).modules() if type(m).__name__ == "DropPath"]
    assert rates == [0.1 * i / 17 for i in range(18)]


def test_alike_blocks_are_one_class() -> None:
    text = eject("resnet50")
    assert text.count("\nclass ") == 2
    assert "class Bottleneck(nn.Module):" in text
    assert "def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:" in text
    assert "*[Bottleneck(512, 512) for _ in range(3)]" in text
    assert "return self.after(self.bn3(self.conv3(out)) + self.downsample(x))" in text


@pytest.mark.parametrize(
    ("name", "most"),
    [("resnet50", 100), ("vgg16", 60), ("googlenet", 150), ("densenet121", 100), ("efficientnet_b7", 160),
     ("nasnetalarge", 450), ("resnet1202", 100)],
)  # fmt: skip
def test_files_are_short(name: str, most: int) -> None:
    assert eject(name).count("\n") <= most


def test_the_docstring_says_what_it_is() -> None:
    text = eject("resnet50")
    assert text.startswith('"""resnet50, as in torchvision.\n\nHe, Zhang, Ren & Sun 2015, Deep residual learning')
    assert "25,557,032 parameters; 4,089,184,256 multiply-adds for one image of 3×224×224." in text
    assert 'In training, forward returns a dict of "logits" and "aux1", "aux2"' in eject("googlenet")


def test_another_number_of_classes_is_an_argument_of_the_network() -> None:
    made = on_meta(lambda: source_of(eject("googlenet"))(classes=7))
    assert made.get_parameter("fc.weight").shape[0] == made.get_parameter("aux2.fc2.weight").shape[0] == 7
    assert "def __init__(self, classes: int = 5)" in eject("resnet18", classes=5)


def test_channels_and_side_are_those_asked_for() -> None:
    text = eject("resnet18", channels=1, side=(64, 32))
    assert "self.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)" in text
    assert "for one image of 1×64×32." in text
    assert "nn.Linear(512, classes)" in eject(
        Seq(conv=Conv(512), pool=PoolTo(1), flatten=Flatten, fc=Linear(3)), side=8
    )


def test_the_text_is_the_same_in_every_process(python: Callable[..., str]) -> None:
    code = "from convsmith.nn.eject import eject\nprint(eject('mobilenet_v3_small') + eject('nasnet_a_cifar'), end='')"
    here = eject("mobilenet_v3_small") + eject("nasnet_a_cifar")
    assert eject("mobilenet_v3_small") + eject("nasnet_a_cifar") == here
    assert python(code, PYTHONHASHSEED="1") == here


def test_the_file_runs_by_itself_with_warnings_as_errors(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.py" for name in ("lenet5_1998", "googlenet", "nasnet_a_cifar")]
    for file in files:
        file.write_text(eject(file.stem), encoding="utf-8")
    code = "import runpy, sys\nfor file in sys.argv[1:]: runpy.run_path(file, run_name='__main__')\n"
    code += "sys.exit('convsmith' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *files], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_ruff_has_nothing_to_change(tmp_path: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed")
    for name in names():
        (tmp_path / f"{name}.py").write_text(eject(name), encoding="utf-8")
    rules = ["--select", "E,F,W,I,UP,B,C4,SIM,PIE,RET,N", "--ignore", "N812"]  # F is the field's own word
    for words in (["format", "--check"], ["check", *rules]):
        done = subprocess.run(
            [ruff, *words, "--isolated", "--line-length", "120", "--no-cache", tmp_path], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_torch_exports_and_compiles_it() -> None:
    net: nn.Module = source_of(eject("resnet18"))().eval()
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = net(x)
        assert torch.allclose(torch.export.export(net, (x,)).module()(x), wanted, atol=1e-5)
        assert torch.allclose(torch.compile(net, backend="aot_eager", fullgraph=True)(x), wanted, atol=1e-5)


def test_refusals_are_those_of_build() -> None:
    with pytest.raises(UnknownName, match="did you mean 'resnet"):
        eject("resnet51")
    with pytest.raises(SpecError, match="classes must be an integer of at least 1, got 0"):
        eject("resnet18", classes=0)
    with pytest.raises(SpecError, match="torch's modules use the name 'forward'; choose another"):
        eject(Seq(forward=Conv(3)), side=8)


def test_it_is_a_module_of_torch_and_no_net_of_ours() -> None:
    net = on_meta(source_of(eject("lenet5")))
    assert not any(isinstance(part, Net) for part in net.modules())
