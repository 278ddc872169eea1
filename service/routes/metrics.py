"""Metrics for Prometheus."""

from fastapi import APIRouter, Request, Response

from service.routes.examples import files
from service.services import UseServices

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses=files("text/plain", "application/openmetrics-text"),
)
async def metrics(request: Request, services: UseServices) -> Response:
    """Tell Prometheus all metrics, as OpenMetrics where the header `Accept` asks for it."""
    text, media_type = await services.scrape.text(request.headers.get("accept", ""))
    return Response(text, media_type=media_type)
