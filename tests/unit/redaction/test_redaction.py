"""Secrets in texts that somebody else wrote, and in lines of a log."""

from __future__ import annotations

import base64
import html
import json
import logging
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from evaluation_operator.redaction import (
    REDACTED,
    Redactor,
    secret_files,
    secret_variables,
)
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
    cleaned = redactor.clean(f"the server says: {told}; try again")
    assert redactor.finds(told)
    assert cleaned.startswith("the server says: ")
    assert cleaned.endswith("; try again")
    assert REDACTED in cleaned
    assert not [part for part in parts_of(SECRET) if part in cleaned]


def test_what_holds_no_secret_is_left_as_it_is() -> None:
    redactor = Redactor([SECRET, "", "\n"])
    for told in ("", "no answer", "ZQ7 and kX+9", "é" * 50, REDACTED):
        assert redactor.clean(told) == told
        assert not redactor.finds(told)
    assert Redactor().clean(SECRET) == SECRET


def test_two_secrets_in_a_row_are_taken_out_whole() -> None:
    redactor = Redactor(["first-0123", "second-4567"])
    assert redactor.clean("first-0123second-4567 and first-0123") == f"{REDACTED} and {REDACTED}"


def test_a_short_secret_is_one_where_it_stands_alone() -> None:
    """`key` is in many words; to take it out of `monkey` would tell it rather than hide it."""
    redactor = Redactor(["key"])
    assert redactor.clean("password 'key' of the monkey") == f"password '{REDACTED}' of the monkey"


def test_each_line_of_a_file_is_a_secret_and_a_replaced_one_stays_one(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("alpha-0123456789\nbravo-0123456789\n")
    redactor = Redactor()
    for content in ("alpha-0123456789\nbravo-9876543210\n", "charlie-5551234\n"):
        tokens.write_text(content)
        redactor.learn(*secret_files([tokens, None, tmp_path / "missing"]))
    for token in ("alpha-0123456789", "bravo-9876543210", "charlie-5551234"):
        assert redactor.finds(token)


def test_secrets_that_are_renewed_for_years_fill_no_memory() -> None:
    redactor = Redactor()
    for number in range(1000):
        redactor.learn(f"{number:x}".rjust(1000, "0"), "always-held-0815")
    assert len(redactor._known) < 50
    assert redactor.finds("always-held-0815")
    assert redactor.finds(f"{999:x}".rjust(1000, "0"))


def test_variables_are_secret_by_their_names_and_paths_are_not() -> None:
    environment = {
        "PGPASSWORD": "one",
        "AWS_SECRET_ACCESS_KEY": "two",
        "AWS_SESSION_TOKEN": "three",
        "PGHOST": "db.example",
        "EVALUATION_SECRETS_DIR": "/var/run/evaluations/secrets",
        "EVALUATION_SMTP_PASSWORD_FILE": "/etc/smtp/password",
    }
    assert secret_variables(environment) == ("one", "two", "three")


def test_a_log_shows_no_secret_not_even_in_a_traceback_or_of_a_talkative_library() -> None:
    """At DEBUG, HTTP libraries log headers, and a traceback ends with what a server wrote."""
    canaries = Canaries({"token": "wX3fQ9-Lm2Zt8-Vb5"})
    token = canaries.secrets["token"]
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
