"""The recipes by name: ours and, one file each, those of the papers."""

from __future__ import annotations

from inspect import getdoc

from convsmith.spec.errors import UnknownName, nearest
from convsmith.train.recipe import Recipe
from convsmith.train.recipes.alexnet_2012 import AlexNet2012
from convsmith.train.recipes.densenet_2016 import DenseNet2016
from convsmith.train.recipes.efficientnet_2019 import EfficientNet2019
from convsmith.train.recipes.fast import Fast
from convsmith.train.recipes.finetune import Finetune
from convsmith.train.recipes.googlenet_2014 import GoogLeNet2014
from convsmith.train.recipes.mobilenet_v2 import MobileNetV2
from convsmith.train.recipes.modern import Modern
from convsmith.train.recipes.plain import Plain
from convsmith.train.recipes.resnet_2015 import ResNet2015
from convsmith.train.recipes.resnet_cifar import ResNetCifar
from convsmith.train.recipes.vgg_2014 import VGG2014
from convsmith.train.recipes.wrn_2016 import WRN2016

RECIPES: dict[str, Recipe] = {
    found.name: found
    for found in (
        Recipe(), Plain(), AlexNet2012(), VGG2014(), GoogLeNet2014(), ResNet2015(), ResNetCifar(), DenseNet2016(),
        WRN2016(), MobileNetV2(), EfficientNet2019(), Modern(), Fast(), Finetune(),
    )
}  # fmt: skip


def recipe(name: str) -> Recipe:
    """The recipe of this name. Raises UnknownName, offering the nearest."""
    if name not in RECIPES:
        raise UnknownName(f"no recipe is called {name!r}{nearest(name, RECIPES)} (there are {', '.join(RECIPES)})")
    return RECIPES[name]


def source(name: str) -> str:
    """Where a recipe is from, in the paper's own words: its first line alone says which paper."""
    return getdoc(type(recipe(name))) or ""
