"""How long does a full cost table take from a description, beside the counters that people use?

Ours, cold: build the description, trace it, add up the cost; nothing remembered from an earlier call. Theirs: the
module is built beforehand (not timed), then counted; on the meta device, but for fvcore, whose tracer needs real
tensors with this torch. 224 x 224, batch 1, one thread.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
import torchvision
from timing import in_turn, rows, table

from convsmith import cost, spec, trace

NETS = ("alexnet", "vgg16", "resnet18", "resnet50", "resnet152")
ROUNDS = 7


def counters(name: str) -> dict[str, Callable[[], int]]:
    """Name -> a function that counts the network and returns its total of MACs."""
    from fvcore.nn import FlopCountAnalysis
    from torch.utils.flop_counter import FlopCounterMode
    from torchinfo import summary

    with torch.device("meta"):
        module = getattr(torchvision.models, name)().eval()
        image = torch.empty(1, 3, 224, 224)
    real, pixels = getattr(torchvision.models, name)().eval(), torch.zeros(1, 3, 224, 224)

    def ours() -> int:
        return cost(trace(spec(name))).macs

    def torch_counter() -> int:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(image)
        return counter.get_total_flops() // 2

    def fvcore() -> int:
        analysis = FlopCountAnalysis(real, pixels)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        return int(analysis.total())

    def torchinfo() -> int:
        return int(summary(module, input_data=image, verbose=0, device="meta").total_mult_adds)

    return {"convsmith": ours, "torch FlopCounterMode / 2": torch_counter, "fvcore": fvcore, "torchinfo": torchinfo}


def main() -> None:
    """Print a table for each network, and the time of the trace alone."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    for name in NETS:
        tasks = counters(name)
        totals = {peer: f"{task():,}" for peer, task in tasks.items()}
        times = in_turn(tasks, ROUNDS, {"convsmith": 20})
        print(f"\n**{name}**\n")
        print(table(("counter", "median ms", "min-max ms", "to ours", "MACs"), rows(times, totals)))
    described = spec("resnet152")
    alone = in_turn({"trace of ResNet-152": lambda: trace(described)}, 21, {"trace of ResNet-152": 10})
    print("\n**The trace alone** (description at hand; 21 rounds of 10)\n")
    print(table(("task", "median ms", "min-max ms"), [line[:3] for line in rows(alone)]))


if __name__ == "__main__":
    main()
