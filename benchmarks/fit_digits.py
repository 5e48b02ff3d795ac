"""How well and how fast does the demo's `fit` do, over seeds, beside scikit-learn's usual classifier on the same split?

The budget is 100 k parameters and 4 M MACs; five seeds; whole processes. The peer is an RBF support vector machine, the
textbook choice for these digits, trained on the same training images and scored once on the same test images.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sklearn.svm import SVC
from timing import table

from convsmith.data import ImageSet, load

SEEDS = range(5)


def fit(seed: int, folder: Path) -> tuple[dict[str, float], float]:
    """Verdict and seconds of one `convsmith fit`."""
    convsmith = str(Path(sys.executable).with_name("convsmith"))
    words = [
        "fit",
        "digits",
        "--max-params",
        "100k",
        "--max-macs",
        "4M",
        "--seed",
        str(seed),
        "--out",
        str(folder),
        "--json",
    ]
    start = time.perf_counter()
    done = subprocess.run([convsmith, *words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout), time.perf_counter() - start


def svm(seed: int) -> float:
    """Test top-1 of the peer."""

    def flat(images: ImageSet) -> object:
        return images.images.flatten(1).numpy() / 255

    data = load("digits", seed=seed)
    machine = SVC(gamma=0.05, C=10).fit(flat(data.train), data.train.labels.numpy())
    return float(machine.score(flat(data.test), data.test.labels.numpy()))


def main() -> None:
    """A row a seed, and mean and standard deviation."""
    lines, ours, theirs, times = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            verdict, seconds = fit(seed, Path(folder) / str(seed))
            ours.append(verdict["test_top1"])
            theirs.append(svm(seed))
            times.append(seconds)
            chosen = (str(verdict["network"]), f"{verdict['params']:,}", f"{verdict['macs']:,}")
            lines.append((str(seed), *chosen, f"{ours[-1]:.2%}", f"{theirs[-1]:.2%}", f"{seconds:.0f}"))
    print(table(("seed", "chosen", "parameters", "MACs", "test top-1", "SVM top-1", "seconds"), lines))
    mean, spread = statistics.mean(ours), statistics.stdev(ours)
    peer, peer_spread = statistics.mean(theirs), statistics.stdev(theirs)
    print(
        f"\nfit {mean:.2%} ± {spread:.2%} (least {min(ours):.2%}), SVM {peer:.2%} ± {peer_spread:.2%}; n = {len(ours)};"
    )
    print(f"{statistics.median(times):.0f} s a run in the median.")


if __name__ == "__main__":
    main()
