"""The sampler under load, beside a server that does nothing, on the same machine in the same run.

    python -m tests.bench.sampler [--full] [--seconds 3] [--rounds 3]

Load comes from a process of its own over loopback: events as KServe's agent sends them, over 32
connections. Both servers are up all the time and are loaded in turn, round by round, so that what
else the machine does falls on both. What counts are ratios, and of those the ones of processor
time: events per second of the server's own CPU, the writing of every row into its table included.
What was written is compared with the exact sample. `--full` sends a million events more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery
from evaluation_operator.tables.sample import item_priority
from tests.bench.load import Result, event_id
from tests.bench.rows import Written, measure_rows
from tests.bench.serving import JOB_UID
from tests.cluster.host import free_ports
from tests.cluster.postgres import DATABASE, PostgreSQL
from tests.stores import plain_secret, write_secret

TICKS = os.sysconf("SC_CLK_TCK")
SIZES = (1_000, 100_000)
FRACTIONS = (0.01, 0.1, 1.0)
FLUSHED_SECONDS = 6.0
"""After which everything is in the table: see `serving`."""
CAP = 500
CALM_RATE = {1_000: 500.0, 100_000: 100.0}


@dataclass
class Server:
    """A process that serves on loopback, and what it has used."""

    port: int
    process: subprocess.Popen[bytes]
    results: list[Result] = field(default_factory=list)
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    sent: int = 0

    @property
    def rate(self) -> float:
        """Events a second, the median of the rounds."""
        return statistics.median(one.accepted / one.seconds for one in self.results)

    @property
    def per_core(self) -> float:
        """Events a second of the server's processor time."""
        return sum(one.accepted for one in self.results) / self.cpu_seconds

    @property
    def p99_ms(self) -> float:
        return statistics.median(one.p99_ms for one in self.results)

    def load(self, size: int, **options: float) -> Result:
        """Send predictions that were never sent before; wait until all are answered."""
        arguments = [f"--{name}={value}" for name, value in options.items()]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.bench.load", f"--port={self.port}"),
                *(f"--first={self.sent}", f"--size={size}", *arguments),
            ],
            check=True,
            stdout=subprocess.PIPE,
        )
        result = Result(**json.loads(done.stdout))
        if result.other:
            raise SystemExit(f"{result.other} answers were neither 202 nor 503")
        self.sent += result.predictions
        return result

    def used(self) -> float:
        """Seconds of processor time until now."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self, name: str = "VmRSS") -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition(f"{name}:")[2].split()[0]) * 1024

    def finish(self) -> None:
        """Stop it in order: it writes what it has."""
        self.peak_bytes = self.memory("VmHWM")
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60):
            raise SystemExit(f"the server ended with {self.process.returncode}")


@contextmanager
def running(module: str, *arguments: str) -> Iterator[Server]:
    """`arguments` may hold PORT."""
    (port,) = free_ports(1)
    filled = [argument.replace("PORT", str(port)) for argument in arguments]
    process = subprocess.Popen([sys.executable, "-m", module, *filled])
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit(f"{module} ended with {process.returncode}") from None
                time.sleep(0.1)
        yield Server(port, process)
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    size: int
    fraction: float
    mode: str
    server: Server
    echo: Server
    calm_p99_ms: tuple[float, float]
    exact: str


def compare(
    size: int, fraction: float, options: argparse.Namespace, cap: int = 10**6, mode: str = "durable"
) -> Line:
    """The sampler and the server that does nothing, in turn."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        table = f"file://{folder}/table"
        echo = stack.enter_context(running("tests.bench.echo", "PORT"))
        sampler = stack.enter_context(
            running(
                *("tests.bench.serving", "--port=PORT", f"--folder={folder}", f"--table={table}"),
                *(f"--fraction={fraction}", f"--cap={cap}", f"--mode={mode}"),
            )
        )
        for server in (sampler, echo):
            server.load(size, seconds=options.seconds)
        # What the first write costs once in the life of a process is not what is asked.
        time.sleep(FLUSHED_SECONDS)
        before = [server.used() for server in (sampler, echo)]
        for _ in range(options.rounds):
            for server in (echo, sampler):
                server.results.append(server.load(size, seconds=options.seconds))
        time.sleep(FLUSHED_SECONDS)
        for server, used in zip((sampler, echo), before, strict=True):
            server.cpu_seconds = server.used() - used
        calm = {"seconds": options.seconds, "rate": CALM_RATE[size]}
        paced = [server.load(size, **calm) for server in (sampler, echo)]
        for server in (sampler, echo):
            server.finish()
        exact = check_sample(table, sampler.sent, fraction, cap)
        calm_p99 = (paced[0].p99_ms, paced[1].p99_ms)
        return Line(size, fraction, mode, sampler, echo, calm_p99, exact)


def check_sample(table: str, sent: int, fraction: float, cap: int) -> str:
    """What a run would read, against the definition of the sample. Ends the benchmark if they
    differ: a figure for a wrong sample is worth nothing."""
    priorities = {
        f"{event_id(number)}/0": item_priority(JOB_UID, f"{event_id(number)}/0")
        for number in range(sent)
    }
    smallest = sorted(priorities.values())[: cap + 1]
    limit = min(fraction, smallest[cap]) if len(smallest) > cap else fraction
    wanted = {row for row, priority in priorities.items() if priority < limit}
    found: set[str] = set()
    rows = 0
    with closing(open_table(table)) as opened:
        for batch in opened.read_rows(RowQuery("ripeness", "v1")):
            rows += len(batch)
            columns = zip(batch["id"].to_pylist(), batch["priority"].to_pylist(), strict=True)
            found.update(row for row, priority in columns if priority < limit)
    if found != wanted:
        raise SystemExit(f"{len(wanted ^ found)} of {len(wanted)} rows are wrong")
    return f"{len(found)} of {sent}, from {rows} rows"


def measure_memory(options: argparse.Namespace) -> list[tuple[int, int]]:
    """Resident bytes by events sent, up to a million, at one per cent."""
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as folder,
        running(
            *("tests.bench.serving", "--port=PORT", f"--folder={folder}"),
            *(f"--table=file://{folder}/table", "--fraction=0.01"),
        ) as server,
    ):
        seen = []
        while 2 * server.sent < 1_000_000:
            server.load(1_000, count=50_000, seconds=600)
            seen.append((2 * server.sent, server.memory()))
        server.finish()
        check_sample(f"file://{folder}/table", server.sent, 0.01, 10**6)
        return seen


def report(lines: Sequence[Line]) -> None:
    print(
        "\n| body | sampled | events/s | of echo | events/s per core | **of echo** "
        "| p99 when busy | p99 when calm | memory | exact sample |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for line in lines:
        server, echo = line.server, line.echo
        cells = (
            f"{line.size // 1000} KB",
            f"{line.fraction:.0%}" + ("" if line.mode == "durable" else f", {line.mode}"),
            f"{server.rate:.0f}",
            f"{server.rate / echo.rate:.0%}",
            f"{server.per_core:.0f} / {echo.per_core:.0f}",
            f"**{server.per_core / echo.per_core:.0%}**",
            f"{server.p99_ms:.1f} / {echo.p99_ms:.1f} ms",
            f"{line.calm_p99_ms[0]:.1f} / {line.calm_p99_ms[1]:.1f} ms",
            f"{server.peak_bytes / 2**20:.0f} MB",
            line.exact,
        )
        print("| " + " | ".join(cells) + " |")


def report_rows(written: Sequence[Written]) -> None:
    print("\n| table | rows | rows/s |\n| --- | --- | --- |")
    for one in written:
        print(f"| {one.table} | {one.rows} | {one.rows / one.seconds:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="memory over a million events")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on the disk that is measured")
    parser.add_argument("--rows", type=int, default=20_000, help="written into each table")
    options = parser.parse_args()
    lines = []
    for size in SIZES:
        for fraction in FRACTIONS:
            _say(f"{size // 1000} KB, {fraction:.0%} sampled")
            lines.append(compare(size, fraction, options))
    _say("1 KB, everything sampled, answered before it is on the disk")
    lines.append(compare(1_000, 1.0, options, mode="fast"))
    _say(f"1 KB, the cap at {CAP}")
    lines.append(compare(1_000, 1.0, options, cap=CAP))
    _say("rows into tables")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, PostgreSQL() as database:
        files, secrets = f"file://{folder}/rows", Path(folder) / "secrets"
        write_secret(secrets, "evaluation-postgres", plain_secret(database))
        address = f"postgresql:///{DATABASE}/public.rows"
        written = [
            asyncio.run(measure_rows("Parquet files", files, options.rows, secrets)),
            asyncio.run(measure_rows("PostgreSQL", address, options.rows, secrets)),
        ]
    report(lines)
    report_rows(written)
    if options.full:
        _say("a million events")
        print("\n| events | resident memory |\n| --- | --- |")
        for events, size in measure_memory(options):
            print(f"| {events} | {size / 2**20:.0f} MB |")


def _say(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
