"""Descriptions as JSON: what goes out comes back, and nothing else comes in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from convsmith import names, spec
from convsmith.spec import (
    BACK,
    HERE,
    IN,
    AvgPool,
    Branches,
    Cell,
    Chain,
    CodecError,
    Conv,
    ConvsmithError,
    ConvTranspose,
    Dropout,
    Flatten,
    Gate,
    Identity,
    Linear,
    LocalNorm,
    Network,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Residual,
    RunError,
    Scale,
    Seq,
    Shuffle,
    SpecError,
    Split,
    Step,
    TableConv,
    Tap,
    TiledConv,
    content_hash,
    dumps,
    loads,
    read,
    write,
)


def network(body: Node, **labels: Any) -> Network:
    return Network(body, 16, classes=3, **labels)


def everything() -> Network:
    """One of each combinator, and each way to write a field."""
    return network(
        Seq(
            stem=Seq(Conv(8, (3, 1), 2, pad=(0, 1, 2, 1), bias=False), Norm(1e-3, 0.01), Relu, Identity),
            same=Conv(HERE * 1.5, 3, pad="same", dilation=2),
            block=Residual(
                Seq(a=Conv((IN * 0.75).round(4), 3, groups=1), b=Conv(IN // 2)), Seq(s=Conv(IN // 2)), Relu,
                when="always"
            ),
            mix=Branches(Seq(x=Conv(2)), Identity, y=Seq(pool=Pool(3, 1, 1), conv=Conv(2))),
            fire=Chain(Seq(squeeze=Conv(2)), Branches(e1=Conv(2), e3=Conv(2, 3))),
            halves=Split(Identity, Seq(z=Conv(HERE, 3, groups=HERE))),
            shuffle=Shuffle(2),
            se=Gate(Seq(avgpool=PoolTo(1), fc=Conv(BACK))),
            cell=Cell(out=("p", "q"), p=Step(Scale(0.5, bias=True), "x"), q=Step(AvgPool(3, 1, 1), "x", "p",
            join="concat")),
            up=ConvTranspose(6, 2, 2),
            table=TableConv(((0, 1), (2,)), 3),
            tiled=TiledConv(HERE, (3, 2), 3, pad=(0, 1, 2, 1), bias=True),
            norm=LocalNorm(5, k=1.0),
            aux=Tap(Seq(pool=PoolTo(1, "max"), flatten=Flatten, fc=Linear(3))),
            pool=PoolTo((1, 1)), flatten=Flatten, drop=Dropout(0.25), fc=Linear(3),
        ),
        name="every", init="he_fan_in",
    )  # fmt: skip


def text(body: Any, **fields: Any) -> str:
    """A description with this body, as somebody else may write it."""
    head = {"format": "convsmith.network", "version": 1, "side": 16, "channels": 3, "classes": 3, "body": body}
    return json.dumps(head | fields)


CONV = {"node": "conv", "out": 8}


@pytest.mark.parametrize("name", ["every", *names()])
def test_a_network_comes_back_as_it_was(name: str) -> None:
    before = everything() if name == "every" else spec(name)
    after = loads(dumps(before))
    assert after == before
    assert dumps(after) == dumps(before)


def test_a_description_in_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    write(everything(), tmp_path / "net.json")
    assert read(tmp_path / "net.json") == everything()
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"]  # no temporary file stays behind


def test_the_text_is_json_with_one_line_a_field() -> None:
    written = dumps(network(Seq(Conv(8, 3), Relu), name="mine"))
    assert written == (
        '{\n  "format": "convsmith.network",\n  "version": 1,\n'
        f'  "hash": "{content_hash(network(Seq(Conv(8, 3), Relu)))}",\n'
        '  "name": "mine",\n  "provenance": "own",\n  "init": "torch",\n  "side": 16,\n  "channels": 3,\n  '
        '"classes": 3,\n'
        '  "body": {"node": "seq", "children": [{"node": "conv", "out": 8, "kernel": 3}, '
        '{"node": "activation", "function": "relu"}]}\n}\n'
    )
    assert json.loads(written)["body"]["children"][0] == {"node": "conv", "out": 8, "kernel": 3}


def test_numbered_names_of_branches_are_names() -> None:
    for body in (Branches(**{"0": Conv(3), "1": Conv(4)}), Split(**{"0": Seq(a=Conv(3))}), Branches(Seq(a=Conv(3)))):
        assert loads(dumps(network(body))).body == body


def test_the_hash_is_the_same_in_every_process(python: Callable[..., str]) -> None:
    code = "import convsmith; from convsmith.spec import content_hash; print(content_hash(convsmith.spec('resnet50')))"
    hashes = {python(code, PYTHONHASHSEED=seed).strip() for seed in ("0", "1", "12345")}
    assert hashes == {content_hash(spec("resnet50"))}


def test_the_hash_is_of_what_is_computed_and_not_of_its_labels() -> None:
    plain = network(Seq(a=Conv(8)))
    assert content_hash(replace(plain, name="x", provenance="paper", init="xavier")) == content_hash(plain)
    others = [
        replace(plain, side=17), replace(plain, channels=1), replace(plain, classes=4), network(Seq(b=Conv(8))),
        network(Seq(Conv(8))), network(Seq(a=Conv(9))), network(Seq(a=Conv(8, bias=False))),
    ]  # fmt: skip
    assert len({content_hash(n) for n in [plain, *others]}) == 8


def test_equal_networks_hash_alike_however_their_numbers_were_written() -> None:
    pairs = [
        (LocalNorm(k=3), LocalNorm(k=3.0)), (Conv(HERE * 2), Conv(HERE * 2.0)), (Scale(2), Scale(2.0)),
        (Conv(8, bias=0), Conv(8, bias=False)), (Conv(8, pad=None), Conv(8)),  # type: ignore[arg-type]
    ]  # fmt: skip
    for a, b in pairs:
        assert a == b
        assert content_hash(network(a)) == content_hash(network(b))
        assert loads(dumps(network(a))).body == b


def test_a_hash_may_be_missing_but_not_wrong() -> None:
    data = json.loads(dumps(everything()))
    del data["hash"]
    assert loads(json.dumps(data)) == everything()
    data["body"]["children"][0][1]["children"][0]["out"] = 9
    data["hash"] = json.loads(dumps(everything()))["hash"]
    with pytest.raises(CodecError) as caught:
        loads(json.dumps(data))
    assert str(caught.value) == (
        "the description was changed after it was written: its hash does not match; remove the hash to accept it"
    )


FORMAT = 'not a network description: expected an object with "format": "convsmith.network"'

REFUSED: dict[str, tuple[str, str]] = {
    "not JSON": ("{", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    "nothing": ("", "not JSON: Expecting value: line 1 column 1 (char 0)"),
    "a list": ("[]", FORMAT),
    "null": ("null", FORMAT),
    "another format": ('{"format": "onnx"}', FORMAT),
    "a later version": (text(CONV, version=2), "description of format version 2; this convsmith reads 1"),
    "version as text": (text(CONV, version="1"), "description of format version '1'; this convsmith reads 1"),
    "an unknown top field": (text(CONV, clases=10), "the description: unknown field 'clases'; did you mean 'classes'?"),
    "no body": (
        '{"format": "convsmith.network", "version": 1, "side": 8}', "the description lacks body, channels, classes"
    ),
    "a name that is a number": (text(CONV, name=5), "name, provenance and init must be text"),
    "a side that is text": (text(CONV, side="16"), "side is an integer or [rows, cols], got '16'"),
    "three sides": (text(CONV, side=[1, 2, 3]), "side is an integer or [rows, cols], got [1, 2, 3]"),
    "an unknown kind": (text({"node": "cnv", "out": 8}), "body: no node of kind 'cnv'; did you mean 'conv'?"),
    "no kind": (text({"out": 8}), 'body: a node is an object with "node": its kind, got {"out": 8}'),
    "a kind that is a number": (text({"node": 5}), 'body: a node is an object with "node": its kind, got {"node": 5}'),
    "a node that is a number": (
        text({"node": "seq", "children": [7]}), 'body.0: a node is an object with "node": its kind, got 7'
    ),
    "an unknown field": (
        text({"node": "seq", "children": [["a", {**CONV, "kernal": 3}]]}),
        "body.a: unknown field 'kernal'; did you mean 'kernel'?",
    ),
    "an internal field": (text({**CONV, "relative": []}), "body: unknown field 'relative'; did you mean 'dilation'?"),
    "a missing field": (text({"node": "conv"}), "body: a conv needs 'out'"),
    "a wrong size": (text({**CONV, "kernel": 0}), "body: conv: kernel must be an integer of at least 1, got 0"),
    "a size as text": (text({**CONV, "out": "8"}), "body: conv: out must be an integer of at least 1, got '8'"),
    "a fractional size": (text({**CONV, "out": 8.5}), "body: conv: out must be an integer of at least 1, got 8.5"),
    "a boolean as a number": (text({**CONV, "bias": 1}), "body.bias: expected bool, got 1"),
    "a boolean as text": (text({**CONV, "bias": "no"}), 'body.bias: expected bool, got "no"'),
    "a width for a boolean": (text({**CONV, "bias": {"width": "in"}}), 'body.bias: expected bool, got {"width": "in"}'),
    "a node for a boolean": (text({**CONV, "bias": CONV}), 'body.bias: expected bool, got {"node": "conv", "out": 8}'),
    "a width for a kernel": (
        text({**CONV, "kernel": {"width": "in"}}), 'body.kernel: expected int | Pair, got {"width": "in"}'
    ),
    "a float that is text": (text({"node": "dropout", "rate": "a"}), 'body.rate: expected float, got "a"'),
    "a float that is a boolean": (text({"node": "dropout", "rate": True}), "body.rate: expected float, got true"),
    "a word that is a number": (text({"node": "activation", "function": 3}), "body.function: expected str, got 3"),
    "a huge number": (
        text({**CONV, "out": 10**1000}), "body: conv: out must be at most 2147483647, got a number of 3322 bits"
    ),
    "a number beyond floats": (
        text({"node": "scale"}).replace('"scale"', '"scale", "start": 1e999'),
        "body.start: expected a finite number, got Infinity",
    ),
    "a huge side": (text(CONV, side=2**40), "side must be at most 2147483647, got a number of 41 bits"),
    "NaN": (text({"node": "scale", "start": float("nan")}), "not JSON: NaN is not a number in JSON"),
    "minus infinity": (text(CONV, side=float("-inf")), "not JSON: -Infinity is not a number in JSON"),
    "a width of nowhere": (
        text({**CONV, "out": {"width": "there"}}), "body: a relative width is of 'here', 'in' or 'back', not 'there'"
    ),
    "a width's unknown factor": (
        text({**CONV, "out": {"width": "in", "tims": 2}}), "body.out: unknown field 'tims'; did you mean 'times'?"
    ),
    "a width's factor as text": (
        text({**CONV, "out": {"width": "in", "times": "2"}}),
        'body.out: a width\'s factors are numbers, got {"width": "in", "times": "2"}',
    ),
    "a width's fractional multiple": (
        text({**CONV, "out": {"width": "in", "multiple": 2.5}}),
        "body: a relative width wants a finite times > 0 and whole divide and multiple >= 1, "
        "got Width(of='in', times=1, divide=1, multiple=2.5)",
    ),
    "children by name in an object": (
        text({"node": "seq", "children": {"a": CONV}}), 'body: children must be a list, got {"a": {"node": '
        '"conv", "out": 8}}'
    ),
    "a half-named child": (
        text({"node": "seq", "children": [["a", CONV], CONV]}),
        'body: a named child is [name, node], got {"node": "conv", "out": 8}',
    ),
    "a name twice": (
        text({"node": "seq", "children": [["a", CONV], ["a", CONV]]}),
        "body: children's names must be unique, nameless ones first",
    ),
    "a dotted name": (
        text({"node": "seq", "children": [["a.b", CONV]]}), "body: seq: a name is one path segment, without "
        "dots, got 'a.b'"
    ),
    "a bare branch": (
        text({"node": "branches", "children": [CONV]}),
        "body: branches: a bare conv has no name here; write Seq(name=...) around it",
    ),
    "no branches": (text({"node": "branches"}), "body: branches: needs at least one branch"),
    "a bare body": (
        text({"node": "residual", "body": CONV}), "body: residual: a bare conv has no name here; write "
        "Seq(name=...) around it"
    ),
    "a body that is a number": (text({"node": "gate", "body": 3}), "body: gate: expected a node, got 3"),
    "a head that is a number": (text({"node": "tap", "head": 3}), "body: tap: expected a node, got 3"),
    "a connection table of fractions": (
        text({"node": "table_conv", "table": [[1.5]], "kernel": 3}), "body: table_conv: input maps are numbered "
        "from 0 by integers"
    ),
    "a cell's steps in a list": (
        text({"node": "cell", "inputs": ["x"], "out": ["a"], "steps": []}), "body: a cell's steps are an object "
        "by name, got []"
    ),
    "a cell's step of text": (
        text({"node": "cell", "inputs": ["x"], "out": ["a"], "steps": {"a": "x"}}), 'body.a: a step is an '
        'object, got "x"'
    ),
    "a step's unknown field": (
        text({"node": "cell", "inputs": ["x"], "out": ["a"], "steps": {"a": {"of": CONV, "form": ["x"]}}}),
        "body.a: unknown field 'form'; did you mean 'from'?",
    ),
    "a step from nowhere": (
        text({"node": "cell", "inputs": ["x"], "out": ["a"], "steps": {"a": {"of": CONV, "from": ["y"]}}}),
        "body: cell: step 'a' reads 'y', not an input or earlier step",
    ),
    "a step's source as text": (
        text({"node": "cell", "inputs": ["x"], "out": ["a"], "steps": {"a": {"of": CONV, "from": "x"}}}),
        'body: expected a list of names, got "x"',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_a_description_is_refused_in_words(name: str) -> None:
    given, message = REFUSED[name]
    with pytest.raises(SpecError) as caught:
        loads(given)
    assert str(caught.value) == message
    assert isinstance(caught.value, CodecError) or name == "a huge side"


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(CodecError, match=r"^not JSON: "):
        loads(b"\xff\xfe\x00\xd8garbage")


@pytest.mark.parametrize("piece", ['{"node": "seq", "children": [', '{"node": "residual", "body": ', "[", '{"a": '])
def test_a_hundred_thousand_levels_are_refused_at_once(piece: str) -> None:
    closing = {"[": "]", "{": "}"}
    tail = "".join(closing[c] for c in reversed(piece) if c in closing)
    hostile = text(0).replace('"body": 0', '"body": ' + piece * 100_000 + json.dumps(CONV) + tail * 100_000)
    with pytest.raises(CodecError, match="nested too deeply"):
        loads(hostile)


@pytest.mark.parametrize("piece", ["seq", "residual"])
def test_a_hundred_levels_are_read_and_more_are_refused(piece: str) -> None:
    opening, closing = {
        "seq": ('{"node": "seq", "children": [', "]}"), "residual": ('{"node": "residual", "body": ', "}"),
    }[piece]  # fmt: skip

    def nested(levels: int) -> str:
        body = opening * levels + '{"node": "seq"}' + closing * levels
        return text(0).replace('"body": 0', f'"body": {body}')

    found = loads(nested(100))
    assert loads(dumps(found)) == found
    assert len(content_hash(found)) == 64
    for levels in (101, 150, 250, 330, 490, 900):
        with pytest.raises(CodecError, match="nested too deeply"):
            loads(nested(levels))


def test_a_description_too_deep_to_write_is_refused() -> None:
    node: Node = Conv(3)
    for _ in range(5000):
        node = Seq(node)
    with pytest.raises(SpecError, match=r"^the description is nested too deeply$"):
        dumps(network(node))


def test_a_text_too_large_to_be_a_description_is_refused() -> None:
    with pytest.raises(CodecError, match="larger than 64 MiB"):
        loads(" " * (64 * 2**20 + 1))


def test_a_kind_of_a_million_letters_is_refused_at_once() -> None:
    with pytest.raises(CodecError, match="no node of kind") as caught:
        loads(text({"node": "c" * 10**6}))
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("hostile", [
    {"node": "conv", "out": [1, 2]}, {"node": "conv", "out": None}, {"node": "conv", "out": {}},
    {"node": "conv", "out": 8, "kernel": []}, {"node": "conv", "out": 8, "kernel": [[3], 3]},
    {"node": "conv", "out": 8, "pad": [1]}, {"node": "conv", "out": 8, "pad": {"a": 1}}, {"node": "conv", "out": 8,
    "groups": -1},
    {"node": "norm", "eps": None}, {"node": "norm", "eps": []}, {"node": "local_norm", "size": [1]},
    {"node": "tiled_conv", "out": 4, "period": 2.5}, {"node": "tiled_conv", "out": 4, "period": {"width": "here"}},
    {"node": "tiled_conv"},
    {"node": "table_conv", "table": 5, "kernel": 3}, {"node": "table_conv", "table": [["a"]], "kernel": 3},
    {"node": "table_conv", "table": [[[0]]], "kernel": 3}, {"node": "pool_to", "size": 1, "how": ["avg"]},
    {"node": "activation", "function": None}, {"node": "activation"}, {"node": "slice", "index": "a", "parts": 2},
    {"node": "residual", "body": None}, {"node": "residual", "body": {"node": "identity"}, "after": None},
    {"node": "residual", "body": {"node": "identity"}, "when": {"a": 1}}, {"node": "cell"}, {"node": "add"},
    {"node": "Seq"},
    {"node": "cell", "inputs": [1], "out": ["x"], "steps": {}}, {"node": "seq", "children": [["self", CONV]]},
    {"node": "cell", "inputs": ["x"], "out": ["out"], "steps": {"out": {"of": CONV, "from": ["x"]}}},
    {"node": "cell", "inputs": ["x"], "out": ["a"], "steps": {"a": {"of": CONV, "from": []}}},
    {"node": "cell", "inputs": ["x"], "out": ["a"], "steps": {"a": {"of": CONV, "from": ["x"], "join": ["add"]}}},
    {"node": "identity", "__class__": "os.system"}, {"node": "__import__('os')"}, {"node": "avg_pool", "kernel": 2,
    "divisor": "1"},
    {"node": "seq", "children": [["", CONV], ["b", CONV]]}, {"node": "dropout", "rate": 1}, {"node": "zero_channels",
    "to": 0},
])  # fmt: skip
def test_no_malformed_node_escapes_as_another_error(hostile: Any) -> None:
    with pytest.raises(CodecError, match=r"^body"):
        loads(text(hostile))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CodecError) as caught:
        read(tmp_path / "missing.json")
    assert str(caught.value) == f"{tmp_path / 'missing.json'}: No such file or directory"
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(CodecError, match=r"bad.json: not JSON: "):
        read(tmp_path / "bad.json")


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_no_other(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot write .*: No such file or directory; choose another folder"):
        write(everything(), tmp_path / "missing" / "net.json")
    (tmp_path / "net.json").mkdir()  # a folder in the way: the rename fails after the temporary file was written
    with pytest.raises(ConvsmithError, match="cannot write"):
        write(everything(), tmp_path / "net.json")
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"]
