"""Ids of requests: others' where they are harmless, else our own."""

import re

import pytest

from service.telemetry.request_id import RequestIds


def scope(*ids: bytes) -> dict[str, list[tuple[bytes, bytes]]]:
    return {"headers": [(b"host", b"x"), *((b"x-request-id", each) for each in ids)]}


@pytest.mark.parametrize("sent", [b"a", b"0b7d2c1e-6b2f-4b5e-9d59-2f1f6f0e8f11", b"A.b_c-9", b"x" * 128])
def test_a_well_formed_id_is_kept(sent: bytes) -> None:
    """An id that came along is the request's, so that it can be followed from one service to the next."""
    assert RequestIds().of(scope(sent)) == sent.decode()


@pytest.mark.parametrize("sent", [b"", b"x" * 129, b"a b", b"a\nb", b'"', b"a\x1b[31m", "\u00e9".encode(), b"a\n"])
def test_any_other_is_replaced(sent: bytes) -> None:
    """An id that is too long, or could mean something to whoever reads the log, is not taken over."""
    ids = [ids.of(scope(sent)) for ids in (RequestIds(), RequestIds()) for _ in range(3)]
    assert len(set(ids)) == 6
    assert all(re.fullmatch("[0-9a-f]{12}-[1-3]", each) for each in ids)


def test_of_two_ids_neither_is_believed() -> None:
    """A request with several ids gets one of its own."""
    assert RequestIds().of(scope(b"a", b"b")) not in {"a", "b"}
