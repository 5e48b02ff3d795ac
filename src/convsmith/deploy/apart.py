"""A call in a process of its own, forked from one that has imported what it needs and has run nothing.

How fast a network runs depends on what its process did before, as freed memory is handed out in another order, and on
where the system puts its pages of 4 KiB, and so differs from process to process. Each timing therefore begins from the
same state, and on large pages where the system has them.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, ParamSpec, TypeVar, cast

from convsmith.spec.errors import TrainingError

P = ParamSpec("P")
R = TypeVar("R")
LARGE_PAGES = "glibc.malloc.hugetlb=1"
"""Has glibc ask for transparent large pages; read when a process starts, and by nothing but glibc."""
HEAD = struct.Struct("!Q")
"""The length that goes before each message."""

_server: subprocess.Popen[bytes] | None = None


def apart(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What a function of a module returns, or raises, in a fresh process; off Linux in this one, as systems differ in
    what survives a fork.

    Raises TrainingError if the process dies (short of memory, say).
    """
    if sys.platform != "linux":
        return function(*args, **kwargs)
    server = _started()
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        _send(server.stdin, (function, args, kwargs))
        good, value = _receive(server.stdout)
    except BaseException:  # Ctrl-C above all: what still runs would disturb the next timing
        _stop()
        raise
    if good:
        return cast(R, value)
    raise value


def _started() -> subprocess.Popen[bytes]:
    """The process to fork from."""
    global _server
    if _server is None or _server.poll() is not None:
        _stop()
        words, pipe = [sys.executable, "-m", __name__], subprocess.PIPE
        tuned = ":".join(filter(None, (LARGE_PAGES, os.environ.get("GLIBC_TUNABLES"))))
        environment = os.environ | {"GLIBC_TUNABLES": tuned}
        _server = subprocess.Popen(words, stdin=pipe, stdout=pipe, start_new_session=True, env=environment)
    return _server


def _stop() -> None:
    """End it and what it forked."""
    global _server
    if _server is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(_server.pid, signal.SIGKILL)
        _server.wait()
        for end in (_server.stdin, _server.stdout):
            if end is not None:
                with suppress(OSError):
                    end.close()
        _server = None


def _serve() -> None:
    """Answer calls until nobody asks any more; each is made by a child."""
    asked, told = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not speak to who asked
    _imports()
    while True:
        try:
            message = _message(asked)
        except EOFError:
            return
        ours, childs = os.pipe()
        child = os.fork()
        if not child:
            os.close(ours)
            _answer(message, childs)
        os.close(childs)
        with os.fdopen(ours, "rb") as end:
            answer = end.read()
        _, status = os.waitpid(child, 0)
        if not answer:
            answer = pickle.dumps((False, TrainingError(_died(os.waitstatus_to_exitcode(status)))))
        try:
            told.write(HEAD.pack(len(answer)) + answer)
            told.flush()
        except BrokenPipeError:  # who asked was killed meanwhile
            os._exit(0)


def _answer(message: bytes, end: int) -> None:
    """In the child: call, and say what came of it."""
    try:
        function, args, kwargs = pickle.loads(message)
        answer = pickle.dumps((True, function(*args, **kwargs)))
    except BaseException as error:  # it is raised again where it was asked
        try:
            answer = pickle.dumps((False, error))
        except Exception:  # an error that cannot be pickled
            answer = pickle.dumps((False, TrainingError(f"{type(error).__name__}: {error}")))
    with os.fdopen(end, "wb") as file:
        file.write(answer)
    os._exit(0)


def _imports() -> None:
    """What engines need; nothing of it starts a thread."""
    import convsmith.deploy.engines.eager

    with suppress(ImportError):
        import convsmith.deploy.engines.onnxruntime  # noqa: F401


def _died(code: int) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"the process that runs the network {how}; it may have been short of memory"


def _send(to: IO[bytes], what: Any) -> None:
    data = pickle.dumps(what)
    to.write(HEAD.pack(len(data)) + data)
    to.flush()


def _message(source: IO[bytes]) -> bytes:
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        raise EOFError
    return source.read(HEAD.unpack(head)[0])


def _receive(source: IO[bytes]) -> tuple[bool, Any]:
    try:
        good, value = pickle.loads(_message(source))
    except EOFError:
        raise TrainingError("the process that starts timings has ended") from None
    return bool(good), value


atexit.register(_stop)

if __name__ == "__main__":
    _serve()
