"""The program `evaluation-labeler`."""

from __future__ import annotations

import asyncio
import os
import sys

from evaluation_operator.environment import SettingsError, forget_credentials
from evaluation_operator.labeling.service import Service
from evaluation_operator.labeling.settings import from_environment
from evaluation_operator.redaction import log_to_stderr
from evaluation_operator.serving.signals import run_until_signalled


def main() -> None:
    """Runs until SIGTERM or SIGINT. Exit code 2: a setting is wrong."""
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        print(f"evaluation-labeler: {error}", file=sys.stderr)
        sys.exit(2)
    log_to_stderr(settings.log_level)
    forget_credentials(os.environ)
    service = Service(settings)
    asyncio.run(run_until_signalled(service.run, service.stop))


if __name__ == "__main__":
    main()
