"""From a network and its settings to something that steps, and back to an ordinary network."""

from __future__ import annotations

import math
from dataclasses import replace

from convsmith.data import Data
from convsmith.nn import Net
from convsmith.train.ema import Ema
from convsmith.train.faults import check_parts
from convsmith.train.optimiser import make_optimiser
from convsmith.train.recipe import Recipe
from convsmith.train.runtime import Runtime
from convsmith.train.schedule import Schedule
from convsmith.train.setup import Setup
from convsmith.train.sides import check_sides
from convsmith.train.state import State
from convsmith.train.step import Stepper
from convsmith.train.sync_norm import separate, synchronised
from convsmith.train.whiten import first, whiten


def prepared(net: Net, data: Data, recipe: Recipe, setup: Setup, runtime: Runtime, *, seed: int) -> Stepper:
    """The network ready to be stepped by a settled recipe. Raises TrainingError for what cannot work."""
    batches = math.ceil(len(data.train) / recipe.batch)
    check_parts(net, len(data.train), batches, runtime, setup.sync_norm)
    check_sides(net, recipe, data.side)
    if recipe.whiten:
        whiten(net, data.train.images, data.preprocess)
    execution = setup.execution
    if runtime.device is not None:
        execution = replace(execution, device=str(runtime.device))
    if setup.sync_norm and runtime.size > 1:
        synchronised(net)
        execution = replace(execution, fused=False, compiled=False)  # fused norms know one process's batch alone
    model = runtime.wrap(execution.prepare(net), setup.sharded)
    optimiser = make_optimiser(net, recipe, fused=execution.type != "cpu")  # after sharding, which makes parameters
    ema = Ema(net, recipe.ema) if recipe.ema else None
    state = State(net, optimiser, Schedule(recipe, batches), execution.scaler(), ema, data.classes)
    return Stepper(state, model, recipe, data.preprocess, execution, runtime, seed)


def released(stepper: Stepper) -> None:
    """The trained network in evaluation mode, with averaged weights if there are some, and as it was built."""
    state = stepper.state
    stepper.runtime.align(state.net)
    if state.ema is not None:
        state.ema.exchange(state.net)
    stepper.execution.release(state.net)
    separate(state.net)
    if stepper.recipe.whiten:
        assert isinstance(state.net, Net)  # as `prepared` was given it
        first(state.net).weight.requires_grad_(True)
    state.net.eval()
