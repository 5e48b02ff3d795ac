from pathlib import Path
from typing import Any

import pytest

from convsmith.search.spaces import space
from convsmith.spec.errors import SpaceError

ONE = """
network = "mobilenet_v2"
[choices]
width = [0.35, 0.5]
side = [96, 128, 160]
"""
TWO = """
about = "two nets"
network = ["resnet20", "mobilenet_v2"]
[choices]
side = [32, 64]
[choices.resnet20]
width = [8, 16, 32]
depth = [8, 20]
[choices.mobilenet_v2]
width = [0.5, 1.0]
"""
ROWS = """
[frame]
stem = 8
last = 64
[[block]]
stride = 1
layers = [1, 2]
width = [8, 16]
op = ["separable"]
[[block]]
stride = 2
layers = [1]
width = [24]
se = [0]
skip = ["none"]
"""


def written(folder: Path, text: str) -> str:
    file = folder / "mine.toml"
    file.write_text(text)
    return str(file)


def test_options_of_one_network(tmp_path: Path) -> None:
    found = space(written(tmp_path, ONE), classes=5)
    assert (found.name, found.size, found.about) == ("mine", 6, "from mine.toml")
    network = found.genome({"width": 0.5, "side": 128}).network
    assert (network.side, network.classes, network.name) == (128, 5, "mobilenet_v2 width=0.5")


def test_options_of_several_networks(tmp_path: Path) -> None:
    found = space(written(tmp_path, TWO))
    assert found.size == 2 * (3 * 2 + 2)
    genome = found.genome({"network": "resnet20", "side": 32, "resnet20.width": 8, "resnet20.depth": 8})
    assert genome.network.name == "resnet20 width=8 depth=8"
    assert all(member.graph.rows for member in found.members())


def test_rows(tmp_path: Path) -> None:
    found = space(written(tmp_path, ROWS), side=32, classes=4)
    assert found.size == (2 * 2 * 1 * 2 * 2 * 3) * (4 * 2)
    assert [segment.name for segment in found.segments] == ["stem", "block1", "block2", "head"]
    assert found.draw(1)[0].network.classes == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("network = ", "mine.toml is no TOML: Invalid value"),
        ("", 'say network = "..." (or a list of names), or [[block]] rows'),
        ("network = 'resnet2'", "no network is called 'resnet2'; did you mean 'resnet"),
        ("network = 'resnet20'", "space 'mine' has no choice, so there is nothing to search"),
        ("network = 'resnet20'\nchoices = 1", "[choices] is a table of lists"),
        ("network = 'resnet20'\n[choices]\nwidth = 4", "width is a list of options, got 4; one option is written [4]"),
        ("network = 'resnet20'\n[choices]\nwidth = []", "choice 'width' has no option"),
        ("network = 'resnet20'\n[choices]\nwdith = [4]", "resnet20 has no option 'wdith'; did you mean 'width'?"),
        ("network = 'resnet20'\n[choices]\nwidth = [4, -4]", "width=-4 makes no network: "),
        ("network = 'resnet20'\n[choices]\ndepth = [8, 9]", "depth=9 makes no network: resnet_cifar: depth is 6n + 2"),
        ("network = 'resnet20'\n[choices.vgg16]\nwidth = [1]", "[choices.vgg16] is of no network here"),
        ("network = 'resnet20'\nchoice = 1", "a space has no 'choice'; did you mean 'choices'?"),
        ("[block]\nstride = 1", "rows are written [[block]], with two brackets"),
        ("[[block]]\nstride = 1", "block 1 lacks layers and width"),
        ("[[block]]\nstrides = 1", "block 1 has no 'strides'; did you mean 'stride'?"),
        ("[[block]]\nstride = 0\nlayers = [1]\nwidth = [8]", "stride is an integer of at least 1, got 0"),
        ("[[block]]\nstride = 1\nlayers = [1]\nwidth = [8]\nop = ['mbconv']", "op is of conv, separable, mbconv3"),
        (
            "[[block]]\nstride = 1\nlayers = [1]\nwidth = [8]\nkernel = [4]",
            "kernel is odd, so that sizes are kept, got 4",
        ),
        ("[[block]]\nstride = 1\nlayers = [1]\nwidth = [8]\nse = [2]", "se is a share of the channels from 0"),
        ("frame = 3\n[[block]]\nstride = 1\nlayers = [1]\nwidth = [8]", "frame is a table"),
    ],
)
def test_files_that_are_no_space(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SpaceError) as caught:
        space(written(tmp_path, text))
    assert "mine.toml" in str(caught.value)
    assert says in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"cannot read .*absent\.toml: No such file"):
        space(str(tmp_path / "absent.toml"))


def test_images_reach_the_networks(tmp_path: Path) -> None:
    images: dict[str, Any] = {"side": 48, "channels": 1, "classes": 3}
    network = space(written(tmp_path, "network = 'resnet20'\n[choices]\nwidth = [4]"), **images).draw(1)[0].network
    assert (network.side, network.channels, network.classes) == (48, 1, 3)
