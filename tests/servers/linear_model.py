"""A small classifier behind KServe's own Python server, for protocols V1 and V2.

    python linear_model.py MODEL_FILE --model_name NAME --http_port PORT

It runs in the environment of the demo's servers, without this project. A model file is JSON:
`{"labels": [k], "bias": [k], "weights": [k][n]}`; scores are the softmax of bias + weights·x.

V1: `{"instances": [{"x": [n]}]}` -> `{"predictions": [{"label": [k], "score": [k]}]}`, best first;
V2: tensor `x` (items, n) -> tensors `label` and `score` (items, k). An instance without `x` is a
fault of this server (500).
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

import kserve
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.object_]


class LinearModel(kserve.Model):  # type: ignore[misc] # kserve has no types
    def __init__(self, name: str, file: Path) -> None:
        super().__init__(name)
        numbers = json.loads(file.read_text())
        self._labels: Labels = np.array(numbers["labels"], dtype=object)
        self._bias: Floats = np.array(numbers["bias"], dtype=float)
        self._weights: Floats = np.array(numbers["weights"], dtype=float)
        self.ready = True

    async def predict(
        self,
        payload: dict[str, Any] | kserve.InferRequest,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any] | kserve.InferResponse:
        if isinstance(payload, kserve.InferRequest):
            labels, scores = self._classify(payload.inputs[0].as_numpy())
            return self._tensors(payload.id or str(uuid.uuid4()), labels, scores)
        labels, scores = self._classify(np.array([each["x"] for each in payload["instances"]]))
        return {
            "predictions": [
                {"label": list(names), "score": list(numbers)}
                for names, numbers in zip(labels, scores.tolist(), strict=True)
            ]
        }

    def _classify(self, x: Floats) -> tuple[Labels, Floats]:
        """Labels and scores (items, k), best first, of x (items, n)."""
        logits = self._bias + x @ self._weights.T
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        order = np.argsort(-scores, axis=1, kind="stable")
        return self._labels[order], np.take_along_axis(scores, order, axis=1)

    def _tensors(self, request: str, labels: Labels, scores: Floats) -> kserve.InferResponse:
        label = kserve.InferOutput("label", list(labels.shape), "BYTES")
        label.set_data_from_numpy(labels, binary_data=False)
        score = kserve.InferOutput("score", list(scores.shape), "FP64")
        score.set_data_from_numpy(scores, binary_data=False)
        return kserve.InferResponse(request, self.name, [label, score])


if __name__ == "__main__":
    file = Path(sys.argv.pop(1))
    arguments = kserve.model_server.args
    kserve.ModelServer().start([LinearModel(arguments.model_name, file)])
