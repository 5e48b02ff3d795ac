"""How long does it take to ask what ResNet-50 costs, as a whole process?

Beside Python itself and the shortest script for each counter (meta device, but for fvcore, which needs real tensors).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from timing import in_turn, rows, table

ROUNDS = 9

REAL = "import torch, torchvision; net, x = torchvision.models.resnet50().eval(), torch.zeros(1, 3, 224, 224)\n"
META = """
import torch, torchvision
with torch.device('meta'):
    net, x = torchvision.models.resnet50().eval(), torch.empty(1, 3, 224, 224)
"""

SCRIPTS = {
    "torch FlopCounterMode": META
    + "from torch.utils.flop_counter import FlopCounterMode\nwith FlopCounterMode(display=True, depth=None): net(x)",
    "fvcore": REAL + "from fvcore.nn import FlopCountAnalysis, flop_count_table\n"
    "print(flop_count_table(FlopCountAnalysis(net, x), max_depth=4))",
    "torchinfo": META + "from torchinfo import summary\nsummary(net, input_data=x, device='meta', depth=4)",
}


def run(command: list[str]) -> None:
    """Run a process to its end, its output thrown away."""
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def peak_mib(command: list[str]) -> float:
    """Largest resident memory of the process."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    found = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    return int(found.stdout) / 1024


def main() -> None:
    """Print the table and the difference to a bare Python."""
    convsmith = str(Path(sys.executable).with_name("convsmith"))
    commands = {
        "convsmith show resnet50": [convsmith, "show", "resnet50"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    commands |= {name: [sys.executable, "-c", script] for name, script in SCRIPTS.items()}
    times = in_turn({name: lambda command=command: run(command) for name, command in commands.items()}, ROUNDS)
    memory = {name: f"{peak_mib(command):.0f}" for name, command in commands.items()}
    print(table(("process", "median ms", "min-max ms", "to ours", "peak MiB"), rows(times, memory)))
    pairs = zip(times["convsmith show resnet50"], times["python -c pass"], strict=True)
    print(f"\n`convsmith show resnet50` is {statistics.median(a - b for a, b in pairs):.3f} s above a bare Python.")


if __name__ == "__main__":
    main()
