"""A review decides only about what somebody saw: no page goes by under a held key, no image before it is there."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect


@pytest.fixture(scope="module")
def server(start_service: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server for the tests of this module."""
    with start_service(tmp_path_factory.mktemp("review")) as service:
        yield service


@pytest.fixture
def audit(server: Any, kit: Any) -> str:
    """The id of a finished audit of the kit."""
    location: str = server.audit(kit.labels.read_bytes(), kit.archive)
    return location.rpartition("/")[2]


@pytest.fixture
def two_pages(server: Any, kit: Any) -> str:
    """The id of an audit of one image again and again in which 60 of a are b, more than a page of the grid has."""
    rows = "000.png,a,0.01,0.99\n" * 60 + "000.png,a,0.99,0.01\n" * 300 + "000.png,b,0.01,0.99\n" * 300
    files = {"labels": ("labels.csv", "image,label,prob_a,prob_b\n" + rows), "images": ("images.zip", kit.archive)}
    answer = server.http.post("/v1/audits", files=files, data={"evidence": "reference"})
    audit: str = server.ended(answer.headers["Location"])["id"]
    return audit


def decided(server: Any, audit: str) -> dict[int, str]:
    """What stands decided, by row."""
    page = server.http.get(f"/v1/audits/{audit}/rows", params={"decision": "any", "limit": 1000}).json()
    return {row["row"]: row["decision"]["decision"] for row in page["rows"]}


def grid(visit: Any, server: Any, audit: str, query: str = "?controls=off") -> Any:
    page = visit(server, f"/audits/{audit}/review{query}")
    page.wait_for_selector("#accept:enabled")
    page.wait_for_load_state("networkidle")
    return page


@pytest.mark.parametrize("focus", [".tile >> nth=0", "#accept"])
def test_a_held_enter_decides_about_one_page(server: Any, visit: Any, two_pages: str, focus: str) -> None:
    """The key goes on to repeat when the next page is there, which nobody has looked at."""
    page = grid(visit, server, two_pages)
    page.locator(focus).focus()
    page.keyboard.down("Enter")
    expect(page.locator(".tile")).to_have_count(12)
    page.locator(focus).focus()
    page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    page.wait_for_load_state("networkidle")
    expect(page.locator(".tile")).to_have_count(12)
    expect(page.locator("#done")).to_have_text("48 labels changed, 0 left as they were.")
    assert len(decided(server, two_pages)) == 48


def test_a_double_click_decides_about_one_page(server: Any, visit: Any, two_pages: str) -> None:
    """Its second click is for the page that was there at the first."""
    page = grid(visit, server, two_pages)
    page.locator("#accept").dblclick(delay=40)
    page.wait_for_load_state("networkidle")
    expect(page.locator(".tile")).to_have_count(12)
    expect(page.locator("#done")).to_have_text("48 labels changed, 0 left as they were.")
    assert len(decided(server, two_pages)) == 48


def test_a_picture_is_never_that_of_the_last_question(server: Any, visit: Any, audit: str) -> None:
    """While the next picture is on its way the last one is hidden, and no key decides about what is not to be seen."""
    page = visit(server, f"/audits/{audit}/review/one?controls=off")
    held: list[Any] = []
    expect(page.locator("#picture")).to_be_visible()
    page.route(re.compile(r"/image\?size=640"), lambda route: [held.append(route)])
    row = page.evaluate("document.getElementById('picture').src")
    for _ in range(20):  # further than pictures are fetched ahead
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.getElementById('picture').src") != row
    expect(page.locator("#where")).to_have_text("Image 21")
    expect(page.locator("#picture")).to_be_hidden()
    for key in "ktu":
        page.keyboard.press(key)
    expect(page.locator("#where")).to_have_text("Image 21")
    for route in held:
        route.continue_()
    expect(page.locator("#picture")).to_be_visible()
    page.keyboard.press("k")
    expect(page.locator("#done")).to_contain_text("saved")
    assert list(decided(server, audit).values()) == ["keep"]


def test_the_grid_leaves_what_was_not_shown(server: Any, visit: Any, audit: str) -> None:
    """Nothing is accepted while pictures are on their way; a row whose picture did not come stays undecided."""
    page = visit(server, "/healthz")
    held: list[Any] = []
    page.route(re.compile(r"/image\?size=240"), lambda route: [held.append(route)])
    page.goto(f"/audits/{audit}/review?controls=off")
    page.wait_for_selector(".tile")
    page.keyboard.press("Enter")
    expect(page.locator("#accept")).to_be_disabled()
    missing = re.search(r"/rows/(\d+)/", page.locator(".tile img").first.get_attribute("src"))
    number = page.locator(".tile").count()
    page.unroute_all()
    page.route(f"**/rows/{missing[1]}/image?size=240", lambda route: route.fulfill(status=429))  # type: ignore[index]
    page.reload()
    expect(page.locator("#accept")).to_be_enabled()
    expect(page.locator(".tile .mark").first).to_have_text("not shown")
    page.get_by_role("button", name="Swap").click()
    page.get_by_role("button", name="Swap").click()
    expect(page.locator("#accept")).to_contain_text(f"Change {number - 1} to")
    with page.expect_response("**/decisions"):
        page.locator("#accept").click()
    expect(page.locator("#done")).to_contain_text(f"{number - 1} labels changed")
    found = decided(server, audit)
    assert len(found) == number - 1
    assert int(missing[1]) not in found  # type: ignore[index]
