"""The requests that were answered, in numbers."""

from collections import Counter, defaultdict

from service.telemetry.histogram import Histogram

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Traffic:
    """Counts answers. Filled by the event loop alone; may be read from any thread, by copies of what is in it."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        """By method, route and status."""
        self.durations: defaultdict[tuple[str, str], Histogram] = defaultdict(Histogram)
        """By method and route: seconds from a request's head to the beginning of its answer."""
        self.errors: Counter[str] = Counter()
        """By the code that the client was told."""

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer; ``route`` is the template of a path, never a path, of which there may be any number."""
        if method not in _METHODS:
            method = "other"
        self.requests[method, route, status] += 1
        self.durations[method, route].observe(seconds)

    def failed(self, code: str) -> None:
        """Count an error."""
        self.errors[code] += 1
