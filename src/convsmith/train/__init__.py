"""Training: recipes, the loop, runs on disk, evaluation."""

from convsmith.train.environment import command_line, environment
from convsmith.train.evaluate import Evaluation, evaluate
from convsmith.train.loop import Interrupted, train
from convsmith.train.recipe import RECIPES, Recipe, override, recipe
from convsmith.train.restore import Trained, restore, store
from convsmith.train.run import Run, default_folder
from convsmith.train.watch import Bar, Silent, Watch

__all__ = [
    "RECIPES", "Bar", "Evaluation", "Interrupted", "Recipe", "Run", "Silent", "Trained", "Watch", "command_line",
    "default_folder", "environment", "evaluate", "override", "recipe", "restore", "store", "train",
]  # fmt: skip
