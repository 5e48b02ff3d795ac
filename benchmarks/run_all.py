"""Run every benchmark and write RESULTS.md with the machine, versions and date."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from convsmith.train.environment import environment

HERE = Path(__file__).parent
QUESTIONS = (
    "trace_speed", "show_startup", "fit_digits", "loader_speed", "train_speed", "precision_accuracy", "cifar10",
    "eval_speed", "transfer", "ensemble", "search_speed", "latency_model", "search_regret",
    "compound_scaling", "fit_time", "cifar_search",
)  # fmt: skip
PEERS = ("fvcore", "torchinfo", "thop", "ptflops", "calflops", "torchprofile")


def main() -> None:
    """Each script's docstring is the question, its output the answer. Named ones alone are asked anew."""
    for question in sys.argv[1:] or QUESTIONS:
        if question not in QUESTIONS:
            sys.exit(f"no benchmark is called {question}: there are {', '.join(QUESTIONS)}")
    here = environment()
    versions = ", ".join(f"{name} {here[name]}" for name in ("convsmith", "python", "torch", "torchvision"))
    versions += "".join(f", {peer} {version(peer)}" for peer in PEERS)
    made = f"{datetime.now(UTC):%Y-%m-%d}; {here['cpu']}, {here['cores']} cores, {here['platform']}; {versions}"
    answers = earlier()
    for question in sys.argv[1:] or QUESTIONS:
        script = HERE / f"{question}.py"
        print(f"{question} ...", file=sys.stderr, flush=True)
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{script.name} failed:\n{done.stderr}")
        asked = script.read_text().split('"""')[1].strip()
        answers[question] = f"{asked}\n\n`python benchmarks/{question}.py` on {made}\n\n{done.stdout.strip()}"
    head = "# Results\n\nWritten by `make bench`; do not edit. Machines are noisy: read the ratios.\n"
    parts = [head, *(f"## {question}\n\n{answers[question]}\n" for question in QUESTIONS if question in answers)]
    (HERE / "RESULTS.md").write_text("\n".join(parts))
    print(f"wrote {HERE / 'RESULTS.md'}", file=sys.stderr)


def earlier() -> dict[str, str]:
    """What RESULTS.md answers already."""
    file = HERE / "RESULTS.md"
    sections = file.read_text().split("\n## ")[1:] if file.is_file() else []
    return {name: answer.strip() for name, _, answer in (section.partition("\n") for section in sections)}


if __name__ == "__main__":
    main()
