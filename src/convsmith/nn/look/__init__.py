"""A look inside a trained network: what an answer rests on, what a layer sees, how signals and gradients travel."""

from convsmith.nn.look.depth import by_depth, first_to_last
from convsmith.nn.look.filters import Filters, first_filters
from convsmith.nn.look.grad_cam import Cam, grad_cam, grad_cam_of
from convsmith.nn.look.layer import last_map
from convsmith.nn.look.maps import feature_maps, liveliest
from convsmith.nn.look.occlusion import Occlusion, occlusion
from convsmith.nn.look.tally import Depth

__all__ = [
    "Cam",
    "Depth",
    "Filters",
    "Occlusion",
    "by_depth",
    "feature_maps",
    "first_filters",
    "first_to_last",
    "grad_cam",
    "grad_cam_of",
    "last_map",
    "liveliest",
    "occlusion",
]
