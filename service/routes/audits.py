"""Submit audits, follow them, and read their answers."""

import asyncio
from collections.abc import AsyncIterable
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import ValidationError

from labels.formats.label_studio_task import LOCAL_FILES
from labels.images.opening import ARCHIVE_ENDINGS
from labels.label_file import READERS
from models.confidence_labels import ConfidenceLabels
from service.access.caller import UseCaller
from service.audits.confidence_labels import labels_from_report
from service.audits.decisions import NO_NUL
from service.audits.download_name import download_name
from service.audits.export import ENDINGS, EXPORT_TYPES, ExportFormat, ExportLabels, export
from service.audits.folder import AuditFolder
from service.audits.report import Report
from service.audits.row_answers import Columns, DecisionFilter, RowKind, RowPage, Sort
from service.audits.rows import Wanted
from service.audits.steps.finish import REPORT
from service.audits.steps.options import AuditOptions
from service.audits.steps.plan import Plan
from service.errors import problems
from service.http.bodies import BodyError
from service.jobs.audit_state import ENDED, AuditPage, AuditState
from service.jobs.database import DatabaseUnavailableError
from service.jobs.ledger import AuditNotFoundError
from service.mounted_images import find_mounted
from service.pages.report_file import report_file
from service.routes.examples import answers, files
from service.routes.parameters import AuditId, RowNumber, Top
from service.services import UseServices
from service.uploads import Upload, receive

router = APIRouter(prefix="/v1/audits", tags=["audits"])

_FILES = {
    "labels": tuple(READERS),
    "images": ARCHIVE_ENDINGS,
}
"""What a client may upload, by the endings of its names."""
_OTHER_FIELDS = ("dataset", "name")
MOST_OF_A_NAME = 200
_LOOK_EVERY_SECONDS = 0.5
_RETRY_MILLISECONDS = 2000
_PICTURE_HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "Vary": "Cookie, Authorization",  # who signed out doesn't find them in the browser's cache
    "X-Content-Type-Options": "nosniff",
}


@router.post(
    "",
    status_code=202,
    responses=answers("submitted", 202, Location="Where the audit is found.") | problems(404, 413, 422, 429, 503, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "labels": {"type": "string", "format": "binary"},
                            "images": {"type": "string", "format": "binary"},
                            "dataset": {"type": "string"},
                            "name": {"type": "string", "maxLength": MOST_OF_A_NAME},
                        }
                        | {name: {"type": "string"} for name in AuditOptions.model_fields},
                    },
                    "example": "submit",
                }
            },
        }
    },
)
async def submit(request: Request, response: Response, services: UseServices, caller: UseCaller) -> AuditState:
    """Submit a label file (CSV, TSV, JSONL, Parquet, COCO, Label Studio) and an archive of images (zip, tar).

    Instead of `images`, `dataset` may name a folder of images that the operator mounted. Without `labels` the images
    say themselves what they show: by the folder that each lies in, or by metadata files of Hugging Face's imagefolder.

    A label file with columns `prob_<class>` needs no images: these are taken as predictions of a model that was
    cross-validated on the very labels, or with `evidence=reference` of one that never saw them.

    `name` is what it shall be called; further form fields are named like the options of `lookalike audit`. Follow
    `Location` for the progress.
    """
    announced = int(request.headers.get("content-length") or 0)
    async with services.audits.receiving(caller.owner, announced) as folder:
        limit = services.settings.max_upload_bytes
        texts = {*_OTHER_FIELDS, *AuditOptions.model_fields}
        upload = await receive(request, folder.path, limit=limit, files=_FILES, texts=texts)
        options, name = _options(upload), _name(upload)
        await run_in_threadpool(folder.save_names, upload.called)
        await run_in_threadpool(_mount, upload, folder, services.settings.datasets_dir)
        state = await run_in_threadpool(services.audits.submit, folder, options, caller.owner, name=name)
    response.headers["Location"] = f"{router.prefix}/{state.id}"
    return state


@router.get("", responses=answers("audits") | problems(422, 503))
async def list_audits(
    services: UseServices,
    cursor: Annotated[
        str | None, Query(pattern="^[0-9]{1,16}-[0-9a-f]{16}$", description="`next_cursor` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Audits.")] = 100,
) -> AuditPage:
    """List the states of audits, newest first, a page at a time; audits that come or go meanwhile move none."""
    return await run_in_threadpool(services.audits.newest, limit, cursor)


@router.get("/{audit_id}", responses=answers("audit") | problems(404, 503))
async def get_audit(audit_id: AuditId, services: UseServices) -> AuditState:
    """Tell where one audit stands."""
    return await run_in_threadpool(services.audits.state, audit_id)


async def _present_state(audit_id: AuditId, services: UseServices) -> AuditState:
    return await run_in_threadpool(services.audits.state, audit_id)


@router.get("/{audit_id}/events", response_class=EventSourceResponse, responses=problems(404, 503))
async def events(
    request: Request, services: UseServices, state: Annotated[AuditState, Depends(_present_state)]
) -> AsyncIterable[ServerSentEvent]:
    """Tell where an audit stands whenever that changes, as server-sent events, until it has ended or is removed.

    A client that comes back is told the present state at once.
    """
    told = None
    while not await request.is_disconnected():
        if state != told:
            yield ServerSentEvent(data=state, event="state", retry=_RETRY_MILLISECONDS)
            told = state
        if state.status in ENDED:
            return
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
        try:
            state = await run_in_threadpool(services.audits.state, state.id)
        except AuditNotFoundError:
            return
        except DatabaseUnavailableError:
            continue  # what is told is late, then


@router.post("/{audit_id}/cancel", responses=answers("audit") | problems(404, 503))
async def cancel(audit_id: AuditId, services: UseServices) -> AuditState:
    """Stop an audit: at once if it waits, within a piece of work if it runs. One that has ended stays as it is."""
    return await run_in_threadpool(services.audits.cancel, audit_id)


@router.delete("/{audit_id}", status_code=204, response_class=Response, responses=problems(404, 503))
async def delete(audit_id: AuditId, services: UseServices) -> None:
    """Remove an audit with its upload, its answers and its decisions, also while it runs."""
    await run_in_threadpool(services.audits.delete, audit_id)


@router.get("/{audit_id}/report", response_model=Report, responses=answers("report") | problems(404, 409, 503))
async def report(audit_id: AuditId, services: UseServices) -> FileResponse:
    """Answer for the data set as a whole."""
    folder = await run_in_threadpool(services.audits.finished, audit_id)
    return FileResponse(folder.path / REPORT, media_type="application/json")


@router.get("/{audit_id}/confidence-labels", responses=answers("confidence_labels") | problems(404, 409, 503))
async def confidence_labels(audit_id: AuditId, services: UseServices) -> ConfidenceLabels:
    """What each given label says of the true class: input for `lookalike train --confidence-labels`."""
    folder = await run_in_threadpool(services.audits.finished, audit_id)
    return labels_from_report((folder.path / REPORT).read_bytes())


@router.get("/{audit_id}/rows", response_model=RowPage, responses=answers("rows") | problems(404, 409, 422, 503))
async def rows(
    audit_id: AuditId,
    services: UseServices,
    caller: UseCaller,
    given: Annotated[str | None, Query(alias="class", description="Only rows with this given label.")] = None,
    suggested: Annotated[str | None, Query(description="Only rows with this suggested label.")] = None,
    kind: Annotated[RowKind | None, Query(description="Only rows of this kind.")] = None,
    decision: Annotated[
        DecisionFilter | None,
        Query(description="Only rows with this decision; `none`: undecided, `any`: decided."),
    ] = None,
    flagged: Annotated[bool | None, Query(description="Only rows that are flagged, or only the others.")] = None,
    judged: Annotated[bool | None, Query(description="Only rows that were judged, or only the others.")] = None,
    top: Top = None,
    sort: Annotated[Sort, Query(description="`log_odds`: the most suspicious first; `row`: the input's order.")] = (
        "log_odds"
    ),
    columns: Annotated[
        Columns,
        Query(description="`all`: the input's columns too; `answers`: these alone, with `given_label`, and quicker."),
    ] = "all",
    controls: Annotated[
        bool, Query(description="Mix blind controls in, numbered from the audit's row count on; only with `answers`.")
    ] = False,
    second_look: Annotated[
        bool, Query(description="Only decided rows that are drawn to be judged twice: one in ten, but for one's own.")
    ] = False,
    author: Annotated[
        str | None,
        Query(max_length=100, pattern=NO_NUL, description="Who takes the second look; with keys it is the key's name."),
    ] = None,
    cursor: Annotated[str, Query(pattern="^[0-9]{1,10}$", description="`next_cursor` of the page before.")] = "0",
    limit: Annotated[int, Query(ge=1, le=1000, description="Rows; controls come beside.", examples=[2])] = 100,
) -> Response:
    """Answers row by row, a page at a time. A page begins where that before ended, whatever was decided meanwhile."""
    wanted = Wanted(
        given,
        suggested,
        kind,
        flagged,
        judged,
        decision,
        top,
        sort=sort,
        start=int(cursor),
        limit=limit,
        columns=columns,
        second_look=second_look,
        author=caller.key or author,
    )
    mixed = controls and columns == "answers" and not second_look
    page = await run_in_threadpool(services.review.page, audit_id, wanted, controls=mixed)
    return Response(page.model_dump_json(), media_type="application/json")


@router.get(
    "/{audit_id}/rows/{row}/image",
    response_class=Response,
    responses=files("image/png")
    | {304: {"description": "The picture is the one named by `If-None-Match`."}}
    | problems(404, 409, 413, 415, 422, 503),
)
async def picture(
    audit_id: AuditId,
    row: RowNumber,
    services: UseServices,
    size: Annotated[
        int | None, Query(ge=8, le=4096, description="Longest side; default: as it is.", examples=[64])
    ] = None,
    if_none_match: Annotated[str | None, Header(description="The `ETag` of a picture that the client has.")] = None,
) -> Response:
    """The picture of a row, as PNG."""
    drawers = services.audits.pictures.drawers  # not the threads for all: those who wait would keep them from others
    png = await asyncio.get_running_loop().run_in_executor(drawers, services.review.picture, audit_id, row, size)
    headers = {"ETag": f'"{sha256(png).hexdigest()[:32]}"', **_PICTURE_HEADERS}
    if headers["ETag"] in (if_none_match or ""):
        return Response(status_code=304, headers=headers)
    return Response(png, media_type="image/png", headers=headers)


@router.get(
    "/{audit_id}/export",
    response_class=FileResponse,
    responses=files(*EXPORT_TYPES.values(), "text/html") | problems(404, 409, 422, 503, 507),
)
async def export_rows(
    audit_id: AuditId,
    services: UseServices,
    format: Annotated[ExportFormat | Literal["html"], Query()] = "csv",  # noqa: A002 - the parameter's public name
    labels: Annotated[ExportLabels, Query(description="Which label to put into the label column.")] = "given",
    image_root: Annotated[
        str, Query(max_length=1000, description="What comes before an image's name in Label Studio's URLs.")
    ] = LOCAL_FILES,
) -> Response:
    """Every input row and column, in order, with the scores; or, as `html`, the report in one file.

    `suggested` replaces the labels that are flagged, `reviewed` those that reviewers relabelled. `label-studio` makes
    tasks to review there, `fiftyone` the `samples.json` of a `FiftyOneDataset`.
    """
    state = await run_in_threadpool(services.audits.state, audit_id)
    if format == "html":
        html = await run_in_threadpool(report_file, services.audits, services.review, audit_id)
        disposition = f'attachment; filename="{download_name(state)}-report.html"'
        return HTMLResponse(html, headers={"Content-Disposition": disposition})

    def write() -> Path:
        folder = services.audits.finished(audit_id)
        if labels != "reviewed":
            return export(folder, format, labels, {}, image_root=image_root)
        decided = services.audits.decisions.last(audit_id)
        decisions = services.audits.decisions.verdicts(audit_id, Plan.load(folder.path).rows)
        return export(folder, format, labels, decisions, decided=decided, image_root=image_root)

    path = await run_in_threadpool(write)
    name = f"{download_name(state)}-{labels}.{ENDINGS[format]}"
    return FileResponse(path, media_type=EXPORT_TYPES[format], filename=name)


def _options(upload: Upload) -> AuditOptions:
    if not {"labels", "images", "dataset"} & {*upload.files, *upload.fields}:
        raise BodyError("send a file in the field `labels`, or images whose folders are their labels, or both")
    try:
        return AuditOptions.model_validate(
            {name: text for name, text in upload.fields.items() if name not in _OTHER_FIELDS}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise BodyError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _name(upload: Upload) -> str | None:
    """What the audit shall be called, in one line."""
    name = " ".join(upload.fields.get("name", "").split())
    if len(name) > MOST_OF_A_NAME or not name.isprintable():
        raise BodyError(f"name: write at most {MOST_OF_A_NAME} characters, all of them printable")
    return name or None


def _mount(upload: Upload, folder: AuditFolder, datasets: Path | None) -> None:
    """Let the folder that the upload names stand for its images."""
    if "dataset" in upload.fields:
        if "images" in upload.files:
            raise BodyError("send either `images` or `dataset`, not both")
        (folder.path / "images").symlink_to(find_mounted(datasets, upload.fields["dataset"]))
