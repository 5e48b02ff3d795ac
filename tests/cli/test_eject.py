from __future__ import annotations

from pathlib import Path

import pytest

import convsmith
from convsmith.nn.eject import eject
from convsmith.spec import write

from .conftest import Cli


def test_the_file_goes_to_standard_output_and_nothing_else_does(cli: Cli) -> None:
    result = cli("eject", "resnet18")
    assert (result.code, result.err) == (0, "")
    assert result.out == eject("resnet18")


def test_classes_channels_side_and_options_change_it(cli: Cli) -> None:
    out = cli("eject", "resnet34", "--classes", 7, "--channels", 1, "--side", "160x96", "--set", "shortcut=A").out
    assert "one image of 1×160×96." in out
    assert "classes: int = 7" in out
    assert "ZeroChannels(out_channels - in_channels)" in out


def test_a_description_and_a_run_folder_are_ejected_too(cli: Cli, tmp_path: Path) -> None:
    write(convsmith.spec("lenet5", classes=4), tmp_path / "spec.json")
    for what in (tmp_path / "spec.json", tmp_path):
        assert cli("eject", what).out == eject("lenet5", classes=4)
        assert "classes: int = 6" in cli("eject", what, "--classes", 6).out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("resnet51",), "error: no network is called 'resnet51'; did you mean 'resnet"),
        (("resnet50", "--side", "big"), "error: 'big' is not an image size: write 224 or 224x160"),
        (("resnet50", "--side", "0"), "error: side must be an integer of at least 1, got 0"),
        (("resnet50", "--classes", "0"), "error: classes must be an integer of at least 1, got 0"),
        (("resnet50", "--channels", "0"), "error: channels must be an integer of at least 1, got 0"),
        (("vgg_d", "--side", "16"), "error: features.30: the image is too small: 1×1 here"),
        (("resnet34", "--set", "shortcat=A"), "error: resnet34 has no option 'shortcat'; did you mean 'shortcut'"),
        (("/nowhere/spec.json",), "error: /nowhere/spec.json: No such file or directory"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(cli: Cli, words: tuple[str, ...], message: str) -> None:
    result = cli("eject", *words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(message)
    assert len(result.err.splitlines()) == 1
