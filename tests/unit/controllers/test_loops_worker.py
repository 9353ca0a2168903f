"""Long computations: inline in simulation, in a process of their own in service."""

from __future__ import annotations

import os

import pytest

from controllers.loops.worker import InlineWorker, ProcessWorker


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
