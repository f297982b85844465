"""People who label by a script, through Label Studio's own API as its web page does.

Each signs up by the invitation's link and has a session. They see tasks only, as the server serves
them; they know the true answer, and give another one as often as their error rate says.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from zlib import crc32

import httpx
import numpy as np

from evaluation_operator.labeling.backends.label_studio.config import BOX, LABEL
from manifests.demo.labeling.pictures import SCENE_SIZE, Box
from manifests.demo.model.digits import LABELS
from tests.cluster.host import ClusterError
from tests.cluster.label_studio import LabelStudio

SEED: Final = 5
_UNSTEADY: Final = 0.25
"""How far a corner is off, as a share of the box's side, of somebody who always errs."""
_NO_MORE_TASKS: Final = 404
_PAUSES_SECONDS: Final = (1, 2, 4, 8)

Json = dict[str, Any]
Results = list[Json]
Answerer = Callable[[str, np.random.Generator, float], Results]
"""What somebody says of a picture, who errs at that rate."""


@dataclass(frozen=True)
class Person:
    name: str
    error_rate: float

    @property
    def email(self) -> str:
        return f"{self.name}@example.com"

    def chance(self, picture: str) -> np.random.Generator:
        """The same for the same picture, in whichever order tasks come."""
        return np.random.default_rng([SEED, crc32(self.name.encode()), crc32(picture.encode())])


PEOPLE: Final = (Person("ada", 0.03), Person("ben", 0.10), Person("cas", 0.30))
FURTHER: Final = (Person("dan", 0.10), Person("eve", 0.15))
"""Who is asked where the first do not agree."""


class Session:
    """Somebody's browser, as far as the server can tell."""

    def __init__(self, person: Person, client: httpx.Client) -> None:
        self.person = person
        self._client = client

    @classmethod
    def sign_up(cls, person: Person, server: LabelStudio) -> Self:
        """Raises ClusterError when the server does not let them in."""
        invitation = server.call("GET", "/api/invite")
        assert isinstance(invitation, dict)
        client = httpx.Client(base_url=server.url, timeout=60, headers={"Referer": server.url})
        page = client.get(invitation["invite_url"])
        hidden = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert hidden is not None, page.text
        form = {
            "email": person.email,
            "password": server.password,
            "csrfmiddlewaretoken": hidden.group(1),
        }
        said = client.post(invitation["invite_url"], data=form)
        if said.status_code != httpx.codes.FOUND:
            raise ClusterError(f"{person.email} could not sign up: {said.text[:500]}")
        return cls(person, client)

    def close(self) -> None:
        self._client.close()

    def label(self, project: int, key: str, answer: Answerer, limit: int | None = None) -> int:
        """Answer what the project serves until it has no more, or `limit` times; how many.

        `key` is that of the picture in a task's data. Raises ClusterError.
        """
        done = 0
        while limit is None or done < limit:
            task = self._next(project)
            if task is None:
                break
            if task["predictions"]:
                raise ClusterError(f"task {task['id']} shows a prediction: {task['predictions']}")
            picture = str(task["data"][key])
            began = time.monotonic()
            result = answer(picture, self.person.chance(picture), self.person.error_rate)
            self._submit(project, task["id"], result, time.monotonic() - began)
            done += 1
        return done

    def _next(self, project: int) -> Json | None:
        said = self._ask("GET", f"/api/projects/{project}/next")
        if said.status_code == _NO_MORE_TASKS:
            return None
        _require(said, httpx.codes.OK)
        task: Json = said.json()
        return task

    def _submit(self, project: int, task: int, result: Results, seconds: float) -> None:
        said = self._ask(
            "POST",
            f"/api/tasks/{task}/annotations/",
            params={"project": project},
            json={"result": result, "lead_time": seconds, "was_cancelled": False},
            headers={"X-CSRFToken": self._client.cookies["csrftoken"]},
        )
        _require(said, httpx.codes.CREATED)

    def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        """As somebody does whose page shows an error, try a few times more: with SQLite the server
        answers 500 where several have waited too long to write."""
        for pause in _PAUSES_SECONDS:
            said = self._client.request(method, path, **content)
            if not said.is_server_error:
                return said
            time.sleep(pause)
        return self._client.request(method, path, **content)


def _require(said: httpx.Response, code: int) -> None:
    if said.status_code != code:
        where = f"{said.request.method} {said.request.url}"
        raise ClusterError(f"{where} was answered {said.status_code}: {said.text[:500]}")


def reading(known: Mapping[str, str]) -> Answerer:
    """Which digit a picture shows, or, in error, any other."""

    def answer(picture: str, chance: np.random.Generator, error_rate: float) -> Results:
        said = _read(known[picture], chance, error_rate)
        choice = {"from_name": LABEL, "to_name": "shown", "type": "choices"}
        return [{**choice, "value": {"choices": [said]}}]

    return answer


def drawing(known: Mapping[str, Sequence[Box]]) -> Answerer:
    """Where a scene has digits: half as often as somebody errs, a box is forgotten; as often, it
    gets another label; and the more they err, the further off its corners are."""

    def answer(picture: str, chance: np.random.Generator, error_rate: float) -> Results:
        return [
            _rectangle(box, _read(box.label, chance, error_rate / 2), chance, error_rate)
            for box in known[picture]
            if chance.random() >= error_rate / 2
        ]

    return answer


def _read(label: str, chance: np.random.Generator, error_rate: float) -> str:
    if chance.random() >= error_rate:
        return label
    return str(chance.choice([it for it in LABELS if it != label]))


def _rectangle(box: Box, label: str, chance: np.random.Generator, error_rate: float) -> Json:
    """In percent of the picture, as the page gives it."""
    width, height = SCENE_SIZE
    off = chance.normal(0, _UNSTEADY * error_rate, 4)
    wide, high = box.right - box.left, box.bottom - box.top
    left, right = np.clip([box.left + off[0] * wide, box.right + off[1] * wide], 0, width)
    top, bottom = np.clip([box.top + off[2] * high, box.bottom + off[3] * high], 0, height)
    return {
        "from_name": BOX,
        "to_name": "shown",
        "type": "rectanglelabels",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {
            "x": 100 * left / width,
            "y": 100 * top / height,
            "width": 100 * (right - left) / width,
            "height": 100 * (bottom - top) / height,
            "rotation": 0,
            "rectanglelabels": [label],
        },
    }
