"""How one loop tells another: the last word, nothing queued."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

__all__ = ["Mailbox"]


@dataclass(slots=True)
class Mailbox(Generic[T]):
    """Holds the newest value; an older one is overwritten, which is what a plan or a forecast wants."""

    value: T | None = None
