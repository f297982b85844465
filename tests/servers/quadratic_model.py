"""A classifier behind KServe's own Python server, in V1 and V2, JSON and binary.

It runs in an environment of its own (see `kserve_server.py`), which holds KServe and not this
project. Scores are the softmax of bias + linear·x + square·x², which is what logistic regression and
Gaussian naive Bayes compute, so a model is a JSON file of numbers:
`{"labels": [k], "bias": [k], "linear": [k][n], "square": [k][n]}`.

V1: `{"instances": [{"pixels": [n]}]}` is answered by `{"predictions": [{"label": [k], "score": [k]}]}`,
best first. V2: tensor `pixels` (items, n) is answered by the tensors `label` and `score` (items, k).
"""

from __future__ import annotations

import argparse
import json
import uuid
from pathlib import Path

import kserve
import numpy as np


class QuadraticModel(kserve.Model):
    def __init__(self, name: str, file: Path) -> None:
        super().__init__(name)
        numbers = json.loads(file.read_text())
        self._labels = np.array(numbers["labels"], dtype=object)
        self._bias, self._linear, self._square = (
            np.array(numbers[part], dtype=float) for part in ("bias", "linear", "square")
        )
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        """A V1 document in, a V1 document out; a V2 request in, a V2 response out."""
        if isinstance(payload, kserve.InferRequest):
            labels, scores = self._classify(payload.inputs[0].as_numpy())
            return self._tensors(payload.id or str(uuid.uuid4()), labels, scores)
        pixels = np.array([instance["pixels"] for instance in payload["instances"]], dtype=float)
        labels, scores = self._classify(pixels)
        return {
            "predictions": [
                {"label": list(names), "score": list(numbers)}
                for names, numbers in zip(labels, scores.tolist(), strict=True)
            ]
        }

    def _classify(self, pixels):
        """Labels and scores (items, k), best first, of pixels (items, n)."""
        logits = self._bias + pixels @ self._linear.T + pixels**2 @ self._square.T
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        order = np.argsort(-scores, axis=1, kind="stable")
        return self._labels[order], np.take_along_axis(scores, order, axis=1)

    def _tensors(self, request_id, labels, scores):
        label = kserve.InferOutput("label", list(labels.shape), "BYTES")
        label.set_data_from_numpy(labels, binary_data=False)
        score = kserve.InferOutput("score", list(scores.shape), "FP64")
        score.set_data_from_numpy(scores, binary_data=False)
        return kserve.InferResponse(request_id, self.name, [label, score])


def main() -> None:
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
    parser.add_argument("--model_file", required=True, type=Path)
    arguments = parser.parse_args()
    model = QuadraticModel(arguments.model_name, arguments.model_file)
    kserve.ModelServer().start([model])


if __name__ == "__main__":
    main()
