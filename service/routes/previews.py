"""See what an audit would take a label file for, before anything is started."""

import shutil

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from labels.errors import LabelFileError
from labels.preview import PREVIEWED, Preview, preview_label_file
from service.audits.folder import AuditFolder
from service.errors import problems
from service.http.bodies import BodyError
from service.routes.examples import answers
from service.services import UseServices
from service.uploads import Upload, receive

router = APIRouter(prefix="/v1/audits", tags=["audits"])

MOST_BYTES = 4_000_000
_TEXTS = ("whole", "label_column", "image_column")


@router.post(
    "/preview",
    responses=answers("preview") | problems(413, 422, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["labels"],
                        "properties": {"labels": {"type": "string", "format": "binary"}}
                        | {name: {"type": "string"} for name in _TEXTS},
                    },
                    "example": "preview_of",
                }
            },
        }
    },
)
async def preview(request: Request, services: UseServices) -> Preview:
    """Read the beginning of a label file (CSV, TSV, JSONL), or a small one whole (also JSON), and keep nothing.

    At most 4 MB; `whole=false` says that it is a part, whose last line may be cut and is left out. The answer has the
    first rows, the columns that an audit would take for labels and images, and how often each label stands in what was
    read. `label_column` and `image_column` choose other columns.
    """
    # An upload that is never submitted: should the server be killed meanwhile, a worker removes it like any other.
    folder = AuditFolder.create(services.settings.data_dir / "audits")
    try:
        limits = {"labels": PREVIEWED}
        upload = await receive(request, folder.path, limit=MOST_BYTES, files=limits, texts=_TEXTS)
        return await run_in_threadpool(_preview, upload)
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)


def _preview(upload: Upload) -> Preview:
    if "labels" not in upload.files:
        raise BodyError("send a file in the field `labels`")
    path, fields = upload.files["labels"], upload.fields
    whole = {"true": True, "false": False}.get(fields.get("whole", "true"))
    if whole is None:
        raise BodyError("whole: write true or false")
    columns = {name: fields[name] or None for name in ("label_column", "image_column") if name in fields}
    try:
        return preview_label_file(path, whole=whole or path.suffix == ".json", **columns)
    except LabelFileError as error:
        raise LabelFileError(f"{path.name}: {error}", row=error.row) from error
