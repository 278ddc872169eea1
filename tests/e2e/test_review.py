"""A review in a real browser, against the real server with real images: what is decided is what comes out."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

HOSTILE = "<img src=x onerror=document.title=1>"


@pytest.fixture(scope="module")
def server(start_service: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server for the tests of this module."""
    with start_service(tmp_path_factory.mktemp("review")) as service:
        yield service


@pytest.fixture(scope="module")
def untouched(server: Any, kit: Any) -> str:
    """The id of a finished audit that nobody decides about."""
    return audit_of(server, kit)


def audit_of(server: Any, kit: Any) -> str:
    location: str = server.audit(kit.labels.read_bytes(), kit.archive)
    return location.rpartition("/")[2]


def exported(server: Any, audit: str) -> list[dict[str, Any]]:
    """The rows as reviewed."""
    text = server.http.get(f"/v1/audits/{audit}/export", params={"labels": "reviewed", "format": "jsonl"}).text
    return [json.loads(line) for line in text.splitlines()]


def decided(server: Any, audit: str, rows: int) -> dict[int, tuple[str, str | None]]:
    """What was decided, by row of the file."""
    page = server.http.get(f"/v1/audits/{audit}/rows", params={"decision": "any", "limit": 1000}).json()
    return {
        row["row"]: (row["decision"]["decision"], row["decision"]["label"]) for row in page["rows"] if row["row"] < rows
    }


def tiles(page: Any) -> Any:
    page.wait_for_selector("#accept:enabled")
    return page.locator(".tile")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", "/review", "/review/one"])
def test_the_pages_are_open_to_everybody(
    server: Any, visit: Any, barriers: Any, untouched: str, path: str, scheme: str
) -> None:
    """Report, grid and one by one have no barrier that axe finds, and fit a narrow screen, in light and in dark."""
    page = visit(server, f"/audits/{untouched}{path}", color_scheme=scheme, viewport={"width": 360, "height": 740})
    page.wait_for_load_state("networkidle")
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_report_says_what_is_wrong_and_where_to_begin(server: Any, visit: Any, untouched: str) -> None:
    """The rate stands in the headline, a cell of the heat map leads to its rows, the slider sets the review list."""
    page = visit(server, f"/audits/{untouched}")
    assert "21 % of these labels are wrong" in page.locator("h1").inner_text()
    page.locator("#budget-range").fill("0")
    assert "Review the first 10: more than 99 % of them" in page.locator("#budget-words").inner_text()
    page.locator("#budget-link").click()
    page.wait_for_selector("#question b")
    assert "first 10" in page.locator("h1").inner_text()
    page.go_back()
    page.locator(".heat td a").first.click()
    assert tiles(page).count() > 5


def test_a_clean_file_is_not_sent_to_review_nothing(server: Any, visit: Any, kit: Any) -> None:
    """Where no label stands out the report offers to export, and names no number of labels to review."""
    audit = server.audit(kit.truth.read_bytes(), kit.archive).rpartition("/")[2]
    page = visit(server, f"/audits/{audit}")
    page.wait_for_selector("#budget-choice")
    text = page.locator("main").inner_text()
    assert "No label stands out" in text
    assert "Review 0" not in text
    assert "about <" not in text
    assert "none is expected to be wrong" in text
    assert page.locator("h1 ~ .row .primary").all_inner_texts() == ["Export"]


@pytest.mark.parametrize("width", [360, 390, 430, 480, 600, 700, 710, 1280])
def test_what_can_be_exported_is_seen_whole(server: Any, visit: Any, untouched: str, width: int) -> None:
    """However wide the screen, no item of the menu hangs over its edge."""
    page = visit(server, f"/audits/{untouched}", viewport={"width": width, "height": 740})
    page.locator(".menu summary").click()
    for item in page.locator(".menu li a").all():
        box = item.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_a_review_comes_out_as_it_was_decided(server: Any, visit: Any, kit: Any) -> None:
    """A grid page with exceptions, then 20 decisions by keyboard with a reload between: the export has just these."""
    audit = audit_of(server, kit)
    page = visit(server, f"/audits/{audit}/review?controls=off")
    shown = tiles(page)
    words = page.locator("#pair-words b").all_inner_texts()
    given, suggested = words
    pair = {"class": given, "suggested": suggested, "flagged": True, "limit": 48}
    rows = server.http.get(f"/v1/audits/{audit}/rows", params=pair).json()["rows"]
    assert shown.count() == len(rows)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    shown.nth(3).click()
    shown.nth(4).focus()
    page.keyboard.press("s")
    with page.expect_response("**/decisions"):
        page.keyboard.press("Enter")
    expected = {row["row"]: ("relabel", suggested) for row in rows}
    expected |= {rows[at]["row"]: ("keep", None) for at in (1, 3)} | {rows[4]["row"]: ("unsure", None)}
    page.wait_for_function("() => document.getElementById('done').textContent.includes('changed')")
    assert decided(server, audit, 600) == expected

    page.goto(f"/audits/{audit}/review/one?controls=off")
    for number in range(20):
        if number == 9:
            page.reload()
        page.wait_for_selector("#question b")
        queued = server.http.get(
            f"/v1/audits/{audit}/rows", params={"flagged": True, "decision": "none", "limit": 1}
        ).json()["rows"][0]
        page.wait_for_function(
            "row => document.getElementById('picture').src.includes(`/rows/${row}/`)", arg=queued["row"]
        )
        page.locator("#picture").wait_for()
        key, verdict = [
            ("k", ("keep", None)),
            ("t", ("relabel", queued["suggested_label"])),
            ("u", ("unsure", None)),
            ("o", ("relabel", "Bag" if queued["label"] != "Bag" else "Coat")),
        ][number % 4]
        with page.expect_response("**/decisions"):
            page.keyboard.press(key)
            if key == "o":
                page.keyboard.type((verdict[1] or "").lower())
                page.keyboard.press("Enter")
        expected[queued["row"]] = verdict
    page.wait_for_function("() => !document.getElementById('undo').disabled")
    with page.expect_response("**/decisions"):
        page.keyboard.press("z")
    del expected[queued["row"]]
    page.wait_for_function("() => document.getElementById('done').textContent.includes('back')")
    found = {row: verdict for row, verdict in decided(server, audit, 600).items() if verdict[0] != "undecided"}
    assert found == expected

    out = exported(server, audit)
    for number, row in enumerate(out):
        verdict, label = expected.get(number, (None, None))
        assert row["label"] == (label or row["original_label"])
        assert row["trusted"] == (verdict in {"keep", "relabel"})


def test_decisions_are_scored_again_from_the_report(server: Any, visit: Any, kit: Any) -> None:
    """The report says what was reviewed, and takes the decisions in when one asks it to: less is flagged then."""
    audit = audit_of(server, kit)
    rows = server.http.get(f"/v1/audits/{audit}/rows", params={"limit": 60}).json()["rows"]
    many = [{"row": row["row"], "decision": "relabel", "label": row["suggested_label"]} for row in rows]
    server.http.post(f"/v1/audits/{audit}/decisions", json={"decisions": many})
    page = visit(server, f"/audits/{audit}")
    page.wait_for_selector("#trust-body dd")
    assert "60 rows: 60 changed" in page.locator("#trust-body").inner_text()
    left = server.http.get(f"/v1/audits/{audit}/review").json()["flagged_left"]
    assert page.locator("#begin").inner_text() == f"Go on reviewing: {left} left"
    with page.expect_response("**/rescore"):
        page.locator("#rescore").click()
    assert server.ended(f"/v1/audits/{audit}")["status"] == "succeeded"
    assert server.http.get(f"/v1/audits/{audit}/report").json()["flagged"] < 122 - 50
    page.goto(f"/audits/{audit}")
    page.wait_for_selector("#scored")
    assert not page.locator("#rescore").is_visible()


def test_dragging_leaves_many_out(server: Any, visit: Any, untouched: str) -> None:
    """A frame drawn with the mouse over three tiles leaves these out, and drawn again takes them in."""
    page = visit(server, f"/audits/{untouched}/review")
    shown = tiles(page)
    first, third = shown.nth(0).bounding_box(), shown.nth(2).bounding_box()
    for kept in (3, 0):
        page.mouse.move(first["x"] + 10, first["y"] + 10)
        page.mouse.down()
        page.mouse.move(third["x"] + 20, third["y"] + 20, steps=4)
        page.mouse.up()
        assert page.locator('.tile[data-state="keep"]').count() == kept
    page.keyboard.press("Space")  # a drag swallows its own click, and no key after it
    assert page.locator('.tile[data-state="keep"]').count() == 1


@pytest.mark.parametrize("size", [(360, 740), (390, 844), (1366, 650)])
def test_the_question_is_seen_with_its_answers(server: Any, visit: Any, untouched: str, size: tuple[int, int]) -> None:
    """On a phone and a small laptop question, image and answers are seen at once; no one covers another."""
    width, height = size
    page = visit(server, f"/audits/{untouched}/review/one", viewport={"width": width, "height": height})
    page.wait_for_selector("#question b")
    asked, bar = page.locator("#question").bounding_box(), page.locator(".verdicts").bounding_box()
    assert asked["y"] + asked["height"] <= bar["y"]
    assert page.locator("#frame").bounding_box()["y"] < bar["y"]
    assert bar["y"] + bar["height"] <= height
    if width < 400:
        heights = {page.locator(f"#{each}").bounding_box()["y"] // 60 for each in ("unsure", "undo", "skip")}
        assert len(heights) == 1
        assert bar["height"] < 90


def test_who_judges_learns_which_file_it_is(server: Any, visit: Any, kit: Any) -> None:
    """Name and row stand under the image, with what else the file says but not what it is labelled; controls alike."""
    header, *lines = kit.labels.read_text().splitlines()
    named = "\n".join([f"{header},shelf", *(f"{line},shelf {at}" for at, line in enumerate(lines))])
    audit = server.audit(named.encode(), kit.archive).rpartition("/")[2]
    page = visit(server, f"/audits/{audit}/review/one")
    controls = 0
    for _ in range(25):
        page.wait_for_selector("#question b")
        shown = int(page.locator("#picture").get_attribute("src").split("/rows/")[1].split("/")[0])
        controls += shown >= 600
        page.wait_for_function("() => document.getElementById('file-name').textContent")
        name, row = page.locator("#file-name").inner_text().split(" · row ")
        assert name == f"{int(row) - 1:03}.png"
        assert shown >= 600 or int(row) == shown + 1
        page.locator("#file").evaluate("each => { each.open = true; }")
        assert page.locator("#file dl").inner_text().split("\n") == ["shelf", f"shelf {int(row) - 1}"]
        before = page.locator("#where").inner_text()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("before => document.getElementById('where').textContent !== before", arg=before)
        page.wait_for_function("n => document.getElementById('file-name').textContent !== n", arg=f"{name} · row {row}")
    assert controls


def test_without_images_no_label_is_changed_blindly(server: Any, visit: Any) -> None:
    """Where a file has probabilities alone, the grid leads to the rows one by one, with what the file says of each."""
    rows = "p1,a,0.01,0.99\n" * 10 + "p2,a,0.99,0.01\n" * 60 + "p3,b,0.01,0.99\n" * 60
    files = {"labels": ("labels.csv", "id,label,prob_a,prob_b\n" + rows)}
    answer = server.http.post("/v1/audits", files=files, data={"evidence": "reference"})
    audit = server.ended(answer.headers["Location"])["id"]
    page = visit(server, f"/audits/{audit}/review?class=a")
    page.wait_for_selector("#file dl dd")
    assert page.url.endswith("/review/one?class=a")
    assert page.locator("#file dl").inner_text().split() == ["id", "p1"]
    assert not page.locator("#frame").is_visible()
    assert not page.get_by_role("link", name="Grid").is_visible()


def test_rows_that_could_not_be_judged_are_a_click_away(server: Any, visit: Any, kit: Any) -> None:
    """The report names some of the images that were not there, in words, and leads to the rows."""
    labels = kit.labels.read_text() + "".join(f"gone{at}.png,Coat\n" for at in range(5))
    audit = server.audit(labels.encode(), kit.archive).rpartition("/")[2]
    page = visit(server, f"/audits/{audit}")
    said = page.locator(".banner").inner_text()
    assert "gone0.png, gone1.png, gone2.png and others" in said
    assert "_" not in said
    page.get_by_role("link", name="Show the 5 that could not be judged").click()
    page.wait_for_function("() => document.getElementById('file-name').textContent.includes('gone')")
    assert "could not be judged" in page.locator("#odds").inner_text()
    assert not page.locator("#frame").is_visible()


def test_two_at_once_do_not_overwrite_each_other(server: Any, visit: Any, kit: Any) -> None:
    """Who decides about what another has decided in the meantime is shown that, and may still put his own over it."""
    audit = audit_of(server, kit)
    ann, bob = (visit(server, f"/audits/{audit}/review/one?controls=off") for _ in range(2))
    for page in (ann, bob):
        page.wait_for_selector("#question b")
        page.locator("#picture").wait_for()
    row = int(ann.locator("#picture").get_attribute("src").split("/rows/")[1].split("/")[0])
    with ann.expect_response("**/decisions"):
        ann.keyboard.press("k")
    with bob.expect_response("**/decisions"):
        bob.keyboard.press("t")
    banner = bob.locator("#messages .banner")
    assert "in the meantime: keep the label" in banner.inner_text()
    assert decided(server, audit, 600) == {row: ("keep", None)}
    with bob.expect_response("**/decisions"):
        banner.get_by_role("button", name="Take mine instead").click()
    history = server.http.get(f"/v1/audits/{audit}/rows/{row}/decisions").json()
    assert [each["decision"] for each in history] == ["keep", "relabel"]


def test_a_class_that_is_markup_is_text(server: Any, visit: Any) -> None:
    """A class called like a script is shown as it is written, in report, grid, one by one and in the file to send."""
    header = f"label,prob_{HOSTILE},prob_b\n"
    labels = header + f"{HOSTILE},0.02,0.98\n" * 20 + f"{HOSTILE},0.98,0.02\n" * 60 + "b,0.02,0.98\n" * 60
    answer = server.http.post("/v1/audits", files={"labels": ("labels.csv", labels)}, data={"evidence": "reference"})
    audit = server.ended(answer.headers["Location"])["id"]
    for path in ("", "/review", "/review/one"):
        page = visit(server, f"/audits/{audit}{path}")
        page.wait_for_load_state("networkidle")
        assert page.locator('img[src="x"]').count() == 0
        assert HOSTILE in page.locator("main").inner_text()
    sent = server.http.get(f"/v1/audits/{audit}/export", params={"format": "html"})
    assert "attachment" in sent.headers["Content-Disposition"]
    assert "<img src=x" not in sent.text


def test_the_file_to_send_needs_nothing_else(server: Any, browser: Any, untouched: str, tmp_path: Any) -> None:
    """The report as a file opens without a server, shows its images, and asks nobody for anything."""
    sent = server.http.get(f"/v1/audits/{untouched}/export", params={"format": "html"})
    path = tmp_path / "report.html"
    path.write_bytes(sent.content)
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("[...document.images].filter(i => i.naturalWidth).length") == 48
    page.close()


@pytest.fixture(scope="module")
def thousand_classes(server: Any) -> str:
    """The id of an audit whose 1,000 classes have names of 20 characters."""
    names = [f"species number {k:05}" for k in range(1000)]
    header = ",".join(["label", *(f"prob_{name}" for name in names)])
    rows = []
    for row in range(1500):
        given = row % 1000
        true = (given + 1) % 1000 if row % 10 == 0 else given
        rows.append(",".join([names[given], *("0.9" if k == true else "0.0001" for k in range(1000))]))
    files = {"labels": ("labels.csv", "\n".join([header, *rows]))}
    answer = server.http.post("/v1/audits", files=files, data={"evidence": "reference"})
    audit: str = server.ended(answer.headers["Location"])["id"]
    return audit


@pytest.mark.parametrize("classes", ["untouched", "thousand_classes"])
def test_pages_weigh_little(server: Any, visit: Any, classes: str, request: pytest.FixtureRequest) -> None:
    """Without images each page, with all that it loads, is at most 150 kB, with ten classes and with a thousand."""
    audit = request.getfixturevalue(classes)
    for path in ("", "/review", "/review/one"):
        page = visit(server, "/healthz")
        weights: list[int] = []

        def weigh(response: Any, weights: list[int] = weights) -> None:
            if "/image" not in response.url:
                weights.append(len(response.body()))

        page.on("requestfinished", lambda request, weigh=weigh: weigh(request.response()))
        page.goto(f"/audits/{audit}{path}")
        page.wait_for_load_state("networkidle")
        assert 10_000 < sum(weights) <= 150_000
