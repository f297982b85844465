"""What Label Studio and the browser of whoever labels are given, whatever a job or a client wrote.

Texts of jobs are its author's, pictures and texts to label are anybody's who sends requests to the
model; the person who labels is logged in at Label Studio.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from evaluation_operator.api.evaluation_options import AnnotationType
from evaluation_operator.labeling.backend import ProjectSpec, Task
from evaluation_operator.labeling.backends.label_studio.annotations import (
    Annotation,
    Question,
    answers_of,
)
from evaluation_operator.labeling.backends.label_studio.config import instruction_html, label_config
from evaluation_operator.labeling.backends.label_studio.tasks import CannotBeShown, task_data
from evaluation_operator.labeling.backends.label_studio.web import origin_of
from evaluation_operator.tasks.kind import Control
from tests.unit.labeling.test_manual import make_spec

IMAGE = AnnotationType.IMAGE_CLASSIFICATION
BOXES = AnnotationType.IMAGE_BOUNDING_BOX
EVIL_LABELS = (
    '"/><Style>*{}</Style><View x="',
    "<img src=x onerror=alert(1)>",
    "$image",
    "]]>",
    "&lt;",
    "two\nlines",
    "carriage\rreturn",
    # No XML can hold these, so that Label Studio took no page with such a label.
    "a\x00b",
    "\x1b[31mred",
    # To be read as another one of the labels.
    "\u202egnp.exe",
)


def spec_of(kind: AnnotationType = IMAGE, **changes: object) -> ProjectSpec:
    return replace(make_spec(), annotation_type=kind, data_key="d", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [IMAGE, BOXES])
def test_a_label_adds_nothing_to_the_page_but_itself(kind: AnnotationType) -> None:
    page = ElementTree.fromstring(label_config(spec_of(kind, labels=EVIL_LABELS)))
    plain = ElementTree.fromstring(label_config(spec_of(kind, labels=("a",) * len(EVIL_LABELS))))
    assert [it.tag for it in page.iter()] == [it.tag for it in plain.iter()]
    shown = [it for it in page.iter() if it.tag in ("Choice", "Label")]
    assert not [it for it in shown if set(it.keys()) - {"value", "alias"}]
    values = [it.get("value") or "" for it in shown]
    assert not [it for it in values if "$image" in it], "it would name a field of the task"
    assert not [it for it in values if any(evil in it for evil in "\x00\x1b\u202e\r")]


@pytest.mark.parametrize("label", EVIL_LABELS)
def test_a_label_that_is_chosen_is_the_label_of_the_job(label: str) -> None:
    """Whatever of it a page can hold: what people choose must count."""
    page = ElementTree.fromstring(label_config(spec_of(labels=(label, "other"))))
    choice = next(page.iter("Choice"))
    answer = choice.get("alias") or choice.get("value")
    annotation = Annotation(
        id=1,
        completed_by=1,
        was_cancelled=False,
        updated_at=datetime(2026, 3, 3, tzinfo=UTC),
        result=[{"from_name": "label", "value": {"choices": [answer]}}],
    )
    found = answers_of("item", [annotation], Question((label, "other"), False, Control.LABELS))
    assert found is not None
    assert [it.labels for it in found.answers] == [(label,)]


class Tags(HTMLParser):
    """What a browser would make of the instruction."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_an_instruction_is_text_whatever_stands_in_it() -> None:
    instruction = '<script>alert(1)</script>\n\n<a href="x" onclick="y">\x1b[2J \u202egnp.exe'
    spec = spec_of(instruction=instruction, language='en" onload="x')
    page = Tags(instruction_html(spec))
    assert page.found == [("div", {"lang": 'en" onload="x'}), ("p", {}), ("p", {})]
    assert page.text == '<script>alert(1)</script><a href="x" onclick="y">[2J gnp.exe'


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(document.cookie)",
        "JaVaScRiPt:1",
        " https://x.example/",
        "data:text/html,<script>",
        "file:///etc/passwd",
        "//evil.example/x",
        "https:///x.pdf",
        "https://",
        'https://x" onmouseover="alert(1)',
        "https://labels.example@evil.example/how.pdf",
        "https://evil.example\\@labels.example/how.pdf",
        "https://x.example/\x1b",
        "https://[::1/how.pdf",
        "https://x:99999/how.pdf",
    ],
)
def test_only_an_address_with_a_host_is_a_link(address: str) -> None:
    page = Tags(instruction_html(spec_of(instruction="x", instruction_pdf=address)))
    assert [tag for tag, _ in page.found] == ["div", "p", "p"]
    assert all(set(attributes) <= {"lang"} for _, attributes in page.found)


def test_a_link_tells_nobody_where_it_was_followed_from() -> None:
    address = "https://x.example/how.pdf?a=1&b=2"
    page = Tags(instruction_html(spec_of(instruction="x", instruction_pdf=address)))
    assert page.found[-1] == ("a", {"href": address, "rel": "noopener noreferrer"})


def shown(value: str) -> object:
    task = Task("item", 0.1, json.dumps({"d": value}))
    tool = [origin_of("http://label-studio:8080"), origin_of("https://labels.example")]
    return task_data(spec_of(), "ds", task, [it for it in tool if it])["image"]


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "data:image/svg+xml;base64," + encoded(b"<svg onload=alert(1)>"),
        "data:image/png;base64," + encoded(b"<svg onload=alert(1)>"),
        "data:text/html;base64," + encoded(b"<script>"),
        "data:image/svg+xml,<svg/>",
        encoded(b"<svg onload=alert(1)>"),
        "file:///etc/passwd",
        "s3://bucket/x",
        "/data/local-files/?d=etc/passwd",
        "/data/upload/1/x",
        "<img src=x>",
        "https:///x.png",
        "http://",
        "https://x\\y/z.png",
        # The browser of who labels is logged in there: it would be logged out by a picture.
        "http://label-studio:8080/logout",
        "https://labels.example/logout",
        "https://LABELS.example:443/logout",
        "https://labels.example./logout",
    ],
)
def test_a_picture_is_one_of_four_kinds_or_at_an_address_elsewhere(value: str) -> None:
    with pytest.raises(CannotBeShown):
        shown(value)


def test_the_kind_of_a_picture_is_what_it_is_and_not_what_is_said_of_it() -> None:
    gif = encoded(b"GIF89a" + bytes(8))
    assert shown("data:text/html;base64," + gif) == "data:image/gif;base64," + gif
    assert shown("https://fruit.example/x.png?a=b") == "https://fruit.example/x.png?a=b"


def test_why_a_picture_is_not_shown_is_told_without_a_password_in_its_address() -> None:
    for value in (
        "ftp://u:hunter2-pw@h/x.png",
        "https://u:hunter2/pw@h/x",
        "https://u:hunter2@h/x",
    ):
        with pytest.raises(CannotBeShown) as caught:
            shown(value)
        assert "hunter2" not in str(caught.value)
