"""A double of a Kubernetes API server with Kueue: real HTTP, real versions, real refusals; no container ever runs.

It keeps objects, numbers every change, lists and watches from a version on, answers 409 to a patch that names an older version,
410 where the version asked for has been forgotten, 422 to what the schema does not allow, and 401 without the token. Behind it a
small Kueue admits what fits the quotas, evicts what is set inactive, and starts and ends pods; that part is our reading of
Kueue's documents, not Kueue.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.kube_schema import faults

__all__ = ["GPU", "KubeServer", "RefusedError", "kubeconfig"]

GPU: Final = "nvidia.com/gpu"
TOKEN: Final = "let-me-in"
#: Plural names: kind, and whether it lies in a namespace.
_KINDS: Final = {
    "nodes": ("Node", False),
    "pods": ("Pod", True),
    "workloads": ("Workload", True),
    "localqueues": ("LocalQueue", True),
    "clusterqueues": ("ClusterQueue", False),
}
_REASONS: Final = {
    400: "BadRequest", 401: "Unauthorized", 404: "NotFound", 409: "Conflict", 410: "Expired", 415: "UnsupportedMediaType",
    422: "Invalid", 500: "InternalError",
}  # fmt: skip


class RefusedError(Exception):
    """The server says no, with a status of its own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    @property
    def status(self) -> dict[str, Any]:
        """As it travels."""
        facts = {"message": self.message, "reason": _REASONS[self.code], "code": self.code}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", **facts}


@dataclass
class KubeServer:
    """The store, the server and the small Kueue.

    Args:
        conflicts: So many patches are answered 409, as if somebody else had been quicker.
        grace_s: A pod that is told to end takes so long. [s]
        requests: What was asked, method and path, the newest last.
        patches: What was asked to be changed.
    """

    conflicts: int = 0
    grace_s: float = 0.0
    requests: list[tuple[str, str]] = field(default_factory=list)
    patches: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _things: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    _events: list[tuple[int, str, str, dict[str, Any]]] = field(default_factory=list)
    _version: int = 1000
    _forgotten: int = 0
    _era: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _ending: set[asyncio.Task[None]] = field(default_factory=set)
    port: int = 0
    _server: uvicorn.Server | None = None
    _task: asyncio.Task[None] | None = None

    # The store.

    def create(self, plural: str, thing: dict[str, Any]) -> dict[str, Any]:
        """Puts something there as its owner would."""
        kind, in_namespace = _KINDS[plural]
        made = deepcopy(thing)
        made |= {"kind": kind, "apiVersion": "v1" if plural in ("nodes", "pods") else "kueue.x-k8s.io/v1beta1"}
        made["metadata"] = {"creationTimestamp": _now(), "uid": f"u{self._version}", **made["metadata"]}
        if in_namespace:
            made["metadata"].setdefault("namespace", "default")
        _defaults(plural, made)
        return self._store("ADDED", plural, made, None)

    def get(self, plural: str, name: str, namespace: str = "") -> dict[str, Any]:
        """As it is now."""
        try:
            return deepcopy(self._things[plural, namespace, name])
        except KeyError:
            raise RefusedError(404, f'{plural} "{name}" not found') from None

    def all(self, plural: str) -> list[dict[str, Any]]:
        """All of a kind."""
        return [deepcopy(thing) for (kind, _, _), thing in self._things.items() if kind == plural]

    def merge(self, plural: str, name: str, patch: dict[str, Any], namespace: str = "", *, dry: bool = False) -> dict[str, Any]:
        """A JSON merge patch; an older version in it is a conflict."""
        before = self.get(plural, name, namespace)
        version = (patch.get("metadata") or {}).get("resourceVersion")
        if version is not None and version != before["metadata"]["resourceVersion"]:
            raise RefusedError(409, f'Operation cannot be fulfilled on {plural} "{name}": the object has been modified')
        after = _merged(before, patch)
        _defaults(plural, after)
        if after == before:
            return before  # a change that changes nothing has no new version
        return after if dry and not self._check(plural, after, before) else self._store("MODIFIED", plural, after, before)

    def delete(self, plural: str, name: str, namespace: str = "") -> None:
        """It is gone."""
        thing = self.get(plural, name, namespace)
        del self._things[plural, namespace, name]
        self._version += 1
        thing["metadata"]["resourceVersion"] = str(self._version)
        self._tell(self._version, "DELETED", plural, thing)

    async def forget(self) -> None:
        """What happened until now can no longer be watched from; every watch ends, as each does after some minutes."""
        self._forgotten, self._events = self._version, []
        self._era += 1
        async with self._news:
            self._news.notify_all()

    def _check(self, plural: str, thing: dict[str, Any], before: dict[str, Any] | None) -> bool:
        found = list(faults(plural, thing, before))
        if found:
            raise RefusedError(422, f'{thing["kind"]} "{thing["metadata"]["name"]}" is invalid: {"; ".join(found)}')
        return False

    def _store(self, what: str, plural: str, thing: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
        self._check(plural, thing, before)
        self._version += 1
        thing["metadata"]["resourceVersion"] = str(self._version)
        key = plural, thing["metadata"].get("namespace", ""), thing["metadata"]["name"]
        self._things[key] = thing
        self._tell(self._version, what, plural, thing)
        return deepcopy(thing)

    def _tell(self, version: int, what: str, plural: str, thing: dict[str, Any]) -> None:
        self._events.append((version, what, plural, deepcopy(thing)))

        async def tell() -> None:
            async with self._news:
                self._news.notify_all()

        self._keep(tell())
        if plural in ("workloads", "clusterqueues"):
            self._keep(self._reconcile())

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    # The small Kueue.

    async def _reconcile(self) -> None:
        for queue in self.all("clusterqueues"):
            name, stop = queue["metadata"]["name"], queue["spec"]["stopPolicy"]
            for workload in self._of(name):
                admitted = "admission" in (workload.get("status") or {})
                if admitted and (not workload["spec"]["active"] or stop == "HoldAndDrain"):
                    self._evict(workload)
            for workload in sorted(self._of(name), key=lambda w: (w["metadata"]["creationTimestamp"], w["metadata"]["name"])):
                if stop == "None" and workload["spec"]["active"] and "admission" not in (workload.get("status") or {}):
                    self._admit(workload, name)

    def _of(self, cluster_queue: str) -> list[dict[str, Any]]:
        locals_ = {
            (q["metadata"]["namespace"], q["metadata"]["name"])
            for q in self.all("localqueues")
            if q["spec"]["clusterQueue"] == cluster_queue
        }
        return [
            w
            for w in self.all("workloads")
            if (w["metadata"]["namespace"], w["spec"]["queueName"]) in locals_ and not _is_done(w)
        ]

    def _admit(self, workload: dict[str, Any], cluster_queue: str) -> None:
        asked = _gpus(workload)
        used: dict[str, int] = {}
        for other in self._of(cluster_queue):
            for assigned in ((other.get("status") or {}).get("admission") or {}).get("podSetAssignments", ()):
                flavor = assigned["flavors"][GPU]
                used[flavor] = used.get(flavor, 0) + int(assigned["resourceUsage"][GPU])
        for group in self.get("clusterqueues", cluster_queue)["spec"]["resourceGroups"]:
            for flavor in group["flavors"]:
                quota = next(int(q["nominalQuota"]) for q in flavor["resources"] if q["name"] == GPU)
                if used.get(flavor["name"], 0) + asked <= quota:
                    self._give(workload, cluster_queue, flavor["name"], asked)
                    return

    def _give(self, workload: dict[str, Any], cluster_queue: str, flavor: str, gpus: int) -> None:
        meta = workload["metadata"]
        assigned = {"name": "main", "count": 1, "flavors": {GPU: flavor}, "resourceUsage": {GPU: str(gpus)}}
        status = {
            "admission": {"clusterQueue": cluster_queue, "podSetAssignments": [assigned]},
            "conditions": [_condition("QuotaReserved", "QuotaReserved"), _condition("Admitted", "Admitted")],
        }
        self._store("MODIFIED", "workloads", {**workload, "status": status}, workload)
        labels = {"kueue.x-k8s.io/podset": "main"}
        name = f"{meta['name']}-{self._version}"
        self.create("pods", pod(name, gpus, namespace=meta["namespace"], labels=labels, owner=meta["name"]))

    def _evict(self, workload: dict[str, Any]) -> None:
        meta = workload["metadata"]
        status = {"conditions": [_condition("Evicted", "Deactivated"), _condition("Admitted", "NoReservation", "False")]}
        self._store("MODIFIED", "workloads", {**workload, "status": status}, workload)

        async def end(name: str) -> None:
            await asyncio.sleep(self.grace_s)
            self.delete("pods", name, meta["namespace"])

        for found in self.all("pods"):
            if (found["metadata"].get("annotations") or {}).get("owner") == meta["name"]:
                self._keep(end(found["metadata"]["name"]))

    # The server.

    @asynccontextmanager
    async def served(self) -> AsyncIterator[KubeServer]:
        """Answers while inside."""
        await self.up()
        try:
            yield self
        finally:
            await self.down()
            await asyncio.gather(*self._ending, return_exceptions=True)

    async def up(self) -> None:
        """Begins to answer, at the port it had before."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "PATCH"])])
        config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=0)
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started:  # noqa: ASYNC110  uvicorn tells nobody
            await asyncio.sleep(0.005)

    async def down(self) -> None:
        """Answers nobody any more, and cuts every watch."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = self._server.force_exit = True
            async with self._news:
                self._news.notify_all()
            await self._task

    async def _answer(self, request: Request) -> Response:
        try:
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                raise RefusedError(401, "Unauthorized")  # noqa: TRY301  the one way out for all refusals
            return await self._route(request)
        except RefusedError as error:
            return JSONResponse(error.status, status_code=error.code)

    async def _route(self, request: Request) -> Response:
        words = request.path_params["path"].split("/")
        self.requests.append((request.method, request.url.path))
        words = (
            words[2:] if words[:2] == ["api", "v1"] else words[3:] if words[:3] == ["apis", "kueue.x-k8s.io", "v1beta1"] else []
        )
        namespace = ""
        if words[:1] == ["namespaces"] and len(words) > 2:
            namespace, words = words[1], words[2:]
        if not words or words[0] not in _KINDS or len(words) > 2:
            raise RefusedError(404, "the server could not find the requested resource")
        if request.method == "PATCH":
            return await self._patch(request, words[0], words[1], namespace)
        if len(words) == 2:
            return JSONResponse(self.get(words[0], words[1], namespace))
        if request.query_params.get("watch") == "true":
            return StreamingResponse(
                self._watch(words[0], request.query_params.get("resourceVersion", "0")), media_type="application/json"
            )
        items = self.all(words[0])
        kind, _ = _KINDS[words[0]]
        return JSONResponse(
            {"kind": f"{kind}List", "apiVersion": "v1", "metadata": {"resourceVersion": str(self._version)}, "items": items}
        )

    async def _patch(self, request: Request, plural: str, name: str, namespace: str) -> Response:
        if request.headers["content-type"] != "application/merge-patch+json":
            raise RefusedError(415, f"{request.headers['content-type']}: this double takes merge patches only")
        try:
            patch = json.loads(await request.body())
        except ValueError as error:
            raise RefusedError(400, str(error)) from error
        self.patches.append((f"{plural}/{name}", patch))
        if self.conflicts > 0:
            self.conflicts -= 1
            raise RefusedError(409, f'Operation cannot be fulfilled on {plural} "{name}": the object has been modified')
        patch.pop("status", None)  # a part of its own
        return JSONResponse(self.merge(plural, name, patch, namespace, dry=request.query_params.get("dryRun") == "All"))

    async def _watch(self, plural: str, since: str) -> AsyncIterator[bytes]:
        seen, era = int(since), self._era
        while self._server is not None and not self._server.should_exit and self._era == era:
            if seen < self._forgotten:
                status = RefusedError(410, f"too old resource version: {seen} ({self._forgotten})").status
                yield json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
                return
            for version, what, kind, thing in [event for event in self._events if event[0] > seen]:
                seen = version
                if kind == plural:
                    yield json.dumps({"type": what, "object": thing}).encode() + b"\n"
            async with self._news:
                if not any(event[0] > seen for event in self._events) and not self._server.should_exit and self._era == era:
                    await self._news.wait()


def node(name: str, gpus: int, *, ready: bool = True) -> dict[str, Any]:
    """A machine with GPUs."""
    conditions = [
        {
            "type": "Ready",
            "status": "True" if ready else "False",
            "reason": "Kubelet",
            "message": "",
            "lastTransitionTime": _now(),
        }
    ]
    return {
        "metadata": {"name": name},
        "spec": {},
        "status": {"allocatable": {GPU: str(gpus), "cpu": "96"}, "conditions": conditions},
    }


def pod(
    name: str, gpus: int, *, namespace: str = "default", labels: dict[str, str] | None = None, owner: str = ""
) -> dict[str, Any]:
    """A running pod."""
    meta: dict[str, Any] = {"name": name, "namespace": namespace, "labels": labels or {}, "annotations": {"owner": owner}}
    container = {"name": "main", "image": "train", "resources": {"requests": {GPU: str(gpus)}, "limits": {GPU: str(gpus)}}}
    return {"metadata": meta, "spec": {"containers": [container]}, "status": {"phase": "Running"}}


def cluster_queue(name: str, gpus: dict[str, int], *, cohort: str = "") -> dict[str, Any]:
    """A queue with a quota in each flavor."""
    flavors = [{"name": flavor, "resources": [{"name": GPU, "nominalQuota": str(count)}]} for flavor, count in gpus.items()]
    spec = {"resourceGroups": [{"coveredResources": [GPU], "flavors": flavors}], **({"cohort": cohort} if cohort else {})}
    return {"metadata": {"name": name}, "spec": spec}


def workload(name: str, queue: str, gpus: int, *, limit_s: int = 7200, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """A job as Kueue sees it."""
    container = {"name": "main", "image": "train", "resources": {"requests": {GPU: str(gpus)}}}
    pods = {"name": "main", "count": 1, "template": {"spec": {"containers": [container]}}}
    meta: dict[str, Any] = {"name": name, "namespace": "default", "labels": labels or {}}
    return {"metadata": meta, "spec": {"queueName": queue, "podSets": [pods], "maximumExecutionTimeSeconds": limit_s}}


def kubeconfig(folder: Path, port: int, token: str = TOKEN) -> Path:
    """A file that leads to the double."""
    path = folder / "kubeconfig.json"
    said = {
        "current-context": "double",
        "contexts": [{"name": "double", "context": {"cluster": "double", "user": "adapter"}}],
        "clusters": [{"name": "double", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "adapter", "user": {"token": token}}],
    }
    path.write_text(json.dumps(said), encoding="utf-8")  # JSON is YAML
    return path


def _defaults(plural: str, thing: dict[str, Any]) -> None:
    if plural in ("clusterqueues", "localqueues"):
        thing["spec"].setdefault("stopPolicy", "None")
    if plural == "workloads":
        thing["spec"].setdefault("active", True)


def _merged(before: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    after = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = _merged(after.get(key), value)
    return after


def _gpus(said: dict[str, Any]) -> int:
    sets = said["spec"]["podSets"]
    return sum(s["count"] * int(c["resources"]["requests"][GPU]) for s in sets for c in s["template"]["spec"]["containers"])


def _is_done(said: dict[str, Any]) -> bool:
    return any(c["type"] == "Finished" and c["status"] == "True" for c in (said.get("status") or {}).get("conditions", ()))


def _condition(what: str, reason: str, status: str = "True") -> dict[str, Any]:
    return {"type": what, "status": status, "reason": reason, "message": "", "lastTransitionTime": _now()}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251  an API server has a clock of its own
