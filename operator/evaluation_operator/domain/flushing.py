"""How long a run waits for the sampler, and what a replica must do so that nothing is lost.

A run reads rows by `sampled_at`, so it may read a stretch of time only when no more rows of it
can appear. Each replica tells through its Lease up to when it has flushed. The two bounds below
belong together: a run that has waited `LOST_AFTER` goes on, and a row that is older than
`RESTAMP_AFTER` when it is flushed at last gets a new time, so that a later run covers it. Their
difference is room for a slow write and for clocks that disagree.
"""

from __future__ import annotations

from datetime import timedelta

LOST_AFTER = timedelta(hours=1)
"""A replica that has not flushed past the end of a window for so long holds its run no more, and
neither does one whose Lease was not renewed for so long."""
RESTAMP_AFTER = timedelta(minutes=45)
"""A replica gives rows that have waited for so long a new `sampled_at`, and writes none at all
while its own Lease was not renewed for so long."""
RENEW_EVERY = timedelta(seconds=10)
"""How often a replica renews its Lease and tells its mark."""
