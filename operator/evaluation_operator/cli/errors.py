"""The one error of the command line, and the codes that scripts tell errors apart by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypedDict

from evaluation_operator.api.codes import Code

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
        code: Code = Code.INVALID_ARGUMENT,
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
            "code": int(self.code),
            "status": self.code.name,
            "message": self.message,
        }
        if self.details:
            content["details"] = list(self.details)
        return {"error": content}


def one_line(text: str) -> str:
    return " ".join(text.split())
