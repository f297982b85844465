"""Serves one version of the demo's model by KServe's model server, protocol V1.

    python3 server.py VERSION

    POST /v1/models/digits:predict
    {"instances": [{"image": {"b64": "a PNG of 8 by 8 pixels"}}]}
    {"predictions": [{"labels": ["0", …, "9"], "scores": [0.01, …, 0.93]}]}

It knows nothing of evaluations: what it answers is sampled by the Envoy beside it.
"""

from __future__ import annotations

import base64
import io
import sys
from typing import Any

import numpy as np
from digits import LABELS, MODEL, SIDE, Greys, train
from kserve import InferRequest, Model, ModelServer
from kserve.errors import InvalidInput
from PIL import Image

PORT = 8080


class Digits(Model):  # type: ignore[misc] # kserve has no types
    def __init__(self, version: str) -> None:
        super().__init__(MODEL)
        self._classifier = train(version)
        self.ready = True

    async def predict(
        self,
        payload: dict[str, Any] | InferRequest,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        if isinstance(payload, InferRequest):
            raise InvalidInput(f"protocol V2 is not served here: POST /v1/models/{MODEL}:predict")
        images = np.stack([_read(instance) for instance in payload["instances"]])
        answers = self._classifier.predict_proba(images / 255)
        return {
            "predictions": [
                {"labels": LABELS, "scores": [round(float(score), 6) for score in scores]}
                for scores in answers
            ]
        }


def _read(instance: dict[str, Any]) -> Greys:
    try:
        content = base64.b64decode(instance["image"]["b64"], validate=True)
        picture = Image.open(io.BytesIO(content), formats=["PNG"]).convert("L")
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise InvalidInput(f'instance: give {{"image": {{"b64": PNG}}}}: {error}') from error
    if picture.size != (SIDE, SIDE):
        raise InvalidInput(f"image: {picture.size} pixels: give one of {SIDE} by {SIDE}")
    return np.asarray(picture, np.uint8).reshape(-1)


if __name__ == "__main__":
    ModelServer(http_port=PORT, enable_grpc=False, workers=1).start([Digits(sys.argv[1])])
