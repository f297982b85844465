"""A real server that lasts as long as a `with` statement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Server(ABC):
    """What did not start whole is stopped as well."""

    @abstractmethod
    def start(self) -> None:
        """Start it unless it runs, and wait until it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it, if it runs; it can be started again."""

    def close(self) -> None:
        """Stop it for good. `stop`, unless there is more to clear away."""
        self.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
