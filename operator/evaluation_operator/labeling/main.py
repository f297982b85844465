"""The program `evaluation-labeler`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from evaluation_operator.environment import SettingsError, forget_credentials
from evaluation_operator.labeling.service import Service
from evaluation_operator.labeling.settings import from_environment
from evaluation_operator.redaction import log_to_stderr


def main() -> None:
    """Runs until SIGTERM or SIGINT. Exit code 2: a setting is wrong."""
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        print(f"evaluation-labeler: {error}", file=sys.stderr)
        sys.exit(2)
    log_to_stderr(settings.log_level)
    forget_credentials(os.environ)
    asyncio.run(_run(Service(settings)))


async def _run(service: Service) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    await service.run()


if __name__ == "__main__":
    main()
