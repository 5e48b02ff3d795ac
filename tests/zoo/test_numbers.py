"""The zoo's numbers: parameters, multiply-adds, tensor sizes and connections, as the papers and counters give them."""

from __future__ import annotations

from math import floor, prod

import pytest

from convsmith import cost, spec, trace
from convsmith.spec import Conv, Graph, Linear
from convsmith.views.cost import Cost
from convsmith.zoo import alexnet, lenet


def of(name: str, **options: object) -> Cost:
    return cost(trace(spec(name, **options)))


def params(graph: Graph) -> dict[str, int]:
    """Trainable parameters of the layers that have any."""
    return {row.path: row.facts.params for row in graph.rows if row.facts.params}


@pytest.mark.parametrize(("name", "wanted"), {
    "lenet5": (61_706, 416_520),
    "alexnet_2012": (60_965_224, 724_406_816),
    "alexnet_single": (62_378_344, 1_135_256_096),
    "alexnet": (61_100_840, 714_188_480),
    "vgg_a": (132_863_336, 7_609_090_048),
    "vgg_a_lrn": (132_863_336, 7_609_090_048),
    "vgg_b": (133_047_848, 11_308_466_176),
    "vgg_c": (133_638_952, None),
    "vgg_d": (138_357_544, 15_470_264_320),
    "vgg_e": (143_667_240, 19_632_062_464),
    "vgg16": (138_357_544, 15_470_264_320),
    "vgg16_bn": (138_365_992, 15_470_264_320),
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet34": (21_797_672, 3_663_761_408),
    "resnet50": (25_557_032, 4_089_184_256),
    "resnet101": (44_549_160, 7_801_405_440),
    "resnet152": (60_192_808, 11_513_626_624),
    "resnet50_paper": (25_557_032, 3_857_973_248),
    "resnet101_paper": (44_549_160, 7_570_194_432),
    "resnet152_paper": (60_192_808, 11_282_415_616),
    "resnet20": (269_722, 40_551_040),
    "resnet32": (464_154, 68_862_592),
    "resnet44": (658_586, 97_174_144),
    "resnet56": (853_018, 125_485_696),
    "resnet110": (1_727_962, 252_887_680),
    "resnet1202": (19_421_274, 2_829_238_912),
}.items())  # fmt: skip
def test_parameters_and_multiply_adds_are_the_published_ones(name: str, wanted: tuple[int, int | None]) -> None:
    total = of(name)
    assert total.params == wanted[0]
    assert wanted[1] in (total.macs, None)


def test_lenets_rows_are_those_of_the_common_form() -> None:
    graph = trace("lenet5")
    assert params(graph) == {"conv1": 156, "conv2": 2_416, "fc1": 48_120, "fc2": 10_164, "fc3": 850}
    assert [row.facts.macs for row in graph.rows if row.facts.macs] == [117_600, 240_000, 48_000, 10_080, 840]
    assert [row.out.shape for row in graph.rows if row.kind in ("conv", "avg_pool")] == [
        (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5),
    ]  # fmt: skip


def test_the_net_of_1998_has_sixty_thousand_parameters() -> None:
    found = params(trace("lenet5_1998"))
    assert found == {"c1": 156, "s2.scale": 12, "c3": 1_516, "s4.scale": 32, "c5": 48_120, "f6": 10_164}
    assert sum(found.values()) == 60_000  # "60,000 trainable free parameters", section II.B


def test_the_net_of_1998_has_the_papers_connections() -> None:
    rows = {row.path: row for row in trace("lenet5_1998").rows}

    def weighted(path: str) -> int:  # a convolution or full layer: its weights and a bias for each unit
        return rows[path].facts.macs + rows[path].out.elements

    def subsampled(path: str) -> int:  # four inputs and a bias for each unit
        window = rows[f"{path}.sum"].facts.window
        assert window is not None
        return (prod(window.kernel) + 1) * rows[f"{path}.scale"].out.elements

    found = {
        "C1": weighted("c1"), "S2": subsampled("s2"), "C3": weighted("c3"), "S4": subsampled("s4"),
        "C5": weighted("c5"),
        "F6": weighted("f6"), "RBF": prod(rows["output"].facts.weights[0].shape),
    }  # fmt: skip
    assert found == {
        "C1": 122_304, "S2": 5_880, "C3": 151_600, "S4": 2_000, "C5": 48_120, "F6": 10_164, "RBF": 840,
    }  # fmt: skip
    assert sum(found.values()) == 340_908


def test_the_connection_table_of_1998_is_the_papers() -> None:
    table = lenet.TABLE1
    assert [len(row) for row in table] == [3] * 6 + [4] * 9 + [6]
    assert sum(map(len, table)) == 60
    assert table[:6] == ((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5))
    assert [sum(i in row for row in table) for i in range(6)] == [10] * 6  # each map of S2 is used ten times


def test_the_single_tower_of_the_course_notes_row_by_row() -> None:
    graph = trace("alexnet_single")
    found = params(graph)
    assert found == {
        "conv1": 34_944, "conv2": 614_656, "conv3": 885_120, "conv4": 1_327_488, "conv5": 884_992,
        "fc6": 37_752_832, "fc7": 16_781_312, "fc8": 4_097_000,
    }  # fmt: skip
    assert sum(found.values()) == 62_378_344
    shapes = {row.path: row.out.shape for row in graph.rows}
    assert graph.input.shape == (3, 227, 227)
    wanted = {
        "conv1": (96, 55, 55), "pool1": (96, 27, 27), "conv2": (256, 27, 27), "pool2": (256, 13, 13), "conv3": (384,
        13, 13),
        "conv4": (384, 13, 13), "conv5": (256, 13, 13), "pool5": (256, 6, 6), "fc6": (4096,), "fc7": (4096,),
        "fc8": (1000,),
    }  # fmt: skip
    assert {path: shapes[path] for path in wanted} == wanted


def test_the_two_towers_of_2012_halve_what_conv2_4_and_5_see() -> None:
    graph = trace("alexnet_2012")
    assert params(graph) == params(trace("alexnet_single")) | {
        "conv2": 256 * 48 * 25 + 256, "conv4": 384 * 192 * 9 + 384, "conv5": 256 * 192 * 9 + 256,
    }  # fmt: skip
    assert [row.path for row in graph.rows if row.kind == "local_norm"] == ["norm1", "norm2"]
    # section 3.5: "253,440-186,624-64,896-64,896-43,264-4096-4096-1000" neurons after the input
    sizes = {row.path: row.out.elements for row in graph.rows}
    assert [sizes[p] for p in ("conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")] == [
        186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000,
    ]  # fmt: skip


# rows of the course notes' VGG-16 table: side, channels
NOTES = [
    (224, 3), (224, 64), (224, 64), (112, 64), (112, 128), (112, 128), (56, 128), (56, 256), (56, 256), (56, 256),
    (28, 256),
    (28, 512), (28, 512), (28, 512), (14, 512), (14, 512), (14, 512), (14, 512), (7, 512), (1, 4096), (1, 4096), (1,
    1000),
]  # fmt: skip
NOTES_WEIGHTS = [
    1_728, 36_864, 73_728, 147_456, 294_912, 589_824, 589_824, 1_179_648, 2_359_296, 2_359_296, 2_359_296, 2_359_296,
    2_359_296,
    102_760_448, 16_777_216, 4_096_000,
]  # fmt: skip


def test_vgg16s_activations_are_the_course_notes_rows() -> None:
    total = of("vgg_d")
    kept = [r for r in total.layers if r.category in ("convolution", "pooling", "linear")]
    assert [total.input.shape, *(r.out.shape for r in kept)] == [
        (channels, side, side) if side > 1 else (channels,) for side, channels in NOTES
    ]  # fmt: skip
    assert total.in_place_activations == sum(side * side * channels for side, channels in NOTES) == 15_237_608
    assert of("vgg16").in_place_activations == 15_237_608 + 25_088  # torchvision's adaptive pool is one more output


def test_vgg16s_weights_without_biases_are_the_course_notes_rows() -> None:
    graph = trace("vgg_d")
    weights = [prod(w.shape) for row in graph.rows for w in row.facts.weights if w.name == "weight"]
    assert weights == NOTES_WEIGHTS


@pytest.mark.parametrize(("letter", "layers"), {"a": 11, "a_lrn": 11, "b": 13, "c": 16, "d": 16, "e": 19}.items())
def test_a_column_of_vgg_has_the_weight_layers_of_table_1(letter: str, layers: int) -> None:
    rows = trace(f"vgg_{letter}").rows
    assert sum(isinstance(row.node, Conv | Linear) for row in rows) == layers
    ones = [row.path for row in rows if isinstance(row.node, Conv) and row.node.kernel == 1]
    assert len(ones) == (3 if letter == "c" else 0)
    assert sum(row.kind == "local_norm" for row in rows) == (letter == "a_lrn")


@pytest.mark.parametrize(("name", "printed"), {
    "resnet18_paper": 1.8, "resnet34_paper": 3.6, "resnet50_paper": 3.8, "resnet101_paper": 7.6,
    "resnet152_paper": 11.3,
    "plain18": 1.8, "plain34": 3.6,
}.items())  # fmt: skip
def test_the_papers_nets_have_the_papers_printed_multiply_adds(name: str, printed: float) -> None:
    """Table 1 prints one decimal. 50 layers count 3.858 G and are printed as 3.8, cut; 101 layers count 7.570 G and are
    printed as 7.6, rounded. So a count agrees if rounding it or cutting it gives the printed digit."""
    giga = of(name).macs / 1e9
    assert printed in (round(giga, 1), floor(giga * 10) / 10)
    assert abs(giga - printed) < 0.1


def test_a_stride_in_the_3x3_costs_what_the_papers_form_saves() -> None:
    # stages 3 to 5: the first 1x1 runs before the stride instead of after it, at four times the positions
    stages = ((128, 56), (256, 28), (512, 14))  # width, side before the stride; 2 * width channels enter
    saved = sum(2 * width * width * (side**2 - (side // 2) ** 2) for width, side in stages)
    assert of("resnet50").macs - of("resnet50_paper").macs == saved


def test_the_shortcuts_of_resnet34_cost_in_the_order_of_table_3() -> None:
    a, b, c = (of("resnet34", shortcut=s).params for s in "ABC")
    projections = sum(i * 2 * i + 2 * (2 * i) for i in (64, 128, 256))  # 1x1 convolution and its normalisation
    everywhere = sum(
        n * (w * w + 2 * w) for w, n in ((64, 3), (128, 3), (256, 5), (512, 2))
    )  # the blocks that keep sizes
    assert (a, b, c) == (21_797_672 - projections, 21_797_672, 21_797_672 + everywhere)
    assert a < b < c


@pytest.mark.parametrize(("name", "wanted"), {"resnet20": 272_474, "resnet56": 855_770, "resnet110": 1_730_714}.items())
def test_cifar_nets_with_projections_have_more_parameters(name: str, wanted: int) -> None:
    assert of(name, shortcut="B").params == wanted


@pytest.mark.parametrize("depth", [18, 34, 20, 32, 44, 56, 110, 1202])
def test_a_plain_net_is_its_residual_twin_without_the_skips(depth: int) -> None:
    plain, skips = trace(f"plain{depth}"), trace(f"resnet{depth}{'_paper' if depth in (18, 34) else ''}")
    assert plain.weights == skips.weights
    assert (cost(plain).params, cost(plain).macs) == (cost(skips).params, cost(skips).macs)
    blocks = {18: 8, 34: 16}.get(depth, (depth - 2) // 2)
    assert [sum(row.kind == "add" for row in graph.rows) for graph in (plain, skips)] == [0, blocks]


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110, 1202])
def test_6n_plus_2_counts_the_3x3_convolutions_and_the_linear_layer(depth: int) -> None:
    rows = trace(f"resnet{depth}").rows
    assert sum(isinstance(row.node, Conv | Linear) for row in rows) == depth
    assert [row.out.shape for row in rows if row.kind == "avg_pool_to"] == [(64, 1, 1)]


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_the_depth_in_a_resnets_name_counts_convolutions_off_the_shortcut_and_the_linear_layer(depth: int) -> None:
    rows = trace(f"resnet{depth}").rows
    assert sum(isinstance(row.node, Conv | Linear) and "downsample" not in row.path for row in rows) == depth


def test_numbers_in_the_files_docstrings_are_the_nets() -> None:
    for module, found in (
        (alexnet, [of(name).params for name in ("alexnet", "alexnet_2012", "alexnet_single")]),
        (lenet, [of("lenet5").params, of("lenet5_1998").params, 340_908]),
    ):
        assert module.__doc__
        words = module.__doc__.replace("\n", " ")
        assert [n for n in found if f"{n:,}" not in words] == []


def test_more_width_or_other_classes_change_what_they_should() -> None:
    assert of("lenet5", width=2.0, classes=3).params == 12 * 26 + 32 * (12 * 25 + 1) + 240 * 801 + 168 * 241 + 3 * 169
    assert of("resnet18", classes=10).params == 11_689_512 - 990 * 513
    assert of("resnet20", width=32, classes=100).layers[0].out.shape == (32, 32, 32)
    assert of("vgg16", hidden=0, classes=10).params == 14_714_688 + 25_088 * 10 + 10
