"""How many genomes a second have their exact costs known, beside building each network and counting it?

Parameters, bytes of weights, MACs, outputs of all layers and the peak of memory of 100,000 members of `mnas`, on one
core, from tables (whose making is timed apart); the same of a hundred by trace. Theirs, of ten: the network is built,
then counted by torch's FlopCounterMode (on the meta device) or by fvcore, which give MACs alone. Where they overlap all
agree.

    python benchmarks/search_speed.py
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from timing import table

from convsmith.nn import build
from convsmith.search.costs import costs, costs_of, tables
from convsmith.search.spaces import Genome, space

GENOMES, TRACED, COUNTED, ROUNDS = 100_000, 100, 10, 5


def by_torch(genome: Genome) -> int:
    """MACs by torch's own counter."""
    from torch.utils.flop_counter import FlopCounterMode

    net = build(genome.network, device="meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.empty(1, *net.graph.input.shape, device="meta"))
    return int(counter.get_total_flops()) // 2


def by_fvcore(genome: Genome) -> int:
    """MACs of convolutions and linear layers by fvcore, which cannot trace the meta device."""
    from fvcore.nn import FlopCountAnalysis

    net = build(genome.network, seed=0).eval()
    found = FlopCountAnalysis(net, torch.zeros(1, *net.graph.input.shape))
    found.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by = found.by_operator()
    return int(sum(by[name] for name in ("conv", "linear", "addmm")))


def rate(task: Callable[[], object], count: int) -> float:
    """Genomes a second: the median of several rounds, after one to warm up."""
    took = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        task()
        took.append(time.perf_counter() - start)
    return count / statistics.median(took[1:])


def main() -> None:
    """A row a way."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    mnas = space("mnas")
    start = time.perf_counter()
    tables(mnas)
    made = time.perf_counter() - start
    rows = mnas.numbering.draw(GENOMES, np.random.default_rng(0))
    genomes = mnas.genomes(rows[:, :TRACED])
    looked_up = costs(mnas, rows)
    for i, genome in enumerate(genomes[:COUNTED]):
        assert costs_of(genome.graph) == tuple(int(column[i]) for column in looked_up)
        assert by_torch(genome) == by_fvcore(genome) == looked_up.macs[i]
    ways: dict[str, tuple[Callable[[], object], int, str]] = {
        "tables": (lambda: costs(mnas, rows), GENOMES, "all five"),
        "trace": (lambda: [costs_of(genome.graph) for genome in genomes], TRACED, "all five"),
        "build, FlopCounterMode": (lambda: [by_torch(genome) for genome in genomes[:COUNTED]], COUNTED, "MACs"),
        "build, fvcore": (lambda: [by_fvcore(genome) for genome in genomes[:COUNTED]], COUNTED, "MACs"),
    }
    rates = {name: (rate(task, count), what) for name, (task, count, what) in ways.items()}
    fastest = rates["tables"][0]
    lines = [(name, what, f"{found:,.0f}", f"{fastest / found:,.0f}×") for name, (found, what) in rates.items()]
    print(table(("way", "costs", "genomes/s", "tables are faster by"), lines))
    print(f"\nThe tables of `mnas` ({mnas.size:.3g} members) were made in {made:.1f} s.")


if __name__ == "__main__":
    main()
