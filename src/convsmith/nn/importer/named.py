"""A module by its name: a library's (`timm:convnext_tiny`), or yours (`mynet.py:Net`, `package.module:factory`)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from convsmith.spec.errors import ImportFailed, MissingExtra, UnknownName, nearest
from convsmith.spec.network import Network
from convsmith.spec.node import Node


def is_named(what: str) -> bool:
    """Whether a word on the command line is meant as a module: it has a colon, and no such file is there."""
    return ":" in what and not Path(what).exists()


def named(what: str, options: Mapping[str, Any]) -> nn.Module | Network | Node:
    """The module (or description) of this name, made with `options` and random weights; libraries' hold no numbers.

    Naming code of your own runs it. Raises UnknownName for a library, file, module or name that is not there,
    MissingExtra without timm, ImportFailed where the code itself fails.
    """
    place, _, name = what.rpartition(":")
    if place == "timm":
        return _of_timm(name, options)
    if place == "torchvision":
        return _of_torchvision(name, options)
    source = _load(place)
    if not hasattr(source, name):
        raise UnknownName(f"{place} has no {name!r}{nearest(name, vars(source))}")
    found = getattr(source, name)
    try:
        return found if isinstance(found, nn.Module | Network | Node) else _checked(what, found(**options))
    except ImportFailed:
        raise
    except Exception as error:  # whatever your code raises
        raise ImportFailed(f"{what} fails: {type(error).__name__}: {_first(error)}") from None


def image_of(module: nn.Module) -> tuple[int, int, int]:
    """(C, H, W) that a module was made for: what timm says, else 224 pixels and its first convolution's channels."""
    size = (getattr(module, "default_cfg", None) or {}).get("input_size")
    if size is not None:
        return int(size[0]), int(size[1]), int(size[2])
    first = next((layer for layer in module.modules() if isinstance(layer, nn.Conv2d)), None)
    return (first.in_channels if first is not None else 3), 224, 224


def _of_timm(name: str, options: Mapping[str, Any]) -> nn.Module:
    try:
        timm = importlib.import_module("timm")
    except ImportError:
        raise MissingExtra("networks of timm need timm: pip install 'convsmith[timm]'") from None
    if not timm.is_model(name.partition(".")[0]):
        raise UnknownName(f"timm has no model {name!r}{nearest(name, timm.list_models())}")
    return _without_numbers(f"timm:{name}", timm.create_model, name, options)


def _of_torchvision(name: str, options: Mapping[str, Any]) -> nn.Module:
    from torchvision import models

    known = models.list_models(models)
    if name not in known:
        raise UnknownName(f"torchvision has no model {name!r}{nearest(name, known)}")
    return _without_numbers(f"torchvision:{name}", models.get_model, name, options)


def _without_numbers(what: str, make: Any, name: str, options: Mapping[str, Any]) -> nn.Module:
    try:
        with torch.device("meta"):
            return make(name, **options)  # type: ignore[no-any-return]
    except NotImplementedError:  # some read numbers while they are made
        made: nn.Module = make(name, **options)
        return made.to("meta")
    except TypeError as error:
        raise UnknownName(f"{what} cannot be made so: {_first(error)}") from None


def _load(place: str) -> ModuleType:
    path = Path(place)
    try:
        if path.suffix != ".py":
            sys.path.insert(0, "")
            try:
                return importlib.import_module(place)
            finally:
                sys.path.remove("")
        if not path.is_file():
            raise UnknownName(f"no file {place}; write path/to/file.py:Name or package.module:Name")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        source = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(source)
        return source
    except ModuleNotFoundError as error:
        raise UnknownName(f"{place}: {error}; write path/to/file.py:Name or package.module:Name") from None
    except UnknownName:
        raise
    except Exception as error:  # whatever your file raises
        raise ImportFailed(f"{place} fails: {type(error).__name__}: {_first(error)}") from None


def _checked(what: str, made: Any) -> nn.Module | Network | Node:
    if not isinstance(made, nn.Module | Network | Node):
        raise ImportFailed(f"{what} gives {type(made).__name__}, not a module or a description")
    return made


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
