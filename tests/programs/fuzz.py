"""Feeds every parser of the sampler with shapes that nobody would send, in half a gibibyte.

    python -m tests.programs.fuzz [--seed 1] [--shapes 12000]

The limit is on what the process may reserve, so whatever asks for much is ended, not only slow.
Prints how often each parser took a body, and how often it said why not; anything else ends it.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import struct
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import orjson

from evaluation_operator.bodies.limits import ASIDE, INLINE
from evaluation_operator.bodies.values import NoPrediction, TooMuch, Unreadable
from evaluation_operator.sampling.intake.cloudevents import NotAnEvent
from evaluation_operator.sampling.intake.halves import (
    events_of,
    half_of,
    plain_halves,
    read_event,
    sift_all,
    sifted_event,
    sifted_plain,
)
from evaluation_operator.sampling.intake.plain import BadPrediction
from evaluation_operator.sampling.limits import is_light
from evaluation_operator.sampling.records import Event, Refused, Side
from evaluation_operator.sampling.sample.options import PAYLOAD_SIZES
from evaluation_operator.sampling.sample.sifting import Draw, Sifted, sift

MEMORY_BYTES: Final = 512 * 2**20
DATATYPES: Final = (
    *("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "BF16", "FP32", "FP64", "BYTES", "COMPLEX64", ""),
)
WIDTHS: Final = {"BOOL": 1, "UINT8": 1, "INT8": 1, "FP16": 2, "BF16": 2, "FP32": 4, "FP64": 8}
NUMBERS: Final = (
    *("0", "-0", "1", "0.5", "1e308", "1e309", "-1e-400", "9" * 30, "9" * 5000, "NaN", "Infinity"),
    *("-Infinity", "01", "1.", "1e", "18446744073709551616", "true", "null"),
)
TEXTS: Final = ("", "a", "\x00", "\ud800", "Ü驚", "a" * 300, '"', "\\", "b64", "\u202e", "NaN")
DRAWS: Final = [
    Draw(uid, below, "file:///p", PAYLOAD_SIZES) for uid, below in (("a", 1.0), ("b", 0.3))
]


class Shapes:
    """Bodies and headers from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def count(self) -> int:
        """Mostly few, rarely many."""
        return self.random.choice((0, 1, 1, 2, 3, 3, 7, 40, 300, 2_500))

    def value(self, depth: int = 0) -> str:
        """Some JSON, or almost."""
        choice = self.random.random()
        if depth > 4 or choice < 0.4:
            return self.random.choice(NUMBERS)
        if choice < 0.6:
            return json.dumps(self.random.choice(TEXTS))
        if choice < 0.63:
            levels = self.random.choice((10, 240, 260, 1_000, 30_000))
            return "[" * levels + ("]" * levels if self.maybe(0.8) else "")
        many = self.random.choice((0, 1, 2, 3, 5, 60)) if depth < 2 else 2
        if choice < 0.85:
            return "[" + ",".join(self.value(depth + 1) for _ in range(many)) + "]"
        pairs = (f"{json.dumps(self.name())}:{self.value(depth + 1)}" for _ in range(many))
        return "{" + ",".join(pairs) + "}"

    def name(self) -> str:
        return self.random.choice((*TEXTS, "x", "y", "labels", "scores", "a" * 20_000))

    def many(self, of: Callable[[], str]) -> str:
        """A list of the same, or of all sorts."""
        count = self.count()
        if self.maybe(0.7):
            one = of()
            return "[" + ",".join([one] * min(count, 2**20 // (len(one) + 1))) + "]"
        return "[" + ",".join(of() for _ in range(min(count, 50))) + "]"

    def tensor(self) -> tuple[str, bytes]:
        """Its JSON, and the bytes behind it; often they agree."""
        dimensions = [self.count() for _ in range(self.random.choice((0, 1, 1, 2, 2, 3, 4)))]
        dimensions += [1] * self.random.choice((0, 0, 1, 3, 14, 20))
        size = 1
        for dimension in dimensions:
            size *= dimension
        if self.maybe(0.05):
            dimensions.append(self.random.choice((-1, 2**31, 2**62)))
        datatype = self.random.choice(DATATYPES)
        fields = [f'"name":{json.dumps(self.name())}', f'"datatype":"{datatype}"']
        shape = json.dumps(dimensions) if self.maybe(0.9) else self.value()
        fields.append(f'"shape":{shape}')
        behind = b""
        if self.maybe(0.5):
            behind = self.raw(datatype, min(size, 50_000))
            told = len(behind) + self.random.choice((0, 0, 0, 0, 1, -1, 2**33))
            extra = ',"content_type":"base64"' if self.maybe(0.2) else ""
            fields.append(f'"parameters":{{"binary_data_size":{told}{extra}}}')
        elif self.maybe(0.9):
            one = self.random.choice(("0", "0.5", '"a"', "[1]", "null", "NaN"))
            fields.append('"data":[' + ",".join([one] * min(size, 50_000)) + "]")
        if self.maybe(0.1):
            self.random.shuffle(fields)
            fields.pop()
        return "{" + ",".join(fields) + "}", behind

    def raw(self, datatype: str, count: int) -> bytes:
        if datatype != "BYTES":
            return self.random.randbytes(count * WIDTHS.get(datatype, 8))
        lengths = (self.random.choice((0, 1, 3, 2**31 if self.maybe(0.01) else 2)),) * count
        return b"".join(struct.pack("<I", one) + b"\xff" * min(one, 9) for one in lengths)

    def tensors(self) -> tuple[str, bytes]:
        made = [self.tensor() for _ in range(self.random.choice((1, 1, 2, 3)))]
        return "[" + ",".join(json_ for json_, _ in made) + "]", b"".join(raw for _, raw in made)

    def split(self) -> str:
        width = self.random.choice((0, 1, 2, 30))
        names = "[" + ",".join(json.dumps(self.name()) for _ in range(width)) + "]"
        row = "[" + ",".join(["0.5"] * width) + "]"
        columns = names if self.maybe(0.9) else self.value()
        return f'{{"columns":{columns},"data":{self.many(lambda: row)}}}'

    def body(self) -> bytes:
        """What a model is asked, or answers."""
        behind = b""
        fields: list[str] = []
        for _ in range(self.random.choice((1, 1, 1, 2))):
            key = self.random.choice(
                ("instances", "predictions", "inputs", "outputs", "dataframe_records", "x")
            )
            choice = self.random.random()
            if choice < 0.4:
                made, raw = self.tensors()
                fields.append(f'"{self.random.choice(("inputs", "outputs"))}":{made}')
                behind += raw
            elif choice < 0.5:
                fields.append(f'"dataframe_split":{self.split()}')
            elif choice < 0.6:
                columns = (f'"{name}":{self.many(self.value)}' for name in "ab")
                fields.append(f'"{key}":{{{",".join(columns)}}}')
            else:
                fields.append(f'"{key}":{self.many(self.value)}')
        text = "{" + ",".join(fields) + "}" if self.maybe(0.97) else self.value()
        return self.torn(text.encode("utf-8", "surrogatepass") + behind)

    def torn(self, body: bytes) -> bytes:
        if self.maybe(0.9) or not body:
            return body
        place = self.random.randrange(len(body))
        return self.random.choice(
            (body[:place], body[place:], body[:place] + b"\xff" + body[place:], body + b" ", b"")
        )

    def event(self) -> str:
        """An event as JSON."""
        given = {
            "specversion": '"1.0"',
            "id": json.dumps(self.name()) if self.maybe(0.3) else '"e"',
            "type": '"org.kubeflow.serving.inference.request"',
            "time": self.random.choice(('"2026-01-01T00:00:00Z"', '"noon"', '"9999-12-31"')),
        }
        if self.maybe(0.3):
            given["samplefraction"] = self.random.choice(('"0.5"', '"nan"', '"1e-400"', "0.5"))
        for _ in range(self.random.choice((0, 1, 2, 80))):
            given[self.name()] = self.value(3)
        if self.maybe(0.2):
            given[self.random.choice(tuple(given))] = self.value()
        key = self.random.choice(("data", "data", "data_base64"))
        given[key] = self.value() if self.maybe(0.3) else '{"instances":[1,2]}'
        pairs = (f"{json.dumps(name)}:{value}" for name, value in given.items())
        return "{" + ",".join(pairs) + "}"

    def document(self) -> tuple[dict[str, str], bytes]:
        """Headers and body of an event, or of a batch of them."""
        choice = self.random.random()
        if choice < 0.4:
            return {"content-type": "application/cloudevents+json"}, self.torn(
                self.event().encode("utf-8", "surrogatepass")
            )
        if choice < 0.7:
            body = self.many(self.event).encode("utf-8", "surrogatepass")
            return {"content-type": "application/cloudevents-batch+json"}, self.torn(body)
        names = (*(f"a{number}" for number in range(self.random.choice((0, 3, 90)))), "id", "type")
        headers = {
            f"ce-{name}": self.random.choice(("", "%", "%ff", '"a\\"', "\xe9")) for name in names
        }
        return headers | {"ce-specversion": "1.0", "content-type": "text/plain"}, b""

    def plain(self) -> bytes:
        """Whole predictions."""
        if self.maybe(0.3):
            return self.torn(self.value().encode("utf-8", "surrogatepass"))
        pairs = {"instances": "[1]", "predictions": "[2]"}
        if self.maybe(0.4):
            pairs = {"request": '{"instances":[1]}', "response": '{"predictions":[1]}'}
        for _ in range(self.random.choice((0, 0, 1, 2))):
            pairs[self.random.choice((*pairs, "id", "time", "x"))] = self.value()
        one = "{" + ",".join(f'"{key}":{value}' for key, value in pairs.items()) + "}"
        body = one if self.maybe(0.5) else self.many(lambda: one)
        return self.torn(body.encode("utf-8", "surrogatepass"))


def check(sifted: Sifted) -> None:
    """What goes to the disk is what says so, and is JSON."""
    for drawn in sifted.drawn.values():
        texts, start = drawn.texts, 0
        assert len(texts.body) <= ASIDE.text_bytes
        for lengths in filter(None, (texts.data, texts.predictions)):
            assert len(lengths) == len(drawn.items)
            for length in lengths:
                orjson.loads(memoryview(texts.body)[start : start + length])
                start += length
        assert start + sum(size for _, size in texts.files) == len(texts.body)


def feed_body(shapes: Shapes) -> str:
    """As the event loop does it, and as the other process does."""
    body = shapes.body()
    side = shapes.random.choice((Side.REQUEST, Side.RESPONSE))
    event = Event("e", side, "application/json", body, {})
    if is_light(body):
        with suppress(Unreadable, NoPrediction):  # which is said once more below
            check(sift(half_of(event, read_event(event, INLINE)), DRAWS, INLINE))
    try:
        check(sifted_event(body, event._replace(data=b""), DRAWS)[1])
    except (Unreadable, NoPrediction) as error:
        return type(error).__name__
    return "taken"


def feed_document(shapes: Shapes) -> str:
    headers, body = shapes.document()
    try:
        events = events_of(body, headers)
    except NotAnEvent:
        return "NotAnEvent"
    for event in events:
        if isinstance(event, Refused):
            continue
        try:
            check(sifted_event(event.data, event._replace(data=b""), DRAWS)[1])
        except (Unreadable, NoPrediction):
            continue
    return "taken" if any(isinstance(event, Event) for event in events) else "Refused"


def feed_plain(shapes: Shapes) -> str:
    body = shapes.plain()
    if is_light(body):
        with suppress(BadPrediction, TooMuch):  # which is said once more below
            list(sift_all(plain_halves(body, INLINE), DRAWS, INLINE))
    try:
        for sifted in sifted_plain(body, DRAWS):
            check(sifted)
    except (BadPrediction, TooMuch) as error:
        return type(error).__name__
    return "taken"


FEEDS: Final = {"body": feed_body, "document": feed_document, "plain": feed_plain}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shapes", type=int, default=12_000)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    found: dict[str, Counter[str]] = {name: Counter() for name in FEEDS}
    for number in range(options.shapes):
        # Each by itself, so that one that fails can be had again.
        shapes = Shapes(options.seed * 10**9 + number)
        name = shapes.random.choices(tuple(FEEDS), (4, 1, 1))[0]
        try:
            found[name][FEEDS[name](shapes)] += 1
        except BaseException:
            print(f"shape {number} of seed {options.seed}, a {name}", file=sys.stderr)
            raise
    print(json.dumps(found))


if __name__ == "__main__":
    main()
