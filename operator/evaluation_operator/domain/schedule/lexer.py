"""Splits an English-like schedule into tokens with their positions.

White space may stand between any two tokens and need not: "every24hours" is three tokens. The
longest known word wins, so "monday" is not "mon" and "day".
"""

from __future__ import annotations

import difflib
import re

from evaluation_operator.domain.schedule.errors import ScheduleError
from evaluation_operator.domain.schedule.syntax import Token

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january"), ("feb", "february"), ("mar", "march"), ("apr", "april"),
            ("may",), ("jun", "june"), ("jul", "july"), ("aug", "august"),
            ("sep", "september"), ("oct", "october"), ("nov", "november"), ("dec", "december"),
        ),
        start=1,
    )
    for name in names
}  # fmt: skip
WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            ("mon", "monday"), ("tue", "tuesday"), ("wed", "wednesday"), ("thu", "thursday"),
            ("fri", "friday"), ("sat", "saturday"), ("sun", "sunday"),
        )
    )
    for name in names
}  # fmt: skip
UNIT_MINUTES = {"mins": 1, "minutes": 1, "hours": 60}
EXTRA_UNIT_MINUTES = {
    "min": 1, "minute": 1, "hour": 60, "day": 1440, "days": 1440, "week": 10080, "weeks": 10080,
}  # fmt: skip
ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
# The language's documentation lists these, its grammar stops at fifth.
EXTRA_ORDINALS = {
    word: number
    for number, word in enumerate(
        (
            "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth", "thirteenth",
            "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
            "twentieth", "twentyfirst", "twentysecond", "twentythird", "twentyfourth",
            "twentyfifth", "twentysixth", "twentyseventh", "twentyeighth", "twentyninth",
            "thirtieth", "thirtyfirst",
        ),
        start=6,
    )
}  # fmt: skip
_CONNECTIVES = ("every", "of", "month", "quarter", "from", "to", "synchronized")
_WORDS = (
    *_CONNECTIVES, *MONTHS, *WEEKDAYS, *UNIT_MINUTES, *EXTRA_UNIT_MINUTES, *ORDINALS,
    *EXTRA_ORDINALS,
)  # fmt: skip

_WORD = re.compile("|".join(sorted(_WORDS, key=len, reverse=True)), re.IGNORECASE | re.ASCII)
_LETTERS = re.compile(r"[A-Za-z]+")
_SPACE = re.compile(r"[ \t\r\n]*")
_TIME = re.compile(r"([0-9]+):([0-9]*)")
_ORDINAL = re.compile(r"([0-9]+)(st|nd|rd|th)", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[0-9]+")


def tokens_of(text: str, *, strict: bool) -> tuple[Token, ...]:
    """All tokens of `text` and an end token; `strict` refuses capitals. Raises ScheduleError."""
    tokens: list[Token] = []
    position = _end_of_space(text, 0)
    while position < len(text):
        token = _token_at(text, position, strict)
        tokens.append(token)
        position = _end_of_space(text, position + len(token.text))
    tokens.append(Token(kind="end", text="", position=len(text)))
    return tuple(tokens)


def suffix_of(number: int) -> str:
    """The ending of an ordinal: "st" for 1, "th" for 11."""
    if 10 < number % 100 < 14:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _end_of_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _token_at(text: str, position: int, strict: bool) -> Token:
    if text[position] == ",":
        return Token(kind=",", text=",", position=position)
    if match := _TIME.match(text, position):
        return _time(text, match)
    if match := _ORDINAL.match(text, position):
        return _ordinal(text, match, strict)
    if match := _NUMBER.match(text, position):
        if len(match[0]) > 5:
            reason = f"{match[0]} has more than five digits; write a larger unit, such as hours"
            raise ScheduleError(text, reason, position=position, field="number")
        return Token(kind="number", text=match[0], position=position, value=int(match[0]))
    if match := _LETTERS.match(text, position):
        return _word(text, position, match[0], strict)
    reason = (
        f"{text[position]!r} has no meaning in a schedule; write words, numbers, commas and "
        "a time such as 09:00"
    )
    raise ScheduleError(text, reason, position=position, field="schedule")


def _time(text: str, match: re.Match[str]) -> Token:
    hour, minute = match[1], match[2]
    if len(hour) > 2 or len(minute) != 2 or int(hour) > 23 or int(minute) > 59:
        reason = f"there is no time {match[0]!r}; write HH:MM from 00:00 to 23:59"
        raise ScheduleError(text, reason, position=match.start(), field="time")
    value = int(hour) * 60 + int(minute)
    return Token(kind="time", text=match[0], position=match.start(), value=value)


def _ordinal(text: str, match: re.Match[str], strict: bool) -> Token:
    digits, suffix = match[1], match[2].lower()
    number = int(digits) if len(digits) <= 2 else 0
    if not 1 <= number <= 31 or digits.startswith("0") or suffix != suffix_of(number):
        cure = f"{number}{suffix_of(number)}" if 1 <= number <= 31 else "1st to 31st"
        reason = f"{match[0]!r} is no ordinal; write {cure}"
        raise ScheduleError(text, reason, position=match.start(), field="ordinal")
    if strict:
        _refuse_capitals(text, match)
    return Token(
        kind="ordinal", text=match[0], position=match.start(), value=number,
        word=match[0].lower(),
    )  # fmt: skip


def _word(text: str, position: int, letters: str, strict: bool) -> Token:
    match = _WORD.match(text, position)
    if match is None or (match[0] != letters and not _made_of_words(letters)):
        near = difflib.get_close_matches(letters.lower(), _WORDS, n=1, cutoff=0.7)
        cure = f"did you mean {near[0]!r}?" if near else "write for example 'every monday 09:00'"
        reason = f"{letters[:40]!r} is no word of the schedule language; {cure}"
        raise ScheduleError(text, reason, position=position, field="schedule")
    word = match[0].lower()
    if strict:
        _refuse_capitals(text, match)
    if ordinal := ORDINALS.get(word) or EXTRA_ORDINALS.get(word):
        return Token(kind="ordinal", text=match[0], position=position, value=ordinal, word=word)
    return Token(kind="word", text=match[0], position=position, word=word)


def _refuse_capitals(text: str, match: re.Match[str]) -> None:
    lower = match[0].lower()
    if match[0] != lower:
        reason = f"strict mode takes lower case only, found {match[0]!r}; write {lower!r}"
        raise ScheduleError(text, reason, position=match.start(), field="schedule")


def _made_of_words(letters: str) -> bool:
    position = 0
    while position < len(letters):
        match = _WORD.match(letters, position)
        if match is None:
            return False
        position = match.end()
    return True
