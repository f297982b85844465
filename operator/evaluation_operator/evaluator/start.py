"""Where `evaluation-run` begins: what it needs takes seconds to import, and a pod may be told to
end before that."""

from __future__ import annotations

import signal


def main() -> None:
    """See evaluator.main; ends with 143 when it is told to, 0 if the run is committed by then."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    from evaluation_operator.evaluator.settings import TERMINATION_LOG
    from evaluation_operator.evaluator.stopping import end_when_told
    from evaluation_operator.redaction import log_to_stderr

    log_to_stderr("INFO")
    end_when_told(TERMINATION_LOG)

    from evaluation_operator.evaluator.main import main as run

    run()


if __name__ == "__main__":
    main()
