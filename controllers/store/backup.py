"""A copy of the ledger in one file, the same form for every database, taken while the service writes.

The file is a tar archive, compressed by gzip, that any machine can open: `manifest.json` says what it is, `ledger.sqlite3` is the
whole ledger as a SQLite database, and `SHA256SUMS` comes last, so that a file that was cut off or altered is known for one.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final

import msgspec
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from controllers.store.engine import engine_of
from controllers.store.facts import columns_of, driver_error, one_line, tables_of
from controllers.store.migrations import FIRST, migrate, refuse_newer, version_of
from vpp.errors import StoreError

__all__ = ["Manifest", "back_up", "opened_backup"]

_FORM: Final = 1
_MANIFEST, _LEDGER, _SUMS = "manifest.json", "ledger.sqlite3", "SHA256SUMS"
_CHUNK: Final = 1 << 20
_ROWS: Final = 20_000
#: Speed before size: the disk of the service is busy enough.
_LEVEL: Final = 3
_TORN: Final = (tarfile.TarError, EOFError, zlib.error, OSError, KeyError, UnicodeDecodeError, msgspec.MsgspecError)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup says of itself.

    Args:
        form: Of the file.
        made_at: When it was begun.
        version: Of the ledger.
        database: sqlite or postgresql.
        rows: By table.
    """

    form: int
    made_at: datetime
    version: str
    database: str
    rows: dict[str, int]


def back_up(url: str, out: Path, made_at: datetime) -> Manifest:
    """Writes a backup; the file appears whole or not at all, readable by its owner alone.

    Args:
        url: Of the ledger; it may be in use.
        out: The file.
        made_at: For the manifest.

    Raises:
        StoreError: The ledger cannot be read or the file cannot be written.
    """
    engine = engine_of(url)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
            copy, whole = Path(folder) / _LEDGER, Path(folder) / "whole"
            version = _copied(engine, copy)
            manifest = Manifest(
                form=_FORM, made_at=made_at, version=version, database=engine.dialect.name, rows=_rows(copy, version)
            )
            _pack(whole, manifest, copy)
            whole.replace(out)
    except (SQLAlchemyError, OSError, sqlite3.Error, driver_error(engine)) as error:
        raise StoreError(f"store: {out}: no backup was made: {one_line(error)}") from error
    finally:
        engine.dispose()
    return manifest


@contextmanager
def opened_backup(path: Path, folder: Path | None = None) -> Iterator[tuple[Manifest, Engine]]:
    """What is in a backup, after its hashes were found right; the engine is on a copy, which is gone afterwards.

    Args:
        path: Of the file.
        folder: Where there is room for the copy; None: where the system keeps what is temporary.

    Raises:
        StoreError: It is torn, altered, no backup at all, or of a newer program.
    """
    with TemporaryDirectory(prefix=".restore.", dir=folder) as place:
        copy = Path(place) / _LEDGER
        manifest = _unpacked(path, copy)
        engine = engine_of(f"sqlite:///{copy}")
        try:
            refuse_newer(version_of(engine), str(path))
            yield manifest, engine
        finally:
            engine.dispose()


def _copied(engine: Engine, copy: Path) -> str:
    """Makes the copy and returns the version of the ledger."""
    version = version_of(engine)
    refuse_newer(version)
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as source, closing(_sqlite(copy)) as target:
            # In one go: what others write meanwhile would make it begin anew.
            driver: Any = source.driver_connection
            driver.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
    else:
        # The same version, so that no ledger has to be brought up before it can be saved.
        portable = engine_of(f"sqlite:///{copy}", make=True)
        migrate(portable, version or FIRST)
        portable.dispose()
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            connection.execute(text("SET TRANSACTION READ ONLY"))
            _pour(connection, copy)
    return version or FIRST


def _pour(source: Connection, copy: Path) -> None:
    """Every row of every table, as of one moment."""
    driver: Any = source.connection.driver_connection
    with closing(_sqlite(copy)) as target:
        target.execute("PRAGMA journal_mode=DELETE")
        target.execute("PRAGMA synchronous=OFF")
        for table in tables_of(source):
            names = columns_of(target, table)
            listed = ", ".join(f'"{name}"' for name in names)
            with driver.cursor(name="backup", binary=True) as rows:
                rows.itersize = _ROWS
                rows.execute(f'SELECT {listed} FROM "{table}"')
                target.executemany(f'INSERT INTO "{table}" ({listed}) VALUES ({", ".join("?" * len(names))})', rows)
        target.commit()


def _rows(copy: Path, version: str) -> dict[str, int]:
    """How many there are, by table; that also writes down the version of a ledger from before there were any."""
    engine = engine_of(f"sqlite:///{copy}")
    migrate(engine, version)
    engine.dispose()
    with closing(_sqlite(copy)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        return {table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables_of(connection)}


def _pack(whole: Path, manifest: Manifest, copy: Path) -> None:
    said = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    sums = "".join(f"{hashed}  {name}\n" for name, hashed in ((_MANIFEST, _sha256(said)), (_LEDGER, _sha256_of(copy))))
    descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=_LEVEL) as archive:
            _add(archive, _MANIFEST, said)
            archive.add(copy, _LEDGER)
            _add(archive, _SUMS, sums.encode())
        file.flush()
        os.fsync(file.fileno())


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    archive.addfile(entry, io.BytesIO(content))


def _unpacked(path: Path, copy: Path) -> Manifest:
    if not path.is_file():
        raise StoreError(f"store: {path}: no such file")
    try:
        with gzip.open(path) as whole:
            with tarfile.open(fileobj=whole, mode="r|") as archive:
                found = {entry.name: _taken(archive, entry, copy) for entry in archive if entry.isfile()}
            # The check of the compressed file stands behind the last member.
            while whole.read(_CHUNK):
                pass
        sums = found.pop(_SUMS)
        told = {name: hashed for hashed, _, name in (line.partition("  ") for line in sums[0].decode().splitlines())}
        right = told == {name: hashed for name, (_, hashed) in found.items()} and found.keys() == {_MANIFEST, _LEDGER}
        manifest = msgspec.json.decode(found[_MANIFEST][0], type=Manifest) if right else None
    except _TORN as error:
        raise StoreError(f"store: {path}: this is no whole backup, nothing was done: {one_line(error)}") from error
    if manifest is None:
        raise StoreError(f"store: {path}: altered since it was made (its SHA-256 is another), nothing was done")
    return manifest


def _taken(archive: tarfile.TarFile, entry: tarfile.TarInfo, copy: Path) -> tuple[bytes, str]:
    """Content and hash of one member; the ledger goes to its file."""
    stream: IO[bytes] | None = archive.extractfile(entry)
    if stream is None or entry.name not in (_MANIFEST, _LEDGER, _SUMS):
        raise tarfile.ReadError(f"{entry.name!r} does not belong in it")
    if entry.name != _LEDGER:
        content = stream.read(_CHUNK)
        return content, _sha256(content)
    hashed = hashlib.sha256()
    with copy.open("wb") as file:
        while chunk := stream.read(_CHUNK):
            hashed.update(chunk)
            file.write(chunk)
    return b"", hashed.hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sqlite(path: Path) -> Any:
    # What this writes is a plain file for any reader; the pragmas of the ledger are for one that is in use.
    return sqlite3.connect(path)
