"""What reviewers decide about rows."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from service.access.caller import Caller, UseCaller
from service.audits.decisions import MOST_AT_ONCE, Decision, NewDecision, NewRowDecision
from service.audits.pairs import Pair
from service.audits.review_trust import ReviewTrust
from service.audits.row_evidence import RowEvidence
from service.errors import problems
from service.jobs.audit_state import AuditState
from service.routes.examples import answers, sent
from service.routes.parameters import AuditId, RowNumber, Top
from service.services import UseServices

router = APIRouter(prefix="/v1/audits/{audit_id}", tags=["review"])

_New = TypeVar("_New", bound=NewDecision)
_VERSION = Annotated[
    str | None,
    Header(
        pattern='^"?[0-9]{1,9}"?$',
        description="The version of the decision that the reviewer saw, in quotes; default: there was none.",
    ),
]


class NewDecisions(BaseModel):
    """Decisions about many rows."""

    decisions: list[NewRowDecision] = Field(min_length=1, max_length=MOST_AT_ONCE)


class Taken(BaseModel):
    """What became of many decisions: each is taken, or stands back behind another reviewer's."""

    taken: list[Decision]
    conflicts: list[Decision]
    """The decisions that others had taken in the meantime; they stay."""


class Pairs(BaseModel):
    """The directed pairs of the flagged rows, the largest first."""

    pairs: list[Pair]


@router.get("/pairs", responses=answers("pairs") | problems(404, 409, 422, 503))
async def pairs(
    audit_id: AuditId,
    services: UseServices,
    top: Top = None,
    controls: Annotated[bool, Query(description="Count the blind controls with them.")] = False,
) -> Pairs:
    """Count the flagged rows of each given and suggested label."""
    return Pairs(pairs=await run_in_threadpool(services.review.pairs, audit_id, top, controls=controls))


@router.get("/rows/{row}/evidence", responses=answers("evidence") | problems(404, 409, 422, 503))
async def evidence(
    audit_id: AuditId,
    row: RowNumber,
    services: UseServices,
    examples: Annotated[int, Query(ge=0, le=20, description="How many rows of each class to show beside it.")] = 4,
) -> RowEvidence:
    """What a row is judged by: the model's distribution with its groups, and the most similar sure rows."""
    return await run_in_threadpool(services.review.evidence, audit_id, row, examples)


@router.get("/review", responses=answers("review") | problems(404, 409, 422, 503))
async def review(
    audit_id: AuditId,
    services: UseServices,
    ahead: Annotated[int, Query(ge=1, le=1_000_000, description="How many rows `next` is about.")] = 500,
) -> ReviewTrust:
    """How far the review is, how reviewers fare with blind controls, whether they agree, and what is left to find."""
    return await run_in_threadpool(services.review.trust, audit_id, ahead)


@router.patch(
    "/rows/{row}",
    openapi_extra=sent("decide"),
    responses=answers("decision", ETag="The decision's version, in quotes.")
    | problems(400, 404, 409, 412, 422, 503, 507),
)
async def decide(
    audit_id: AuditId,
    row: RowNumber,
    new: NewDecision,
    response: Response,
    services: UseServices,
    caller: UseCaller,
    if_match: _VERSION = None,
) -> Decision:
    """Decide about a row; 412 where another decision than the one named by `If-Match` is the latest.

    Where there are keys the author is the key's name, whatever `author` says.
    """
    version = int((if_match or '"0"').strip('"'))
    decision = await run_in_threadpool(services.review.decide, audit_id, row, _signed(new, caller), version)
    response.headers["ETag"] = f'"{decision.version}"'
    return decision


@router.post(
    "/decisions",
    openapi_extra=sent("decide_many"),
    responses=answers("decisions") | problems(400, 404, 409, 422, 503, 507),
)
async def decide_many(audit_id: AuditId, new: NewDecisions, services: UseServices, caller: UseCaller) -> Taken:
    """Decide about many rows at once; a conflict costs its row alone."""
    signed = [_signed(each, caller) for each in new.decisions]
    taken, conflicts = await run_in_threadpool(services.review.decide_many, audit_id, signed)
    return Taken(taken=taken, conflicts=conflicts)


@router.get("/rows/{row}/decisions", responses=answers("history") | problems(404, 422, 503))
async def history(audit_id: AuditId, row: RowNumber, services: UseServices) -> list[Decision]:
    """Tell all that was decided about a row, oldest first."""
    return await run_in_threadpool(services.review.history, audit_id, row)


@router.post("/rescore", status_code=202, responses=answers("rescored", 202) | problems(404, 409, 503, 507))
async def rescore(audit_id: AuditId, services: UseServices) -> AuditState:
    """Score again with the decisions: rows that were kept or relabelled are trusted. Until it ends the answers stay."""
    return await run_in_threadpool(services.audits.rescore, audit_id)


def _signed(new: _New, caller: Caller) -> _New:
    """The decision with its author: where there are keys the name of the key, whatever a client calls itself."""
    return new if caller.key is None else new.model_copy(update={"author": caller.key})
