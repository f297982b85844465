"""Addresses that mail goes to: one mailbox each, with nothing in it that could name another one.

An addr-spec of RFC 5322 may hold quotes, comments, groups and routes, and no two programs that read
them agree on whom they mean. So this is the part of it that all of them read alike: a local part of
words with dots between them, one `@`, and a DNS name of at least two labels, the last one of which
is no number. Of the characters of words these are left out: `%` and `!`, by which old servers relay
to another one, `?`, without which there are no encoded words (`=?utf-8?q?…?=`) that some readers
decode into anything, and `|` and the backtick; nor does an address begin with `-` or `/`. Some
programs that deliver mail take what begins so for an option or a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

_INNER = "A-Za-z0-9#$&'*+/=^_{}~-"
_FIRST = "A-Za-z0-9#$&'*+=^_{}~"
_DNS_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LAST_DNS_LABEL = "[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

EMAIL_PATTERN: Final = (
    rf"^[{_FIRST}][{_INNER}]*(\.[{_INNER}]+)*@({_DNS_LABEL}\.)+{_LAST_DNS_LABEL}$"
)
"""For schemas: RE2, JavaScript and Python read it alike."""
EMAIL_MAX_LENGTH: Final = 254
"""What fits between the angle brackets of an SMTP command (RFC 5321, section 4.5.3.1.3)."""

_COMPILED = re.compile(EMAIL_PATTERN.removeprefix("^").removesuffix("$"), re.ASCII)


def is_email_address(text: str) -> bool:
    """What a schema with EMAIL_PATTERN and EMAIL_MAX_LENGTH admits; no line break at the end."""
    return len(text) <= EMAIL_MAX_LENGTH and _COMPILED.fullmatch(text) is not None


def is_in_domains(address: str, allowed: Iterable[str]) -> bool:
    """Whether the address's domain is one of `allowed`, like `corp.example` or `*.corp.example`,
    whatever the case; no domain is allowed by an empty list."""
    domain = address.rpartition("@")[2].lower()
    return any(fnmatchcase(domain, pattern.lower()) for pattern in allowed)
