"""What a process that is told to end has to wait for: writes that have begun.

Nothing depends on this: what is half done when a process is killed is not seen, and the next one
goes on from what is whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Final

_TakeBack = Callable[[], None]
_is_writing: ContextVar[bool] = ContextVar("is_writing", default=False)


class Ending:
    """What the end of the process has to wait for, and what it then means."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._writes: list[_TakeBack | None] = []
        self._has_begun = False
        self._is_early = True

    @contextmanager
    def waits(self, take_back: _TakeBack | None = None) -> Iterator[None]:
        """Around a write, which may consist of others. Once the end has begun no write does: who
        comes for one waits here, also where that is the event loop.

        `take_back`: what undoes the write if it takes too long to be waited for.
        """
        if _is_writing.get():
            yield
            return
        with self._changed:
            while self._has_begun:
                self._changed.wait()
            self._writes.append(take_back)
        token = _is_writing.set(True)
        try:
            yield
        finally:
            _is_writing.reset(token)
            with self._changed:
                self._writes.remove(take_back)
                self._changed.notify_all()

    def is_in_time(self) -> None:
        """From now on: what the Job is there for has been done, and another pod is not needed."""
        self._is_early = False

    @property
    def has_begun(self) -> bool:
        return self._has_begun

    def begin(self, seconds: float) -> bool:
        """Let what is being written be finished; whether another process has to go on."""
        with self._changed:
            self._has_begun = True
            self._changed.wait_for(lambda: not self._writes, seconds)
        return self._is_early

    def take_back(self) -> None:
        """What could not be finished."""
        with self._changed:
            unfinished = [take_back for take_back in self._writes if take_back is not None]
        for take_back in unfinished:
            with suppress(Exception):  # Whatever it is, nobody is there to be told.
                take_back()


ending: Final = Ending()
"""That of this process. It never begins where nobody calls `end_when_told`, as on a laptop."""
