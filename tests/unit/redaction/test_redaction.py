"""Secrets in texts that somebody else wrote, and in lines of a log."""

from __future__ import annotations

import base64
import html
import json
import logging
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

import evaluation_operator
from evaluation_operator.redaction import REDACTED, Redactor, redact
from tests.canary import Canaries, parts_of

SECRET = "Zq7/kX+9vB#2 w&L'0é\"Tj"


@pytest.mark.parametrize(
    "told",
    [
        SECRET,
        f"Token {SECRET}",
        SECRET.upper(),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps({"refresh": SECRET}),
        json.dumps({"refresh": SECRET}, ensure_ascii=False),
        html.escape(f"<pre>{SECRET}</pre>"),
        repr({"password": SECRET}),
        repr(SECRET.encode()),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"u:{SECRET}".encode()).decode(),
        base64.b64encode(f"\0ann\0{SECRET}".encode()).decode(),
        f"cut off in the middle: {SECRET[:9]}",
        f"or begun there: {SECRET[9:]}",
    ],
)
def test_nothing_is_left_of_a_secret_however_it_was_sent(told: str) -> None:
    redactor = Redactor([SECRET])
    cleaned = redactor(f"the server says: {told}; try again")
    assert redactor.finds(told)
    assert cleaned.startswith("the server says: ")
    assert cleaned.endswith("; try again")
    assert REDACTED in cleaned
    assert not [part for part in parts_of(SECRET) if part in cleaned]


def test_what_holds_no_secret_is_left_as_it_is() -> None:
    redactor = Redactor([SECRET, "", "\n"])
    for told in ("", "no answer", "ZQ7 and kX+9", "é" * 50, REDACTED):
        assert redactor(told) == told
        assert not redactor.finds(told)
    assert Redactor()(SECRET) == SECRET


def test_two_secrets_in_a_row_are_taken_out_whole() -> None:
    redactor = Redactor(["first-0123", "second-4567"])
    assert redactor("first-0123second-4567 and first-0123") == f"{REDACTED} and {REDACTED}"


def test_a_password_that_is_a_word_is_one_where_it_stands_alone() -> None:
    """`postgres` is in every address of a table, and `Evaluation2024` in half of what is said
    here: to take these out would spoil each message, and tell the password rather than hide it."""
    redactor = Redactor(["postgres", "key", "Evaluation2024"])
    told = "postgresql://db/x: password 'postgres' or key of the monkey; see evaluations.dev"
    assert redactor(told) == (
        f"postgresql://db/x: password '{REDACTED}' or {REDACTED} of the monkey; see evaluations.dev"
    )
    assert redactor("login with Evaluation2024!") == f"login with {REDACTED}!"
    assert redactor("Postgres listens") == "Postgres listens"


def test_each_line_is_a_secret_and_one_that_was_renewed_stays_one_for_a_while() -> None:
    redactor = Redactor(["always-held-0815"])
    for number in range(1000):
        redactor.learn([f"alpha-{number:032}\nbravo-{number:032}\n"], "tokens")
    for number in (998, 999):
        assert redactor.finds(f"alpha-{number:032}")
        assert redactor.finds(f"bravo-{number:032}")
    assert redactor.finds("always-held-0815")
    assert len(redactor._known) == 5, "secrets that are renewed for years fill no memory"


def test_a_log_shows_no_secret_not_even_in_a_traceback_or_of_a_talkative_library() -> None:
    """At DEBUG, HTTP libraries log headers, and a traceback ends with what a server wrote."""
    canaries = Canaries({"token": "wX3fQ9-Lm2Zt8-Vb5"})
    token = canaries.secrets["token"]
    redact.learn([token])
    with canaries.listening():
        logger = logging.getLogger("evaluation_operator.somewhere")
        logger.debug("asked with %s", {"Authorization": f"Token {token}"})
        try:
            raise ValueError(f"trace: Authorization: Token {token}")
        except ValueError:
            logger.exception("a turn failed")
        logging.getLogger("httpcore.http11").debug("headers=[(b'authorization', …)]")
    told = "\n".join(text for _, text in canaries.texts)
    assert "asked with" in told
    assert "a turn failed" in told
    assert "ValueError: trace: Authorization: " in told
    assert "httpcore" not in told
    assert canaries.found() == []


def test_a_name_adds_no_line_to_a_log_and_moves_no_cursor() -> None:
    """A label with a line break could make up a line of the log, and one with an escape sequence
    could hide those before it from who reads them in a terminal."""
    canaries = Canaries({})
    with canaries.listening():
        name = "a\n2026-01-01 00:00:00 ERROR all is well\x1b[2J\u202e"
        logging.getLogger("evaluation_operator.somewhere").warning("label %s", name)
    [(_, line)] = canaries.texts
    assert "label a\\n2026-01-01 00:00:00 ERROR all is well\\x1b[2J\\u202e" in line


def test_a_canary_that_is_told_is_found() -> None:
    """The test of the tests: one that could find nothing would find nothing."""
    canaries = Canaries({"token": "wX3fQ9-Lm2Zt8-Vb5"})
    canaries.note("status", "the server said Lm2Zt8")
    canaries.note("status", base64.b64encode(b"u:wX3fQ9-Lm2Zt8-Vb5").decode())
    try:
        try:
            raise ValueError("Vb5 is short enough")
        except ValueError as error:
            raise KeyError("wX3fQ9-") from error
    except KeyError as error:
        canaries.note("error", error)
    assert len(canaries.found()) == 3


def test_every_program_that_logs_does_so_through_the_one_that_takes_secrets_out() -> None:
    root = Path(evaluation_operator.__file__).parent
    texts = {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*.py")}
    setting_up = {name for name, text in texts.items() if "basicConfig(" in text}
    assert setting_up == {"redaction.py"}
    programs = {name for name, text in texts.items() if "log_to_stderr(" in text}
    mains = {f"{part}/main.py" for part in ("controller", "evaluator", "labeling", "sampling")}
    assert programs - setting_up == {*mains, "evaluator/start.py"}


def test_an_entry_of_megabytes_holds_up_nothing() -> None:
    """A server that repeats an import of eight megabytes would have the labeler look through it
    character by character, in the loop that all runs share."""
    canaries = Canaries({"token": "bD5-nR8xW2q"})
    redact.learn(["bD5-nR8xW2q"])
    with canaries.listening():
        logging.getLogger("evaluation_operator.x").warning("%s", "x" * 10_000_000 + "bD5-nR8xW2q")
    [(_, line)] = canaries.texts
    assert len(line) < 40_000
