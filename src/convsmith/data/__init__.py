"""Images with labels: where they come from, what is wrong with them, how they are split, resized and augmented.

`load("digits")` or `load("a/folder")` gives `Data`: three sets in memory, a class map and the preprocessing that every
later use of the network shares. `diagnose` says what is wrong with a folder without training on it.
"""

from __future__ import annotations

from convsmith.data.augment import Augment, Lighting, Mix
from convsmith.data.builtin import SOURCES
from convsmith.data.dataset import Data, ImageSet
from convsmith.data.doctor import diagnose, examine
from convsmith.data.feed import Batch, Feed, Memory
from convsmith.data.finding import Finding
from convsmith.data.keyed import keyed_uniforms
from convsmith.data.loading import load
from convsmith.data.packing import cached, pack
from convsmith.data.predict import images_from
from convsmith.data.preprocess import Preprocess, cover, statistics
from convsmith.data.sharding import write_shards
from convsmith.data.shards import Shards
from convsmith.data.source import Example, Source
from convsmith.data.sources import open_source
from convsmith.data.streaming import Streamed
from convsmith.data.whole import Outline, load_set, outline

__all__ = [
    "SOURCES",
    "Augment",
    "Batch",
    "Data",
    "Example",
    "Feed",
    "Finding",
    "ImageSet",
    "Lighting",
    "Memory",
    "Mix",
    "Outline",
    "Preprocess",
    "Shards",
    "Source",
    "Streamed",
    "cached",
    "cover",
    "diagnose",
    "examine",
    "images_from",
    "keyed_uniforms",
    "load",
    "load_set",
    "open_source",
    "outline",
    "pack",
    "statistics",
    "write_shards",
]
