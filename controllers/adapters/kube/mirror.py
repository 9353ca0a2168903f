"""A copy of one kind of object, kept up by a watch: the API server is asked for all of it once, not at every look."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

import httpx2
from lightkube import ApiError, AsyncClient

from vpp.errors import SchedulerError

__all__ = ["Mirror"]

log = logging.getLogger(__name__)

ThingT = TypeVar("ThingT")
#: What the API server answers when it no longer knows the version from which it was to go on.
_GONE: Final = 410
_RETRY_S: Final = 1.0


class Mirror(Generic[ThingT]):
    """One kind, in all namespaces; `run` belongs to whoever started it.

    Args:
        client: Towards the API server.
        kind: Which.
        on_change: Called when something has changed.
        quiet_s: A watch that says nothing for so long may be dead: all is asked for anew. [s]
        fields: Restricts it.
    """

    def __init__(
        self,
        client: AsyncClient,
        kind: Any,  # noqa: ANN401  the library's own classes have no common type
        on_change: Callable[[], None],
        quiet_s: float,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self._client, self._kind, self._on_change, self._quiet_s = client, kind, on_change, quiet_s
        self._fields = dict(fields) if fields else None
        self._things: dict[tuple[str, str], ThingT] = {}
        self._synced = asyncio.Event()
        self._fault = "never answered"
        self.lists = 0

    async def all(self, patience_s: float) -> tuple[ThingT, ...]:
        """Every object there is.

        Raises:
            SchedulerError: The API server does not answer.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._synced.wait()
        if not self._synced.is_set():
            raise SchedulerError(f"{self._kind.__name__}: {self._fault}")
        return tuple(self._things.values())

    def take(self, thing: ThingT) -> None:
        """What the API server answered to a change; the watch will say the same a moment later."""
        key, held = _key(thing), self._things.get(_key(thing))
        if held is None or _version(thing) >= _version(held):
            self._things[key] = thing

    async def run(self) -> None:
        """Lists, then watches, and begins anew whenever the watch breaks."""
        while True:
            try:
                await self._follow(await self._list())
            except TimeoutError:
                continue  # quiet for long; what is known stands until the new list is there
            except ApiError as error:
                if error.status.code == _GONE:
                    continue
                await self._lost(f"{error.status.code} {error.status.reason}: {error.status.message}")
            except (httpx2.HTTPError, OSError, ValueError) as error:
                await self._lost(f"{type(error).__name__}: {error}")

    async def _lost(self, fault: str) -> None:
        self._fault = fault
        self._synced.clear()
        log.warning("kube.lost kind=%s error=%s", self._kind.__name__, fault)
        await asyncio.sleep(_RETRY_S)

    async def _list(self) -> str:
        found = self._client.list(self._kind, namespace="*" if _has_namespace(self._kind) else None, fields=self._fields)
        things = {_key(thing): thing async for thing in found}
        self._things, self.lists = things, self.lists + 1
        self._synced.set()
        self._on_change()
        return str(found.resourceVersion)

    async def _follow(self, version: str) -> None:
        namespace = "*" if _has_namespace(self._kind) else None
        events = aiter(self._client.watch(self._kind, namespace=namespace, resource_version=version, fields=self._fields))
        while True:
            async with asyncio.timeout(self._quiet_s):
                what, thing = await anext(events)
            if what == "DELETED":
                self._things.pop(_key(thing), None)
            else:
                self.take(thing)
            self._on_change()


def _has_namespace(kind: Any) -> bool:  # noqa: ANN401  as above
    return "global_list" in kind._api_info.verbs and "Namespaced" in "".join(base.__name__ for base in kind.__mro__)


def _key(thing: Any) -> tuple[str, str]:  # noqa: ANN401  as above
    return thing.metadata.namespace or "", thing.metadata.name


def _version(thing: Any) -> int:  # noqa: ANN401  as above
    """Versions of one kind count upwards."""
    said = thing.metadata.resourceVersion or ""
    return int(said) if said.isdigit() else time.monotonic_ns()
