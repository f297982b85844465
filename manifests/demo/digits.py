"""Real predictions for the demo: two classifiers of handwritten digits, and what they say.

The images are the 1,797 digits that come with scikit-learn. Half of them train the classifiers,
the other half are predicted, as if two versions of a model were served. Everything is the same
each time, so that the demo loads its rows once, however often it runs.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB

MODEL: Final = "digits"
LABELS: Final = tuple("0123456789")
CLASSIFIERS: Final[Mapping[str, str]] = {
    "v1": "naive Bayes",
    "v2": "logistic regression",
}
_BRIGHTEST: Final = 16
_FIRST_REQUEST: Final = datetime(2026, 1, 5, 8, tzinfo=UTC)
_LABELED_AT: Final = datetime(2026, 1, 6, 8, tzinfo=UTC)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Classifier(Protocol):
    def fit(self, pixels: Floats, truth: Integers) -> object: ...
    def predict_proba(self, pixels: Floats) -> Floats: ...


@dataclass(frozen=True)
class Predictions:
    """Held-out images (n, 64) with pixels from 0 to 1, their digits (n), and scores (n, 10)."""

    pixels: Floats
    truth: Integers
    scores: Mapping[str, Floats]


def predict_held_out_images() -> Predictions:
    """Train both classifiers and let them predict what they have not seen."""
    digits = load_digits()
    seen, pixels, seen_truth, truth = train_test_split(
        digits.data / _BRIGHTEST,
        digits.target,
        test_size=0.5,
        random_state=0,
        stratify=digits.target,
    )
    classifiers: dict[str, Classifier] = {
        "v1": GaussianNB(var_smoothing=1e-2),
        "v2": LogisticRegression(max_iter=1000),
    }
    for classifier in classifiers.values():
        classifier.fit(seen, seen_truth)
    scores = {version: it.predict_proba(pixels) for version, it in classifiers.items()}
    return Predictions(pixels, truth, scores)


def build_files(predictions: Predictions) -> dict[str, bytes]:
    """Parquet files of rows, one a model version, and of the labels that came a day later."""
    files = {
        f"rows-{version}.parquet": _parquet(_rows(version, predictions.pixels, scores))
        for version, scores in predictions.scores.items()
    }
    files["labels.parquet"] = _parquet(_labels(predictions))
    return files


def row_id(version: str, number: int) -> str:
    return f"{MODEL}-{version}-{number:04d}"


def _rows(version: str, pixels: Floats, scores: Floats) -> pa.Table:
    numbers = range(len(pixels))
    return pa.table(
        {
            "id": [row_id(version, number) for number in numbers],
            "model": [MODEL] * len(pixels),
            "model_version": [version] * len(pixels),
            "time": pa.array(
                [_FIRST_REQUEST + timedelta(seconds=number) for number in numbers],
                pa.timestamp("us", "UTC"),
            ),
            "raw_data": [_request(image) for image in pixels],
            "raw_prediction": [_answer(row) for row in scores],
        }
    )


def _labels(predictions: Predictions) -> pa.Table:
    places = [
        (row_id(version, number), digit)
        for version in predictions.scores
        for number, digit in enumerate(predictions.truth)
    ]
    return pa.table(
        {
            "id": [place for place, _ in places],
            "groundtruth": [
                json.dumps({"predictions": [{"labels": [LABELS[digit]]}]}) for _, digit in places
            ],
            "labeled_at": pa.array([_LABELED_AT] * len(places), pa.timestamp("us", "UTC")),
            "labeler": ["scikit-learn"] * len(places),
        }
    )


def _request(image: Floats) -> str:
    grey = (image.reshape(8, 8) * 255).round().astype(np.uint8)
    return json.dumps({"instances": [{"image": {"b64": base64.b64encode(_png(grey)).decode()}}]})


def _answer(scores: Sequence[float] | Floats) -> str:
    rounded = [round(float(score), 6) for score in scores]
    return json.dumps({"predictions": [{"labels": LABELS, "scores": rounded}]})


def _png(grey: npt.NDArray[np.uint8]) -> bytes:
    """A picture in shades of grey: a header, the compressed lines, an end."""
    height, width = grey.shape
    lines = b"".join(b"\0" + line.tobytes() for line in grey)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(lines, 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
