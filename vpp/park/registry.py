"""Which kinds a park file may name: ours, and those that are added from outside."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Final

from vpp.errors import ParkError
from vpp.park.plates import PLATES

__all__ = ["PlateRegistration", "plate_types", "register_plate"]

_KINDS: Final[dict[str, type]] = dict(PLATES)


def plate_types() -> Mapping[str, type]:
    """Kind as written in a park file, and its plate."""
    return MappingProxyType(_KINDS)


class PlateRegistration:
    """A kind added from outside; leaving the `with` block takes it away again."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def unregister(self) -> None:
        """Take the kind away; a second call does nothing."""
        _KINDS.pop(self.kind, None)

    def __enter__(self) -> PlateRegistration:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.unregister()


def register_plate(kind: str, plate_type: type) -> PlateRegistration:
    """Let park files name a kind from outside this package.

    Args:
        kind: The word in the park file.
        plate_type: A frozen dataclass of the keys that such a record carries.

    Returns:
        A handle: call `unregister()`, or use it in a `with` statement.

    Raises:
        ParkError: The kind exists already.
    """
    if kind in _KINDS:
        raise ParkError([f"kind {kind!r} is registered already with {_KINDS[kind].__name__}; choose another word"])
    _KINDS[kind] = plate_type
    return PlateRegistration(kind)
