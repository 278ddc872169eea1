"""The report of an audit, for the page and for the file that one sends to somebody."""

from typing import Any

import orjson

from service.audits.folder import AuditFolder
from service.audits.steps.finish import REPORT
from service.audits.steps.plan import Plan
from service.pages import curve, wording
from service.pages.matrix import heat_map
from service.pages.rendering import ENVIRONMENT

ENVIRONMENT.filters["percent"] = wording.percent
ENVIRONMENT.filters["count"] = wording.count


def report_values(folder: AuditFolder) -> dict[str, Any]:
    """What ``report_body.html`` is filled with."""
    report: dict[str, Any] = orjson.loads((folder.path / REPORT).read_bytes())
    plan = Plan.load(folder.path)
    return {
        "report": report,
        "judged_by": wording.judged_by(report["evidence"], report["model"]),
        "headline": wording.headline(report["noise_rate"], report["flagged"]),
        "may_be_clean": wording.may_be_clean(report["noise_rate"]),
        "asymmetry": wording.asymmetry(report["asymmetry"], report["noise_rate"]),
        "hard_images": wording.hard_images(report["image_dependent"], report["noise_rate"], report["evidence"]),
        "map": heat_map(report["transition"]),
        "curve": curve.curve(report["expected_precision"]),
        "spelling": plan.spelling,
        "names_images": plan.image_column is not None,
        "curve_size": (curve.WIDTH, curve.HEIGHT),
    }
