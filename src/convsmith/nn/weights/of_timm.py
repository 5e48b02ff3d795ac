"""`timm:NAME`: a model of timm with its published weights, from the Hugging Face hub or the offline folder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convsmith.nn.weights.files import first_line
from convsmith.nn.weights.offline import VARIABLE, basename, look
from convsmith.nn.weights.origin import Origin, Weights, check_name, origin_of
from convsmith.spec.errors import MissingExtra, UnknownName, WeightsError, nearest


def from_timm(name: str) -> Weights:
    """timm builds the model and fills it from its own file; the tensors, and the module for their names.

    Raises MissingExtra without timm, UnknownName for a name it lacks, WeightsError if the weights cannot be had.
    """
    timm = _timm()
    known = _known(timm, name)
    name = f"{known.architecture}.{known.tag}" if known.tag else name  # without a tag: the one that timm prefers today
    source = f"timm:{name}"
    path = look(f"{name}.safetensors", f"{name}.pth", basename(known.url or ""))
    if path is not None:
        origin = origin_of(source, path)
        check_name(origin)
        module = _built(timm, name, f"fetch {path} again", pretrained_cfg_overlay={"file": str(path)})
    else:
        module = _built(timm, name, f"without a network, put {name}.safetensors into the folder that {VARIABLE} names")
        origin = _cached(source, known)
    return Weights(dict(module.state_dict()), origin, module, tuple(known.input_size))


def _timm() -> Any:
    try:
        return import_module("timm")
    except ImportError:
        raise MissingExtra("weights of timm need timm: pip install 'convsmith[timm]'") from None


def _known(timm: Any, name: str) -> Any:
    """What timm knows of a model's weights (its PretrainedCfg)."""
    model, _, tag = name.partition(".")
    if not timm.is_model(model):
        raise UnknownName(f"timm has no model {name!r}{nearest(model, timm.list_models())}")
    tagged = timm.list_pretrained(f"{model}.*")
    if tag and name not in tagged:
        tags = ", ".join(other.partition(".")[2] for other in tagged) or "none"
        raise UnknownName(f"timm's {model} has no weights {tag!r}{nearest(name, tagged)} (it has {tags})")
    known = timm.get_pretrained_cfg(name)
    if known is None or not known.has_weights:
        raise WeightsError(f"timm publishes no weights for {name}; give a file")
    return known


def _built(timm: Any, name: str, remedy: str, **options: Any) -> nn.Module:
    """Built from two seeds: for some models timm passes over what a file lacks, and lets it start at random."""
    made = []
    for seed in (0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                made.append(timm.create_model(name, pretrained=True, **options))
            except Exception as error:  # the hub's client, its transport and timm each raise their own kinds
                raise WeightsError(f"cannot get timm's {name} ({first_line(error)}); {remedy}") from None
    module: nn.Module = made[0].eval()
    other: dict[str, Tensor] = made[1].state_dict()
    loose = [key for key, tensor in module.state_dict().items() if not torch.equal(tensor, other[key])]
    if loose:
        raise WeightsError(f"timm leaves {len(loose)} tensors of {name} at random ({loose[0]}); give other weights")
    return module


def _cached(source: str, known: Any) -> Origin:
    """The file that timm has just read, in the hub's cache or in torch's; unknown if it lies elsewhere."""
    hub = import_module("huggingface_hub")
    repository, _, revision = (known.hf_hub_id or "").partition("@")
    for file in (known.hf_hub_filename, "model.safetensors", "pytorch_model.bin"):
        found = hub.try_to_load_from_cache(repository, file, revision=revision or None) if repository and file else None
        if isinstance(found, str):
            return origin_of(source, Path(found))
    path = Path(torch.hub.get_dir()) / "checkpoints" / basename(known.url or "")
    return origin_of(source, path) if path.is_file() else Origin(source)
