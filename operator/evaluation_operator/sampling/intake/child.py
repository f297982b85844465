"""The process in which large bodies are read: it may be slow, take too much memory, or die."""

from __future__ import annotations

import gc
import os
import pickle  # nosec B403  # only the parent writes to this process
import resource
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from evaluation_operator.sampling.intake.messages import (
    HEAD,
    PART,
    Kind,
    Outcome,
    answerable,
    packed,
    resident_bytes,
)
from evaluation_operator.sampling.limits import CHILD_ADDRESS_BYTES, CHILD_MEMORY_BYTES

_SPENT_BYTES: Final = CHILD_MEMORY_BYTES // 3


def main() -> None:
    """Works until its input ends, which it does with the parent."""
    _confine()
    taking, giving = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anybody prints is no answer
    while head := taking.read(HEAD.size):
        length, size = HEAD.unpack(head)
        function, arguments = pickle.loads(taking.read(length))  # noqa: S301  # nosec B301
        for message in _answer(function, taking.read(size), arguments):
            for piece in packed(message):
                giving.write(piece)
        giving.flush()
        gc.collect()


def _confine() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (CHILD_ADDRESS_BYTES, CHILD_ADDRESS_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A terminal tells all of its processes to stop; this one stops with its parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What is parsed has no cycles, and looking for them takes longer than parsing.
    gc.disable()
    gc.freeze()


def _answer(
    function: Callable[..., object], body: bytes, arguments: tuple[Any, ...]
) -> Iterable[object]:
    """The messages. MemoryError ends the process: what is left of its memory is of no use."""
    try:
        result = function(body, *arguments)
    except MemoryError:
        os._exit(1)
    except Exception as error:
        return Outcome(Kind.ERROR, 1, _is_spent()), answerable(error)
    if not isinstance(result, list):
        return Outcome(Kind.VALUE, 1, _is_spent()), result
    parts = [result[start : start + PART] for start in range(0, len(result), PART)]
    return Outcome(Kind.MEMBERS, len(parts), _is_spent()), *parts


def _is_spent() -> bool:
    return resident_bytes("self") > _SPENT_BYTES


if __name__ == "__main__":
    main()
