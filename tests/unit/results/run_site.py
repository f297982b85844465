"""Runs whose results are really written: one of a classification, one of boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.builders import make_detection_job
from tests.unit.evaluator.labeled_site import Site, prediction, row

RIPE, UNRIPE = prediction(("ripe", 0.9), ("unripe", 0.1)), prediction(("unripe", 0.7))
LABEL_SET = ("ripe", "unripe")


def classified(place: Path) -> Site:
    """Eight items: five evaluated, of which two are mistaken, one of these without a prediction of
    any label; and one each unlabelled, failed and faulty. Some stand for two."""
    site = Site(place, labeling=None)
    site.fill(
        row("e1/0", "ripe"),
        row("e1/1", "unripe", p=0.5),
        row("e2/0", "unripe", raw_prediction=UNRIPE),
        row("e3/0", "ripe", raw_prediction=prediction(), raw_data=data(" { 'image' : 'same' } ")),
        row("e4/0", "ripe", p=0.5, raw_data=data("{'image': 'same'}")),
        row("e5/0"),
        row("e6/0", "ripe", raw_prediction=None),
        row("e7/0", "rotten"),
    )
    site.evaluate()
    return site


def place_of(site: Site) -> Path:
    """Where its files lie."""
    return Path(site.folder.uri.removeprefix("file://"))


def data(instance: str) -> str:
    """A request of one instance, as somebody else writes JSON."""
    return f'{{"instances": [{instance}]}}'.replace("'", '"')


BOX = {"top_left": {"x": 0, "y": 0}, "bottom_right": {"x": 40, "y": 40}}
AWAY = {"top_left": {"x": 90, "y": 90}, "bottom_right": {"x": 99, "y": 99}}


def boxed(place: Path) -> Site:
    """Two images: a box that is found, and one that is missed beside one of the background."""
    config = make_detection_job()["spec"]["evaluationJobConfig"]
    site = Site(
        place,
        labeling=None,
        _input=config["inputConfig"],
        bigqueryImportKeys=config["bigqueryImportKeys"],
        evaluationConfig=config["evaluationConfig"],
    )
    for number, predicted in enumerate((BOX, AWAY)):
        said = {"labels": ["ripe"], "scores": [0.5], "boxes": [predicted]}
        true = {"labels": ["ripe"], "boxes": [BOX]}
        site.fill(row(f"e{number}/0", **texts(raw_prediction=said, groundtruth=true)))
    site.evaluate()
    return site


def texts(**entries: Any) -> dict[str, str]:
    return {name: json.dumps({"predictions": [entry]}) for name, entry in entries.items()}
