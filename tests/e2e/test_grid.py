"""The grid in a real browser: keys, clicks, filters, controls, a second look, and what is fetched ahead."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def server(start_service: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server for the tests of this module."""
    with start_service(tmp_path_factory.mktemp("grid")) as service:
        yield service


@pytest.fixture(scope="module")
def audit(server: Any, kit: Any) -> str:
    """The id of a finished audit of the kit; who decides in it takes it back."""
    location: str = server.audit(kit.labels.read_bytes(), kit.archive)
    return location.rpartition("/")[2]


@pytest.fixture
def own_audit(server: Any, kit: Any) -> str:
    """The same for one test alone."""
    location: str = server.audit(kit.labels.read_bytes(), kit.archive)
    return location.rpartition("/")[2]


def open_grid(visit: Any, server: Any, audit: str, query: str = "") -> Any:
    page = visit(server, f"/audits/{audit}/review{query}")
    page.wait_for_selector("#accept:enabled")
    return page


def states(page: Any) -> list[str]:
    found: list[str] = page.locator(".tile").evaluate_all("all => all.map(each => each.dataset.state)")
    return found


def test_a_row_of_images_is_left_out_at_once(server: Any, visit: Any, audit: str) -> None:
    """Shift-click does to all between what was done to the last one; Swap leaves out what was in, and the reverse."""
    page = open_grid(visit, server, audit, "?controls=off")
    tiles = page.locator(".tile")
    tiles.nth(1).click()
    tiles.nth(4).click(modifiers=["Shift"])
    assert states(page)[:6] == ["accept", "keep", "keep", "keep", "keep", "accept"]
    expect(page.locator("#accept")).to_contain_text(", 4 kept")
    page.get_by_role("button", name="Swap ticks").click()
    assert states(page)[:6] == ["keep", "accept", "accept", "accept", "accept", "keep"]
    expect(page.locator("#accept")).to_contain_text("Change 4 to")


def test_keys_go_from_pair_to_pair(server: Any, visit: Any, audit: str) -> None:
    """N and P go on and back, and stop at the ends; the images are always those of the pair that is named."""
    page = open_grid(visit, server, audit)
    pair = page.locator("#pair")
    last = pair.locator("option").count() - 1
    page.keyboard.press("p")
    expect(pair).to_have_value("0")
    page.keyboard.press("n")
    expect(pair).to_have_value("1")
    given = pair.locator("option").nth(1).inner_text().partition(" → ")[0]
    expect(page.locator("#pair-words b").first).to_have_text(given)
    page.keyboard.press("p")
    expect(pair).to_have_value("0")
    pair.select_option(str(last))
    page.locator(".tile").first.focus()
    page.keyboard.press("n")
    expect(pair).to_have_value(str(last))


def test_filters_choose_what_is_shown(server: Any, visit: Any, own_audit: str) -> None:
    """One class alone leaves its pairs; what was decided comes back by its decision, in the state that it was given."""
    page = open_grid(visit, server, own_audit, "?controls=off")
    page.locator("#filters summary").click()
    page.get_by_label("Given label").select_option("Coat")
    page.wait_for_url("**class=Coat**")
    page.wait_for_selector("#accept:enabled")
    pairs = page.locator("#pair option").all_inner_texts()
    assert pairs
    assert all(text.startswith("Coat → ") for text in pairs)
    expect(page.locator("#filter-words")).to_have_text("Filter and sort (1 set)")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator("#done")).to_contain_text("left as they were")
    page.locator("#filters summary").click()
    page.get_by_label("Decision").select_option("keep")
    page.wait_for_url("**decision=keep**")
    page.wait_for_selector("#accept:enabled")
    assert states(page) == ["keep"]


def test_an_image_of_a_third_class_stays_what_it_was_called(server: Any, visit: Any, own_audit: str) -> None:
    """Who goes through decided rows and accepts a page leaves those alone that were given another class than either."""
    row = server.http.get(f"/v1/audits/{own_audit}/rows", params={"flagged": True, "limit": 1}).json()["rows"][0]
    other = next(each for each in ("Bag", "Coat", "Dress") if each not in {row["label"], row["suggested_label"]})
    body = {"decisions": [{"row": row["row"], "decision": "relabel", "label": other}]}
    assert server.http.post(f"/v1/audits/{own_audit}/decisions", json=body).is_success
    page = open_grid(visit, server, own_audit, "?decision=any")
    assert states(page) == ["other"]
    expect(page.locator(".tile .mark")).to_have_text(other)
    with page.expect_response("**/decisions"):
        page.keyboard.press("Enter")
    history = server.http.get(f"/v1/audits/{own_audit}/rows/{row['row']}/decisions").json()
    assert {each["label"] for each in history} == {other}


def test_the_next_page_is_there_before_it_is_asked_for(server: Any, visit: Any, kit: Any) -> None:
    """While one looks at a page the rows of the next come; going on shows them without waiting for the service."""
    rows = "000.png,a,0.01,0.99\n" * 60 + "000.png,a,0.99,0.01\n" * 300 + "000.png,b,0.01,0.99\n" * 300
    files = {"labels": ("labels.csv", "image,label,prob_a,prob_b\n" + rows), "images": ("images.zip", kit.archive)}
    answer = server.http.post("/v1/audits", files=files, data={"evidence": "reference"})
    audit = server.ended(answer.headers["Location"])["id"]
    page = open_grid(visit, server, audit, "?controls=off")
    page.wait_for_load_state("networkidle")
    assert page.locator(".tile").count() == 48
    page.route(re.compile(r"/rows\?|/decisions"), lambda _: None)  # from here on nothing is answered any more
    page.keyboard.press("Enter")
    expect(page.locator(".tile")).to_have_count(12)


def test_who_judges_blind_controls_learns_how_well(server: Any, visit: Any, own_audit: str) -> None:
    """Controls look like all other images and come with them; who has judged some is told how many rightly."""
    page = open_grid(visit, server, own_audit)
    expect(page.locator("#trust-body")).to_contain_text("None was judged yet.")
    query = {"columns": "answers", "controls": True, "flagged": True, "decision": "none", "limit": 1000}
    controls = {
        row["row"]
        for row in server.http.get(f"/v1/audits/{own_audit}/rows", params=query).json()["rows"]
        if row["row"] >= 600
    }
    sources = page.locator(".tile img").evaluate_all("all => all.map(each => each.src)")
    shown = [int(source.split("/rows/")[1].split("/")[0]) for source in sources]
    seen = [row for row in shown if row in controls]
    assert seen
    names = page.locator(".tile").evaluate_all("all => all.map(each => each.ariaLabel)")
    assert all(re.fullmatch(r"\d{3}\.png, wrong with [<>\d .]+%", name) for name in names)
    expect(page.locator("#pair option").first).to_contain_text(f"· {len(shown)} left")
    page.keyboard.press("Enter")  # takes all suggestions: right for planted flips, wrong for labels that were right
    expect(page.locator("#done")).to_contain_text(f"{len(shown)} labels changed")
    expect(page.locator("#trust-body")).to_contain_text(f"{len(shown)} labels: {len(shown)} changed")
    expect(page.locator("#trust-body")).to_contain_text(f"of {len(seen)} judged rightly")


def test_a_second_person_judges_a_sample_blindly(server: Any, visit: Any, own_audit: str) -> None:
    """Of what one decided another judges one in ten, not told how; the agreement counts these, until undone."""
    rows = server.http.get(f"/v1/audits/{own_audit}/rows", params={"flagged": True, "limit": 1000}).json()["rows"]
    ann = [{"row": row["row"], "decision": "keep", "author": "ann"} for row in rows]
    assert server.http.post(f"/v1/audits/{own_audit}/decisions", json={"decisions": ann}).is_success
    page = visit(server, f"/audits/{own_audit}/review/one")
    page.evaluate("localStorage.setItem('lookalike-author', 'bob')")
    page.get_by_role("link", name="Judge a sample of what others decided").click()
    page.wait_for_selector("#question b")
    expect(page.locator("h1")).to_have_text("A second look")
    query = {"second_look": True, "author": "bob", "limit": 1000}
    drawn = server.http.get(f"/v1/audits/{own_audit}/rows", params=query).json()["rows"]
    assert 3 < len(drawn) < 30
    for number in range(len(drawn)):
        expect(page.locator("#where")).to_have_text(f"Image {number + 1}")  # and not what ann said
        expect(page.locator("#picture")).to_be_visible()
        page.keyboard.press("k" if number else "t")
    expect(page.locator("#empty")).to_contain_text("There is none that you have not judged")
    expect(page.locator("#trust-body")).to_contain_text(f"{len(drawn) - 1} of {len(drawn)} rows that several people")
    page.keyboard.press("z")
    expect(page.locator("#done")).to_have_text("Taken back.")
    expect(page.locator("#trust-body")).to_contain_text(f"{len(drawn) - 2} of {len(drawn) - 1} rows")
    assert server.http.get(f"/v1/audits/{own_audit}/rows", params=query | {"author": "ann"}).json()["rows"] == []


def test_a_second_look_without_a_name_asks_for_it(server: Any, visit: Any, own_audit: str) -> None:
    """Who has given no name is asked for it where the rows would be, and with one the rows come that others decided."""
    rows = server.http.get(f"/v1/audits/{own_audit}/rows", params={"flagged": True, "limit": 1000}).json()["rows"]
    body = {"decisions": [{"row": row["row"], "decision": "keep"} for row in rows]}
    assert server.http.post(f"/v1/audits/{own_audit}/decisions", json=body).is_success
    page = visit(server, f"/audits/{own_audit}/review/one?decision=second")
    page.locator("#empty").get_by_label("Your name").fill("bob")
    page.keyboard.press("Enter")
    expect(page.locator("#question b").first).to_be_visible()
