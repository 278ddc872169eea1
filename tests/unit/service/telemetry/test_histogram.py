"""Histograms: what Prometheus is told of the values that were counted."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.telemetry.histogram import SECONDS, Histogram


@given(st.lists(st.floats(0, 100), max_size=50))
def test_each_bucket_holds_what_is_not_above_its_end(values: list[float]) -> None:
    """Buckets are cumulative and include their upper ends, as Prometheus defines them; none is lost."""
    histogram = Histogram()
    for value in values[:20]:
        histogram.observe(value)
    histogram.observe_all(values[20:])
    buckets, total = histogram.read()
    assert [end for end, _ in buckets][-1] == "+Inf"
    assert total == pytest.approx(sum(values))
    for end, count in buckets:
        assert count == sum(value <= float(end) for value in values)


def test_an_end_belongs_to_its_bucket() -> None:
    """A value that equals a bucket's end is counted in it, not in the next."""
    histogram = Histogram((1, 2))
    histogram.observe_all([1, 2, 3])
    assert histogram.read() == ([("1.0", 1), ("2.0", 2), ("+Inf", 3)], 6)


def test_threads_lose_no_value() -> None:
    """However many threads count at the same time, all of it is counted."""
    histogram = Histogram(SECONDS)
    threads = [threading.Thread(target=lambda: [histogram.observe(0.5) for _ in range(5000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    buckets, total = histogram.read()
    assert (buckets[-1][1], total) == (20_000, 10_000)
