"""From a network and its settings to something that steps, and back to an ordinary network."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from convsmith.data import Data
from convsmith.nn import Net
from convsmith.train.anchor import Anchor
from convsmith.train.ema import Ema
from convsmith.train.faults import check_parts, check_thaw
from convsmith.train.features import FeatureData, head_of
from convsmith.train.imbalance import class_weights
from convsmith.train.optimiser import make_optimiser
from convsmith.train.recipe import Recipe
from convsmith.train.runtime import Runtime
from convsmith.train.schedule import Schedule
from convsmith.train.setup import Setup
from convsmith.train.sides import check_sides
from convsmith.train.state import State
from convsmith.train.step import Stepper
from convsmith.train.sync_norm import separate, synchronised
from convsmith.train.transfer import Freezer
from convsmith.train.whiten import first, whiten


def prepared(net: Net, data: Data, recipe: Recipe, setup: Setup, runtime: Runtime, *, seed: int) -> Stepper:
    """The network ready to be stepped by a settled recipe. Raises TrainingError for what cannot work."""
    batches = math.ceil(len(data.train) / recipe.batch)
    check_parts(net, len(data.train), batches, runtime, setup.sync_norm)
    check_sides(net, recipe, data.side)
    check_thaw(recipe, runtime)
    weights = class_weights(recipe, data.train.labels, data.classes)
    freezer = begun(net, data, recipe)
    execution = setup.execution
    if runtime.device is not None:
        execution = replace(execution, device=str(runtime.device))
    if setup.sync_norm and runtime.size > 1:
        synchronised(net)
        execution = replace(execution, fused=False, compiled=False)  # fused norms know one process's batch alone
    model = runtime.wrap(execution.prepare(net), setup.sharded)
    anchor = Anchor(net, anchored(net, recipe, freezer), recipe.l2_sp) if recipe.l2_sp else None
    optimiser = optimiser_of(net, recipe, freezer, fused=execution.type != "cpu")  # after sharding: it makes parameters
    ema = Ema(net, recipe.ema) if recipe.ema else None
    state = State(net, optimiser, Schedule(recipe, batches), execution.scaler(), ema, data.classes, anchor)
    weights = None if weights is None else weights.to(execution.device)
    return Stepper(state, model, recipe, data.preprocess, execution, runtime, seed, freezer, weights=weights)


def begun(net: Net, data: Data, recipe: Recipe) -> Freezer:
    """The network whitened, and frozen where it never learns, before its optimiser is made."""
    if recipe.whiten:
        whiten(net, data.train.images, data.preprocess)
    return Freezer(net, recipe)


def optimiser_of(net: Net, recipe: Recipe, freezer: Freezer, *, fused: bool = False) -> torch.optim.Optimizer:
    """The recipe's optimiser with the rates of the stages."""
    return make_optimiser(net, recipe, fused=fused, rates=freezer.rates, anchored=anchored(net, recipe, freezer))


def anchored(net: Net, recipe: Recipe, freezer: Freezer) -> set[str]:
    """Names of the weights that are pulled to their start: of the body, those that would decay."""
    weights = net.named_parameters() if recipe.l2_sp else ()
    return {name for name, w in weights if name in freezer.body and (recipe.decay == "all" or w.ndim > 1)}


def on_features(stepper: Stepper, net: Net, data: FeatureData) -> Stepper:
    """A stepper for the head alone, on what it reads."""
    head, execution = head_of(net), replace(stepper.execution, channels_last=False)  # features may be vectors
    return replace(stepper, model=head, judged=head, preprocess=data.preprocess, execution=execution)


def released(stepper: Stepper) -> None:
    """The trained network in evaluation mode, with averaged weights if there are some, and as it was built."""
    state = stepper.state
    stepper.runtime.align(state.net)
    if state.ema is not None:
        state.ema.exchange(state.net)
    stepper.execution.release(state.net)
    separate(state.net)
    stepper.freezer.end()
    if stepper.recipe.whiten:
        first(stepper.freezer.net).weight.requires_grad_(True)
    state.net.eval()
