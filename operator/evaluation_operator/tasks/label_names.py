"""Labels as models and people write them, and which of the label set they are.

A number is the text of it, or with classNames the class at that place; a boolean is `true` or
`false`. What is almost a label of the set is refused all the same, with what is wrong with it: a
label that is guessed would count against the model, or for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from evaluation_operator.tasks.row_json import UnknownFormError, UnreadableError, shown

BACKGROUND: Final = "-"
"""The class of classNames that is no label."""
DROPPED: Final = -1
"""The place of a class that is no label."""
_NUMPY: Final = re.compile(r"np\.\w+\(.*\)|(?:array|tensor)\(.*\)", re.DOTALL)


class LabelNames:
    """Places in the label set. ValueError for labels or classes that are given twice, and for a
    class that is no label of the set."""

    def __init__(self, labels: Sequence[str], class_names: Sequence[str] = ()) -> None:
        self.names: Final = tuple(labels)
        self._places = {label: place for place, label in enumerate(labels)}
        if not labels or len(self._places) != len(labels):
            raise ValueError("labels: a label set needs at least one label, each once")
        self.class_names: Final = tuple(class_names)
        self._classes = tuple(self._class(name) for name in class_names)
        kept = [place for place in self._classes if place != DROPPED]
        if len(set(kept)) < len(kept):
            raise ValueError("classNames: a label is there twice; only - may be")

    def _class(self, name: str) -> int:
        if name == BACKGROUND and name not in self._places:
            return DROPPED
        if name not in self._places:
            raise ValueError(f"classNames: {name!r} is no label of the annotation spec set")
        return self._places[name]

    @property
    def classes(self) -> tuple[int, ...]:
        """The place of each of classNames in the label set, or DROPPED."""
        return self._classes

    def find(self, text: str) -> int | None:
        """Of a text that is a label; None for one that is none."""
        return self._places.get(text)

    def find_key(self, text: str) -> int | None:
        """Of the key of an object: a label, else the place of a class. None for another key."""
        place = self._places.get(text)
        if place is None and text.isdecimal() and text.isascii() and len(text) < 5:
            index = int(text)
            place = self._classes[index] if index < len(self._classes) else None
        return place

    def at(self, index: int, column: str) -> int:
        """Of the class at this place of classNames. Raises UnreadableError."""
        if not self._classes:
            raise UnknownFormError(
                f"{column}: the index {index} of a class; list the model's classes in "
                "inputConfig.classNames"
            )
        if not 0 <= index < len(self._classes):
            raise UnreadableError(
                f"{column}: there is no class {index}: inputConfig.classNames has "
                f"{len(self._classes)}, from 0; list all that the model knows"
            )
        return self._classes[index]

    def place(self, value: object, column: str) -> int:
        """Of a label as it is written. DROPPED for a class that is no label. Raises
        UnreadableError."""
        match value:
            case str():
                place = self._places.get(value)
                text = value
            case bool():
                text = "true" if value else "false"
                place = self._places.get(text, self._places.get(text.capitalize()))
            case int() | float() if value == value // 1 and abs(value) < 2**63:
                if self._classes:
                    return self.at(int(value), column)
                text = str(int(value))
                place = self._places.get(text)
            case None:
                raise UnreadableError(
                    f"{column}: null among the labels; give a label, or null for the whole entry"
                )
            case int() | float():
                raise UnreadableError(
                    f"{column}: {shown(value)} is no label; give a text, or null for an item "
                    "without one"
                )
            case _:
                raise UnreadableError(f"{column}: label {shown(value)} is no string; quote it")
        if place is None:
            raise UnreadableError(f"{column}: label {shown(text)} {self._why_unknown(text)}")
        return place

    def _why_unknown(self, text: str) -> str:
        if _NUMPY.fullmatch(text):
            return "is str() of a value of numpy; give the value itself, as .item() does"
        composed = {unicodedata.normalize("NFC", it): it for it in self.names}
        if (own := composed.get(unicodedata.normalize("NFC", text))) is not None:
            return (
                f"is not in the annotation spec set: it has other code points ({_form(text)}); "
                f"the set's is {_form(own)}: write it as the set does"
            )
        odd = [it for it in text if unicodedata.category(it) in ("Cf", "Cc", "Zs") and it != " "]
        seen = "".join(it for it in text if it not in odd).strip()
        if odd and seen in self._places:
            return f"holds the invisible character U+{ord(odd[0]):04X}; remove it"
        folded = {it.strip().casefold(): it for it in self.names}
        if (own := folded.get(text.strip().casefold())) is not None:
            return f"is not in the annotation spec set, which has {shown(own)}; write it so"
        return "is not in the annotation spec set; correct it, or use a set that has it"


def _form(text: str) -> str:
    return next(
        (form for form in ("NFC", "NFD") if unicodedata.is_normalized(form, text)), "neither"
    )
