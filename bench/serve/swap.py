"""Nothing that was accepted fails: a new version of the model published under load, and SIGTERM under load.

At SIGTERM what was sent before counts as accepted; what was sent later may find the server gone.
"""

import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

from artifacts import SIZES, artifact
from load import closed, post
from pictures import jpegs
from process import lookalike

from models.manifest import MANIFEST

MODEL = "resnet20"
CLIENTS = 32
REQUESTS = post("/v1/classify", jpegs(SIZES[MODEL]))
POLL = 1
"""Seconds after which the server looks for new versions, as told."""
SECONDS = 5
AT = 1.0
"""Seconds after the start of the load when the version appears, or the signal is sent."""
STOPS = 5
"""Servers that are told to stop."""


def main() -> None:
    swap()
    answers = [answer for _ in range(STOPS) for answer in stop()]
    accepted = [status for before, status in answers if before]
    later = Counter(status for before, status in answers if not before)
    print(
        f"SIGTERM under load, {STOPS} times: {sum(status != 200 for status in accepted)} failed of {len(accepted)} "
        f"accepted (bound 0); sent later: {later[200]} answered, {later[503]} told 503, {later[0]} cut off"
    )


def swap() -> None:
    """The second version is the first under another number, made aside and renamed, as every publication is."""
    model = artifact(MODEL)
    with tempfile.TemporaryDirectory() as name:
        versions = Path(name) / MODEL
        shutil.copytree(model.path, versions / "1")
        aside = shutil.copytree(model.path, versions / ".publishing-2")
        (aside / MANIFEST).write_text(model.manifest.model_copy(update={"version": "2"}).model_dump_json())

        def publish(seconds: float) -> None:
            if seconds >= AT and aside.exists():
                aside.rename(versions / "2")

        with lookalike(Path(name), settings={"MODELS_POLL_SECONDS": POLL}) as server:
            run = closed(server.port, REQUESTS, connections=CLIENTS, seconds=SECONDS, meanwhile=publish)
    second = sum(b'"version":"2"' in answer.body for answer in run.answers)
    print(
        f"model swap under load: {len(run.answers) - run.statuses[200]} failed of {len(run.answers)} (bound 0); "
        f"{second} answers by version 2 (must be some)"
    )


def stop() -> list[tuple[bool, int]]:
    """For each request whether it was sent before SIGTERM, and its status."""
    with lookalike(artifact(MODEL).path.parents[1]) as server:
        told: list[float] = []

        def tell(seconds: float) -> None:
            if seconds >= AT and not told:
                server.process.send_signal(signal.SIGTERM)
                told.append(time.perf_counter())

        run = closed(server.port, REQUESTS, connections=CLIENTS, seconds=SECONDS, meanwhile=tell)
        code = server.process.wait()
        assert code == 0, code
    return [(answer.sent < told[0], answer.status) for answer in run.answers]


if __name__ == "__main__":
    main()
