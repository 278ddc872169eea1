"""What a review costs people, and how quickly the pages answer: Debian's Chromium, the real server.

Keystrokes and clicks per confirmed correction: 2,000 images of Fashion-MNIST's test split, of which 560 bear a similar
class's label; the first 500 flagged rows are reviewed by a script that knows the truth, once one by one and once in
the grid, where what is neither class is left unsure and then named one by one. Blind controls are off, for both.

Speed: an audit of 1,000,000 rows (``large_audit.py``).
"""

import argparse
import io
import shutil
import statistics
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from large_audit import make_large_audit
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from labels.fashion_mnist import CLASSES, PAIRS, find_fashion_mnist, read_fashion_mnist
from service.http.server import DrainingServer
from service.services import Services
from service.settings import Settings

ROWS, FLIPPED, TOP = 2000, 560, 500
LARGE = 1_000_000
_RUNS = Path(__file__).resolve().parents[2] / "runs" / "bench-review"
_COUNT = """window.acts = 0;
addEventListener('keydown', event => { if (!event.repeat) acts++; }, true);
addEventListener('pointerdown', () => acts++, true);"""
_TIME = """window.times = [];
addEventListener('keydown', event => {
  if (!'ktu'.includes(event.key)) return;
  const pressed = performance.now();
  const picture = document.getElementById('picture');
  picture.addEventListener('load', () => requestAnimationFrame(() => {
    const channel = new MessageChannel();  // a task after the frame was drawn
    channel.port1.onmessage = () => times.push(performance.now() - pressed);
    channel.port2.postMessage(null);
  }), { once: true });
}, true);"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["keystrokes", "speed"], nargs="*", default=["keystrokes", "speed"])
    chosen = parser.parse_args().part
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        if "keystrokes" in chosen:
            keystrokes(browser)
        if "speed" in chosen:
            speed(browser)


def keystrokes(browser: Browser) -> None:
    """Review the same rows in both ways, and count."""
    labels, images, truth = _flipped(np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as name, _serving(Path(name)) as http:
        found = {}
        for way, review in (("one by one", _one_by_one), ("grid", _grid)):
            answer = http.post("/v1/audits", files={"labels": ("labels.csv", labels), "images": ("i.zip", images)})
            audit = answer.json()["id"]
            while http.get(f"/v1/audits/{audit}").json()["status"] in {"queued", "running"}:
                time.sleep(0.2)
            page = browser.new_context(base_url=str(http.base_url), viewport={"width": 1280, "height": 900}).new_page()
            page.add_init_script(_COUNT)
            acts = review(page, audit, truth, http)
            rows = http.get(f"/v1/audits/{audit}/export", params={"labels": "reviewed", "format": "jsonl"}).text
            out = [line.split('"label":"')[1].split('"')[0] for line in rows.splitlines()]
            before = [line.split(",")[1] for line in labels.splitlines()[1:]]
            right = sum(a == t != b for a, t, b in zip(out, truth, before, strict=True))
            found[way] = acts / right
            print(f"{way:12} {acts:5} keystrokes and clicks, {right} confirmed corrections: {acts / right:.2f} each")
        print(f"grid / one by one: {found['grid'] / found['one by one']:.2f} (aim: at most 0.33)")


def _flipped(rng: np.random.Generator) -> tuple[str, bytes, list[str]]:
    """Labels of which a quarter are those of the similar class, their images, and the truth."""
    data = read_fashion_mnist(find_fashion_mnist(None))
    similar = dict(PAIRS) | {b: a for a, b in PAIRS}
    truth = [CLASSES[k] for k in data.test_labels[:ROWS]]
    wrong = set(rng.choice(ROWS, FLIPPED, replace=False).tolist())
    given = [similar[label] if row in wrong else label for row, label in enumerate(truth)]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for row, pixels in enumerate(data.test_images[:ROWS]):
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            file.writestr(f"{row:04}.png", buffer.getvalue())
    text = "image,label\n" + "".join(f"{row:04}.png,{label}\n" for row, label in enumerate(given))
    return text, archive.getvalue(), truth


def _one_by_one(page: Page, audit: str, truth: list[str], http: httpx.Client, query: str = f"top={TOP}") -> int:
    page.goto(f"/audits/{audit}/review/one?controls=off&{query}")
    asked = httpx.QueryParams("flagged=true&limit=1000&decision=none").merge(httpx.QueryParams(query))
    rows = http.get(f"/v1/audits/{audit}/rows", params=asked).json()["rows"]
    for row in rows:
        page.wait_for_function(
            "row => document.getElementById('picture').src.includes(`/rows/${row}/`)", arg=row["row"]
        )
        right = truth[row["row"]]
        with page.expect_response("**/decisions"):
            if right == row["label"]:
                page.keyboard.press("k")
            elif right == row["suggested_label"]:
                page.keyboard.press("t")
            else:
                page.keyboard.press("o")
                page.keyboard.type(_prefix(right))
                page.keyboard.press("Enter")
    acts: int = page.evaluate("acts")
    return acts


def _prefix(label: str) -> str:
    """The fewest letters by which a class is known."""
    lower = [each.lower() for each in CLASSES]
    return next(
        label.lower()[:n] for n in range(1, 20) if sum(each.startswith(label.lower()[:n]) for each in lower) == 1
    )


def _grid(page: Page, audit: str, truth: list[str], http: httpx.Client) -> int:
    page.goto(f"/audits/{audit}/review?controls=off&top={TOP}")
    while True:
        page.wait_for_function("() => document.querySelector('.tile') || !document.getElementById('empty').hidden")
        shown = page.locator(".tile")
        if not page.locator("#empty").is_hidden():
            break
        given, suggested = page.locator("#pair-words b").all_inner_texts()
        first = page.locator(".tile").first.element_handle()
        for at, source in enumerate(page.eval_on_selector_all(".tile img", "all => all.map(i => i.src)")):
            right = truth[int(source.split("/rows/")[1].split("/")[0])]
            if right == given:
                shown.nth(at).click()
            elif right != suggested:
                shown.nth(at).click()
                page.keyboard.press("s")
        with page.expect_response("**/decisions"):
            page.keyboard.press("Enter")
        page.wait_for_function("tile => !tile.isConnected", arg=first)
    acts: int = page.evaluate("acts")
    return acts + _one_by_one(page, audit, truth, http, "decision=unsure")


def speed(browser: Browser) -> None:
    """Time the pages over a million rows."""
    data_dir = _RUNS / str(LARGE)
    if not (data_dir / "done").exists():
        shutil.rmtree(data_dir, ignore_errors=True)
        (data_dir / "done").write_text(make_large_audit(data_dir, LARGE))
    audit = (data_dir / "done").read_text()
    with _serving(data_dir, worker="off") as http:
        start = time.perf_counter()
        http.get(f"/v1/audits/{audit}/rows", params={"limit": 1}).raise_for_status()
        print(f"index of {LARGE:,} rows, made once: {time.perf_counter() - start:.2f} s")
        pair = {"class": "Shirt", "suggested": "T-shirt/top", "flagged": True}
        for what, path, query in (
            ("a page of 48, answers alone", "rows", {"limit": 48, "columns": "answers"}),
            ("the same with all columns", "rows", {"limit": 48}),
            (
                "of a pair, undecided, with controls",
                "rows",
                {**pair, "limit": 48, "columns": "answers", "decision": "none", "controls": True},
            ),
            (
                "in the file's order, from the middle",
                "rows",
                {"limit": 48, "columns": "answers", "sort": "row", "cursor": LARGE // 2},
            ),
            ("the pairs", "pairs", {}),
            ("what the review is worth", "review", {}),
            ("the evidence of a row", "rows/70/evidence", {}),
            ("a picture", "rows/70/image", {"size": 240}),
        ):
            url = f"/v1/audits/{audit}/{path}"
            _row(
                f"GET {what}",
                _milliseconds(lambda url=url, query=query: http.get(url, params=query).raise_for_status(), 30),
            )
        _row("first paint of the report", [_first_paint(browser, http, f"/audits/{audit}") for _ in range(10)])
        page = browser.new_context(base_url=str(http.base_url), viewport={"width": 1280, "height": 900}).new_page()
        page.add_init_script(_TIME)
        page.goto(f"/audits/{audit}/review/one")
        page.wait_for_selector("#question b")
        page.wait_for_load_state("networkidle")
        for number in range(100):
            page.keyboard.press("ktu"[number % 3])
            page.wait_for_function("n => times.length > n", arg=number)
            page.wait_for_timeout(250)  # nobody judges faster
        _row("key press to next image shown", page.evaluate("times"))


def _first_paint(browser: Browser, http: httpx.Client, path: str) -> float:
    context = browser.new_context(base_url=str(http.base_url), viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(path)
    paint: float = page.evaluate(
        "new Promise(r => new PerformanceObserver(l => r(l.getEntriesByName('first-contentful-paint')[0].startTime))"
        ".observe({type: 'paint', buffered: true}))"
    )
    context.close()
    return paint


def _milliseconds(call: Callable[[], Any], times: int) -> list[float]:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        found.append((time.perf_counter() - start) * 1000)
    return found


def _row(what: str, times: list[float]) -> None:
    print(
        f"{what:45} median {statistics.median(times):7.1f} ms   p95 {np.quantile(times, 0.95):7.1f} ms   n {len(times)}"
    )


@contextmanager
def _serving(data_dir: Path, **settings: Any) -> Iterator[httpx.Client]:
    chosen = Settings.model_validate({"data_dir": data_dir, "device": "cpu", "inference_threads": 1} | settings)
    with Services.running(chosen) as services:
        server = DrainingServer(services, host="127.0.0.1", port=0)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as http:
                yield http
        finally:
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    main()
