"""Submit audits and read their answers."""

import shutil
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile

from audit.posterior import Kind
from service.audits.folder import AuditFolder, AuditState
from service.audits.rows import EXPORT_TYPES, ExportFormat, ExportLabels, RowPage, Sort, export, read_page
from service.audits.run import REPORT, AuditOptions
from service.bodies import BodyError, read_form, uploads
from service.services import UseServices

router = APIRouter(prefix="/v1/audits", tags=["audits"])

_LABEL_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_MOST_FILES = 8  # two are wanted; some more are let in so that the answer can name the odd one
_ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")


class AuditList(BaseModel):
    """All audits, oldest first."""

    audits: list[AuditState]


@router.post(
    "",
    status_code=202,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["labels", "images"],
                        "properties": {
                            "labels": {"type": "string", "format": "binary"},
                            "images": {"type": "string", "format": "binary"},
                        }
                        | {name: {"type": "string"} for name in AuditOptions.model_fields},
                    }
                }
            },
        }
    },
)
async def submit(request: Request, response: Response, services: UseServices) -> AuditState:
    """Submit a label file (CSV, TSV, JSONL, Parquet) and an archive of images (zip, tar).

    Further form fields are named like the options of `lookalike audit`. Follow `Location` for the progress.
    """
    async with read_form(request, services.settings.max_upload_bytes, max_files=_MOST_FILES) as form:
        options = _options(form)
        labels = _upload(form, "labels", _LABEL_SUFFIXES)
        images = _upload(form, "images", _ARCHIVE_SUFFIXES)
        folder = services.audits.new_folder()
        try:
            await run_in_threadpool(_save, labels, folder)
            await run_in_threadpool(_save, images, folder)
            state = services.audits.submit(folder, options)
        except BaseException:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
    response.headers["Location"] = f"{router.prefix}/{state.id}"
    return state


@router.get("")
async def list_audits(services: UseServices) -> AuditList:
    """List the states of all audits."""
    return AuditList(audits=await run_in_threadpool(services.audits.states))


@router.get("/{audit_id}")
async def get_audit(audit_id: str, services: UseServices) -> AuditState:
    """Tell where one audit stands."""
    return services.audits.get(audit_id).state


@router.get("/{audit_id}/report", response_model=dict[str, Any])
async def report(audit_id: str, services: UseServices) -> FileResponse:
    """Answer for the data set as a whole."""
    return FileResponse(services.audits.finished(audit_id).path / REPORT, media_type="application/json")


@router.get("/{audit_id}/rows", response_model=RowPage)
async def rows(
    audit_id: str,
    services: UseServices,
    given: Annotated[str | None, Query(alias="class", description="Only rows with this given label.")] = None,
    kind: Annotated[Kind | None, Query(description="Only rows of this kind.")] = None,
    sort: Annotated[Sort, Query(description="`log_odds`: the most suspicious first; `row`: the input's order.")] = (
        "log_odds"
    ),
    cursor: Annotated[str, Query(pattern="^[0-9]{1,10}$", description="`next_cursor` of the page before.")] = "0",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Answers row by row, a page at a time."""
    folder = services.audits.finished(audit_id)
    page = await run_in_threadpool(read_page, folder, given=given, kind=kind, sort=sort, start=int(cursor), limit=limit)
    return Response(page.model_dump_json(), media_type="application/json")


@router.get("/{audit_id}/export", response_class=FileResponse)
async def export_rows(
    audit_id: str,
    services: UseServices,
    format: Annotated[ExportFormat, Query()] = "csv",  # noqa: A002 - the parameter's public name
    labels: Annotated[ExportLabels, Query(description="Which label to put into the label column.")] = "given",
) -> FileResponse:
    """Every input row and column, in order, with the scores; `suggested` replaces the labels that are flagged."""
    path = await run_in_threadpool(export, services.audits.finished(audit_id), format, labels)
    return FileResponse(path, media_type=EXPORT_TYPES[format], filename=f"{audit_id}-{labels}.{format}")


def _options(form: FormData) -> AuditOptions:
    files = [name for name, value in form.items() if isinstance(value, UploadFile) and name not in {"labels", "images"}]
    if files:
        raise BodyError(f"{files[0]}: send it as text, not as a file")
    fields = {name: value for name, value in form.items() if not isinstance(value, UploadFile)}
    try:
        return AuditOptions.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise BodyError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _upload(form: FormData, field: str, suffixes: tuple[str, ...]) -> tuple[UploadFile, str]:
    """The one file of a field and the name to keep it under: of the client's name only a known ending is used."""
    files = uploads(form, field)
    if len(files) != 1:
        raise BodyError(f"send exactly one file in the field `{field}`")
    name = (files[0].filename or "").lower()
    suffix = next((suffix for suffix in suffixes if name.endswith(suffix)), None)
    if suffix is None:
        raise BodyError(f"{field}: the file's name must end in one of {', '.join(suffixes)}")
    return files[0], f"{field}{suffix}"


def _save(upload: tuple[UploadFile, str], folder: AuditFolder) -> None:
    file, name = upload
    target = folder.path / name
    with target.open("wb") as out:
        shutil.copyfileobj(file.file, out, 1 << 20)
