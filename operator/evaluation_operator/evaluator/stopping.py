"""How a run's program ends when it is told to: between two writes, and within two seconds.

It is the first process of its container, for which Linux drops every signal that nobody waits for;
and a handler of Python's runs between two steps of the main thread, which may be within a query for
minutes. So all threads block the signals, and one does nothing but wait for them.

Nothing depends on this: what is half done when a process is killed is not seen, and the next one
goes on from what is whole. But who ends like this is replaced at once, leaves no drafts, and says
why it has ended.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from evaluation_operator.results.ending import ending
from evaluation_operator.results.errors import Stopped, termination_message

SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
WRITE_SECONDS: Final = 1.5
"""How long a write may still take; the rest of the two seconds is for all else."""

logger = logging.getLogger(__name__)


def end_when_told(verdict_file: Path) -> None:
    """To be called once, with SIGNALS blocked and before there is any other thread."""
    threading.Thread(target=_end, args=(verdict_file,), name="stopping", daemon=True).start()


def _end(verdict_file: Path) -> None:
    began, code = time.monotonic(), Stopped.exit_code
    name = signal.Signals(signal.sigwait(SIGNALS)).name
    try:
        if ending.begin(WRITE_SECONDS):
            told = Stopped(name, time.monotonic() - began)
            with suppress(OSError):
                verdict_file.write_text(termination_message(told))
            logger.warning("%s", told.message)
        else:
            code = 0
            logger.info("told to end by %s, when the Job was done", name)
        ending.take_back()
    finally:
        os._exit(code)
