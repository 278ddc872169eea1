"""The pages in a real browser, against the real server with real images."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from service.access.key_file import add_key
from service.access.keys import new_key

expect.set_options(timeout=60_000)
SWAGGERS = ("heading-order", "nested-interactive")
"""What axe finds in what Swagger UI draws, and its makers alone can mend: docs/pages.md has the argument."""
NARROW = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def server(start_service: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server for the tests of this module."""
    with start_service(tmp_path_factory.mktemp("pages")) as service:
        yield service


@pytest.fixture(scope="module")
def archive(kit: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit's images as a person has them."""
    path: Path = tmp_path_factory.mktemp("archive") / "pictures.zip"
    path.write_bytes(kit.archive)
    return path


def start(page: Page, labels: Path | dict[str, Any], archive: Path) -> None:
    """Choose both files, look at the preview, and start the audit."""
    page.set_input_files("#labels", labels)
    expect(page.locator("#preview table")).to_be_visible()
    page.set_input_files("#images", archive)
    page.get_by_role("button", name="Start the audit").click()
    page.wait_for_url("**/audits/*")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/classify", "/nowhere", "/docs"])
def test_a_page_is_open_to_everybody(server: Any, visit: Any, barriers: Any, path: str, scheme: str) -> None:
    """Whoever reads by ear, moves by keyboard or needs contrast can use the page, in light and in dark, on a phone."""
    page = visit(server, path, color_scheme=scheme, viewport=NARROW)
    if path == "/docs":
        expect(page.get_by_text("/v1/classify", exact=True)).to_be_visible()
    assert [each for each in barriers(page) if path != "/docs" or not each.startswith(SWAGGERS)] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_from_upload_to_report(server: Any, visit: Any, barriers: Any, kit: Any, archive: Path) -> None:
    """A person chooses two files, sees what is taken for what, follows the work, and is shown the report."""
    page = visit(server)
    page.set_input_files("#labels", kit.labels)
    expect(page.get_by_label("Column of the labels")).to_have_value("label")
    expect(page.locator("#preview tbody tr").first).to_have_text("000.pngCoat")
    expect(page.locator("#preview")).to_contain_text("10 labels in 600 rows; fashion-mnist knows all of them")
    page.set_input_files("#images", archive)
    assert barriers(page) == []
    page.get_by_label("Name").fill("Autumn clothes")
    page.get_by_role("button", name="Start the audit").click()
    page.wait_for_url("**/audits/*")
    audit_id = page.url.rpartition("/")[2]
    expect(page.get_by_role("link", name="suspicious labels")).to_be_visible()
    expect(page.get_by_text("Autumn clothes")).to_be_visible()
    assert server.http.get(f"/v1/audits/{audit_id}").json()["name"] == "Autumn clothes"
    page.goto("/")
    expect(page.get_by_role("link", name="Autumn clothes")).to_contain_text("finished")


def test_progress_survives_a_reload_and_a_lost_connection(
    start_service: Any, visit: Any, barriers: Any, kit: Any, archive: Path, tmp_path: Path
) -> None:
    """In the middle of the work a person reloads the page, and loses the connection: the page comes back by itself."""
    with start_service(tmp_path / "data", worker="off") as service:
        page = visit(service)
        start(page, kit.labels, archive)
        expect(page.get_by_role("heading", name="Waiting for its turn")).to_be_visible()
        assert barriers(page) == []
        ledger = service.services.audits.ledger
        claim = ledger.claim("the worker of this test")
        ledger.advance(claim, "infer", [1] * 600)
        page.context.set_offline(True)
        expect(page.get_by_text("The connection is lost")).to_be_visible()
        for image in range(7):
            ledger.chunk_done(claim, "infer", image)
        page.context.set_offline(False)
        expect(page.get_by_text("7 of 600")).to_be_visible()
        expect(page.get_by_text("The connection is lost")).to_be_hidden()
        page.reload()
        expect(page.get_by_text("7 of 600")).to_be_visible()
        expect(page.locator("[aria-current=step]")).to_have_text("looking at images")
        assert barriers(page) == []
        ledger.chunk_done(claim, "infer", 7)
        expect(page.get_by_text("8 of 600")).to_be_visible()


def test_a_cancelled_audit_says_so_and_can_be_removed(
    start_service: Any, visit: Any, barriers: Any, kit: Any, archive: Path, tmp_path: Path
) -> None:
    """Cancelling stops the work at once and says so; removing asks first, then leads back to the list without it."""
    with start_service(tmp_path / "data", worker="off") as service:
        page = visit(service)
        start(page, kit.labels, archive)
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("This audit was cancelled")).to_be_visible()
        assert barriers(page) == []
        page.get_by_role("button", name="Remove this audit").click()
        page.get_by_role("button", name="Keep it").click()
        page.get_by_role("button", name="Remove this audit").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(page.get_by_text("Nothing here yet")).to_be_visible()
        assert service.http.get("/v1/audits").json()["audits"] == []


def test_an_audit_at_work_can_be_cancelled(
    start_service: Any, visit: Any, kit: Any, archive: Path, tmp_path: Path
) -> None:
    """Cancelling in the middle of the work ends it within a piece of it; no more is done."""
    header, *rows = kit.labels.read_text().splitlines()
    labels = {"name": "long.csv", "mimeType": "text/csv", "buffer": "\n".join([header, *rows * 40]).encode()}
    with start_service(tmp_path / "data", chunk_rows=100) as service:
        page = visit(service)
        start(page, labels, archive)
        expect(page.locator("#done")).to_have_text(re.compile(r"[1-9][\d,]* of 24,000"))
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("This audit was cancelled")).to_be_visible()
        expect(page.locator("#bar")).to_be_hidden()
        state = service.http.get(f"/v1/audits/{page.url.rpartition('/')[2]}").json()
        assert (state["status"], 0 < state["done"] < state["total"]) == ("cancelled", True)


def test_older_audits_are_shown_on_demand(start_service: Any, visit: Any, barriers: Any, tmp_path: Path) -> None:
    """The front page shows the newest audits and keeps them so; older ones come at a press, by mouse or keyboard."""
    with start_service(tmp_path / "data", worker="off") as service:
        for i in range(14):
            files = {"labels": ("l.csv", "image,label,prob_a,prob_b\nx,a,0.5,0.5\n")}
            service.http.post("/v1/audits", files=files, data={"name": f"number {i}"}).raise_for_status()
        page = visit(service)
        audits = page.locator("#list li")
        expect(audits).to_have_count(12)
        expect(audits.first).to_contain_text("number 13")
        page.get_by_role("button", name="Show older ones").click()
        expect(audits).to_have_count(14)
        expect(page.locator("#list a").nth(12)).to_be_focused()
        expect(page.get_by_role("button", name="Show older ones")).to_have_count(0)
        assert barriers(page) == []
        newest = service.http.get("/v1/audits", params={"limit": 1}).json()["audits"][0]
        service.http.delete(f"/v1/audits/{newest['id']}").raise_for_status()
        expect(audits).to_have_count(13)


def csv(content: str) -> dict[str, Any]:
    return {"name": "mine.csv", "mimeType": "text/csv", "buffer": content.encode()}


def test_what_is_wrong_with_a_file_is_said_before_anything_is_started(server: Any, visit: Any, archive: Path) -> None:
    """A wrong kind of file, a row with too many cells, and a missing file are named in words, with the row."""
    page = visit(server)
    trouble = page.get_by_role("alert")
    page.set_input_files("#labels", {"name": "mine.doc", "mimeType": "", "buffer": b"D"})
    expect(trouble).to_contain_text("mine.doc can't be taken as label file: its name must end in one of .csv")
    page.set_input_files("#labels", csv("image,label\na.png,Coat\nb.png,Coat,Bag\n"))
    expect(trouble).to_contain_text("mine.csv: row 2 (line 3) has 3 cells, the header has 2")
    page.set_input_files("#labels", csv("image,label\n000.png,Coat\n"))
    expect(trouble).to_be_hidden()
    page.get_by_role("button", name="Start the audit").click()
    expect(page.get_by_text("Choose the images, too.")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "images"


def test_files_chosen_before_the_page_is_ready_are_seen(server: Any, visit: Any, kit: Any, archive: Path) -> None:
    """On a slow line a person chooses both files before the page's modules have come; they are taken all the same."""
    page = visit(server, "/healthz")
    held: list[Any] = []
    page.route("**/home.js", lambda route: held.append(route))  # noqa: PLW0108 - Playwright takes no built-in
    with page.expect_request("**/home.js"):
        page.goto("/", wait_until="commit")
    page.set_input_files("#labels", kit.labels)
    page.set_input_files("#images", archive)
    [module] = held
    module.continue_()
    expect(page.locator("#preview table")).to_be_visible()
    expect(page.locator("#images-chosen")).to_contain_text("pictures.zip")
    expect(page.locator("#missing")).to_be_empty()


def test_nothing_is_asked_for_that_is_not_needed(server: Any, visit: Any) -> None:
    """A file with probabilities needs no images, and nobody is told to choose some; other files do."""
    page = visit(server)
    page.set_input_files("#labels", csv("image,label\n000.png,Coat\n"))
    expect(page.locator("#missing")).to_have_text("Choose the images, too.")
    page.set_input_files("#labels", csv("label,prob_a,prob_b\na,0.5,0.5\n"))
    expect(page.locator("#preview")).to_contain_text("need no images")
    expect(page.locator("#missing")).to_be_empty()


def choose(page: Page, *files: dict[str, Any]) -> None:
    """Drop files onto the box of the label file, as one does from a folder."""
    page.evaluate(
        """(files) => {
            const data = new DataTransfer();
            for (const { name, content } of files) data.items.add(new File([content], name));
            document.getElementById("labels-drop").dispatchEvent(
                new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        list(files),
    )


def test_an_unanswered_question_keeps_an_audit_from_being_started(server: Any, visit: Any, archive: Path) -> None:
    """Where the columns of labels or images aren't known, nothing is uploaded: the page goes to the open question."""
    page = visit(server)
    uploads: list[str] = []
    page.on("request", lambda request: uploads.append(request.url) if request.url.endswith("/v1/audits") else None)
    before = len(server.http.get("/v1/audits").json()["audits"])
    page.set_input_files("#labels", csv("Bild;Klasse\n000.png;Coat\n001.png;Bag\n"))
    page.set_input_files("#images", archive)
    begin = page.get_by_role("button", name="Start the audit")
    for field, said, column in [
        ("label_column", "Choose the column of the labels.", "Klasse"),
        ("image_column", "Choose the column of the images.", "Bild"),
    ]:
        begin.click()
        expect(page.locator("#missing")).to_have_text(said)
        expect(page.locator(f"#{field}")).to_be_focused()
        expect(page.locator(f"#{field}")).to_have_attribute("aria-invalid", "true")
        page.select_option(f"#{field}", column)
        expect(page.locator("#missing")).not_to_have_text(said)
    assert len(server.http.get("/v1/audits").json()["audits"]) == before
    begin.click()
    page.wait_for_url("**/audits/*")


def test_probabilities_alone_are_no_labels(server: Any, visit: Any) -> None:
    """A file of probabilities without labels is told so, and its probabilities aren't offered as labels."""
    page = visit(server)
    page.set_input_files("#labels", csv("file,prob_a,prob_b\nx,0.5,0.5\n"))
    expect(page.locator("#preview")).to_contain_text("This file has probabilities but no labels.")
    assert page.locator("#label_column option").all_inner_texts() == ["choose the column", "file"]
    page.get_by_role("button", name="Start the audit").click()
    expect(page.locator("#missing")).to_contain_text("Add a column with the label of each row")


def test_names_taken_for_labels_are_doubted(server: Any, visit: Any) -> None:
    """Whoever takes the images' column for that of the labels is asked, with how many values there are."""
    page = visit(server)
    page.set_input_files("#labels", csv("image,label\n" + "".join(f"{i}.png,a\n" for i in range(300))))
    expect(page.locator("#preview")).to_contain_text("1 label in 300 rows")
    expect(page.locator("#preview")).not_to_contain_text("is this really")
    page.select_option("#label_column", "image")
    expect(page.locator("#preview")).to_contain_text("300 different values in 300 rows: is this really the column")
    expect(page.locator("#preview .labels")).to_contain_text("and 260 more")


def test_files_go_where_their_names_say(server: Any, visit: Any, kit: Any, archive: Path) -> None:
    """Both files dropped on one box are both taken, and one chosen for the wrong box goes to the right one."""
    page = visit(server)
    choose(page, {"name": "mine.csv", "content": "image,label\na.png,Coat\n"}, {"name": "mine.zip", "content": "PK"})
    expect(page.locator("#labels-chosen")).to_contain_text("mine.csv")
    expect(page.locator("#images-chosen")).to_contain_text("mine.zip")
    page.set_input_files("#labels", archive)
    expect(page.locator("#images-chosen")).to_contain_text("pictures.zip")
    expect(page.locator("#labels-chosen")).to_contain_text("mine.csv")
    page.set_input_files("#images", kit.labels)
    expect(page.locator("#labels-chosen")).to_contain_text("labels.csv")
    choose(page, {"name": "more.xlsx", "content": "PK"}, {"name": "more.zip", "content": "PK"})
    expect(page.locator("#images-chosen")).to_contain_text("more.zip")
    expect(page.get_by_role("alert")).to_have_text("more.xlsx is a spreadsheet. In Excel: Save as, CSV UTF-8.")
    choose(page, {"name": "a.png", "content": ""})
    expect(page.get_by_role("alert")).to_contain_text("Put all of them into one .zip")


def test_folders_of_classes_need_no_label_file(server: Any, visit: Any, kit: Any, tmp_path: Path) -> None:
    """The page says that an archive of folders will do, and calls its audit by the archive's name."""
    page = visit(server)
    expect(page.locator("#images-kinds")).to_contain_text("With a folder for each class in it, no label file is needed")
    packed = tmp_path / "autumn.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for i, label in enumerate(["Coat", "Bag"]):
            archive.write(kit.image(i), f"{label}/{i}.png")
    page.set_input_files("#images", packed)
    page.get_by_role("button", name="Start the audit").click()
    page.wait_for_url("**/audits/*")
    assert server.http.get(f"/v1/audits/{page.url.rpartition('/')[2]}").json()["name"] == "autumn"


def test_an_audit_that_fails_says_why(server: Any, visit: Any, barriers: Any, archive: Path) -> None:
    """What only shows once the labels are read ends the audit with a sentence that names the cure."""
    page = visit(server)
    page.get_by_text("More choices").click()
    page.get_by_label("It knows these classes and has never seen these labels.").check()
    start(page, csv("image,label\n000.png,Cat\n001.png,Dog\n"), archive)
    expect(page.get_by_text("No label is a class of fashion-mnist@1: the first row says 'Cat'")).to_be_visible()
    expect(page.get_by_text("the classes are T-shirt/top, Trouser, ")).to_be_visible()
    assert barriers(page) == []


def test_a_class_made_of_markup_is_text(server: Any, visit: Any, archive: Path) -> None:
    """Names that would run in a careless page are shown as they were written, in preview, progress and list."""
    hostile = "<img src=x onerror=document.title='hacked'>"
    page = visit(server)
    page.set_input_files("#labels", csv(f"image,label\n000.png,{hostile}\n001.png,Bag\n"))
    expect(page.get_by_role("cell", name=hostile)).to_be_visible()
    page.set_input_files("#images", archive)
    page.get_by_label("Name").fill(hostile)
    page.get_by_role("button", name="Start the audit").click()
    page.wait_for_url("**/audits/*")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("link", name=hostile)).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert "hacked" not in page.title()


def test_the_example_is_a_click_away(server: Any, visit: Any) -> None:
    """Whoever has no data yet sees what an audit is by one click."""
    page = visit(server)
    page.get_by_role("button", name="Try the example").click()
    page.wait_for_url("**/audits/*")
    audit_id = page.url.rpartition("/")[2]
    state = server.ended(f"/v1/audits/{audit_id}")
    assert (state["status"], state["total"], state["name"]) == ("succeeded", 600, "Example: 600 pictures of clothes")


def test_every_export_can_be_saved_by_the_audits_name(server: Any, visit: Any, barriers: Any) -> None:
    """Each entry of the menu is a file that is there, called after the audit and its day, whatever letters it has."""
    labels = ("l.csv", "image,label,prob_a,prob_b\n" + "x,a,0.5,0.5\ny,b,0.2,0.8\n" * 20)
    answer = server.http.post("/v1/audits", files={"labels": labels}, data={"name": 'Späte "Äpfel" / 日本'})
    state = server.ended(answer.headers["Location"])
    assert state["status"] == "succeeded", state["error"]
    page = visit(server, f"/audits/{state['id']}", viewport=NARROW)
    page.get_by_text("Export", exact=True).click()
    links = page.locator(".menu a[href*=export]")
    expect(links.last).to_be_in_viewport(ratio=1)
    assert barriers(page) == []
    files = []
    for link in links.all():
        saved = server.http.get(link.get_attribute("href"))
        assert saved.status_code == 200
        files.append(re.search('filename="(.+)"', saved.headers["Content-Disposition"])[1])
    assert len(set(files)) == 8
    labels = ("l.csv", labels[1].replace("image,", "number,"))
    without_images = server.http.post("/v1/audits", files={"labels": labels}).headers["Location"]
    assert server.ended(without_images)["status"] == "succeeded"
    page.goto(f"/audits/{without_images.rpartition('/')[2]}")
    expect(page.locator(".menu a[href*=export]")).to_have_count(6)
    assert all(name.startswith(f"Spate-Apfel-{state['created_at'][:10]}-") for name in files), files


def test_a_form_of_another_site_starts_nothing(server: Any) -> None:
    """Also where nobody needs a key, no other page makes this service work."""
    answer = server.http.post("/try", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


def test_an_image_is_classified_and_its_group_drawn(server: Any, visit: Any, barriers: Any, kit: Any) -> None:
    """The page says of which level the model is sure, and draws the groups; another level gives another answer.

    Only the sentence is read out, not each bar.
    """
    page = visit(server, "/classify", viewport=NARROW)
    page.set_input_files("#image", kit.image(37))
    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("Shirt or T-shirt/top, 98.8 %")
    expect(answer).to_contain_text("sure that it is one of these, and can't tell which")
    expect(answer.get_by_role("heading", name="Pullover or Coat")).to_be_visible()
    expect(answer.locator("[aria-live]")).to_have_text(re.compile(r"^\s*Shirt or T-shirt/top, 98.8 %.*which\.\s*$"))
    assert barriers(page) == []
    page.get_by_label("Sure from").fill("0.99")
    expect(answer).to_contain_text("The model can't tell")
    page.set_input_files("#image", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"no image"})
    expect(answer).to_contain_text("This can't be classified")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_of_a_strange_image_nothing_is_promised(server: Any, visit: Any, kit: Any) -> None:
    """Of an image of another kind no set is said to hold its class; on a phone the answer comes into view."""
    page = visit(server, "/classify", viewport=NARROW)
    page.set_input_files("#image", kit.image(1))
    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("The true class is one of these")
    expect(answer.get_by_role("heading", level=2)).to_be_in_viewport()
    noise = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)).save(noise, "PNG")
    page.set_input_files("#image", {"name": "noise.png", "mimeType": "image/png", "buffer": noise.getvalue()})
    expect(answer).to_contain_text("Not its kind of image")
    expect(answer).not_to_contain_text("The true class is one of these")


def test_an_image_can_be_pasted(server: Any, visit: Any, kit: Any) -> None:
    """A screenshot in the clipboard is classified without ever being a file."""
    page = visit(server, "/classify")
    page.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "shot.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
        }""",
        list(kit.image(1).read_bytes()),
    )
    expect(page.get_by_role("region", name="Answer")).to_contain_text("Trouser")


def test_with_keys_a_person_signs_in_once(
    start_service: Any, visit: Any, barriers: Any, kit: Any, archive: Path, tmp_path: Path
) -> None:
    """Whoever has a key signs in, audits, classifies, and signs out; a wrong key is refused in words."""
    secret, key = new_key("ann", ["audit", "classify"])
    add_key(tmp_path / "keys.json", key)
    with start_service(tmp_path / "data", keys_file=tmp_path / "keys.json", worker="off") as service:
        page = visit(service, "/classify")
        assert barriers(page) == []
        page.get_by_label("Key").fill("lk_wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("unknown, expired or revoked")
        page.get_by_label("Key").fill(secret)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/classify")
        page.set_input_files("#image", kit.image(1))
        expect(page.get_by_role("region", name="Answer")).to_contain_text("Trouser")
        page.get_by_role("link", name="Audits").click()
        start(page, kit.labels, archive)
        expect(page.get_by_role("heading", name="Waiting for its turn")).to_be_visible()
        assert "lk_" not in page.evaluate("document.cookie")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.goto("/docs")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_link_from_another_site_needs_no_second_sign_in(start_service: Any, visit: Any, tmp_path: Path) -> None:
    """Who is signed in and follows a link in a chat or a ticket is there, though the browser kept the cookie back."""
    secret, key = new_key("ann", ["audit", "classify"])
    add_key(tmp_path / "keys.json", key)
    with start_service(tmp_path / "data", keys_file=tmp_path / "keys.json", worker="off") as service:
        page = visit(service)
        page.get_by_label("Key").fill(secret)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(str(service.http.base_url))
        target = f"{service.http.base_url}/classify"
        page.route(
            "http://elsewhere.example/",
            lambda route: route.fulfill(body=f"<a href='{target}'>look</a>", content_type="text/html"),
        )
        page.goto("http://elsewhere.example/")
        page.get_by_text("look").click()
        expect(page.get_by_role("heading", name="Classify an image")).to_be_visible()
