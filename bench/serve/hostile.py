"""A thousand damaged images and a thousand damaged requests: no 5xx but deliberate 503s, no crash, no leak."""

from collections import Counter

import mutations
from load import closed, post
from pictures import KIT
from process import lookalike

from models.repository import SHIPPED

COUNT = 1000
SEED = 0
MOST_GROWTH = 10
"""Megabytes of resident memory, over the second half."""


def main() -> None:
    pictures = [path.read_bytes() for path in sorted(KIT.iterdir())[:8]]
    good = post("/v1/classify", pictures, "image/png")
    with lookalike(SHIPPED) as server:

        def images(seed: int) -> Counter[int]:
            damaged = list(mutations.images(pictures[0], COUNT // 2, seed))
            return closed(server.port, post("/v1/classify", damaged), connections=4, count=len(damaged)).statuses

        def requests(seed: int) -> Counter[int]:
            return mutations.statuses(server.port, mutations.requests(pictures[0], COUNT // 2, seed))

        before = closed(server.port, good, connections=1, count=len(good)).answers
        for name, send in (("images", images), ("requests", requests)):
            found = send(SEED)
            resident = server.resident_bytes()
            found += send(SEED + 1)
            growth = (server.resident_bytes() - resident) / 1e6
            bad = sum(n for status, n in found.items() if status >= 500 and status != 503)
            print(
                f"{COUNT} damaged {name}: {bad} 5xx but 503 (bound 0), "
                f"{', '.join(f'{n} x {status}' for status, n in sorted(found.items()))}; "
                f"resident {growth:+.1f} MB in the second half (bound {MOST_GROWTH})"
            )
        after = closed(server.port, good, connections=1, count=len(good)).answers
        same = [answer.body for answer in after] == [answer.body for answer in before]
        print(f"afterwards the server is {'as before' if same else 'CHANGED'}")


if __name__ == "__main__":
    main()
