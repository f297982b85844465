"""The one error of the command line, and the codes that scripts tell errors apart by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypedDict

INVALID_ARGUMENT: Final = 3
DEADLINE_EXCEEDED: Final = 4
NOT_FOUND: Final = 5
ALREADY_EXISTS: Final = 6
PERMISSION_DENIED: Final = 7
FAILED_PRECONDITION: Final = 9
ABORTED: Final = 10
INTERNAL: Final = 13
UNAVAILABLE: Final = 14

STATUS_NAMES: Final = {
    INVALID_ARGUMENT: "INVALID_ARGUMENT",
    DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    NOT_FOUND: "NOT_FOUND",
    ALREADY_EXISTS: "ALREADY_EXISTS",
    PERMISSION_DENIED: "PERMISSION_DENIED",
    FAILED_PRECONDITION: "FAILED_PRECONDITION",
    ABORTED: "ABORTED",
    INTERNAL: "INTERNAL",
    UNAVAILABLE: "UNAVAILABLE",
}

EXIT_FAILED: Final = 1
EXIT_NOT_ENDED: Final = 3
"""A version that was terminated, or that goes on when the time to wait is over."""


class ErrorContent(TypedDict, total=False):
    code: int
    status: str
    message: str
    details: list[str]


class CliError(Exception):
    """What the user did or met, with the cure; never a fault of the program.

    `code` is a canonical gRPC code; `details` are further lines, as of a file with many faults.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = INVALID_ARGUMENT,
        details: Sequence[str] = (),
        exit_code: int = EXIT_FAILED,
    ) -> None:
        self.message = one_line(message)
        self.code = code
        self.details = tuple(one_line(detail) for detail in details)
        self.exit_code = exit_code
        super().__init__(self.message)

    def to_dict(self) -> dict[str, ErrorContent]:
        content: ErrorContent = {
            "code": self.code,
            "status": STATUS_NAMES[self.code],
            "message": self.message,
        }
        if self.details:
            content["details"] = list(self.details)
        return {"error": content}


def one_line(text: str) -> str:
    return " ".join(text.split())
