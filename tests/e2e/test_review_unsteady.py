"""A review over a slow or failing connection, with undo and reloads: what is decided is what was on the screen."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from service.access.key_file import add_key
from service.access.keys import new_key


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


class Held:
    """Requests that do not go on until they are let go."""

    def __init__(self, page: Any, pattern: str, most: int = 100) -> None:
        self.page, self.pattern, self.most = page, pattern, most
        self.routes: list[Any] = []
        page.route(pattern, self.hold)

    def hold(self, route: Any) -> None:
        if len(self.routes) < self.most:
            self.routes.append(route)
        else:
            route.continue_()

    def let_go(self) -> None:
        """Let all go on, and all that follow."""
        self.most = 0
        for route in self.routes:
            route.continue_()


def one_by_one(visit: Any, server: Any, audit: str, **window: Any) -> Any:
    page = visit(server, f"/audits/{audit}/review/one?controls=off", **window)
    page.wait_for_selector("#question b")
    expect(page.locator("#picture")).to_be_visible()
    return page


def grid(visit: Any, server: Any, path: str) -> Any:
    page = visit(server, f"/audits/{path}")
    page.wait_for_selector("#accept:enabled")
    return page


def test_undo_takes_back_what_is_still_being_saved(server: Any, visit: Any, audit: str) -> None:
    """Undo pressed at once means the decision just made, not the one before it."""
    page = one_by_one(visit, server, audit)
    page.keyboard.press("k")
    expect(page.locator("#done")).to_contain_text("keep, saved")
    [first] = decided(server, audit)
    expect(page.locator("#picture")).to_be_visible()
    held = Held(page, "**/decisions")
    page.keyboard.press("t")
    page.keyboard.press("z")
    expect(page.locator("#where")).to_contain_text("Image 3")
    held.let_go()
    expect(page.locator("#done")).to_have_text("Taken back.")
    expect(page.locator("#where")).to_contain_text("Image 2")
    assert decided(server, audit) == {first: "keep"}


def test_a_reload_begins_at_the_pair_and_keeps_all(server: Any, visit: Any, audit: str) -> None:
    """The pair in the address is where the review goes on, not all that there is to review."""
    page = grid(visit, server, f"{audit}/review")
    pairs = page.locator("#pair option").count()
    page.keyboard.press("n")
    expect(page.locator("#pair")).to_have_value("1")
    words = page.locator("#pair option").nth(1).inner_text()
    page.reload()
    page.wait_for_selector("#accept:enabled")
    assert page.locator("#pair option").count() == pairs > 2
    assert page.evaluate("document.querySelector('#pair').selectedOptions[0].textContent") == words


def test_a_slow_answer_is_never_shown_under_another_pair(server: Any, visit: Any, audit: str) -> None:
    """Who goes on before the images have come sees those of the pair that is asked about, and can't accept others."""
    page = grid(visit, server, f"{audit}/review?controls=off")
    page.wait_for_load_state("networkidle")
    held = Held(page, re.compile(r"/rows\?"), most=2)
    page.keyboard.press("n")
    expect(page.locator("#accept")).to_be_disabled()
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    expect(page.locator("#pair")).to_have_value("2")
    slow, _ = held.routes
    held.routes.reverse()  # the second answer comes first
    held.most = 0
    held.routes.pop(0).continue_()
    expect(page.locator("#accept")).to_be_enabled()
    with page.expect_response(slow.request.url):
        held.let_go()
    page.wait_for_load_state("networkidle")
    given, suggested = page.locator("#pair-words b").all_inner_texts()
    query = {"class": given, "suggested": suggested, "flagged": True}
    rows = {row["row"] for row in server.http.get(f"/v1/audits/{audit}/rows", params=query).json()["rows"]}
    sources = page.locator(".tile img").evaluate_all("all => all.map(each => each.src)")
    assert {int(re.search(r"/rows/(\d+)/", source)[1]) for source in sources} == rows  # type: ignore[index]
    assert decided(server, audit) == {}


def test_a_page_that_could_not_be_fetched_ahead_is_fetched_again(server: Any, visit: Any, two_pages: str) -> None:
    """The page is saved once, and the next one comes though the first attempt to get it failed."""
    page = visit(server, "/healthz")
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.route(re.compile(r"/rows\?.*cursor=[1-9]"), lambda route: route.abort(), times=1)
    page.goto(f"/audits/{two_pages}/review?controls=off")
    page.wait_for_selector("#accept:enabled")
    page.wait_for_load_state("networkidle")
    assert page.locator(".tile").count() == 48
    page.keyboard.press("Enter")
    expect(page.locator(".tile")).to_have_count(12)
    expect(page.locator("#accept")).to_be_enabled()
    page.wait_for_load_state("networkidle")
    assert len(posts) == 1
    page.keyboard.press("Enter")
    expect(page.locator("#pair-words")).to_have_text("All pairs are done.")
    assert list(decided(server, two_pages).values()) == ["relabel"] * 60


def test_undo_brings_a_page_back_as_it_was(server: Any, visit: Any, audit: str) -> None:
    """With its exceptions, and with as many left as there were: blind controls are counted, as they are judged."""
    page = grid(visit, server, f"{audit}/review")
    counted = page.locator("#pair option").first.inner_text()
    left = int(re.search(r"(\d+) left", counted)[1])  # type: ignore[index]
    assert page.locator(".tile").count() == left
    page.keyboard.press("Space")
    page.get_by_role("button", name="Unsure").click()
    page.locator(".tile").nth(2).click()
    page.locator(".tile").nth(2).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#trust-body")).to_contain_text("judged rightly")
    expect(page.locator("#pair option").first).to_contain_text("done")
    page.keyboard.press("Z")
    expect(page.locator("#done")).to_have_text("Taken back.")
    expect(page.locator("#pair option").first).to_have_text(counted)
    states = page.locator(".tile").evaluate_all("all => all.map(each => each.dataset.state)")
    assert states[:4] == ["keep", "accept", "unsure", "accept"]


def test_a_tab_that_closes_while_it_saves_asks(server: Any, visit: Any, audit: str) -> None:
    """A decision on its way is not lost unasked; one that failed is said, and saved when one tries again."""
    page = one_by_one(visit, server, audit)
    held = Held(page, "**/decisions")
    page.keyboard.press("k")
    expect(page.locator("#where")).to_contain_text("Image 2")
    with page.expect_event("dialog") as asked:
        page.on("dialog", lambda dialog: dialog.dismiss())
        page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    held.routes.pop().abort()
    expect(page.locator("#messages")).to_contain_text("was not saved")
    held.let_go()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#done")).to_contain_text("saved")
    assert list(decided(server, audit).values()) == ["keep"]


def test_scoring_again_says_why_it_can_not(server: Any, visit: Any, audit: str) -> None:
    """A refusal stands beside the button, which may be pressed again."""
    body = {"decisions": [{"row": 0, "decision": "keep"}]}
    assert server.http.post(f"/v1/audits/{audit}/decisions", json=body).is_success
    page = visit(server, f"/audits/{audit}")
    problem = '{"code": "busy", "detail": "Too many audits are waiting."}'
    page.route("**/rescore", lambda route: route.fulfill(status=503, body=problem))
    page.get_by_role("button", name="Score again").click()
    expect(page.get_by_text("Too many audits are waiting.")).to_be_visible()
    expect(page.get_by_role("button", name="Score again")).to_be_enabled()


def test_letters_count_in_either_case_and_can_be_turned_off(server: Any, visit: Any, audit: str) -> None:
    """Caps Lock does no harm; who speaks to the computer turns letters off. The verdict fits a phone's screen."""
    page = one_by_one(visit, server, audit, viewport={"width": 360, "height": 780})
    button = page.locator("#take").bounding_box()
    assert button["y"] + button["height"] <= 780
    page.keyboard.press("K")
    expect(page.locator("#done")).to_contain_text("keep, saved")
    page.locator("#filters summary").click()
    page.get_by_label("Letters as keys").uncheck()
    page.locator("h1").click()
    page.keyboard.press("k")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#where")).to_have_text("Image 3")
    assert len(decided(server, audit)) == 1


def test_with_keys_a_decision_bears_the_name_of_the_key(
    start_service: Any, visit: Any, kit: Any, tmp_path: Path
) -> None:
    """Who is signed in decides under that name, is not asked for another, and can't take one."""
    secret, key = new_key("ann", ["audit", "classify"])
    add_key(tmp_path / "keys.json", key)
    with start_service(tmp_path / "data", keys_file=tmp_path / "keys.json") as service:
        service.http.headers["Authorization"] = f"Bearer {secret}"
        audit = service.audit(kit.labels.read_bytes(), kit.archive).rpartition("/")[2]
        page = visit(service, f"/audits/{audit}/review/one?controls=off")
        page.get_by_label("Key").fill(secret)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector("#question b")
        expect(page.locator("#picture")).to_be_visible()
        assert page.locator("#f-author").count() == 0
        page.keyboard.press("k")
        expect(page.locator("#done")).to_contain_text("keep, saved")
        [row] = decided(service, audit)
        forged = {"decisions": [{"row": row, "version": 1, "decision": "unsure", "author": "bob"}]}
        assert service.http.post(f"/v1/audits/{audit}/decisions", json=forged).json()["taken"]
        history = service.http.get(f"/v1/audits/{audit}/rows/{row}/decisions").json()
        assert [each["author"] for each in history] == ["ann", "ann"]
