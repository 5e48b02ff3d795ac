"""Training: recipes, the loop, runs on disk, evaluation."""

from convsmith.train.checkpoint import Every
from convsmith.train.choice import Choice, choose
from convsmith.train.environment import command_line, environment
from convsmith.train.evaluate import Evaluation, evaluate
from convsmith.train.execution import Execution
from convsmith.train.find_lr import LrCurve, find_lr
from convsmith.train.loop import Interrupted, train
from convsmith.train.recipe import Recipe, override
from convsmith.train.recipes import RECIPES, recipe
from convsmith.train.restore import Trained, restore, store
from convsmith.train.run import Run, default_folder
from convsmith.train.runtime import connect
from convsmith.train.settings import Settled, settle
from convsmith.train.setup import Setup
from convsmith.train.warm_start import WarmStart, warm_start
from convsmith.train.watch import Bar, Silent, Watch

__all__ = [
    "RECIPES", "Bar", "Choice", "Evaluation", "Every", "Execution", "Interrupted", "LrCurve", "Recipe", "Run",
    "Settled", "Setup", "Silent", "Trained", "WarmStart", "Watch", "choose", "command_line", "connect",
    "default_folder", "environment", "evaluate", "find_lr", "override", "recipe", "restore", "settle", "store", "train",
    "warm_start",
]  # fmt: skip
