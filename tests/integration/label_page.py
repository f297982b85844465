"""Label Studio's page in a real browser, as somebody uses it who labels by hand."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import sklearn.datasets
from playwright.async_api import (
    FloatRect,
    Page,
    Response,
    Route,
    ViewportSize,
    async_playwright,
)
from playwright.async_api import (
    TimeoutError as PageTimeout,
)

from tests.cluster.host import need_packages
from tests.cluster.label_studio import ADMIN, LabelStudio
from tests.integration.eventually import eventually

WIDE = 700  # pixels of a picture that fills its place, which it does a moment after it appears
LOADS = 3
CHROMIUM = "/usr/bin/chromium"
SIZE: ViewportSize = {"width": 1300, "height": 760}


@asynccontextmanager
async def logged_in(server: LabelStudio) -> AsyncIterator[Page]:
    """The browser of the administrator; it loads nothing from other servers."""
    need_packages({CHROMIUM: "chromium"})

    async def stay_here(route: Route) -> None:
        await (route.continue_() if route.request.url.startswith(server.url) else route.abort())

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page(viewport=SIZE)
        await page.route("**/*", stay_here)
        await page.goto(f"{server.url}/user/login/")
        await page.fill("#email", ADMIN)
        await page.fill("#password", server.password)
        await page.click("button[type=submit]")
        await page.wait_for_url(lambda url: "login" not in url, wait_until="commit")
        yield page
        await browser.close()


def photograph(name: str) -> str:
    """In base64."""
    content = (Path(sklearn.datasets.__file__).parent / "images" / name).read_bytes()
    return base64.b64encode(content).decode()


async def open_next(page: Page, project_url: str, instruction: str, link: str = "") -> None:
    """The project's next task; the instruction, with the link, has been seen and closed.

    As somebody does whose page stays empty, it is loaded again: on SQLite the server may answer
    only much later, or not at all, while others write.
    """
    shown = page.locator(".lsf-modal-ls")
    for _ in range(LOADS):
        await page.goto(f"{project_url}/data?labeling=1", wait_until="commit")
        with suppress(PageTimeout):
            await shown.get_by_text(instruction).wait_for()
            break
    await shown.get_by_text(instruction).wait_for()
    if link:
        await shown.get_by_role("link", name=link).wait_for()
    await page.keyboard.press("Escape")
    await shown.wait_for(state="detached")


async def draw_box(
    page: Page, label: str, start: tuple[float, float], end: tuple[float, float]
) -> None:
    """Drag over the picture between two points, in fractions of its size."""
    await page.locator(".lsf-label", has_text=label).click()
    place = await eventually(lambda: _picture_place(page), lambda it: it["width"] > WIDE)
    points = [
        (place["x"] + place["width"] * x, place["y"] + place["height"] * y) for x, y in (start, end)
    ]
    await page.mouse.move(*points[0])
    await page.mouse.down()
    await page.mouse.move(*points[1], steps=8)
    await page.mouse.up()


async def submit(page: Page) -> None:
    """The server has it then: a page that is left at once may not have sent it yet."""
    async with page.expect_response(_is_answer) as sent:
        await page.get_by_role("button", name="Submit").first.click()
    answer = await sent.value
    assert answer.ok, await answer.text()


def _is_answer(response: Response) -> bool:
    return response.request.method == "POST" and "/annotations" in response.url


async def _picture_place(page: Page) -> FloatRect:
    """The canvas over it may be wider."""
    place = await page.locator(".lsf-image img").first.bounding_box()
    assert place is not None
    return place
