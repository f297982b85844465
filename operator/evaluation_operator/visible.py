"""Text of others, as it may be shown: what a terminal or a reader would not see is written out.

An escape sequence in a label could rewrite a terminal, a line break could add a line to a log, and
a bidirectional override could let a name end in another way than it does. Marks that Arabic and
Hebrew need (U+200E, U+200F, U+061C) and joiners, as in emoji, are kept.
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
"""What stands between brackets of a regular expression: control characters, separators of lines,
bidirectional embeddings, overrides and isolates, the byte order mark, and halves of pairs."""

_HIDDEN = re.compile(f"[{HIDDEN}]")
_HIDDEN_BUT_LAYOUT = re.compile(f"(?![\n\t])[{HIDDEN}]")


def is_visible(text: str) -> bool:
    return _HIDDEN.search(text) is None


def visible(text: str, *, keeps_layout: bool = False) -> str:
    """The text with each hidden character as Python writes it, like `\\x1b` or `\\u202e`;
    `keeps_layout`: line breaks and tabs stay what they are."""
    return (_HIDDEN_BUT_LAYOUT if keeps_layout else _HIDDEN).sub(_escape, text)


def visible_json(document: str) -> str:
    """A JSON document with the hidden characters of its strings as JSON writes them: `\\u202e`."""
    return _HIDDEN_BUT_LAYOUT.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def without_hidden(text: str) -> str:
    """For pages: hidden characters are dropped, line breaks and tabs stay."""
    return _HIDDEN_BUT_LAYOUT.sub("", text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
