"""The load: one thread, plain sockets, keep-alive connections; every request's answer and time is kept.

``closed`` has clients that each wait for their answer before they ask again; ``arriving`` has requests come at random
times, answered or not (open loop), and counts their time from when they were due. Both let what is under way finish.
"""

import contextlib
import itertools
import random
import re
import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

PATIENCE = 60
"""Seconds without an answer after which the server counts as hung."""
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_CLOSING = re.compile(rb"(?i)\r\nconnection: *close")


@dataclass(frozen=True)
class Answer:
    """What became of one request."""

    sent: float
    """``time.perf_counter()`` when it was sent, in ``arriving`` when it was due."""
    seconds: float
    status: int
    """0: the connection ended without a whole answer."""
    body: bytes


@dataclass(frozen=True)
class Run:
    """A run of load."""

    answers: list[Answer]
    started: float
    """``time.perf_counter()``."""
    seconds: float
    """How long requests were sent."""
    cpu_seconds: float
    """What the load itself took."""

    @property
    def statuses(self) -> Counter[int]:
        """How often each status came."""
        return Counter(answer.status for answer in self.answers)

    @property
    def rate(self) -> float:
        """Answers with 200 a second, while requests were sent."""
        end = self.started + self.seconds
        return sum(each.status == 200 and each.sent + each.seconds <= end for each in self.answers) / self.seconds

    def milliseconds(self, quantile: float) -> float:
        """A quantile of the time that answers with 200 took."""
        return 1e3 * float(np.quantile([answer.seconds for answer in self.answers if answer.status == 200], quantile))


def post(path: str, bodies: Iterable[bytes], kind: str = "image/jpeg", headers: str = "") -> list[bytes]:
    """Whole requests; each line of ``headers`` ends with a line break."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{headers}"
    return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]


def get(path: str) -> list[bytes]:
    return [f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()]


def closed(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float = float("inf"),
    count: int | None = None,
    meanwhile: Callable[[float], None] = lambda _: None,
) -> Run:
    """Clients that ask as soon as they are answered, for some ``seconds`` or for ``count`` requests in all.

    A client whose connection is refused asks no more. ``meanwhile`` is called with the seconds since the start, at
    least ten times a second.
    """
    following = itertools.islice(itertools.cycle(requests), count)
    answers: list[Answer] = []
    started, cpu = time.perf_counter(), time.process_time()
    with _Connections(port) as those:

        def ask(connection: _Connection) -> None:
            if time.perf_counter() < started + seconds and (request := next(following, None)):
                try:
                    those.send(connection, request)
                except ConnectionRefusedError:
                    return

        for _ in range(connections):
            ask(_Connection())
        while those.waiting:
            for connection, answer in those.answers(0.1):
                answers.append(answer)
                ask(connection)
            meanwhile(time.perf_counter() - started)
    lasted = min(seconds, time.perf_counter() - started)
    return Run(answers, started, lasted, time.process_time() - cpu)


def arriving(port: int, requests: Sequence[bytes], *, rate: float, seconds: float, seed: int = 0) -> Run:
    """Requests that come as a Poisson process of ``rate`` a second, each on a free connection or on a new one."""
    chance = random.Random(seed)
    gaps = iter(lambda: chance.expovariate(rate), None)
    answers: list[Answer] = []
    free: list[_Connection] = []
    started, cpu = time.perf_counter(), time.process_time()
    times = itertools.takewhile(lambda due: due < started + seconds, itertools.accumulate(gaps, initial=started))
    coming = deque(zip(times, itertools.cycle(requests), strict=False))
    with _Connections(port) as those:
        while coming or those.waiting:
            while coming and coming[0][0] <= time.perf_counter():
                due, request = coming.popleft()
                those.send(free.pop() if free else _Connection(), request, due)
            for connection, answer in those.answers(max(coming[0][0] - time.perf_counter(), 0) if coming else 0.1):
                answers.append(answer)
                free.append(connection)
    return Run(answers, started, seconds, time.process_time() - cpu)


@dataclass(eq=False)
class _Connection:
    """Opened when it is needed, and again when the server has closed it."""

    link: socket.socket | None = None
    sent: float = 0
    received: bytearray = field(default_factory=bytearray)


class _Connections:
    """Connections to one server, those that wait for an answer, and those at rest."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._selector = selectors.DefaultSelector()
        self._last = time.perf_counter()
        self.waiting: set[_Connection] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._selector.get_map().values()):
            self._close(key.data)
        self._selector.close()

    def send(self, connection: _Connection, request: bytes, due: float | None = None) -> None:
        """Ask; raises ``ConnectionRefusedError`` where nobody listens any more."""
        connection.sent = due or time.perf_counter()
        if connection.link is None:
            connection.link = socket.create_connection(self._address)
            connection.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(connection.link, selectors.EVENT_READ, connection)
        self.waiting.add(connection)
        with contextlib.suppress(ConnectionError):  # reading tells: the server may have answered before it closed
            connection.link.sendall(request)

    def answers(self, pause: float) -> list[tuple[_Connection, Answer]]:
        """What has come, waiting for the first of it at most ``pause`` seconds."""
        found = []
        for key, _ in self._selector.select(pause):
            answer = self._read(key.data)
            if key.data in self.waiting and answer is not None:
                self.waiting.remove(key.data)
                found.append((key.data, answer))
        now = time.perf_counter()
        if found or not self.waiting:
            self._last = now
        elif now > self._last + PATIENCE:
            raise TimeoutError(f"no answer for {PATIENCE} s: the server hangs")
        return found

    def _read(self, connection: _Connection) -> Answer | None:
        assert connection.link is not None
        try:
            data = connection.link.recv(1 << 18)
        except ConnectionError:
            data = b""
        received = connection.received
        received += data
        status, end = (0, len(received)) if not data else _answered(received)
        if end is None:
            return None
        head, _, body = bytes(received[:end]).partition(b"\r\n\r\n")
        received.clear()
        if not data or _CLOSING.search(head):
            self._close(connection)
        return Answer(connection.sent, time.perf_counter() - connection.sent, status, body)

    def _close(self, connection: _Connection) -> None:
        assert connection.link is not None
        self._selector.unregister(connection.link)
        connection.link.close()
        connection.link = None


def _answered(received: bytearray) -> tuple[int, int | None]:
    """Status and length of the answer that was received; no length: it is not whole yet."""
    head = received.find(b"\r\n\r\n") + 4
    if head < 4:
        return 0, None
    length = _LENGTH.search(received, 0, head)
    assert length, "an answer without Content-Length"
    end = head + int(length[1])
    return int(received[9:12]), end if len(received) >= end else None
