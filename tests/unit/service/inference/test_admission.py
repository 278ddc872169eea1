"""Admission: how much work is let in."""

import pytest

from service.inference.admission import Admission, OverloadedError


def test_work_beyond_the_bound_is_refused_at_once() -> None:
    """What does not fit as a whole is refused, and leaves the room that there is to others."""
    admission = Admission(3)
    with admission.of(2):
        with pytest.raises(OverloadedError, match="try again"), admission.of(2):
            pytest.fail("let in")
        with admission.of(1):
            pass


def test_failed_work_gives_its_room_back() -> None:
    """An error while images are being worked on does not shrink the service for good."""
    admission = Admission(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admission.of(1):
            _ = 1 / 0
    with admission.of(1):
        pass
