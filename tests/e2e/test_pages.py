"""The pages in a real browser, against the real server with real images."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def server(start_service: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server for the tests of this module."""
    with start_service(tmp_path_factory.mktemp("pages")) as service:
        yield service


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/classify", "/nowhere"])
def test_a_page_is_open_to_everybody(server: Any, visit: Any, barriers: Any, path: str, scheme: str) -> None:
    """Whoever reads by ear, moves by keyboard or needs contrast can use the page, in light and in dark."""
    page = visit(server, path, color_scheme=scheme, viewport={"width": 360, "height": 740})
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
