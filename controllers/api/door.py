"""Who is let in: keys and tokens are shown here, wrong ones are counted, and rights are asked for."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from controllers.api.keys import KEY_PREFIX, KeyBook
from controllers.api.roles import Caller
from controllers.api.tokens import TokenDesk
from vpp.errors import AccessError

__all__ = ["Attempts", "Door", "LockedError"]

_WINDOW: Final = timedelta(minutes=1)
#: Addresses remembered; a flood from made-up ones must not fill the memory.
_ADDRESSES_MAX: Final = 10_000


class LockedError(AccessError):
    """Too many wrong keys came from an address; none is looked at for a while.

    Args:
        retry_s: For how long.
        first: Whether this is the refusal that closed the door, which is worth a line in the audit.
    """

    def __init__(self, retry_s: int, *, first: bool) -> None:
        super().__init__(f"too many wrong keys or tokens from this address; try again in {retry_s} s")
        self.retry_s, self.first = retry_s, first


@dataclass(slots=True)
class Attempts:
    """Wrong keys and tokens by address, over a sliding minute.

    Args:
        most: How many are allowed within it.
    """

    most: int
    _wrong: OrderedDict[str, deque[datetime]] = field(default_factory=OrderedDict)

    def retry_s(self, address: str, at: datetime) -> int:
        """How long nothing from an address is looked at; 0 where it is heard."""
        times = self._recent(address, at)
        if times is None or len(times) < self.most:
            return 0
        return max(1, int((times[0] + _WINDOW - at).total_seconds()) + 1)

    def wrong(self, address: str, at: datetime) -> None:
        """Counts one."""
        times = self._recent(address, at)
        if times is None:
            times = self._wrong[address] = deque(maxlen=self.most)
            if len(self._wrong) > _ADDRESSES_MAX:
                self._wrong.popitem(last=False)
        times.append(at)

    def _recent(self, address: str, at: datetime) -> deque[datetime] | None:
        times = self._wrong.get(address)
        while times and times[0] <= at - _WINDOW:
            times.popleft()
        if times is not None and not times:
            del self._wrong[address]
            return None
        return times


class Door:
    """The one place where a credential becomes a caller.

    After too many wrong ones from an address, keys from it are not looked at for the rest of the minute. A token that we signed
    ourselves still opens: nobody who sits at the same address can lock the control room out.

    Args:
        keys: API keys.
        tokens: JWT.
        attempts: Wrong ones so far.
        now: The clock's, in real time, whatever the park's speed.
    """

    def __init__(self, keys: KeyBook, tokens: TokenDesk, attempts: Attempts, now: Callable[[], datetime]) -> None:
        self.keys, self.tokens, self.now = keys, tokens, now
        self._attempts = attempts

    def caller(self, header: str | None, address: str) -> Caller:
        """Whose credential an `Authorization` header shows.

        Raises:
            LockedError: Too many wrong ones came from this address.
            AccessError: There is none, or it opens nothing.
        """
        at = self.now()
        scheme, _, text = (header or "").partition(" ")
        if not text.strip() or scheme.lower() != "bearer":
            # Nothing was tried: somebody who forgot the header is no attacker.
            raise AccessError("show a key or a token: Authorization: Bearer ...")
        return self.owner(text.strip(), address, at)

    def owner(self, text: str, address: str, at: datetime) -> Caller:
        """Whose key or token this is.

        Raises:
            LockedError: See `caller`.
            AccessError: It opens nothing.
        """
        retry_s = self._attempts.retry_s(address, at)
        is_key = text.startswith(KEY_PREFIX)
        if retry_s and is_key:
            raise LockedError(retry_s, first=False)
        try:
            return self.keys.caller(text, at) if is_key else self.tokens.caller(text, at)
        except AccessError:
            if retry_s:
                raise LockedError(retry_s, first=False) from None
            self._attempts.wrong(address, at)
            retry_s = self._attempts.retry_s(address, at)
            if retry_s:
                raise LockedError(retry_s, first=True) from None
            raise
