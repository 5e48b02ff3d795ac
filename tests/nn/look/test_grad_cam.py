"""Grad-CAM against pytorch-grad-cam, and against its two equations written out."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convsmith.nn import Net, build
from convsmith.nn.look import feature_maps, grad_cam, grad_cam_of, last_map
from convsmith.spec import SpecError, UnknownName, trace

from .nets import FLAT, NETS, blobs, net_of

pytestmark = pytest.mark.usefixtures("one_thread")

# By module as pytorch-grad-cam wants it, and by path: the same tensor
LAYERS = {
    "resnet": [("layer3.0.after", "layer3.0"), ("layer1.0.conv2", "layer1.0.conv2"), ("layer2", "layer2")],
    "vgg": [("features.6", "features.6"), ("features.7", "features.7"), ("features.3", "features.3")],
    "grey": [("act2", "act2"), ("conv1", "conv1")],
}
CASES = [(name, path, module) for name, pairs in LAYERS.items() for path, module in pairs]


@pytest.fixture(scope="module")
def peer() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports
        return pytest.importorskip("pytorch_grad_cam")


def correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten().double(), b.flatten().double()]))[0, 1])


@pytest.mark.slow  # what it imports takes seconds
@pytest.mark.parametrize(("name", "path", "module"), CASES)
def test_maps_are_those_of_pytorch_grad_cam(peer: Any, name: str, path: str, module: str) -> None:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net, seen = net_of(name), 0
    x = blobs(net, 4)
    known = net(x[:1]).shape[1]
    for wanted in ([i % known for i in range(4)], [(3 * i + 1) % known for i in range(4)]):
        with peer.GradCAM(model=net, target_layers=[net.get_submodule(module)]) as other:
            theirs = torch.from_numpy(other(input_tensor=x, targets=[ClassifierOutputTarget(c) for c in wanted]))
        ours = grad_cam(net, x, layer=path, classes=torch.tensor(wanted)).scaled((x.shape[2], x.shape[3]))
        for mine, other_map in zip(ours, theirs, strict=True):
            if other_map.max() > 0:
                assert correlation(mine, other_map) >= 0.99
                seen += 1
            else:
                assert mine.max() < 1e-6
    assert seen >= 4  # maps that are not empty


@pytest.mark.slow
def test_the_predicted_class_is_the_default_as_theirs(peer: Any) -> None:
    net = net_of("resnet")
    x = blobs(net, 3)
    with peer.GradCAM(model=net, target_layers=[net.layer3]) as other:
        theirs = torch.from_numpy(other(input_tensor=x, targets=None))
    found = grad_cam(net, x)
    assert (found.layer, found.classes.tolist()) == ("layer3.0.after", net(x).argmax(1).tolist())
    assert correlation(found.scaled((32, 32)), theirs) >= 0.99


@pytest.mark.parametrize("name", NETS)
def test_the_maps_are_equations_1_and_2_at_the_last_map(name: str) -> None:
    net = net_of(name).double()
    x = blobs(net, 2).double()
    for c in (0, 2):
        found = grad_cam(net, x, classes=c)
        kept: list[Tensor] = []
        handle = net.get_submodule(found.layer).register_forward_hook(lambda _, __, made, kept=kept: kept.append(made))
        logits = net(x)
        handle.remove()
        for i in range(2):
            gradient = torch.autograd.grad(logits[i, c], kept[0], retain_graph=True)[0][i]
            weights = [gradient[k].sum() / gradient[k].numel() for k in range(len(gradient))]
            wanted = sum((w * kept[0][i, k] for k, w in enumerate(weights)), torch.zeros(())).clamp(min=0)
            torch.testing.assert_close(found.maps[i], wanted.detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, path, _ in CASES])
def test_any_module_with_a_layer_gives_the_same(name: str, path: str) -> None:
    net = net_of(name)
    x = blobs(net, 2)
    layer = net.get_submodule(path) if path != "layer2" else net.layer2
    torch.testing.assert_close(grad_cam_of(net, layer, x, 1).maps, grad_cam(net, x, layer=path, classes=1).maps)


def test_a_plain_module_that_works_in_place() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 36, 3))
    twin = nn.Sequential(net[0], nn.ReLU(), net[2], net[3])
    x = torch.randn(2, 1, 8, 8)
    found = grad_cam_of(net, net[0], x)
    assert found.layer == "0"
    assert torch.equal(found.maps, grad_cam_of(twin, net[0], x).maps)
    assert found.maps.max() > 0


def test_the_sum_where_branches_meet_has_a_map_and_so_has_a_layer_with_channels_last() -> None:
    net = net_of("resnet")
    assert grad_cam(net, blobs(net, 1), layer="layer2.0.add").maps.shape == (1, 16, 16)
    convnext = build("convnext_tiny", side=64, classes=3, seed=0)
    x = torch.randn(1, 3, 64, 64)
    assert convnext.graph.rows[7].out.last
    path = next(row.path for row in convnext.graph.rows if row.out.last and row.out.cols > 1)
    assert grad_cam(convnext, x, layer=path).maps.shape == (1, 16, 16)


def test_the_net_stays_as_it_was_and_frozen_weights_or_no_grad_do_not_matter() -> None:
    net = net_of("resnet")
    x = blobs(net, 2)
    wanted = grad_cam(net, x).maps
    net.requires_grad_(False).train()
    net.layer1.eval()
    state = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    with torch.inference_mode():
        again = grad_cam(net, x + 0).maps
    assert torch.equal(again, wanted)
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(tensor, state[key]) for key, tensor in net.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in net.parameters())
    assert torch.is_grad_enabled()


def test_images_of_a_batch_do_not_touch_each_other() -> None:
    net = net_of("vgg")
    x = blobs(net, 3)
    together = grad_cam(net, x, classes=torch.tensor([0, 1, 2])).maps
    for i in range(3):
        torch.testing.assert_close(grad_cam(net, x[i : i + 1], classes=i).maps[0], together[i])


def test_scaled_maps_are_between_0_and_1_and_empty_ones_stay_empty() -> None:
    net = net_of("resnet")
    found = grad_cam(net, blobs(net, 2))
    assert found.scaled((10, 14)).shape == (2, 10, 14)
    assert found.scaled((32, 32)).amax((1, 2)).tolist() == [1, 1]
    empty = type(found)(torch.zeros(1, 4, 4), found.classes[:1], found.layer)
    assert empty.scaled((8, 8)).count_nonzero() == 0


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("resnet50", "layer4.2.after"),
        ("vgg16", "features.29"),
        ("squeezenet1_1", "classifier.2"),
        ("densenet121", "relu"),
        ("googlenet", "inception5b.concat"),
        ("mobilenet_v3_small", "features.12.2"),
        ("lenet5_1998", "act4"),
    ],
)
def test_the_default_layer_comes_before_the_pooling(name: str, path: str) -> None:
    from convsmith import spec

    assert last_map(trace(spec(name))) == path


def refused(net: Net, **options: Any) -> str:
    with pytest.raises(SpecError) as caught:
        grad_cam(net, blobs(net, 1), **options)
    return str(caught.value)


def test_refusals_name_the_layer_and_the_remedy() -> None:
    net = net_of("resnet")
    with pytest.raises(UnknownName, match=r"layer3\.0\.afer: no layer or module .*did you mean 'layer3\.0\.after'"):
        grad_cam(net, blobs(net, 1), layer="layer3.0.afer")
    assert refused(net, layer="fc") == "fc: its output 10 is no spatial map; take another layer, such as layer3.0.after"
    assert "avgpool: its output 64×1×1 is no spatial map" in refused(net, layer="avgpool")
    assert refused(net, classes=10) == "class 10 is none of the network's, which are numbered 0 to 9"
    assert refused(build(FLAT)) == "flat has no layer with a spatial map to look at"
    with pytest.raises(SpecError, match="fc: its output 10 is no spatial map"):
        feature_maps(net, blobs(net, 1), "fc")


def test_a_layer_of_an_auxiliary_head_or_one_that_does_not_count() -> None:
    net = build("googlenet", side=64, classes=3)
    path = next(row.path for row in net.graph.rows if row.tap is not None)
    assert "is in the auxiliary head" in refused(net, layer=path)
    idle = nn.Conv2d(1, 1, 1)
    plain = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2))
    with pytest.raises(SpecError, match="Conv2d: this layer does not run"):
        grad_cam_of(plain, idle, torch.zeros(1, 1, 8, 8))
    with pytest.raises(SpecError, match=r"2: its output \(2,\) is no spatial map"):
        grad_cam_of(plain, plain[2], torch.zeros(1, 1, 8, 8))
