"""The API server, in the few calls that change something; each is tried again on a conflict and has a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from lightkube import ApiError, AsyncClient, KubeConfig
from lightkube.core.exceptions import ConfigError
from lightkube.generic_resource import create_global_resource, create_namespaced_resource
from lightkube.types import PatchType

from controllers.adapters.kube.objects import HELD, Object
from controllers.adapters.kube.quota import Limit, change, is_held
from vpp.errors import SchedulerError

__all__ = ["Access", "Kueue"]

_GROUP: Final = "kueue.x-k8s.io"
_CONFLICT, _MISSING = 409, 404
_TRIES: Final = 6
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Access:
    """The way to one cluster's Kueue.

    Args:
        kubeconfig: File; empty for the pod's own account or `~/.kube/config`.
        cluster: Id in whose name changes are made.
        version: Of Kueue's API group.
        resource: Whose quota is changed.
        timeout_s: Longest wait for an answer. [s]
    """

    kubeconfig: str
    cluster: str
    version: str
    resource: str
    timeout_s: float = 20.0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Kueue]:
        """A client while inside.

        Raises:
            SchedulerError: The kubeconfig cannot be read.
        """
        try:
            config = KubeConfig.from_file(self.kubeconfig) if self.kubeconfig else KubeConfig.from_env()
            client = AsyncClient(config=config, timeout=httpx2.Timeout(self.timeout_s), field_manager="vpp-kube", trust_env=False)
        except (ConfigError, OSError, ValueError, KeyError) as error:
            raise SchedulerError(f"kubeconfig {self.kubeconfig or 'of the environment'}: {error}") from error
        try:
            yield Kueue(client, self)
        finally:
            await client.close()


class Kueue:
    """What the adapter does to workloads and ClusterQueues."""

    def __init__(self, client: AsyncClient, access: Access) -> None:
        self.client, self._access = client, access
        self.workload = create_namespaced_resource(_GROUP, access.version, "Workload", "workloads")
        self.cluster_queue = create_global_resource(_GROUP, access.version, "ClusterQueue", "clusterqueues")
        self.local_queue = create_namespaced_resource(_GROUP, access.version, "LocalQueue", "localqueues")

    async def lay_aside(self, job_ids: Sequence[str], done: Callable[[Any], None]) -> None:
        """Kueue evicts them: their pods end, and they are not admitted until they are taken up again."""
        patch = {"metadata": {"annotations": {HELD: self._access.cluster}}, "spec": {"active": False}}
        await self._each(job_ids, patch, done)

    async def take_up(self, job_ids: Sequence[str], done: Callable[[Any], None]) -> None:
        """Kueue may admit them again."""
        await self._each(job_ids, {"metadata": {"annotations": {HELD: None}}, "spec": {"active": True}}, done)

    async def limit(self, known: Object, limit: Limit, done: Callable[[Any], None]) -> None:
        """Makes a ClusterQueue so; on a conflict it is read anew, so that nobody's change is lost.

        Args:
            known: The queue as it was seen last; nothing is asked where nothing is to be changed.
            limit: What may run in it.
            done: Told of the queue as it is then.

        Raises:
            SchedulerError: It is refused, or the API server does not answer.
        """
        name, queue = str(known["metadata"]["name"]), known
        for _ in range(_TRIES):
            patch = change(queue, self._access.cluster, self._access.resource, limit)
            if patch is None:
                return
            try:
                done(await self.client.patch(self.cluster_queue, name, patch, patch_type=PatchType.MERGE))
            except ApiError as error:
                if error.status.code == _MISSING:
                    return
                if error.status.code != _CONFLICT:
                    raise _refused(f"clusterqueue {name}", error) from error
                queue = await self._read(name)
            except (httpx2.HTTPError, OSError) as error:
                raise _silent(f"clusterqueue {name}", error) from error
            else:
                return
        raise SchedulerError(f"clusterqueue {name}: changed by somebody else {_TRIES} times while it was to be changed")

    async def _read(self, name: str) -> Object:
        try:
            found: Object = await self.client.get(self.cluster_queue, name)
        except ApiError as error:
            raise _refused(f"clusterqueue {name}", error) from error
        except (httpx2.HTTPError, OSError) as error:
            raise _silent(f"clusterqueue {name}", error) from error
        return found

    async def give_back(self) -> None:
        """Everything that carries this cluster's mark becomes what it was.

        Raises:
            SchedulerError: The API server does not answer; try again.
        """
        try:
            queues = [queue async for queue in self.client.list(self.cluster_queue)]
            workloads = [workload async for workload in self.client.list(self.workload, namespace="*")]
        except ApiError as error:
            raise _refused("list", error) from error
        except (httpx2.HTTPError, OSError) as error:
            raise _silent("list", error) from error
        for queue in queues:
            if is_held(queue, self._access.cluster):
                await self.limit(queue, Limit(), _unheard)
        metas = [workload["metadata"] for workload in workloads]
        ours = [meta for meta in metas if (meta.get("annotations") or {}).get(HELD) == self._access.cluster]
        await self.take_up([f"{meta['namespace']}/{meta['name']}" for meta in ours], _unheard)

    async def _each(self, job_ids: Sequence[str], patch: dict[str, Any], done: Callable[[Any], None]) -> None:
        few = asyncio.Semaphore(_AT_ONCE)

        async def one(job_id: str) -> None:
            async with few:
                await self._patch(job_id, patch, done)

        faults = [f for f in await asyncio.gather(*map(one, job_ids), return_exceptions=True) if isinstance(f, BaseException)]
        if faults:
            raise faults[0]

    async def _patch(self, job_id: str, patch: dict[str, Any], done: Callable[[Any], None]) -> None:
        namespace, _, name = job_id.partition("/")
        for _ in range(_TRIES):
            try:
                done(await self.client.patch(self.workload, name, patch, namespace=namespace, patch_type=PatchType.MERGE))
            except ApiError as error:
                if error.status.code == _MISSING:
                    return  # it has ended meanwhile
                if error.status.code != _CONFLICT:
                    raise _refused(f"workload {job_id}", error) from error
            except (httpx2.HTTPError, OSError) as error:
                raise _silent(f"workload {job_id}", error) from error
            else:
                return
        raise SchedulerError(f"workload {job_id}: changed by somebody else {_TRIES} times while it was to be changed")


def _refused(what: str, error: ApiError) -> SchedulerError:
    return SchedulerError(f"{what}: {error.status.code} {error.status.reason}: {error.status.message}")


def _silent(what: str, error: Exception) -> SchedulerError:
    return SchedulerError(f"{what}: {type(error).__name__}: {error}")


def _unheard(thing: object) -> None:
    """Nobody waits for it."""
