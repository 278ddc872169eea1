"""Rates: exactly what a bucket of tokens would grant, in bounded memory."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from service.access.rates import Rates

SECOND = 1_000_000_000


class Bucket:
    """The textbook: tokens that grow with time up to the burst, kept as fractions."""

    def __init__(self, per_second: int, burst: int) -> None:
        self.rate, self.burst = Fraction(per_second, SECOND), burst
        self.tokens, self.last = Fraction(burst), 0

    def take(self, now: int) -> bool:
        self.tokens = min(self.tokens + (now - self.last) * self.rate, Fraction(self.burst))
        self.last = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@given(
    per_second=st.sampled_from([1, 2, 5, 100, 1000]),
    burst=st.integers(1, 20),
    gaps=st.lists(st.integers(0, 2 * SECOND), max_size=60),
)
def test_it_grants_what_a_bucket_of_tokens_grants(per_second: int, burst: int, gaps: list[int]) -> None:
    """Whenever requests come, each is granted or refused as by the textbook's bucket."""
    rates, bucket, now = Rates(per_second, burst), Bucket(per_second, burst), 0
    for gap in gaps:
        now += gap
        assert (rates.take("a", now) == 0) == bucket.take(now)


@given(burst=st.integers(1, 5), per_second=st.floats(0.01, 1e6), start=st.integers(0, 10**18))
def test_who_waits_as_told_is_let_in(burst: int, per_second: float, start: int) -> None:
    """After the wait that was told, and not a moment before, there is a token."""
    rates = Rates(per_second, burst)
    assert [rates.take("a", start) for _ in range(burst)] == [0] * burst
    wait = rates.take("a", start)
    assert wait > 0
    assert rates.take("a", start + wait - 1) == 1
    assert rates.take("a", start + wait) == 0


def test_one_sender_does_not_use_up_anothers() -> None:
    """Each has a bucket of its own."""
    rates = Rates(1, 1)
    assert rates.take("a", 0) == 0
    assert rates.take("a", 0) > 0
    assert rates.take("b", 0) == 0


def test_memory_is_bounded_and_the_busy_are_remembered() -> None:
    """Of a crowd of senders only so many are remembered, those seen last: who keeps knocking is not forgiven."""
    rates = Rates(0.001, 2, most=10)
    granted = 0
    for sender in range(1000):
        rates.take(str(sender), 0)
        granted += rates.take("busy", 0) == 0
    assert len(rates) == 10
    assert granted == 2
