"""How long does a full cost table take from a description, beside the counters that people use?

Ours, cold: trace a description, make a row for every layer and add them up; nothing is remembered from an earlier call,
and every row has been made and gone through before the clock stops. (With the description built anew, too, in the line
below.) Theirs: the module is built beforehand (not timed), then counted,
on the meta device where they can, else on real tensors. 224 x 224, batch 1, one thread, in turn. A counter that fails
has its error in place of a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torchvision
from timing import in_turn, rows, table

from convsmith import cost, spec, trace
from convsmith.spec import Network

NETS = ("resnet50", "resnet152", "densenet201", "efficientnet_b7", "mobilenet_v2")
ROUNDS = 3
SIDE = 224


def ours(described: Network) -> int:
    """The whole table: a row a layer, and every total."""
    total = cost(trace(described, SIDE))
    tuple(total.layers)
    return total.macs


def torch_counter(net: Any, image: Any) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(image)
    return int(counter.get_total_flops()) // 2


def torchinfo(net: Any, image: Any) -> int:
    from torchinfo import summary

    return int(summary(net, input_data=image, verbose=0, device="meta").total_mult_adds)


def thop(net: Any, image: Any) -> int:
    from thop import profile

    return int(profile(net, inputs=(image,), verbose=False)[0])


def fvcore(net: Any, image: Any) -> int:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(net, image)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return int(analysis.total())


def ptflops(net: Any, _: Any, backend: str = "pytorch") -> int:
    from ptflops import get_model_complexity_info as count

    how = {"as_strings": False, "print_per_layer_stat": False, "verbose": False, "backend": backend}
    return int(count(net, (3, SIDE, SIDE), **how)[0])


def calflops(net: Any, _: Any) -> int:
    from calflops import calculate_flops

    return int(calculate_flops(net, (1, 3, SIDE, SIDE), print_results=False, output_as_string=False)[1])


def torchprofile(net: Any, image: Any) -> int:
    from torchprofile import profile_macs

    return int(profile_macs(net, image))


META = {"torch FlopCounterMode / 2": torch_counter, "torchinfo": torchinfo, "thop": thop}
REAL = {"fvcore": fvcore, "ptflops": ptflops, "ptflops, aten": partial(ptflops, backend="aten"), "calflops": calflops,
        "torchprofile": torchprofile}  # fmt: skip


def counters(name: str) -> tuple[dict[str, Callable[[], int]], dict[str, str]]:
    """Functions that count the network, by their counter, and the errors of those that cannot."""
    with torch.device("meta"):
        bare, nothing = getattr(torchvision.models, name)().eval(), torch.empty(1, 3, SIDE, SIDE)
    real, pixels = getattr(torchvision.models, name)().eval(), torch.zeros(1, 3, SIDE, SIDE)
    described = spec(name)
    tasks: dict[str, Callable[[], int]] = {
        "convsmith": lambda: ours(described),
        "convsmith, description built anew": lambda: ours(spec(name)),
    }
    theirs = {peer: partial(count, bare, nothing) for peer, count in META.items()}
    theirs |= {peer: partial(count, real, pixels) for peer, count in REAL.items()}
    errors = {}
    for peer, task in theirs.items():
        try:
            task()
            tasks[peer] = task
        except Exception as error:  # whatever they raise
            errors[peer] = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:90]}"
    return tasks, errors


def main() -> None:
    """Print a table for each network, and the time of the trace alone."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    for name in NETS:
        tasks, errors = counters(name)
        totals = {peer: f"{task():,}" for peer, task in tasks.items()}
        times = in_turn(tasks, ROUNDS, {peer: 20 for peer in tasks if peer.startswith("convsmith")})
        print(f"\n**{name}**\n")
        lines = rows(times, totals)
        lines += [(peer, "", "", "", error) for peer, error in errors.items()]
        print(table(("counter", "median ms", "min-max ms", "to ours", "MACs"), lines))
    described = spec("resnet152")
    alone = in_turn({"trace of ResNet-152": lambda: trace(described)}, 21, {"trace of ResNet-152": 10})
    print("\n**The trace alone** (description at hand; 21 rounds of 10)\n")
    print(table(("task", "median ms", "min-max ms"), [line[:3] for line in rows(alone)]))


if __name__ == "__main__":
    main()
