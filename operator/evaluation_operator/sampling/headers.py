"""Headers of an event as texts, by names that are looked up instead of made for each request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MOST_NAMES: Final = 512
LONGEST_NAME: Final = 64
_PREFIX: Final = b"ce-"


class HeaderNames:
    """Remembers the names that senders use, as they write them; a bounded number of them."""

    def __init__(self) -> None:
        self._attributes: dict[bytes, str] = {}
        self._others: dict[bytes, str] = {}

    def read(self, raw: Mapping[bytes, bytes]) -> tuple[dict[str, str], dict[str, str]]:
        """The attributes of an event, without `ce-`, and all other headers; by lower-case names,
        values as Latin-1."""
        names, more = self._attributes, self._others
        attributes = {names[key]: raw[key].decode("latin-1") for key in raw if key in names}
        others = {more[key]: raw[key].decode("latin-1") for key in raw if key in more}
        if len(attributes) + len(others) < len(raw):
            self._add_unknown(raw, attributes, others)
        return attributes, others

    def _add_unknown(
        self, raw: Mapping[bytes, bytes], attributes: dict[str, str], others: dict[str, str]
    ) -> None:
        for key, value in raw.items():
            if key in self._attributes or key in self._others:
                continue
            lower = key.lower()
            is_attribute = lower.startswith(_PREFIX)
            name = (lower[len(_PREFIX) :] if is_attribute else lower).decode("latin-1")
            (attributes if is_attribute else others)[name] = value.decode("latin-1")
            has_room = len(self._attributes) + len(self._others) < MOST_NAMES
            if has_room and len(key) <= LONGEST_NAME:
                (self._attributes if is_attribute else self._others)[key] = name
