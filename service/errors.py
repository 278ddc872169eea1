"""Errors to answers: one table from exception to status and code, as problem details (RFC 9457).

Below ``/v2`` they are worded as the Open Inference Protocol does.
"""

import errno
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from labels.errors import LabelFileError
from labels.images.errors import ImageSourceError
from models.errors import LookalikeError
from models.groups import GroupsError
from models.images import ImageError
from models.repository import ModelNotFoundError
from service.audits.audits import AuditNotFinishedError
from service.audits.decisions import DecisionConflictError, DecisionError
from service.audits.pictures import PictureNotFoundError
from service.audits.steps.options import AuditError
from service.bodies import BodyError, BodyTooLargeError
from service.body_guard import BodyRefusedError
from service.inference.admission import OverloadedError
from service.inference.batcher import ClosedError
from service.inference.classifier import NotAClassifierError
from service.inference.scorer import DeadlineError
from service.jobs.database import DatabaseUnavailableError
from service.jobs.ledger import AuditBusyError, AuditNotFoundError
from service.jobs.quotas import QuotaError
from service.oip import errors as oip

_TABLE: dict[type[Exception], tuple[int, str]] = {
    AuditBusyError: (409, "audit_busy"),
    AuditError: (422, "audit_impossible"),
    AuditNotFinishedError: (409, "audit_not_finished"),
    AuditNotFoundError: (404, "audit_not_found"),
    BodyError: (422, "body"),
    BodyTooLargeError: (413, "body_too_large"),
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
    QuotaError: (429, "quota"),
    ClosedError: (503, "stopping"),
    OverloadedError: (503, "overloaded"),
}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLIENT_CLOSED_REQUEST = 499  # nobody reads it; the log shows it as nginx would
_IMAGE_STATUS = {"image_too_large": 413, "not_an_image": 415, "unsupported_image": 415}


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": f"{HTTPStatus(status).phrase}; `code` says which",
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
    }
    for status in (401, 403, 404, 408, 409, 412, 413, 415, 422, 428, 429, 503, 507)
}
"""What OpenAPI says of errors."""


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem document; ``code`` is stable and meant for programs, ``detail`` for people."""
    return JSONResponse(
        {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail},
        status,
        headers,
        media_type="application/problem+json",
    )


def answer(path: str, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error in the form that a path promises."""
    if oip.speaks_oip(path):
        return oip.error(status, detail, headers)
    return problem(status, code, detail, headers)


async def _expected(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ImageError):
        return answer(request.scope["path"], _IMAGE_STATUS.get(error.code, 422), error.code, str(error))
    for kind in type(error).__mro__:
        if kind in _TABLE:
            status, code = _TABLE[kind]
            headers = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
            return answer(request.scope["path"], status, code, str(error), headers)
    raise error  # missing in the table: a defect, for the log


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return answer(request.scope["path"], 422, "invalid_request", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error, BodyRefusedError):
        code = error.code
    else:
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return answer(request.scope["path"], error.status_code, code, str(error.detail), dict(error.headers or {}))


async def _storage(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OSError)
    if error.errno not in _NO_ROOM:
        raise error
    return answer(
        request.scope["path"], 507, "no_room", "the service has no room left to store this; its operator must free some"
    )


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


async def _unexpected(request: Request, _: Exception) -> JSONResponse:
    # What went wrong inside is for the log alone.
    return answer(request.scope["path"], 500, "internal", "the service failed at this request; its log says why")


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    app.add_exception_handler(LookalikeError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(OSError, _storage)
    app.add_exception_handler(Exception, _unexpected)
