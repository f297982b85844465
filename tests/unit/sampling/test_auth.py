"""Who may send, by the tokens of a file."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from evaluation_operator.sampling.intake.auth import LOOK_AGAIN_SECONDS, Tokens, TokensError

OLD = "old-token-of-a-sender"
NEW = "new-token-of-a-sender"


class Watch:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def pass_a_moment(self) -> None:
        self.seconds += 2 * LOOK_AGAIN_SECONDS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# of the old agent\n{OLD}\n\n  {NEW}  \n")
    return path


@pytest.fixture
def watch() -> Watch:
    return Watch()


def basic(password: str, user: str = "sampler") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "authorization", [f"Bearer {OLD}", f"bearer {NEW}", f"Bearer  {NEW} ", basic(NEW), basic(OLD)]
)
def test_whoever_knows_a_token_is_admitted(file: Path, authorization: str) -> None:
    assert Tokens(file).admits(authorization)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {OLD[:-1]}",
        f"Bearer {OLD}x",
        "Bearer # of the old agent",
        "Bearer \xe9\xff",
        f"Digest {OLD}",
        OLD,
        basic(""),
        basic("sampler", user=OLD),
        "Basic not base64",
        "Basic \xff",
    ],
)
def test_nobody_else_is(file: Path, authorization: str | None) -> None:
    assert not Tokens(file).admits(authorization)


def test_a_changed_file_is_taken_over(file: Path, watch: Watch) -> None:
    tokens = Tokens(file, watch)
    file.write_text(f"{NEW}\n")
    watch.pass_a_moment()

    assert tokens.admits(f"Bearer {NEW}")
    assert not tokens.admits(f"Bearer {OLD}")


@pytest.mark.parametrize("content", [None, "", "# nothing\n", "short\n"])
def test_a_file_that_became_useless_admits_nobody_until_it_is_mended(
    file: Path, watch: Watch, content: str | None
) -> None:
    tokens = Tokens(file, watch)
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    watch.pass_a_moment()

    assert not tokens.admits(f"Bearer {OLD}")
    assert tokens.problem is not None
    assert str(file) in tokens.problem

    file.write_text(f"{OLD}\n")
    watch.pass_a_moment()
    assert tokens.admits(f"Bearer {OLD}")
    assert tokens.problem is None


@pytest.mark.parametrize(
    ("content", "cure"),
    [("", "write one a line"), ("# x\n\n", "write one a line"), (f"{OLD}\nabc\n", "token 2 has 3")],
)
def test_a_useless_file_is_refused_at_the_start(tmp_path: Path, content: str, cure: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(content)

    with pytest.raises(TokensError, match=cure):
        Tokens(path)


def test_a_missing_file_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(TokensError, match="mount the Secret"):
        Tokens(tmp_path / "tokens")
