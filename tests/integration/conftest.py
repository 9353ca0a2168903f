"""A real broker and a real database for tests that need one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from controllers.bus.broker import EmbeddedBroker, find_nats_server
from tests.api_service import FieldTalk, RunningApi, running_api
from tests.database import Database, database
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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Database]:
    """One server for all tests of a process."""
    with database() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new ledger may be made, on each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    server: Database = request.getfixturevalue("postgres")
    return server.emptied()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """A service whose devices have spoken and that has a plan; a file that needs more of it has one of its own."""
    with running_api(tmp_path_factory.mktemp("api")) as service:
        FieldTalk(service).devices()
        FieldTalk(service).plan()
        yield service
