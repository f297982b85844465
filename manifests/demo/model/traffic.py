"""A client of the served model: asks about every image that the classifiers have not seen.

    python3 traffic.py URL VERSION

Each request has a `Ce-Id` of its own, so that labels can find its row later. Sending it all again
is what a client does that heard no answer: the rows are the same.

The client is calm: a model answers also while the sampler waits for a slow disk, and of what Envoy
cannot hand over then it drops what is more than 80 events.
"""

from __future__ import annotations

import base64
import io
import sys
import time

import httpx
from digits import MODEL, SIDE, Greys, event_id, split_images
from PIL import Image

PER_SECOND = 50


def send(url: str, version: str) -> int:
    """How many predictions were made. Raises httpx.HTTPError."""
    _, asked = split_images()
    started = time.monotonic()
    with httpx.Client(base_url=url, timeout=30) as client:
        for number, greys in enumerate(asked.greys):
            instance = {"image": {"b64": base64.b64encode(_png(greys)).decode()}}
            answer = client.post(
                f"/v1/models/{MODEL}:predict",
                json={"instances": [instance]},
                headers={"Ce-Id": event_id(version, number)},
            )
            answer.raise_for_status()
            time.sleep(max(started + number / PER_SECOND - time.monotonic(), 0))
    return len(asked.greys)


def _png(greys: Greys) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(greys.reshape(SIDE, SIDE)).save(sink, "PNG")
    return sink.getvalue()


if __name__ == "__main__":
    print(send(*sys.argv[1:]))
