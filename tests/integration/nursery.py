"""Lives of one training, each ended by SIGKILL at a moment that a seed has drawn: `python nursery.py SEED LIVES WORDS`.

torch is imported once and each life is a fork, as starting Python anew takes longer than the lives themselves. The
first life runs `convsmith WORDS`, the later ones `convsmith resume RUN`, RUN being the last word. Prints the moments.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from typing import Any

from convsmith.cli import main as cli
from convsmith.cli import resume, train  # noqa: F401 (what a life would spend its time on)
from convsmith.search import train_run  # noqa: F401
from convsmith.train import watch

MOMENTS = ("step", "file half written", "before fsync", "after fsync", "before rename", "after rename")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def doom(moment: str, count: int) -> None:
    """Die at the `count`-th such moment from now."""
    left = [count]

    def due() -> bool:
        left[0] -= 1
        return left[0] == 0

    def around(call: Any, before: bool) -> Any:
        def changed(*args: Any) -> Any:
            if before and due():
                die()
            result = call(*args)
            if not before and due():
                die()
            return result

        return changed

    if moment == "step":
        watch.Bar.step = around(watch.Bar.step, before=False)  # type: ignore[method-assign]
    elif moment == "file half written":
        fdopen = os.fdopen

        def half(handle: int, mode: str) -> Any:
            file = fdopen(handle, mode)
            if due():
                file.write(b"\0" * 5000)
                file.flush()
                die()
            return file

        os.fdopen = half  # type: ignore[assignment]
    else:
        when, call = moment.split()
        name = {"fsync": "fsync", "rename": "replace"}[call]
        setattr(os, name, around(getattr(os, name), before=when == "before"))


def life(words: list[str], moment: str, count: int) -> int:
    """How it ended: the number of the signal, or 0."""
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        doom(moment, count)
        sys.argv = ["convsmith", *words]
        try:
            cli.main()
        finally:
            os._exit(1)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    draw, lives, words = random.Random(int(sys.argv[1])), int(sys.argv[2]), sys.argv[3:]
    for number in range(lives):
        moment = MOMENTS[number % len(MOMENTS)]
        count = draw.randint(1, 14) if moment == "step" else draw.randint(4, 9) * (2 if "rename" in moment else 1)
        count -= "rename" in moment and draw.random() < 0.5  # one write renames twice
        ended = life(words if number == 0 else ["resume", words[-1]], moment, count)
        print(moment, count, ended, flush=True)
