"""A real broker for tests that need one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controllers.bus.broker import EmbeddedBroker, find_nats_server
from vpp.errors import BrokerError


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    """An embedded broker of the test's own, which it may kill and start again."""
    try:
        find_nats_server()
    except BrokerError as error:
        pytest.skip(f"no real broker here: {error}")
    embedded = EmbeddedBroker(tmp_path / "broker")
    await embedded.start()
    yield embedded
    await embedded.stop()
