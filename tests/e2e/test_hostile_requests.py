"""Damaged images and damaged requests against the live server; `make bench-serve` sends a thousand of each."""

import importlib.util
from pathlib import Path
from typing import Any

_spec = importlib.util.spec_from_file_location(
    "mutations", Path(__file__).parents[2] / "bench" / "serve" / "mutations.py"
)
assert _spec is not None
assert _spec.loader is not None
mutations = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(mutations)
COUNT = 210


def test_no_damage_breaks_the_server(lookalike: Any, kit: Any, serving: Any) -> None:
    """Damaged images and requests get no 5xx but deliberate 503s, and a good image the same answer as before."""
    picture = kit.image(0).read_bytes()
    with serving(lookalike.process("serve", "--port", "0")) as (client, said):

        def classify(image: bytes) -> Any:
            return client.post("/v1/classify", content=image, headers={"Content-Type": "image/png"})

        before = classify(picture).json()
        for image in mutations.images(picture, COUNT, seed=0):
            assert classify(image).status_code in {200, 413, 415, 422}
        statuses = mutations.statuses(client.base_url.port, mutations.requests(picture, COUNT, seed=0))
        assert all(status < 500 or status == 503 for status in statuses), statuses
        assert statuses[200] > 10
        assert classify(picture).json() == before
    assert "Traceback" not in "".join(said)
