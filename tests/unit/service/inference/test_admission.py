"""Admission: how much work is let in, and how those are refused who are not."""

import asyncio

import pytest

from service.inference.admission import Admission, Hold, OverloadedError

AT_ONCE = Hold(seconds=0, most=0)


def test_work_beyond_the_bound_is_refused() -> None:
    """What does not fit as a whole is refused, and leaves the room that there is to others."""

    async def main() -> None:
        admission = Admission(3, AT_ONCE)
        async with admission.of(2):
            with pytest.raises(OverloadedError, match="try again"):
                async with admission.of(2):
                    pytest.fail("let in")
            async with admission.of(1):
                assert admission.admitted == 3
        assert (admission.admitted, admission.refused) == (0, 2)

    asyncio.run(main())


def test_failed_work_gives_its_room_back() -> None:
    """An error while images are being worked on does not shrink the service for good."""

    async def main() -> None:
        admission = Admission(1, AT_ONCE)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with admission.of(1):
                    _ = 1 / 0
        async with admission.of(1):
            pass

    asyncio.run(main())


def test_a_refusal_is_kept_back_while_few_are() -> None:
    """A client hears of its refusal late, so that it doesn't try again at once; one too many hears of it at once."""

    async def main() -> None:
        admission = Admission(1, Hold(seconds=3600, most=2))

        async def refused() -> None:
            async with admission.of(2):
                pytest.fail("let in")

        held = [asyncio.create_task(refused()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await refused()
        assert not any(task.done() for task in held)
        held[0].cancel()
        await asyncio.wait(held[:1])
        next_one = asyncio.create_task(refused())  # who gives up makes room
        await asyncio.sleep(0)
        assert not next_one.done()
        for task in (*held, next_one):
            task.cancel()

    asyncio.run(main())


def test_who_knocks_at_a_full_house_is_refused_before_he_unpacks() -> None:
    """Without room a request is refused before its images are received; with room knocking takes none of it."""

    async def main() -> None:
        admission = Admission(1, AT_ONCE)
        await admission.knock()
        async with admission.of(1):
            with pytest.raises(OverloadedError):
                await admission.knock()
        assert (admission.admitted, admission.refused) == (0, 1)

    asyncio.run(main())
