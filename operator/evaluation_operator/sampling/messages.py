"""What a process that reads large bodies and its parent write to each other.

A message is the length of a pickle, the length of the bytes behind it, the pickle, and the bytes.
To the child go a function with its arguments, and the body; what the function returns or raises
comes back after an Outcome, in parts: whoever unpickles one keeps others waiting for so long.
"""

from __future__ import annotations

import pickle
import struct
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

HEAD: Final = struct.Struct("<QQ")
PART: Final = 250
"""Members of a list that come in one part."""
_PAGE: Final = 4096


class Kind(Enum):
    """What the parts are."""

    ERROR = "error"
    VALUE = "value"
    MEMBERS = "members"


class Outcome(NamedTuple):
    """`is_spent`: this process must end. What it holds would be missing for the next body, which
    somebody else has sent."""

    kind: Kind
    parts: int
    is_spent: bool


def packed(message: object, body: bytes = b"") -> tuple[bytes, bytes, bytes]:
    """The pieces of a message; the body is not copied."""
    pickled = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEAD.pack(len(pickled), len(body)), pickled, body


def resident_bytes(process: int | str) -> int:
    """Memory of a process of ours; 0 if it has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
