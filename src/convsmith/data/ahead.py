"""Work done ahead of its use by a thread, in order and bounded; an error arises where the result would have."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")


def ahead(source: Generator[T, None, None], depth: int) -> Generator[T, None, None]:
    """The items of `source`, up to `depth` of them made before they are asked for; 0 makes each when it is asked for.

    The thread ends with the source, with its first error, and when this iterator is closed or forgotten.
    """
    if depth < 1:
        yield from source
        return
    made: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(depth)
    closed = threading.Event()
    worker = threading.Thread(target=_make, args=(source, made, closed), name="convsmith-ahead", daemon=True)
    worker.start()
    try:
        while True:
            more, item = made.get()
            if isinstance(item, BaseException):
                raise item
            if not more:
                return
            yield item  # type: ignore[misc]  # an item, as it is neither the end nor an error
    finally:
        closed.set()
        while worker.is_alive():  # it may be waiting for room
            _drain(made)
            worker.join(0.01)


def _make(
    source: Generator[T, None, None], made: queue.Queue[tuple[bool, T | BaseException | None]], closed: threading.Event
) -> None:
    try:
        for item in source:
            made.put((True, item))
            if closed.is_set():
                return
        made.put((False, None))
    except BaseException as error:  # whatever it is, the one who waits must hear of it
        made.put((False, error))
    finally:
        source.close()


def _drain(made: queue.Queue[tuple[bool, T | BaseException | None]]) -> None:
    try:
        while True:
            made.get_nowait()
    except queue.Empty:
        pass
