"""The pages as they are answered: policy, static files, errors for people."""

import re
from typing import Any

import pytest

from service.pages.rendering import ENVIRONMENT
from service.pages.static_files import EDITION, FILES, address

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/", "/classify", "/nowhere", "/audits/0123456789abcdef"])
def test_every_page_has_the_policy(service: Any, path: str) -> None:
    """Nothing but this service's own files runs or loads in a page, and no other page may frame it; errors included."""
    answer = service.http.get(path, headers=BROWSER)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == ("'none'", "'none'", "'self'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! type=\"(module|application/json)\")", answer.text)


def test_pages_load_files_that_there_are_and_keep_them(service: Any) -> None:
    """Each file that a page names is answered with its type, for good; a second request for it costs no bytes."""
    text = service.http.get("/").text
    named = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', text))
    assert len(named) >= 3
    for name in named:
        answer = service.http.get(name)
        assert answer.status_code == 200, name
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert service.http.get(name, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_modules_import_modules_that_there_are(service: Any) -> None:
    """Whatever a module imports is a file beside it: a name that is wrong would only show in a browser."""
    for name, file in FILES.items():
        if name.endswith(".js"):
            for imported in re.findall(r'from "\./([^"]+)"', file.content.decode()):
                assert imported in FILES, f"{name} imports {imported}"


def test_templates_name_files_that_there_are() -> None:
    """A template that names a missing file fails here, and not before the first person who opens the page."""
    loader = ENVIRONMENT.loader
    assert loader is not None
    for name in loader.list_templates():
        source = loader.get_source(ENVIRONMENT, name)[0]
        for file in re.findall(r"static\('([^']+)'\)", source):
            assert address(file)


def test_a_file_of_another_edition_is_not_kept(service: Any) -> None:
    """A page that was loaded before an upgrade still finds its files, and no cache takes the new for the old."""
    answer = service.http.get("/static/0000/tokens.css")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


@pytest.mark.parametrize("name", ["%2e%2e/rendering.py", "..%2f..%2fapp.py", "/etc/passwd", "templates/base.html", ""])
def test_only_static_files_are_answered(service: Any, name: str) -> None:
    """No name leads out of the folder of static files."""
    assert service.http.get(f"/static/{EDITION}/{name}").status_code == 404


def test_errors_are_pages_for_browsers_and_documents_for_programs(service: Any) -> None:
    """A browser is told in a page what a program is told as a problem document; below /v1 everybody is a program."""
    page = service.http.get("/audits/0123456789abcdef", headers=BROWSER)
    assert (page.status_code, "No audit" in page.text) == (404, True)
    for path, headers in [("/audits/0123456789abcdef", {}), ("/v1/audits/0123456789abcdef", BROWSER)]:
        answer = service.http.get(path, headers=headers)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "audit_not_found"


def test_what_is_put_into_a_page_is_text(service: Any) -> None:
    """An address made of markup is shown as it was written, not run."""
    page = service.http.get("/audits/%3Cimg%20src=x%20onerror=alert(1)%3E", headers=BROWSER)
    assert page.status_code == 404
    assert "<img src=x" not in page.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in page.text
