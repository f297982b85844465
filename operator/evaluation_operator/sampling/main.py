"""The program `evaluation-sampler`."""

from __future__ import annotations

import asyncio
import os
import sys

import uvloop

from evaluation_operator.environment import SettingsError, forget_credentials
from evaluation_operator.redaction import log_to_stderr
from evaluation_operator.sampling.intake.auth import TokensError
from evaluation_operator.sampling.service import Service
from evaluation_operator.sampling.settings import from_environment
from evaluation_operator.serving.signals import run_until_signalled


def main() -> None:
    """Runs until SIGTERM or SIGINT. Exit code 2: a setting is wrong."""
    try:
        settings = from_environment(os.environ)
        service = Service(settings)
    except (SettingsError, TokensError) as error:
        sys.exit(_refuse(str(error)))
    log_to_stderr(settings.log_level)
    forget_credentials(os.environ)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_until_signalled(service.run, service.stop))


def _refuse(message: str) -> int:
    print(f"evaluation-sampler: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
