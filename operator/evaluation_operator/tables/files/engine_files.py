"""How DuckDB comes to a table's files: through the table's own file system, and by no other way.

It opens no path by itself. So what holds for the other readers of a table holds for it: that no
link is followed, and that a name is a name. DuckDB's own S3 support is an extension besides, which
it would download as soon as it heard `s3://`.
"""

from __future__ import annotations

from typing import Final

from fsspec.implementations.arrow import ArrowFSWrapper  # type: ignore[import-untyped]

_SCHEME: Final = "table"


class EngineFiles(ArrowFSWrapper):  # type: ignore[misc]
    """A `pyarrow.fs.FileSystem`, to be registered with an engine."""

    protocol = _SCHEME
    # Those that were made once would never be freed.
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(f"{_SCHEME}://")

    def glob(self, path: str, **_: object) -> list[str]:
        """The path itself: files are listed before, and `*`, `?` and `[` are parts of names."""
        return [self._strip_protocol(path)]


def engine_address(path: str) -> str:
    """What the engine calls a file of the file system by."""
    return f"{_SCHEME}://{path}"
