"""Threads that each compute with one core, for work on single images: decoding and resizing let go of Python's lock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
BLOCK = 8
"""Images a task: enough that handing out a task costs nothing beside it, few enough that all threads end together."""


@contextmanager
def workers(count: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """`count` threads (None: as many as torch uses); whatever was begun ends with the block, the rest is cancelled.

    Torch's own threads are switched off inside them: a team of threads for every image would be slower than none, and
    as many teams as threads many times slower.
    """
    usual = torch.get_num_threads()
    count = max(1, usual if count is None else count)
    together = threading.Barrier(count + 1)

    def begin() -> None:
        torch.set_num_threads(1)  # of this thread, and of those that ask later for the first time what it is
        torch.get_num_threads()  # asks, so that what the starter sets again below does not reach this thread
        together.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix="convsmith-images", initializer=begin)
    try:
        for _ in range(count):
            pool.submit(int)
        together.wait()
        torch.set_num_threads(usual)
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_flight(jobs: Iterator[tuple[T, list[Future[None]]]], depth: int) -> Generator[T, None, None]:
    """What each job promises, in order and once its parts are done, while up to `depth` later ones are under way.

    A job begins when it is taken from `jobs`. An error of a part arises where its job would have come.
    """
    waiting: deque[tuple[T, list[Future[None]]]] = deque()
    for job in jobs:
        waiting.append(job)
        if len(waiting) > depth:
            yield _done(*waiting.popleft())
    while waiting:
        yield _done(*waiting.popleft())


def _done(promised: T, parts: list[Future[None]]) -> T:
    for part in parts:
        part.result()
    return promised
