"""The demo's data and models: two classifiers of the handwritten digits that scikit-learn brings.

Half of the 1,797 images train the classifiers, the other half are what clients ask about. All of it
is the same each time and everywhere, so whoever sends and whoever checks need not speak.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB

MODEL: Final = "digits"
LABELS: Final = tuple("0123456789")
VERSIONS: Final = ("v1", "v2")
SIDE: Final = 8
_BRIGHTEST: Final = 16

Greys = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Classifier(Protocol):
    def fit(self, images: Floats, truth: Integers) -> object: ...
    def predict_proba(self, images: Floats) -> Floats: ...


@dataclass(frozen=True)
class Images:
    """`greys` (n, 64) from 0 to 255, line by line, and the digits (n) that they show."""

    greys: Greys
    truth: Integers


def split_images() -> tuple[Images, Images]:
    """What the classifiers have seen, and what they have not."""
    digits = load_digits()
    greys = (digits.data * (255 / _BRIGHTEST)).round().astype(np.uint8)
    seen, asked, seen_truth, truth = train_test_split(
        greys, digits.target, test_size=0.5, random_state=0, stratify=digits.target
    )
    return Images(seen, seen_truth), Images(asked, truth)


def train(version: str) -> Classifier:
    classifiers: Mapping[str, Classifier] = {
        "v1": GaussianNB(var_smoothing=1e-2),
        "v2": LogisticRegression(max_iter=1000),
    }
    seen, _ = split_images()
    classifier = classifiers[version]
    classifier.fit(seen.greys / 255, seen.truth)
    return classifier


def event_id(version: str, number: int) -> str:
    """The id that the client gives to its request for an image."""
    return f"{MODEL}-{version}-{number:04d}"


def row_id(version: str, number: int) -> str:
    """The row of a request's only instance."""
    return f"{event_id(version, number)}/0"
