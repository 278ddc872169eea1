"""Errors to answers: one table from exception to status and code, as problem details (RFC 9457).

Below ``/v2`` they are worded as the Open Inference Protocol does; whoever goes to a page with a browser gets a page.
"""

import errno
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from labels.errors import LabelFileError
from labels.images.errors import ImageSourceError
from models.errors import LookalikeError
from models.groups import GroupsError
from models.images import ImageError
from models.repository import ModelNotFoundError
from service.audits.audits import AuditNotFinishedError
from service.audits.decisions import DecisionConflictError, DecisionError
from service.audits.pictures import PictureNotFoundError
from service.audits.row_evidence import RowNotFoundError
from service.audits.steps.options import AuditError
from service.http.bodies import BodyError, BodyTooLargeError
from service.http.body_guard import BodyRefusedError
from service.inference.admission import OverloadedError
from service.inference.batcher import ClosedError
from service.inference.classifier import NotAClassifierError
from service.inference.scorer import DeadlineError
from service.jobs.database import DatabaseFullError, DatabaseUnavailableError
from service.jobs.ledger import AuditBusyError, AuditNotFoundError
from service.jobs.quotas import QuotaError
from service.oip import errors as oip
from service.pages.error_page import error_page, wants_page
from service.routed_path import routed_path
from service.telemetry.request_id import REQUEST_ID

_TABLE: dict[type[Exception], tuple[int, str]] = {
    AuditBusyError: (409, "audit_busy"),
    AuditError: (422, "audit_impossible"),
    AuditNotFinishedError: (409, "audit_not_finished"),
    AuditNotFoundError: (404, "audit_not_found"),
    BodyError: (422, "body"),
    BodyTooLargeError: (413, "body_too_large"),
    DatabaseFullError: (507, "no_room"),
    DatabaseUnavailableError: (503, "database_unavailable"),
    DeadlineError: (503, "deadline"),
    DecisionConflictError: (412, "decided_meanwhile"),
    DecisionError: (422, "decision"),
    GroupsError: (422, "groups"),
    ImageSourceError: (422, "images"),
    LabelFileError: (422, "label_file"),
    ModelNotFoundError: (404, "model_not_found"),
    NotAClassifierError: (422, "not_a_classifier"),
    PictureNotFoundError: (404, "picture_not_found"),
    RowNotFoundError: (404, "row_not_found"),
    QuotaError: (429, "quota"),
    ClosedError: (503, "stopping"),
    OverloadedError: (503, "overloaded"),
}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLIENT_CLOSED_REQUEST = 499  # nobody reads it; the log shows it as nginx would
_IMAGE_STATUS = {"image_too_large": 413, "not_an_image": 415, "unsupported_image": 415}


CODE = "lookalike.error"
"""Key of a request's scope: the code of the error that it was answered with."""


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str | None = Field(default=None, exclude_if=lambda request_id: request_id is None)
    """By which its operator finds the request in the logs."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the errors of a route: the statuses that it may have."""
    return {
        status: {
            "description": f"{HTTPStatus(status).phrase}; `code` says which",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem document; ``code`` is stable and meant for programs, ``detail`` for people."""
    document = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        request_id=REQUEST_ID.get(),
    )
    return JSONResponse(document.model_dump(), status, headers, media_type="application/problem+json")


def answer(scope: Scope, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """An error in the form that a request can read; its code is left in the scope, for the log."""
    scope[CODE] = code
    if oip.speaks_oip(routed_path(scope)):
        return oip.error(status, detail, headers)
    if wants_page(scope):
        return error_page(scope, status, detail, REQUEST_ID.get(), headers)
    return problem(status, code, detail, headers)


def unexpected(scope: Scope) -> Response:
    """What is said of an exception that nobody expected: what went wrong inside is for the log alone."""
    return answer(scope, 500, "internal", "the service failed at this request; its log says why")


async def _expected(request: Request, error: Exception) -> Response:
    if isinstance(error, ImageError):
        return answer(request.scope, _IMAGE_STATUS.get(error.code, 422), error.code, str(error))
    for kind in type(error).__mro__:
        if kind in _TABLE:
            status, code = _TABLE[kind]
            headers = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
            return answer(request.scope, status, code, str(error), headers)
    raise error  # missing in the table: a defect, for the log


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return answer(request.scope, 422, "invalid_request", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, BodyRefusedError):
        code = error.code
    else:
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and "route" in request.scope:
        # The framework knows of the one route that it tried, of which there is another for each method.
        headers["Allow"] = ", ".join(request.app.state.methods[request.scope["route"].path])
    return answer(request.scope, error.status_code, code, str(error.detail), headers)


async def _storage(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    if error.errno not in _NO_ROOM:
        raise error
    detail = "the service has no room left to store this; its operator must free some"
    return answer(request.scope, 507, "no_room", detail)


async def _defect(request: Request, _: Exception) -> Response:
    return unexpected(request.scope)


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    LookalikeError: _expected,
    RequestValidationError: _invalid,
    HTTPException: _http,
    ClientDisconnect: _gone,
    OSError: _storage,
}


def install(app: FastAPI) -> None:
    """Make every error an answer; those that nobody expected are raised again, for whoever logs them."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, _defect)


async def answered(request: Request, error: Exception) -> Response:
    """The answer that ``install`` makes of an error; raises the error where it is not in the table."""
    for kind in type(error).__mro__:
        if kind in _HANDLERS:
            return await _HANDLERS[kind](request, error)
    raise error
