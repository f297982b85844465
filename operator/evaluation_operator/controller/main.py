"""The program `evaluation-operator`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from evaluation_operator.controller.app import Operator
from evaluation_operator.controller.settings import Settings, from_environment
from evaluation_operator.environment import SettingsError


def main() -> None:
    """Runs until SIGTERM or SIGINT. Exit code 2: a setting is wrong."""
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.exit(_refuse(str(error)))
    logging.basicConfig(
        level=settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    # Kopf logs a line an event, and all object ids at exit: its warnings are enough.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    operator = await Operator.connect(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, operator.stop.set)
    await operator.run()


def _refuse(message: str) -> int:
    print(f"evaluation-operator: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
