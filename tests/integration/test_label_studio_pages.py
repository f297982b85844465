"""What people see: each type's page in a real browser, labelled by hand and sent off."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio
from playwright.async_api import Page

from evaluation_operator.api.evaluation_options import AnnotationType
from evaluation_operator.labeling.backend import OnClose, OpenProject, ProjectSpec, Task
from evaluation_operator.labeling.backends.label_studio import LabelStudio
from evaluation_operator.tasks.answers import Answer, Sentiment
from tests.cluster.label_studio import LabelStudio as Server
from tests.cluster.settings import CHECKOUT
from tests.integration.eventually import eventually
from tests.integration.label_page import draw_box, logged_in, open_next, photograph, submit

pytestmark = pytest.mark.integration

PICTURES = CHECKOUT / "docs" / "images"

SPEC = ProjectSpec(
    namespace="prod",
    job="pages",
    job_uid="image",
    annotation_type=AnnotationType.IMAGE_CLASSIFICATION,
    labels=("flower", "building", "animal"),
    is_multi_label=False,
    has_sentiment=False,
    title="prod/pages",
    instruction="Look at the whole item.\n\nChoose what it is.",
    instruction_pdf="https://example.com/instruction.pdf",
    language="en-US",
    replica_count=1,
    on_close=OnClose.DELETE,
    data_key="data",
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest_asyncio.fixture
async def backend(server: Server) -> AsyncIterator[LabelStudio]:
    made = LabelStudio(server.url, lambda: server.token)
    yield made
    await made.aclose()


@pytest_asyncio.fixture
async def page(server: Server) -> AsyncIterator[Page]:
    async with logged_in(server) as page:
        yield page


async def opened(backend: LabelStudio, page: Page, spec: ProjectSpec, data: object) -> OpenProject:
    """A project with one task, whose page is open; its instruction has been read and closed."""
    project = await backend.open_project(spec)
    await backend.add_tasks(project, "ds", [Task("item", 0.5, json.dumps({"data": data}))])
    await open_next(page, project.url, "Choose what it is.", link="instruction.pdf")
    return project


async def submitted(backend: LabelStudio, page: Page, project: OpenProject, picture: str) -> Answer:
    """What was read after the person has sent it off. The page just before that is pictured for
    the documents, if somebody has deleted the picture to have a new one."""
    if not (path := PICTURES / picture).exists():
        await page.screenshot(path=path, quality=85 if path.suffix == ".jpg" else None)
    await submit(page)
    answers = await eventually(lambda: backend.read_answers(project, "ds"))
    assert not answers["item"].bad
    [answer] = answers["item"].answers
    return answer


async def test_an_image_gets_one_of_the_labels(backend: LabelStudio, page: Page) -> None:
    project = await opened(backend, page, SPEC, {"b64": photograph("flower.jpg")})
    await page.locator("img[src^='data:image/jpeg'], canvas").first.wait_for()

    await page.get_by_role("checkbox", name="flower").check()

    answer = await submitted(backend, page, project, "labeling-image-choices.jpg")
    assert (answer.labels, answer.boxes, answer.comment) == (("flower",), None, None)


async def test_boxes_are_drawn_on_an_image(backend: LabelStudio, page: Page) -> None:
    spec = replace(
        SPEC,
        job_uid="boxes",
        annotation_type=AnnotationType.IMAGE_BOUNDING_BOX,
        labels=("temple", "tree", "boat <$5>"),
    )
    project = await opened(backend, page, spec, photograph("china.jpg"))
    await page.locator("canvas").nth(1).wait_for()

    drawn = {
        "temple": ((0.1, 0.04), (0.6, 0.96)),
        "boat <$\u200b5>": ((0.66, 0.52), (0.82, 0.6)),
    }
    for label, (start, end) in drawn.items():
        await draw_box(page, label, start, end)

    answer = await submitted(backend, page, project, "labeling-boxes.jpg")
    assert answer.labels is None
    assert answer.image_size == (640, 427)
    assert [box.label for box in answer.boxes or ()] == ["temple", "boat <$5>"]
    for box, (start, end) in zip(answer.boxes or (), drawn.values(), strict=True):
        assert (box.left, box.top, box.right, box.bottom) == pytest.approx((*start, *end), abs=0.01)


async def test_a_text_gets_one_of_the_labels_and_a_remark(backend: LabelStudio, page: Page) -> None:
    spec = replace(
        SPEC,
        job_uid="text",
        annotation_type=AnnotationType.TEXT_CLASSIFICATION,
        labels=("invoice", "complaint", "order"),
    )
    text = "The <b>second</b> parcel came open, and a cup is missing. Please send another one."
    project = await opened(backend, page, spec, text)
    await page.get_by_text(text).wait_for()

    await page.get_by_role("checkbox", name="invoice").check()
    await page.get_by_role("checkbox", name="complaint").check()
    await page.get_by_placeholder("…").fill("Could be an order, too.")

    answer = await submitted(backend, page, project, "labeling-text.png")
    assert answer.labels == ("complaint",)
    assert answer.comment == "Could be an order, too."


async def test_a_text_gets_several_labels_and_a_sentiment(backend: LabelStudio, page: Page) -> None:
    spec = replace(
        SPEC,
        job_uid="text-multi",
        annotation_type=AnnotationType.TEXT_CLASSIFICATION,
        is_multi_label=True,
        has_sentiment=True,
        labels=("food", "service", "price: < $20", 'the "room"'),
    )
    text = "Schönes Zimmer, gutes Essen, and all that for eighteen dollars."
    project = await opened(backend, page, spec, text)
    await page.get_by_text(text).wait_for()

    await page.get_by_role("checkbox", name="price: < $\u200b20").check()
    await page.get_by_role("checkbox", name="food").check()
    await page.get_by_role("checkbox", name="POSITIVE").check()

    answer = await submitted(backend, page, project, "labeling-text-sentiment.png")
    assert answer.labels == ("food", "price: < $20")
    assert answer.sentiment is Sentiment.POSITIVE


ACTING = "<img src=x onerror=\"document.body.dataset.acted='yes'\">"
STYLING = '"/><Style>*{display:none}</Style><View x="'


async def test_nothing_that_others_wrote_acts_in_the_page(backend: LabelStudio, page: Page) -> None:
    """Whoever writes jobs names the labels, and anybody who sends requests to the model writes the
    text: in the browser of who labels, who is logged in, neither may be more than text."""
    spec = replace(
        SPEC,
        job_uid="acting",
        annotation_type=AnnotationType.TEXT_CLASSIFICATION,
        labels=(ACTING, STYLING, "a\x00b\x1bc", "\u202egnp.exe"),
        instruction=f"Choose what it is. {ACTING}",
    )
    project = await opened(backend, page, spec, f"The text. {ACTING}<script>alert(1)</script>")
    await page.get_by_text(f"The text. {ACTING}<script>alert(1)</script>").wait_for()
    for name in (ACTING, STYLING, "gnp.exe"):
        await page.get_by_role("checkbox", name=name).wait_for()
    assert await page.locator("img[src='x']").count() == 0
    assert await page.locator("body[data-acted]").count() == 0

    await page.get_by_role("checkbox", name="abc").check()
    await submit(page)

    answers = await eventually(lambda: backend.read_answers(project, "ds"))
    assert [it.labels for it in answers["item"].answers] == [("a\x00b\x1bc",)]
