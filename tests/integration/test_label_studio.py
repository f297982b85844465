"""Labelling in a real Label Studio: what is asked there is what is answered here."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from evaluation_operator.api.evaluation_options import AnnotationType
from evaluation_operator.labeling.backend import (
    BackendRefused,
    BackendUnavailable,
    OnClose,
    OpenProject,
    ProjectSpec,
    Task,
)
from evaluation_operator.labeling.backends.label_studio import LabelStudio
from evaluation_operator.tasks.answers import Answer, Sentiment
from tests.cluster.label_studio import ADMIN
from tests.cluster.label_studio import LabelStudio as Server
from tests.conftest import Tell

pytestmark = pytest.mark.integration

IMAGE = AnnotationType.IMAGE_CLASSIFICATION
BOXES = AnnotationType.IMAGE_BOUNDING_BOX
TEXT = AnnotationType.TEXT_CLASSIFICATION
NASTY_LABELS = ("plain", "a < b & c", 'say "so"', "$5", "größer 大", " kept ")
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
Json = Any

_numbers = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def people(server: Server) -> list[int]:
    return [server.add_person(f"{name}@example.com") for name in ("anna", "ben", "cem", "dora")]


@pytest_asyncio.fixture
async def backend(server: Server) -> AsyncIterator[LabelStudio]:
    made = LabelStudio(server.url, lambda: server.token)
    yield made
    await made.aclose()


def spec_of(kind: AnnotationType = TEXT, **changes: Any) -> ProjectSpec:
    number = next(_numbers)
    spec = ProjectSpec(
        namespace="prod",
        job=f"job-{number}",
        job_uid=f"uid-{number}",
        annotation_type=kind,
        labels=("a", "b", "c"),
        is_multi_label=False,
        has_sentiment=False,
        title=f"prod/job-{number}",
        instruction="Look.\n\nChoose <one>.",
        instruction_pdf="https://example.com/how.pdf",
        language="de",
        replica_count=1,
        on_close=OnClose.ARCHIVE,
        data_key="data",
        reference_key="place",
    )
    return replace(spec, **changes)


def texts(*items: str) -> list[Task]:
    return [
        Task(item, number / 100, json.dumps({"data": f"text of {item}"}))
        for number, item in enumerate(items)
    ]


def tasks_of(server: Server, project: OpenProject) -> dict[str, Json]:
    """The server's tasks by our own id."""
    found: Json = server.call("GET", f"/api/tasks?project={project.ref}&page_size=10000")
    return {it["data"]["evaluation_item"]: it for it in found["tasks"]}


def chosen(*labels: str, name: str = "label") -> Json:
    return {
        "from_name": name,
        "to_name": "shown",
        "type": "choices",
        "value": {"choices": list(labels)},
    }


def box(label: str, x: float, y: float, width: float, height: float, **more: float) -> Json:
    return {
        "from_name": "box",
        "to_name": "shown",
        "type": "rectanglelabels",
        "original_width": 640,
        "original_height": 480,
        "value": {
            "rectanglelabels": [label],
            "x": x,
            "y": y,
            "width": width,
            "height": height,
            **more,
        },
    }


def remark(text: str) -> Json:
    return {
        "from_name": "comment",
        "to_name": "shown",
        "type": "textarea",
        "value": {"text": [text]},
    }


class Labeling:
    """A project that people answer in."""

    def __init__(self, server: Server, project: OpenProject) -> None:
        self.server = server
        self.project = project

    def answer(
        self, item: str, who: int, *result: Json, skipped: bool = False, dataset: str = "ds"
    ) -> int:
        task = tasks_of(self.server, self.project)[f"{dataset}|{item}"]["id"]
        made: Json = self.server.call(
            "POST",
            f"/api/tasks/{task}/annotations/",
            {"result": list(result), "completed_by": who, "was_cancelled": skipped},
        )
        return int(made["id"])

    def task(self, item: str) -> Json:
        return tasks_of(self.server, self.project)[f"ds|{item}"]


async def opened(server: Server, backend: LabelStudio, spec: ProjectSpec, *tasks: Task) -> Labeling:
    project = await backend.open_project(spec)
    await backend.add_tasks(project, "ds", tasks)
    return Labeling(server, project)


@pytest.mark.parametrize("kind", [IMAGE, BOXES, TEXT])
@pytest.mark.parametrize("is_multi", [False, True])
async def test_the_server_takes_every_type_with_any_labels(
    server: Server, backend: LabelStudio, kind: AnnotationType, is_multi: bool
) -> None:
    spec = spec_of(kind, labels=NASTY_LABELS, is_multi_label=is_multi, has_sentiment=kind is TEXT)

    project = await backend.open_project(spec)

    made: Json = server.call("GET", f"/api/projects/{project.ref}")
    assert made["title"] == spec.title
    assert made["maximum_annotations"] == 1
    assert made["show_instruction"]
    assert "Choose &lt;one&gt;." in made["expert_instruction"]
    assert 'lang="de"' in made["expert_instruction"]
    assert 'href="https://example.com/how.pdf"' in made["expert_instruction"]
    control = made["parsed_label_config"]["box" if kind is BOXES else "label"]
    assert tuple(control["labels"]) == NASTY_LABELS


async def test_general_data_is_refused_with_the_reason(backend: LabelStudio) -> None:
    with pytest.raises(BackendRefused, match=r"GENERAL_CLASS.*give ground truth yourself"):
        await backend.open_project(spec_of(AnnotationType.GENERAL_CLASSIFICATION))


async def test_an_opened_project_is_found_again_and_only_its_changes_are_set(
    server: Server, backend: LabelStudio
) -> None:
    spec = spec_of()
    first = await backend.open_project(spec)
    before: Json = server.call("GET", f"/api/projects/{first.ref}")

    again = await backend.open_project(replace(spec, replica_count=3))

    after: Json = server.call("GET", f"/api/projects/{first.ref}")
    assert again == first
    assert {key for key in before if before[key] != after[key]} == {"maximum_annotations"}
    ours = [it for it in await backend.list_projects() if it.job_uid == spec.job_uid]
    assert ours == [first]
    assert first.namespace == "prod"


async def test_projects_of_another_owner_are_left_alone(server: Server) -> None:
    spec = spec_of()
    owners = [LabelStudio(server.url, lambda: server.token, owner=it) for it in ("one", "two")]
    refs = [(await it.open_project(spec)).ref for it in owners]
    seen = [[it.ref for it in await owner.list_projects()] for owner in owners]
    for owner in owners:
        await owner.aclose()
    assert refs[0] != refs[1]
    assert seen == [[refs[0]], [refs[1]]]


async def test_tasks_are_served_by_priority_without_what_the_model_said(
    server: Server, backend: LabelStudio
) -> None:
    tasks = [Task(f"i{n}", p, json.dumps({"data": "x"})) for n, p in enumerate([0.7, 0.1, 0.4])]
    labeling = await opened(server, backend, spec_of(), *tasks)
    served: Json = server.call("GET", f"/api/projects/{labeling.project.ref}/next")
    there = sorted(tasks_of(server, labeling.project).items(), key=lambda it: it[1]["id"])
    assert [key for key, _ in there] == ["ds|i1", "ds|i2", "ds|i0"]
    assert served["data"] == {"text": "x", "evaluation_item": "ds|i1"}
    assert served["predictions"] == []


async def test_pictures_come_as_data_or_by_address_and_others_are_named(
    server: Server, backend: LabelStudio
) -> None:
    instances: dict[str, Json] = {
        "bytes": {"data": {"b64": PNG}},
        "text": {"data": PNG},
        "address": {"place": "https://example.com/cat.jpg"},
        "bucket": {"place": "s3://cats/1.jpg"},
        "broken": {"data": "!!"},
        "no-image": {"data": base64.b64encode(b"plain text").decode()},
        "keyless": {"other": 1},
    }
    tasks = [Task(item, 0.5, json.dumps(it)) for item, it in instances.items()]
    labeling = await opened(server, backend, spec_of(IMAGE), *tasks)
    there = tasks_of(server, labeling.project)
    assert {key: it["data"]["image"] for key, it in there.items()} == {
        "ds|bytes": f"data:image/png;base64,{PNG}",
        "ds|text": f"data:image/png;base64,{PNG}",
        "ds|address": "https://example.com/cat.jpg",
    }
    # Who knows already that nobody can answer them, does not ask for them again.
    await backend.add_tasks(labeling.project, "ds", tasks[:3])
    answers = await backend.read_answers(labeling.project, "ds")
    told = {item: found.bad[0].message for item, found in answers.items()}
    assert told.keys() == {"bucket", "broken", "no-image", "keyless"}
    assert "a browser cannot load s3: addresses" in told["bucket"]
    assert "neither base64 nor" in told["broken"]
    assert "no JPEG, PNG, GIF or WebP" in told["no-image"]
    assert "no 'data' or 'place'" in told["keyless"]


async def test_several_people_answer_and_the_latest_of_each_counts(
    server: Server, backend: LabelStudio, people: list[int]
) -> None:
    anna, ben, cem, _ = people
    spec = spec_of(replica_count=2, has_sentiment=True)
    labeling = await opened(server, backend, spec, *texts("one", "two", "three"))
    numbers = [await backend.count_answers(labeling.project)]

    async def count_changes() -> None:
        numbers.append(await backend.count_answers(labeling.project))

    labeling.answer("one", anna, chosen("a"))
    await count_changes()
    labeling.answer("one", anna, chosen("b"), chosen("POSITIVE", name="sentiment"))
    assert not labeling.task("one")["is_labeled"], "one person is not two"
    changed = labeling.answer("one", ben, chosen("c"), remark(" torn "))
    await count_changes()
    server.call("PATCH", f"/api/annotations/{changed}/", {"result": [chosen("a"), remark("torn")]})
    await count_changes()
    for item in ("one", "two"):
        labeling.answer(item, cem, skipped=True)

    answers = await backend.read_answers(labeling.project, "ds")
    assert len(set(numbers)) == len(numbers), "each answer and each change is noticed"
    assert answers.keys() == {"one"}
    assert [
        (it.annotator, it.labels, it.sentiment, it.comment) for it in answers["one"].answers
    ] == [
        (str(anna), ("b",), Sentiment.POSITIVE, None),
        (str(ben), ("a",), None, "torn"),
    ]
    assert await backend.read_answers(labeling.project, "d") == {}


async def test_answers_that_cannot_count_are_told_with_the_reason(
    server: Server, backend: LabelStudio, people: list[int]
) -> None:
    labeling = await opened(server, backend, spec_of(), *texts("unknown", "two", "none"))
    labeling.answer("unknown", people[0], chosen("z"))
    labeling.answer("two", people[0], chosen("a", "b"))
    labeling.answer("none", people[0])
    answers = await backend.read_answers(labeling.project, "ds")
    assert [it.answers for it in answers.values()] == [(), (), ()]
    assert answers["unknown"].bad[0].message == "'z': not among the labels of the job"
    assert "2 are given: a, b" in answers["two"].bad[0].message
    assert answers["none"].bad[0].annotator == str(people[0])


async def test_several_labels_or_none_answer_a_multi_label_task(
    server: Server, backend: LabelStudio, people: list[int]
) -> None:
    labeling = await opened(server, backend, spec_of(is_multi_label=True), *texts("two", "none"))
    labeling.answer("two", people[0], chosen("c", "a"))
    labeling.answer("none", people[0])
    answers = await backend.read_answers(labeling.project, "ds")
    assert {item: it.answers[0].labels for item, it in answers.items()} == {
        "two": ("a", "c"),
        "none": (),
    }


async def test_boxes_become_fractions_and_bad_ones_are_told(
    server: Server, backend: LabelStudio, people: list[int]
) -> None:
    drawn = {
        "good": box("a", 10, 20, 30, 40),
        "over-the-edge": box("b", 90, -5, 20, 50),
        "zero": box("a", 10, 10, 0, 5),
        "inverted": box("a", 50, 50, -10, 5),
        "rotated": box("a", 10, 10, 10, 10, rotation=30),
        "outside": box("a", 110, 10, 10, 10),
        "unknown": box("z", 1, 1, 1, 1),
    }
    spec = spec_of(BOXES)
    tasks = [Task(item, 0.5, json.dumps({"data": PNG})) for item in [*drawn, "empty"]]
    labeling = await opened(server, backend, spec, *tasks)
    for item, region in drawn.items():
        labeling.answer(item, people[0], region)
    labeling.answer("empty", people[0])

    answers = await backend.read_answers(labeling.project, "ds")

    def corners(answer: Answer) -> tuple[float, ...]:
        [found] = answer.boxes or ()
        return (found.left, found.top, found.right, found.bottom)

    assert corners(answers["good"].answers[0]) == pytest.approx((0.1, 0.2, 0.4, 0.6))
    assert corners(answers["over-the-edge"].answers[0]) == pytest.approx((0.9, 0, 1, 0.45))
    assert answers["good"].answers[0].image_size == (640, 480)
    assert answers["empty"].answers[0].boxes == ()
    told = {item: it.bad[0].message for item, it in answers.items() if it.bad}
    assert told.keys() == {"zero", "inverted", "rotated", "outside", "unknown"}
    assert "no area" in told["zero"]
    assert "no area" in told["outside"]
    assert "inverted" in told["inverted"]
    assert "rotated by 30°" in told["rotated"]


async def test_one_more_person_is_asked_about_a_disputed_item_and_nobody_twice(
    server: Server, backend: LabelStudio, people: list[int]
) -> None:
    anna, ben, cem, _ = people
    tasks = texts("disputed", "agreed")
    labeling = await opened(server, backend, spec_of(replica_count=2), *tasks)
    for item in ("disputed", "agreed"):
        labeling.answer(item, anna, chosen("a"))
        labeling.answer(item, ben, chosen("b" if item == "disputed" else "a"))
    assert labeling.task("disputed")["is_labeled"]

    for _ in range(2):
        await backend.ask_again(labeling.project, "ds", tasks[:1])
    # What sets projects and tasks anew leaves the question open.
    await backend.open_project(spec_like(labeling, backend))
    await backend.add_tasks(labeling.project, "ds", tasks)
    await backend.add_tasks(labeling.project, "later", texts("other"))

    asked = labeling.task("disputed")
    assert (asked["is_labeled"], asked["overlap"]) == (False, 3)
    assert labeling.task("agreed")["is_labeled"]
    served: Json = server.call("GET", f"/api/projects/{labeling.project.ref}/next")
    assert served["data"]["evaluation_item"] == "ds|disputed"
    labeling.answer("disputed", cem, chosen("b"))
    assert labeling.task("disputed")["is_labeled"]
    found = (await backend.read_answers(labeling.project, "ds"))["disputed"]
    assert [it.labels for it in found.answers] == [("a",), ("b",), ("b",)]


def spec_like(labeling: Labeling, backend: LabelStudio) -> ProjectSpec:
    return backend._specs[labeling.project.ref]


async def test_a_retried_import_makes_no_second_task(server: Server, backend: LabelStudio) -> None:
    labeling = await opened(server, backend, spec_of())
    tasks = texts("one", "two", "three")
    await backend.add_tasks(labeling.project, "ds", tasks[:2])
    # The server took it, and the answer was lost: a new process begins anew.
    server.call(
        "POST",
        f"/api/projects/{labeling.project.ref}/import",
        [{"data": {"text": "again", "evaluation_item": "ds|one"}}],
    )
    fresh = LabelStudio(server.url, lambda: server.token)
    await fresh.open_project(spec_like(labeling, backend))
    await fresh.add_tasks(labeling.project, "ds", tasks)
    await fresh.aclose()
    found: Json = server.call("GET", f"/api/tasks?project={labeling.project.ref}")
    assert sorted(it["data"]["evaluation_item"] for it in found["tasks"]) == [
        "ds|one",
        "ds|three",
        "ds|two",
    ]


async def test_a_server_that_does_every_request_twice_leaves_nothing_double(
    server: Server, backend: LabelStudio
) -> None:
    """As Label Studio does where SQLite was locked in the middle of the first time."""
    real = backend._client.ask

    async def twice(method: str, path: str, **more: Any) -> Any:
        if method == "POST" and "/actions" not in path:
            await real(method, path, **more)
        return await real(method, path, **more)

    backend._client.ask = twice  # type: ignore[method-assign]
    spec = spec_of()
    labeling = await opened(server, backend, spec, *texts("one", "two"))
    await backend.add_tasks(labeling.project, "ds", texts("one", "two", "three"))

    made: Json = server.call("GET", "/api/projects/?page_size=1000&include=id,title,task_number")
    found = [(it["id"], it["task_number"]) for it in made["results"] if it["title"] == spec.title]
    assert found == [(int(labeling.project.ref), 3)]


async def test_of_several_projects_the_one_that_people_have_come_furthest_with_is_kept(
    server: Server, backend: LabelStudio, people: list[int]
) -> None:
    spec = spec_of()
    labeling = await opened(server, backend, spec, *texts("one"))
    labeling.answer("one", people[0], chosen("a"))
    there: Json = server.call("GET", f"/api/projects/{labeling.project.ref}")
    double = {name: there[name] for name in ("title", "description", "label_config")}
    made: Json = server.call("POST", "/api/projects/", double)

    assert (await backend.open_project(spec)).ref == labeling.project.ref
    with pytest.raises(ValueError, match="404"):
        server.call("GET", f"/api/projects/{made['id']}")


async def test_only_tasks_of_the_dataset_that_nobody_has_answered_are_withdrawn(
    server: Server, backend: LabelStudio, people: list[int]
) -> None:
    labeling = await opened(server, backend, spec_of(), *texts("one", "two"))
    # A Dataset whose name ends like that of the other, as text is searched for anywhere.
    await backend.add_tasks(labeling.project, "other-ds", texts("three"))
    labeling.answer("one", people[0], chosen("a"))
    for _ in range(2):
        await backend.withdraw(labeling.project, "ds")
    found: Json = server.call("GET", f"/api/tasks?project={labeling.project.ref}")
    assert sorted(it["data"]["evaluation_item"] for it in found["tasks"]) == [
        "ds|one",
        "other-ds|three",
    ]
    assert set(await backend.read_answers(labeling.project, "ds")) == {"one"}


async def test_a_project_deleted_by_hand_is_made_anew(
    server: Server, backend: LabelStudio, people: list[int]
) -> None:
    spec = spec_of()
    labeling = await opened(server, backend, spec, *texts("one", "two"))
    labeling.answer("one", people[0], chosen("a"))
    await backend.read_answers(labeling.project, "ds")
    server.call("DELETE", f"/api/projects/{labeling.project.ref}/")
    with pytest.raises(BackendUnavailable, match="gone"):
        await backend.count_answers(labeling.project)
    with pytest.raises(BackendUnavailable, match="gone"):
        await backend.read_answers(labeling.project, "ds")
    await backend.close_project(labeling.project)

    anew = await opened(server, backend, spec, *texts("two"))

    anew.answer("two", people[0], chosen("b"))
    answers = await backend.read_answers(anew.project, "ds")
    assert {item: it.answers[0].labels for item, it in answers.items()} == {"two": ("b",)}


async def test_answers_outlive_a_restart_of_the_server(
    server: Server, backend: LabelStudio, people: list[int]
) -> None:
    labeling = await opened(server, backend, spec_of(), *texts("one"))
    labeling.answer("one", people[0], chosen("a"))
    server.stop()
    with pytest.raises(BackendUnavailable, match="no answer"):
        await backend.count_answers(labeling.project)
    server.start()
    answers = await backend.read_answers(labeling.project, "ds")
    assert answers["one"].answers[0].labels == ("a",)


@pytest.mark.parametrize("on_close", OnClose)
async def test_a_closed_project_serves_no_more_as_its_job_says(
    server: Server, backend: LabelStudio, people: list[int], on_close: OnClose
) -> None:
    spec = spec_of(on_close=on_close, replica_count=3)
    labeling = await opened(server, backend, spec, *texts("one", "two"))
    labeling.answer("one", people[0], chosen("a"))
    project = labeling.project

    for _ in range(2):
        await backend.close_project(project)

    assert project.ref not in {it.ref for it in await backend.list_projects()}
    if on_close is OnClose.DELETE:
        with pytest.raises(ValueError, match="404"):
            server.call("GET", f"/api/projects/{project.ref}")
        return
    left: Json = server.call("GET", f"/api/projects/{project.ref}")
    items = tasks_of(server, project)
    if on_close is OnClose.KEEP:
        assert (left["title"], len(items)) == (spec.title, 2)
    else:
        assert left["title"] == f"[archived] {spec.title}"
        assert {key: it["is_labeled"] for key, it in items.items()} == {"ds|one": True}


async def test_a_personal_token_works_and_a_revoked_one_is_said(server: Server) -> None:
    organization: Json = server.call("GET", "/api/jwt/settings")
    assert organization["api_tokens_enabled"]
    made: Json = server.call("POST", "/api/token/", {})
    tokens = [made["token"]]
    backend = LabelStudio(server.url, lambda: tokens[-1] + "\n")
    project = await backend.open_project(spec_of())
    server.call("POST", "/api/token/blacklist/", {"refresh": made["token"]})
    backend._client._traded = (tokens[-1], "access.run.out")

    with pytest.raises(BackendRefused, match=r"401.*Secret") as raised:
        await backend.count_answers(project)
    assert made["token"] not in str(raised.value)
    tokens.append("0" * 40)
    with pytest.raises(BackendRefused, match=r"401.*Secret") as raised:
        await backend.count_answers(project)
    assert tokens[-1] not in str(raised.value)
    tokens.append(server.token)
    await backend.count_answers(project)
    await backend.aclose()


async def test_contributors_must_be_registered(backend: LabelStudio) -> None:
    await backend.open_project(spec_of(contributor_emails=(ADMIN.upper(),)))
    with pytest.raises(BackendRefused, match=r"contributorEmails: x@y\.org: not registered"):
        await backend.open_project(spec_of(contributor_emails=(ADMIN, "x@y.org")))


async def test_five_thousand_tasks_are_imported_once(
    tell: Tell, server: Server, backend: LabelStudio
) -> None:
    labeling = await opened(server, backend, spec_of())
    tasks = texts(*(f"item-{number}" for number in range(5000)))
    spent = 0.0
    real = backend._client.ask

    async def timed(*words: Any, **more: Any) -> Any:
        nonlocal spent
        began = time.monotonic()
        try:
            return await real(*words, **more)
        finally:
            spent += time.monotonic() - began

    backend._client.ask = timed  # type: ignore[method-assign]
    await backend.add_tasks(labeling.project, "ds", tasks)
    tell(f"5,000 tasks imported: {spent:.2f} s of API time")
    await backend.add_tasks(labeling.project, "ds", tasks)
    made: Json = server.call("GET", f"/api/projects/{labeling.project.ref}")
    assert made["task_number"] == 5000


Reply = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(reply: Reply) -> Iterator[str]:
    """A server at whose address there is something else than a well Label Studio."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply(self)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def fixed(status: int, body: str = "", headers: Mapping[str, str] | None = None) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body.encode())

    return reply


PAGE = "<!doctype html><title>Sign in</title>"


@pytest.mark.parametrize(
    ("reply", "error", "told"),
    [
        (fixed(500, PAGE), BackendUnavailable, "answered 500"),
        (fixed(503, "", {"Retry-After": "7"}), BackendUnavailable, "answered 503"),
        (fixed(429, "", {"Retry-After": "30"}), BackendUnavailable, "answered 429"),
        (fixed(200, PAGE), BackendUnavailable, "a page instead of JSON"),
        (fixed(200, '{"results": 1}'), BackendUnavailable, "something else than Projects"),
        (fixed(404, PAGE), BackendRefused, "no Label Studio answers at this address"),
        (fixed(302, "", {"Location": "/login"}), BackendRefused, "answered 302"),
        (fixed(403, "{}"), BackendRefused, "may not do this"),
    ],
)
async def test_what_is_no_answer_is_told_apart(
    reply: Reply, error: type[Exception], told: str
) -> None:
    with answering(reply) as url:
        backend = LabelStudio(url, lambda: "secret-token")
        with pytest.raises(error, match=told) as raised:
            await backend.list_projects()
        await backend.aclose()
    assert "secret-token" not in str(raised.value)


async def test_the_time_to_wait_is_taken_from_the_server() -> None:
    waits: list[float | None] = []
    for header in ("30", "Wed, 01 Jan 2020 00:00:00 GMT", "soon"):
        with answering(fixed(429, "", {"Retry-After": header})) as url:
            backend = LabelStudio(url, lambda: "t")
            with pytest.raises(BackendUnavailable) as raised:
                await backend.list_projects()
            waits.append(raised.value.retry_after)
            await backend.aclose()
    assert waits == [30.0, 0.0, None]


async def test_a_server_that_drips_is_given_up() -> None:
    done = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not done.wait(0.05):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    with answering(drip) as url:
        backend = LabelStudio(url, lambda: "t", timeout_seconds=0.5)
        with pytest.raises(BackendUnavailable, match=r"not answered in 0\.5 s"):
            await backend.list_projects()
        done.set()
        await backend.aclose()


async def test_nobody_at_the_address_is_told() -> None:
    backend = LabelStudio("http://127.0.0.1:1", lambda: "t")
    with pytest.raises(BackendUnavailable, match="no answer"):
        await backend.list_projects()
    await backend.aclose()


@pytest.mark.parametrize("token", ["", "two words", "line\nline", "schlüssel"])
async def test_what_is_no_token_is_not_sent(token: str) -> None:
    backend = LabelStudio("http://127.0.0.1:1", lambda: token)
    with pytest.raises(BackendRefused, match="no single word"):
        await backend.list_projects()
    await backend.aclose()
