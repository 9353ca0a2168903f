"""Whatever holds an instant brings it to UTC where it enters."""

from __future__ import annotations

from msgspec import structs

from vpp.wire import messages
from vpp.wire.messages.base import Dated, WireStruct
from vpp.wire.messages.fields import Instant


def test_every_structure_with_an_instant_of_its_own_is_dated() -> None:
    parts = [kind for kind in vars(messages).values() if isinstance(kind, type) and issubclass(kind, WireStruct)]
    dated = [kind for kind in parts if any(f.type in (Instant, Instant | None) for f in structs.fields(kind))]
    assert len(dated) > 10
    assert all(issubclass(kind, Dated) for kind in dated)
