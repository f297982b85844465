"""What a process that reads large bodies and its parent write to each other.

A message is the length of a pickle, the length of the bytes behind it, the pickle, and the bytes.
To the child go a function with its arguments, and the body; what the function returns or raises
comes back after an Outcome, in parts: whoever unpickles one keeps others waiting for so long.

The child has read what strangers send. Whoever got hold of it must not get hold of the parent by an
answer, so of a pickle the parent makes nothing but what is listed here, and nothing of it stays.
"""

from __future__ import annotations

import copyreg
import io
import pickle  # nosec B403  # what is made of one is listed below
import struct
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple

from evaluation_operator.bodies.values import NoPrediction, Payload, TooMuch, Unreadable
from evaluation_operator.sampling.intake.cloudevents import NotAnEvent
from evaluation_operator.sampling.intake.plain import BadPrediction
from evaluation_operator.sampling.records import Event, Reason, Refused, Side
from evaluation_operator.sampling.sample.sifting import Drawn, Sifted, Texts

HEAD: Final = struct.Struct("<QQ")
MOST_ANSWER_BYTES: Final = 2**27
"""Of one part of an answer. What is kept of a body is less."""
PART: Final = 250
"""Members of a list that come in one part."""
_PAGE: Final = 4096
_OURS: Final = f"{__package__.partition('.')[0]}."


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


_ANSWERS: Final[dict[tuple[str, str], type[Any]]] = {
    (it.__module__, it.__qualname__): it
    for it in (
        *(Kind, Outcome, Event, Side, Refused, Reason, Payload, Sifted, Drawn, Texts),
        *(NoPrediction, Unreadable, TooMuch, NotAnEvent, BadPrediction, RuntimeError),
        *(datetime, timedelta, timezone),
    )
}


def _shared() -> list[Any]:
    """What answers are made with and other answers share: classes, and members of enumerations."""
    classes = [it for it in _ANSWERS.values() if it.__module__.startswith(_OURS)]
    for it in classes:
        copyreg._slotnames(it)  # type: ignore[attr-defined]  # or pickling notes them there, later
    return classes + [member for it in classes if issubclass(it, Enum) for member in it]


_AS_MADE: Final = [(it, dict(vars(it))) for it in _shared()]


class Garbled(Exception):
    """An answer that no child of ours gives."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> type[Any]:
        try:
            return _ANSWERS[module, name]
        except KeyError:
            raise Garbled(f"{module}.{name}") from None


def unpacked(pickled: bytes) -> object:
    """What a child answers with, or Garbled."""
    try:
        answer = _Reader(io.BytesIO(pickled)).load()
    except Garbled:
        raise
    except Exception as error:
        raise Garbled(repr(error)) from None
    finally:
        changed = _made_good()
    if changed:
        raise Garbled(f"it changes {changed[0]!r}")
    return answer


def _made_good() -> list[Any]:
    """What an answer has changed, which is as it was now: a pickle may not only make objects, but
    give attributes to whatever it names, and the next answers would be made with that."""
    changed = [(it, known) for it, known in _AS_MADE if not _is_same(vars(it), known)]
    for it, known in changed:
        setting, deleting = (
            (type.__setattr__, type.__delattr__)
            if isinstance(it, type)
            else (object.__setattr__, object.__delattr__)
        )
        for name in [name for name in vars(it) if name not in known]:
            deleting(it, name)
        for name, value in known.items():
            if vars(it).get(name) is not value:
                setting(it, name, value)
    return [it for it, _ in changed]


def _is_same(now: Mapping[str, object], known: Mapping[str, object]) -> bool:
    return len(now) == len(known) and all(now.get(name) is it for name, it in known.items())


def answerable(error: Exception) -> Exception:
    """The error as the parent can be told it."""
    if type(error) in _ANSWERS.values():
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


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
