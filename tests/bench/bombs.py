"""What the worst bodies do to a replica of the sampler: its memory, its loop, and who else sends.

    python -m tests.bench.bombs [--only WORDS]

Each body is sent to a replica that runs in a process of its own, while another sender goes on with
small predictions. Told are the answer; how long the event loop was held at most, in processor time
of its thread, and by the clock, which counts what else the machine does; how long the other sender
waited at most; and how much memory the replica and the processes it reads in took at most. The job
keeps every item, which is the dearest case.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import http.client
import json
import math
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from evaluation_operator.sampling.limits import CHILD_MEMORY_BYTES
from evaluation_operator.sampling.service import settle_collector
from tests.unit.sampling.served import event_headers, serving

MIB: Final = 2**20
TICK_SECONDS: Final = 0.001
BATCH: Final = {"content-type": "application/cloudevents-batch+json"}
PLAIN: Final = "/v1/jobs/ripeness/predictions"
SMALL: Final = b'{"instances":[{"image":"a.png"}]}'


@dataclass(frozen=True)
class Bomb:
    """`path` / is for events; `headers` None: those of a request event."""

    name: str
    make: Callable[[], bytes]
    path: str = "/"
    headers: dict[str, str] | None = None


def zeros(*shape: int) -> bytes:
    """A tensor of zeros in JSON, all flat."""
    data = b",".join([b"0"] * math.prod(shape))
    described = json.dumps(list(shape)).encode()
    return (
        b'{"inputs":[{"name":"x","datatype":"INT8","shape":' + described + b',"data":[' + data
    ) + b"]}]}"


def binary(datatype: str, shape: list[int], raw: bytes, name: str = "x") -> bytes:
    parameters = {"binary_data_size": len(raw)}
    tensor = {"name": name, "datatype": datatype, "shape": shape, "parameters": parameters}
    return json.dumps({"inputs": [tensor]}).encode() + raw


def instances(entry: bytes, size: int) -> bytes:
    """As many of them as fit into so many bytes."""
    return b'{"instances":[[' + b",".join([entry] * (size // (len(entry) + 1))) + b"]]}"


def items(entry: bytes, count: int) -> bytes:
    return b'{"instances":[' + b",".join([entry] * count) + b"]}"


def batch(count: int, data: object) -> bytes:
    attributes = {k[3:]: v for k, v in event_headers("request", "x").items() if k[:3] == "ce-"}
    return json.dumps([attributes | {"id": f"e{n}", "data": data} for n in range(count)]).encode()


def columns(name_bytes: int, rows: int) -> bytes:
    """One long name, which stands in every row."""
    split = {"columns": ["x" * name_bytes], "data": [[0]] * rows}
    return json.dumps({"dataframe_split": split}).encode()


def plain(count: int) -> bytes:
    one = {"instances": [{"a": 1}], "predictions": [{"labels": ["ripe"], "scores": [1]}]}
    return json.dumps([one] * count).encode()


def picture(size: int) -> bytes:
    text = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(size // 4 * 3))
    return b'{"instances":[{"image":{"b64":"' + text + b'"}}]}'


def wide(keys: int) -> bytes:
    return json.dumps({"instances": [{f"{number:x}": 0 for number in range(keys)}]}).encode()


def empties(count: int) -> bytes:
    return b"[" + b"{}," * (count - 1) + b"{}]"


ONES: Final = [1] * 14
BOMBS: Final = [
    Bomb("tensor [100000, 4, 1 x 14], the review's", lambda: zeros(100_000, 4, *ONES)),
    Bomb("tensor [100000, 20, 1 x 14], the review's", lambda: zeros(100_000, 20, *ONES)),
    Bomb("tensor [30000, 8, 1 x 14]", lambda: zeros(30_000, 8, *ONES)),
    Bomb("tensor [1, 30000, 1 x 14]", lambda: zeros(1, 30_000, *ONES)),
    Bomb("tensor [64, 512, 1 x 14], of 64 KiB", lambda: zeros(64, 512, *ONES)),
    Bomb("binary BOOL [1, 4000000]", lambda: binary("BOOL", [1, 4_000_000], bytes(4_000_000))),
    Bomb("binary UINT8 [1, 16000000]", lambda: binary("UINT8", [1, 16_000_000], bytes(16_000_000))),
    Bomb("binary FP32 [50000, 20]", lambda: binary("FP32", [50_000, 20], bytes(4_000_000))),
    Bomb("binary BYTES [50000, 10]", lambda: binary("BYTES", [50_000, 10], bytes(2_000_000))),
    Bomb("a name of 100 KB in 50000 rows", lambda: columns(100_000, 50_000)),
    Bomb("a name of 1 KB in 20000 rows", lambda: columns(1_000, 20_000)),
    Bomb("deep: [ and nothing else", lambda: b'{"instances":' + b"[" * (16 * MIB - 14)),
    Bomb("deep: 240 levels", lambda: instances(b"[" * 240 + b"]" * 240, MIB - 40)),
    Bomb("empty lists, 100 KiB", lambda: instances(b"[]", 100 * 2**10)),
    Bomb("empty lists, 1 MiB", lambda: instances(b"[]", MIB - 40)),
    Bomb("empty lists", lambda: instances(b"[]", 15 * MIB)),
    Bomb("numbers, 100 KiB", lambda: instances(b"0.5", 100 * 2**10)),
    Bomb("numbers, 1 MiB", lambda: instances(b"0.5", MIB - 40)),
    Bomb("numbers", lambda: instances(b"0.5", 15 * MIB)),
    Bomb("NaN", lambda: instances(b"NaN", 15 * MIB)),
    Bomb("texts", lambda: instances(b'"abc"', 15 * MIB)),
    Bomb("an object of 500000 keys", lambda: wide(500_000)),
    Bomb("one text", lambda: b'{"instances":["' + b"x" * 15 * MIB + b'"]}'),
    Bomb("a picture", lambda: picture(15 * MIB)),
    Bomb("a picture, 1 MiB", lambda: picture(MIB - 100)),
    Bomb("2000 items", lambda: items(b'{"a":0.5}', 2_000)),
    Bomb("50000 items", lambda: items(b'{"a":0.5}', 50_000)),
    Bomb("200000 items", lambda: items(b"0", 200_000)),
    Bomb("a batch of 300 events", lambda: batch(300, {"instances": [1]}), headers=BATCH),
    Bomb("a batch of 10000 events", lambda: batch(10_000, {"instances": [1]}), headers=BATCH),
    Bomb("a batch of 4000000 empty ones", lambda: empties(4_000_000), headers=BATCH),
    Bomb("10000 whole predictions", lambda: plain(10_000), path=PLAIN, headers={}),
    Bomb("100000 whole predictions", lambda: plain(100_000), path=PLAIN, headers={}),
]


# The replica.


class Watch:
    """How long the event loop did not come back to a timer of 1 ms: by the clock, and in
    processor time of its own thread, which does not count what else the machine does."""

    def __init__(self) -> None:
        self.reset()
        self._loop = asyncio.get_running_loop()
        self._again()

    def reset(self) -> None:
        self.longest = self.longest_busy = 0.0
        self._due = self._busy = math.inf

    def _again(self) -> None:
        now, busy = self._loop.time(), time.thread_time()
        self.longest = max(self.longest, now - self._due)
        self.longest_busy = max(self.longest_busy, busy - self._busy)
        self._due, self._busy = now + TICK_SECONDS, busy
        self._loop.call_at(self._due, self._again)


async def replica(folder: Path) -> None:
    """Serves, and answers each line on its input with what has been since the last."""
    async with serving(folder, memory_bytes=256 * MIB) as running:
        settle_collector()
        watch = Watch()
        print(running.port, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            await running.sampler.settled()
            peak = _memory("VmHWM")
            told = {"held": watch.longest, "busy": watch.longest_busy, "peak": peak}
            print(json.dumps(told), flush=True)
            await asyncio.to_thread(Path("/proc/self/clear_refs").write_text, "5")
            watch.reset()


def _memory(field: str, process: int | str = "self") -> int:
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.partition(f"{field}:")[2].split()[0]) * 1024


@dataclass
class Served:
    """A replica in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def since(self) -> dict[str, float]:
        """Since the last time, at most: seconds by the clock and of processor time that its loop
        was held, and bytes that it took."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told: dict[str, float] = json.loads(self.process.stdout.readline())
        return told

    def children_peak(self) -> int:
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        peaks = []
        for child in found.split():
            try:
                peaks.append(_memory("VmHWM", child))
            except (OSError, IndexError):
                continue
        return max(peaks, default=0)


@contextmanager
def served() -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.bombs", "--serve", folder]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        yield Served(process, int(process.stdout.readline()))
        process.communicate()


# Who sends.


class Honest(threading.Thread):
    """Sends small predictions, one after the other, and keeps how long each took."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self._port = port
        self._ended = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        number = 0
        while not self._ended.is_set():
            began = time.perf_counter()
            status = post(connection, "/", SMALL, event_headers("request", f"small-{number}"))
            self.seconds.append(time.perf_counter() - began)
            assert status in (202, 503), status
            number += 1
            time.sleep(0.002)

    def end(self) -> float:
        """The longest, in seconds."""
        self._ended.set()
        self.join()
        return max(self.seconds)


def post(
    connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]
) -> int:
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def throw(bomb: Bomb, replica: Served, number: int) -> str:
    """One line of the table."""
    body = bomb.make()
    headers = bomb.headers
    if headers is None:
        headers = event_headers("request", f"bomb-{number}")
    replica.since()
    others = Honest(replica.port)
    others.start()
    connection = http.client.HTTPConnection("127.0.0.1", replica.port, timeout=120)
    began = time.perf_counter()
    status = post(connection, bomb.path, body, headers)
    seconds = time.perf_counter() - began
    told = replica.since()
    cells = (
        *(bomb.name, f"{len(body) / MIB:.1f} MiB", str(status), f"{seconds:.2f} s"),
        *(f"**{told['busy'] * 1000:.0f} ms**", f"{told['held'] * 1000:.0f} ms"),
        *(f"{others.end() * 1000:.0f} ms", f"{told['peak'] / MIB:.0f} MiB"),
        *(f"{replica.children_peak() / MIB:.0f} MiB",),
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="bombs whose name has these words")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(replica(options.serve))
        return
    print(
        "| body | size | answer | after | loop held, of a core | by the clock | another waited "
        f"| memory | of a reader (limit {CHILD_MEMORY_BYTES // MIB}) |\n" + "| --- " * 9 + "|"
    )
    with served() as replica_:
        post(
            http.client.HTTPConnection("127.0.0.1", replica_.port),
            "/",
            SMALL,
            event_headers("request", "first"),
        )
        for number, bomb in enumerate(BOMBS):
            if options.only in bomb.name:
                print(throw(bomb, replica_, number), flush=True)


if __name__ == "__main__":
    main()
