"""Images with labels: where they come from, what is wrong with them, how they are split, resized and augmented.

`load("digits")` or `load("a/folder")` gives `Data`: three sets in memory, a class map and the preprocessing that every
later use of the network shares. `load_shards` leaves the training images in tar shards. `diagnose` says what is wrong
with a folder without training on it.
"""

from __future__ import annotations

from convsmith.data.augment import Augment, Lighting, Mix
from convsmith.data.builtin import SOURCES
from convsmith.data.dataset import Data
from convsmith.data.doctor import diagnose, examine
from convsmith.data.feed import Batch, Feed, Memory
from convsmith.data.finding import Finding
from convsmith.data.from_shards import is_shards, load_shards
from convsmith.data.images import ImageSet
from convsmith.data.keyed import keyed_uniforms
from convsmith.data.loading import load
from convsmith.data.outside import InFiles, Outside
from convsmith.data.overflow import Streaming
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
    "InFiles",
    "Lighting",
    "Memory",
    "Mix",
    "Outline",
    "Outside",
    "Preprocess",
    "Shards",
    "Source",
    "Streamed",
    "Streaming",
    "cached",
    "cover",
    "diagnose",
    "examine",
    "images_from",
    "is_shards",
    "keyed_uniforms",
    "load",
    "load_set",
    "load_shards",
    "open_source",
    "outline",
    "pack",
    "statistics",
    "write_shards",
]
