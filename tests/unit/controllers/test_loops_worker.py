"""Long computations: inline in simulation, in a process of their own in service."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from controllers.loops.worker import InlineWorker, ProcessWorker
from vpp.errors import WorkerError


async def test_the_inline_worker_answers_in_the_same_process() -> None:
    assert await InlineWorker().run(os.getpid) == os.getpid()


async def test_the_inline_worker_passes_exceptions_on() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await InlineWorker().run(int, "no number")


async def test_the_process_worker_answers_from_another_process_and_passes_exceptions_on() -> None:
    with ProcessWorker() as worker:
        assert await worker.run(os.getpid) != os.getpid()
        assert await worker.run(int, "ff", base=16) == 255
        with pytest.raises(ValueError, match="invalid literal"):
            await worker.run(int, "no number")


async def test_a_worker_that_was_killed_is_an_error_of_its_own_and_the_next_call_has_a_new_one() -> None:
    with ProcessWorker() as worker:
        first = await worker.run(os.getpid)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(WorkerError, match="its process died; a new one takes its place"):
            await worker.run(os.getpid)
        assert await worker.run(os.getpid) not in (first, os.getpid())
        assert worker.replaced == 1


async def test_a_worker_that_hangs_is_given_up() -> None:
    with ProcessWorker("solver") as worker:
        first = await worker.run(os.getpid)
        with pytest.raises(WorkerError, match="solver: no answer within 0.2 s"):
            await worker.within(0.2, time.sleep, 30.0)
        assert await worker.run(os.getpid) != first


async def test_calls_that_waited_behind_one_that_hangs_fail_like_any_other_and_their_task_lives_on() -> None:
    with ProcessWorker("solver") as worker:
        await worker.run(os.getpid)
        hangs = asyncio.create_task(worker.within(0.3, time.sleep, 30.0))
        # The pool hands one call on beforehand; those behind it are cancelled when it is ended.
        behind = [asyncio.create_task(worker.run(os.getpid)) for _ in range(4)]
        ended = await asyncio.gather(hangs, *behind, return_exceptions=True)
        assert [type(one) for one in ended] == [WorkerError] * 5
        assert str(ended[-1]) == "solver: its process was ended before this call had its turn; ask again"
        assert not any(task.cancelled() for task in behind)
        assert isinstance(await worker.run(os.getpid), int)
        assert worker.replaced == 1


async def test_a_task_that_is_cancelled_itself_while_its_call_waits_is_cancelled() -> None:
    with ProcessWorker() as worker:
        await worker.run(os.getpid)
        hangs, _next, waits = (asyncio.create_task(worker.within(60.0, time.sleep, 30.0)) for _ in range(3))
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert waits.cancelled()
        hangs.cancel()
        _next.cancel()
        await asyncio.gather(hangs, _next, return_exceptions=True)
        assert hangs.cancelled()
