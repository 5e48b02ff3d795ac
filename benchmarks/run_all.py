"""Run every benchmark and write RESULTS.md with the machine, versions and date."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from convsmith.train.environment import environment

HERE = Path(__file__).parent
QUESTIONS = ("trace_speed", "show_startup", "fit_digits")
PEERS = ("fvcore", "torchinfo", "thop", "ptflops", "calflops", "torchprofile")


def main() -> None:
    """Each script's docstring is the question, its output the answer."""
    here = environment()
    versions = ", ".join(f"{name} {here[name]}" for name in ("convsmith", "python", "torch", "torchvision"))
    versions += "".join(f", {peer} {version(peer)}" for peer in PEERS)
    parts = [
        "# Results\n\nWritten by `make bench`; do not edit. Machines are noisy: read the ratios.\n",
        f"- date: {datetime.now(UTC):%Y-%m-%d}",
        f"- machine: {here['cpu']}, {here['cores']} cores, {here['platform']}",
        f"- versions: {versions}\n",
    ]
    for question in QUESTIONS:
        script = HERE / f"{question}.py"
        print(f"{question} ...", file=sys.stderr, flush=True)
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{script.name} failed:\n{done.stderr}")
        asked = script.read_text().split('"""')[1].strip()
        parts.append(f"## {question}\n\n{asked}\n\n`python benchmarks/{question}.py`\n\n{done.stdout.strip()}\n")
    (HERE / "RESULTS.md").write_text("\n".join(parts))
    print(f"wrote {HERE / 'RESULTS.md'}", file=sys.stderr)


if __name__ == "__main__":
    main()
