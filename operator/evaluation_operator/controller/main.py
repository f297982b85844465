"""The program `evaluation-operator`."""

from __future__ import annotations

import asyncio
import os
import sys

from evaluation_operator.controller.app import Operator
from evaluation_operator.controller.settings import Settings, from_environment
from evaluation_operator.environment import SettingsError
from evaluation_operator.redaction import log_to_stderr
from evaluation_operator.serving.signals import run_until_signalled


def main() -> None:
    """Runs until SIGTERM or SIGINT. Exit code 2: a setting is wrong."""
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.exit(_refuse(str(error)))
    log_to_stderr(settings.log_level)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    operator = await Operator.connect(settings)
    await run_until_signalled(operator.run, operator.stop.set)


def _refuse(message: str) -> int:
    print(f"evaluation-operator: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
