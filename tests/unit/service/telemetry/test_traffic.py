"""What is counted of requests has bounded labels."""

from service.telemetry.traffic import Traffic


def test_methods_that_nobody_has_heard_of_are_one() -> None:
    """A client that makes methods up makes no series with them."""
    traffic = Traffic()
    for number in range(100):
        traffic.answered(f"MAKE{number}", "none", 405, 0.1)
    assert traffic.requests == {("other", "none", 405): 100}
    assert list(traffic.durations) == [("other", "none")]
