"""The report as one file that needs no server: to send to somebody who has none."""

import base64

from labels.images.errors import ImageSourceError
from models.images import ImageError
from service.audits.audits import Audits
from service.audits.pictures import PictureNotFoundError
from service.audits.review import Review
from service.audits.rows import Wanted
from service.pages.rendering import ENVIRONMENT
from service.pages.report import report_values
from service.pages.static_files import FILES

MOST_IMAGES = 48
_SIZE = 112
_STYLES = ("tokens.css", "components.css", "report.css")


def report_file(audits: Audits, review: Review, audit_id: str) -> str:
    """Write the report with the most suspicious images in it; raises as ``Review.page`` does.

    It has at most ``MOST_IMAGES`` pictures of 112 pixels, no script, and a policy that loads nothing from anywhere.
    """
    rows = review.page(audit_id, Wanted(flagged=True, limit=MOST_IMAGES, columns="answers")).rows
    return ENVIRONMENT.get_template("report_file.html").render(
        audit=audits.state(audit_id),
        review=None,
        styles="\n".join(FILES[name].content.decode() for name in _STYLES),
        suspicious=[(row, _picture(review, audit_id, row["row"])) for row in rows],
        **report_values(audits.finished(audit_id)),
    )


def _picture(review: Review, audit_id: str, row: int) -> str | None:
    try:
        png = review.picture(audit_id, row, _SIZE)
    except (PictureNotFoundError, ImageError, ImageSourceError):
        return None
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
