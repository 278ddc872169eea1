"""What the pages weigh without their images, and how soon they show something, in a browser that has kept nothing.

Beside each first paint, in turns, that of the answer of `/healthz`: what a browser takes for a line of text.
"""

import shutil
import time
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Browser, Response, sync_playwright
from serve.process import lookalike

from models.repository import SHIPPED

KIT = Path(__file__).parents[1] / "examples" / "fashion-mnist"
ROUNDS = 7
MOST_KILOBYTES = 150
MOST_SECONDS = 1.0
PAINTED = "performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime / 1000)[0]"


def load(browser: Browser, address: str) -> tuple[float, float]:
    """Kilobytes of all that is not an image, and seconds to the first paint."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - Playwright takes no built-in
    page.goto(address, wait_until="load")
    while (painted := page.evaluate(PAINTED)) is None:
        page.wait_for_timeout(10)
    texts = [each for each in answers if not each.headers.get("content-type", "").startswith(("image/", "text/event"))]
    kilobytes = sum(len(each.body()) for each in texts if each.status == 200) / 1000
    context.close()
    return kilobytes, painted


def main() -> None:
    chromium = shutil.which("chromium")
    assert chromium is not None, "apt-get install chromium"
    with lookalike(SHIPPED) as server, sync_playwright() as playwright:
        base = f"http://127.0.0.1:{server.port}"
        tried = httpx.post(f"{base}/try", trust_env=False).headers["Location"]
        while httpx.get(f"{base}/v1{tried}", trust_env=False).json()["status"] != "succeeded":
            time.sleep(0.1)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, path in {"/": "/", "/classify": "/classify", "a report": tried}.items():
            loads, floors = [], []
            for _ in range(ROUNDS):
                floors.append(load(browser, f"{base}/healthz")[1])
                loads.append(load(browser, f"{base}{path}"))
            kilobytes, paint = loads[-1][0], median(paint for _, paint in loads)
            print(
                f"{name}: {kilobytes:.0f} kB without images (bound {MOST_KILOBYTES}); first paint after {paint:.2f} s "
                f"(bound {MOST_SECONDS:.0f}), of a line of text {median(floors):.2f} s"
            )
        browser.close()


if __name__ == "__main__":
    main()
