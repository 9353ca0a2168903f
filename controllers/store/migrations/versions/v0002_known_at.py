"""When a thing was known, everywhere; and the audit as a chain of hashes.

Of plans and forecasts each word that was received is kept, also when the same one is said again in other words. What was
rolled up before this version has no time of receipt: it is not known, and stays empty.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

from controllers.store.chain import END, ChainEnd, hash_of

revision: Final = "0002"
down_revision: Final = "0001"

_WORDS: Final = ("at", "who", "action", "subject", "outcome", "detail")
_AUDIT: Final = sa.table("audit", *(sa.column(name) for name in ("number", *_WORDS, "previous", "hash")))
_MEMORY: Final = sa.table("memory", sa.column("key"), sa.column("value", sa.LargeBinary))


def upgrade() -> None:
    """Adds the columns and fills them from what there is."""
    for table in ("minutes", "registers"):
        op.add_column(table, sa.Column("received_at", sa.BigInteger))
    _know_when("forecasts", known_at="issued_at", key="issued_at")
    _know_when("plans", known_at="made_at", key="plan_id")
    op.create_index("forecasts_by_receipt", "forecasts", ["received_at"])
    op.create_index("plans_by_receipt", "plans", ["received_at"])
    for name in ("previous", "hash"):
        op.add_column("audit", sa.Column(name, sa.String(64), nullable=False, server_default=sa.text("''")))
    _chain(op.get_bind())


def _know_when(table: str, *, known_at: str, key: str) -> None:
    """The time of receipt, as a part of the key."""
    if op.get_bind().dialect.name == "postgresql":
        op.add_column(table, sa.Column("received_at", sa.BigInteger))
        op.execute(f"UPDATE {table} SET received_at = {known_at}")
        op.alter_column(table, "received_at", nullable=False)
        op.drop_constraint(f"{table}_pkey", table, type_="primary")
        op.create_primary_key(f"{table}_pkey", table, [key, "received_at"])
        # Ledgers of the first time count here by mistake.
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {key} DROP DEFAULT")
        op.execute(f"DROP SEQUENCE IF EXISTS {table}_{key}_seq")
        return
    # SQLite changes no key in place.
    old = sa.Table(table, sa.MetaData(), autoload_with=op.get_bind())
    columns = [
        sa.Column(c.name, c.type, nullable=c.nullable, primary_key=c.name == key, autoincrement=False) for c in old.columns
    ]
    received = sa.Column("received_at", sa.BigInteger, primary_key=True, autoincrement=False)
    names = ", ".join(column.name for column in columns)
    op.rename_table(table, f"{table}_0001")
    for index in old.indexes:
        op.drop_index(str(index.name), f"{table}_0001")
    op.create_table(table, columns[0], received, *columns[1:])
    op.execute(f"INSERT INTO {table} ({names}, received_at) SELECT {names}, {known_at} FROM {table}_0001")
    op.drop_table(f"{table}_0001")
    for index in old.indexes:
        op.create_index(str(index.name), table, [column.name for column in index.columns])


def _chain(connection: Any) -> None:
    """Chains the entries there are; their numbers become places without a gap."""
    columns = [_AUDIT.c.number, *(_AUDIT.c[name] for name in _WORDS)]
    end = ChainEnd()
    changes = []
    for row in connection.execute(sa.select(*columns).order_by(_AUDIT.c.number)):
        number = end.number + 1
        hashed = hash_of(number, tuple(row)[1:], end.hash)
        changes.append({"was": row.number, "number": number, "previous": end.hash, "hash": hashed})
        end = ChainEnd(number, hashed)
    if changes:
        values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in ("number", "previous", "hash")}
        change = sa.update(_AUDIT).where(_AUDIT.c.number == sa.bindparam("was")).values(**values)
        given = [{"was": one["was"]} | {f"new_{name}": one[name] for name in values} for one in changes]
        connection.execute(change, given)
        connection.execute(sa.insert(_MEMORY).values(key=END, value=str(end).encode()))
