"""How large jobs are: drawn from a public trace of a production GPU cluster, or, without it, from a table fitted to it.

SOURCE: Alibaba cluster-trace-gpu-v2023 (Q. Weng et al., USENIX ATC 2023), files openb_pod_list_default.csv and
openb_node_list_gpu_node.csv: pods that hold a GPU, were scheduled, were created in days 116-148 (before that only what was still
alive is listed, and day 149 is cut off), ended before the trace did (34 pods end with it: censored) and ran for 30 s to 24 h.
What ran longer is counted with the work that does not wait. 5,870 pods remain; few of them are gangs (75 of all 8,152 pods ask
for more than one GPU), and they are taken as they are. The fitted table holds quantiles of their run time and the shares of
their widths; run time and width are almost independent (correlation of logarithms -0.08). The trace knows neither deadlines nor
tiers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from sim_harness.clusters.hardware import GPUS_PER_NODE
from vpp.errors import ScenarioError
from vpp.units import HOURS_PER_DAY, FloatArray, IntArray, h_to_s

__all__ = ["NODES_FILE", "PODS_FILE", "TRACE_FIRST_DAY", "TRACE_LAST_DAY", "JobSizes", "fitted_sizes", "read_pods", "sizes_of"]

PODS_FILE: Final = "alibaba_gpu_pods.parquet"
NODES_FILE: Final = "alibaba_gpu_nodes.parquet"
#: Days of the trace with all their pods; the last is left out.
TRACE_FIRST_DAY: Final = 116
TRACE_LAST_DAY: Final = 149
SHORTEST_S: Final = 30.0
LONGEST_S: Final = h_to_s(HOURS_PER_DAY)
#: A whole GPU asked for in the trace stands for two nodes of eight here: the trace's cluster serves small models, the park's
#: centres are built for large ones. Assumption; it makes about 100,000 jobs a day on the built-out park.
WIDTH: Final = 2 * GPUS_PER_NODE

_QUANTILE: Final = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
_RUN_S: Final = (30.0, 37.0, 54.0, 75.0, 195.0, 669.5, 2220.0, 6428.0, 12958.0, 49006.0, 78245.0, 82936.0)
_GPUS: Final = (1, 2, 3, 4, 6, 8, 16, 32, 64, 128)
_SHARE: Final = (0.0010, 0.0029, 0.0119, 0.0263, 0.0576, 0.0968, 0.7923, 0.0024, 0.0022, 0.0066)


@dataclass(frozen=True, slots=True)
class JobSizes:
    """A table to draw jobs from, each row as likely as any other.

    Args:
        gpus: Width of the gang: fewer than a node's eight, or whole nodes, shape (rows,).
        run_s: Run time without a cap, shape (rows,). [s]
        source: Where it came from, one line.
    """

    gpus: IntArray
    run_s: FloatArray
    source: str

    @property
    def mean_gpu_s(self) -> float:
        """Mean work of a job, in GPU-seconds."""
        return float(np.mean(self.gpus * self.run_s))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Widths and run times of `n` jobs."""
        row = rng.integers(0, self.gpus.size, n)
        return self.gpus[row], self.run_s[row]

    def draw_running(self, n: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Widths and run times of jobs met running at a random moment: the longer, the likelier."""
        edges = np.cumsum(self.run_s)
        row = np.searchsorted(edges, rng.random(n) * edges[-1], side="right")
        return self.gpus[row], self.run_s[row]


def read_pods(data_dir: Path) -> pd.DataFrame:
    """Pods of the trace's dense days that held a GPU and ran, with `gpus`, `run_s` and `created_s`; the rest is left out.

    Raises:
        ScenarioError: The file is missing or is not the trace.
    """
    path = data_dir / PODS_FILE
    columns = ["num_gpu", "gpu_milli", "creation_time_s", "deletion_time_s", "scheduled_time_s"]
    try:
        pods = pd.read_parquet(path, columns=columns)
    except FileNotFoundError as error:
        raise ScenarioError([f"{path}: no such file; without it let the scenario generate its jobs"]) from error
    except (ValueError, KeyError, OSError) as error:
        raise ScenarioError([f"{path}: is not the job trace (needs {', '.join(columns)}): {error}"]) from error
    pods = pods[(pods["num_gpu"] > 0) & pods["scheduled_time_s"].notna()]
    ends_s = int(pods["deletion_time_s"].max())
    day_s = h_to_s(HOURS_PER_DAY)
    created_s = pods["creation_time_s"].astype("float64")
    dense = (created_s >= TRACE_FIRST_DAY * day_s) & (created_s < TRACE_LAST_DAY * day_s)
    kept = pods[dense & (pods["deletion_time_s"] < ends_s)]
    return pd.DataFrame(
        {
            "created_s": kept["creation_time_s"].astype("float64") - TRACE_FIRST_DAY * day_s,
            "run_s": (kept["deletion_time_s"] - kept["scheduled_time_s"]).astype("float64"),
            "gpus": kept["num_gpu"] * kept["gpu_milli"] / float(kept["gpu_milli"].max()),
        }
    )


def sizes_of(pods: pd.DataFrame) -> JobSizes:
    """The table of jobs that the trace holds."""
    kept = pods[(pods["run_s"] >= SHORTEST_S) & (pods["run_s"] < LONGEST_S)]
    gpus = _whole_nodes(kept["gpus"].to_numpy(dtype=np.float64) * WIDTH)
    return JobSizes(gpus, kept["run_s"].to_numpy(dtype=np.float64), f"{len(kept)} jobs of the Alibaba GPU trace v2023")


def fitted_sizes(rows: int = 4096) -> JobSizes:
    """The table fitted to the trace: run times between its quantiles, widths in its shares; the same every time."""
    at = (np.arange(rows) + 0.5) / rows
    run_s = np.exp(np.interp(at, _QUANTILE, np.log(_RUN_S)))
    share = np.cumsum(_SHARE) / sum(_SHARE)
    # Width and run time are independent: an odd stride pairs every part of one with every part of the other.
    gpus = np.array(_GPUS, dtype=np.int64)[np.searchsorted(share, (np.arange(rows) * 1543 % rows + 0.5) / rows)]
    return JobSizes(gpus, run_s, "job sizes fitted to the Alibaba GPU trace v2023")


def _whole_nodes(gpus: FloatArray) -> IntArray:
    """Fewer than a node stay as they are, more become whole nodes."""
    up = np.ceil(gpus - 1e-9)
    nodes = np.ceil(up / GPUS_PER_NODE) * GPUS_PER_NODE
    return np.where(up <= GPUS_PER_NODE, np.maximum(up, 1.0), nodes).astype(np.int64)
