"""`--track`: trackers that record a training beside metrics.jsonl."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from convsmith.spec.errors import MissingExtra, SpecError
from convsmith.train import Run
from convsmith.train.runtime import Runtime
from convsmith.train.tracking import Tracked, check, tracker
from convsmith.train.watch import Watch


def asked(words: Sequence[str], runtime: Runtime | None = None) -> dict[str, str | None]:
    """What run.json says of trackers before they have begun: no ids yet. The word none stands for no tracker.

    Raises UnknownName for a tracker that there is not, MissingExtra for one that cannot be imported by the process that
    writes, SpecError for none beside others.
    """
    names = list(dict.fromkeys(words))
    if "none" in names and len(names) > 1:
        raise SpecError(f"--track none goes alone, got {', '.join(names)}")
    names = [name for name in names if name != "none"]
    for name in names:
        tracker(name)
        if runtime is None or runtime.main:
            check(name)
    return dict.fromkeys(names)


def joined(run: Run, words: Sequence[str], runtime: Runtime) -> None:
    """Add trackers to a run that goes on, or with none leave all of them out from now on. Raises as `asked`.

    Those that the run began with must be importable, too: raises MissingExtra with the way to go on without.
    """
    more, before = asked(words, runtime), run.about.get("track", {})
    try:
        kept = {} if "none" in words else asked(list(before), runtime) | before
    except MissingExtra as error:
        raise MissingExtra(f"{error}; or go on with --track none, without trackers") from None
    after = kept | {name: None for name in more if name not in kept}
    if after != before and runtime.main:
        run.update(track=after)


@contextmanager
def tracked(run: Run, watch: Watch, out: Console, runtime: Runtime | None = None) -> Iterator[Watch]:
    """The watch for a training and its test, which feeds the run's trackers; the given one where there are none.

    At the end the trackers get the test result, or are told that the training was stopped.
    """
    names = run.about.get("track", {})
    if not names or not (runtime is None or runtime.main):
        yield watch
        return
    found = Tracked(watch, run, [tracker(name)() for name in names])
    for name, own in found.open().items():
        out.print(f"recorded by {name} as {own}", markup=False)
    try:
        yield found
    except BaseException:
        found.close()
        raise
    found.close(run.read_json("test.json"))
