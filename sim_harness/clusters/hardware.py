"""The machines of a cluster: nodes of eight accelerators, what they draw, and which of their places are free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sim_harness.clusters.cap_curve import GPU_KW_PEAK, CapCurve, node_curve
from vpp.park.plates import ComputePlate
from vpp.units import KW_PER_MW

__all__ = ["GPUS_PER_NODE", "NODE_KW_RATED", "Hardware", "Nodes"]

GPUS_PER_NODE: Final = 8
#: What a hall is built for per node: 10.2 kW on the plate of a node of eight, of which it draws 8.4 kW at most (DESIGN section
#: 11); the difference is its share of network, storage and management. 252 MW and 34.7 MW IT make about 225,000 GPUs of it.
NODE_KW_RATED: Final = 10.2


@dataclass(frozen=True, slots=True)
class Hardware:
    """What stands in the hall; power at the meter at the plate's PUE.

    Args:
        nodes: Of eight accelerators each.
        idle_mw: With every accelerator idle. [MW]
        mw_per_gpu: What a busy accelerator and its share of the node add to that. [MW]
        curve: Throughput against that power under a cap.
    """

    nodes: int
    idle_mw: float
    mw_per_gpu: float
    curve: CapCurve

    @classmethod
    def of_plate(cls, plate: ComputePlate) -> Hardware:
        """As many nodes as the IT rating feeds, at least one; together they draw what the plate says, idle and busy."""
        nodes = max(1, int(plate.it_mw * KW_PER_MW / NODE_KW_RATED + 1e-9))
        idle_mw = plate.idle_frac * plate.rated_mw
        busy_mw = min(plate.rated_mw, plate.it_mw * plate.pue_frac) - idle_mw
        mw_per_gpu = busy_mw / (nodes * GPUS_PER_NODE)
        gpu_mw = GPU_KW_PEAK / KW_PER_MW * plate.pue_frac
        return cls(nodes, idle_mw, mw_per_gpu, node_curve(plate, min(1.0, gpu_mw / mw_per_gpu)))

    @property
    def gpus(self) -> int:
        """All accelerators."""
        return self.nodes * GPUS_PER_NODE


class Nodes:
    """Who sits where: gangs take whole nodes, small jobs share the fullest node that has room for them.

    Args:
        nodes: How many there are.
    """

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        #: Nodes without any job.
        self.empty = nodes
        self._room: list[int] = []
        self._spare: list[int] = []
        # Shared nodes by free places; entries go stale when a node's room changes and are dropped when met.
        self._by_room: tuple[list[int], ...] = tuple([] for _ in range(GPUS_PER_NODE + 1))

    def place(self, gpus: int, kept_free: int) -> int | None:
        """Seat a job: the number of its shared node, -1 for whole nodes, None where there is no room.

        Args:
            gpus: Whole nodes, or fewer than one.
            kept_free: Empty nodes that are not for jobs.
        """
        if gpus >= GPUS_PER_NODE:
            wanted = gpus // GPUS_PER_NODE
            if self.empty - kept_free < wanted:
                return None
            self.empty -= wanted
            return -1
        for room in range(gpus, GPUS_PER_NODE):
            row = self._by_room[room]
            while row:
                node = row[-1]
                if self._room[node] != room:
                    row.pop()
                    continue
                row.pop()
                self._leave(node, room - gpus)
                return node
        if self.empty <= kept_free:
            return None
        self.empty -= 1
        node = self._open()
        self._leave(node, GPUS_PER_NODE - gpus)
        return node

    def free(self, gpus: int, node: int) -> None:
        """A job gets up."""
        if node < 0:
            self.empty += gpus // GPUS_PER_NODE
            return
        room = self._room[node] + gpus
        if room == GPUS_PER_NODE:
            self._room[node] = 0
            self._spare.append(node)
            self.empty += 1
        else:
            self._leave(node, room)

    def _leave(self, node: int, room: int) -> None:
        self._room[node] = room
        if room:
            self._by_room[room].append(node)

    def _open(self) -> int:
        if self._spare:
            return self._spare.pop()
        self._room.append(0)
        return len(self._room) - 1
