"""One tree of errors; a message names the thing, the value, the rule and what to do.

VppError
├── ParkError        a park file breaks its rules; carries every fault found
├── TimeGridError    edges out of order, a naive or non-UTC instant, unequal grids
├── SeriesError      values and stamps that do not fit each other
├── IdError          an id that cannot travel in a topic
├── WireError        a message that does not keep the wire contract
├── AssetError       a power or state outside what the kind allows
├── ForecastError    history or weather that a forecast cannot stand on
├── PlanError        a planning problem that contradicts itself
├── BrokerError      the message broker cannot be started or reached
├── SchedulerError   a job scheduler refuses, does not answer, or is set up against its rules
├── StoreError       the ledger cannot be opened, read or written
├── AccessError      a key or token that opens nothing, or rights that cannot be given
├── SettingsError    settings of a process break their rules; carries every fault found
├── ScenarioError    a scenario file breaks its rules
├── WorkerError      a process that computes for another died or hangs
├── AccountError     accounts that cannot be made: no tariff, no factor, no register
└── BalanceError     energy, hydrogen, work or money does not add up
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AccessError",
    "AccountError",
    "AssetError",
    "BalanceError",
    "BrokerError",
    "ForecastError",
    "IdError",
    "ParkError",
    "PlanError",
    "ScenarioError",
    "SchedulerError",
    "SeriesError",
    "SettingsError",
    "StoreError",
    "TimeGridError",
    "VppError",
    "WireError",
    "WorkerError",
]


class VppError(Exception):
    """Anything this project raises on purpose."""


class FaultsError(VppError):
    """Several faults of one file, found in one reading.

    Args:
        faults: One line each: file, key, value, rule.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class ParkError(FaultsError):
    """A park file breaks its rules."""


class StoreError(VppError):
    """The ledger cannot be opened, read or written; what was to be written was not."""


class AccessError(VppError):
    """A key or token that opens nothing, or rights that cannot be given."""


class SettingsError(FaultsError):
    """Settings of a process break their rules."""


class ScenarioError(FaultsError):
    """A scenario file breaks its rules."""


class TimeGridError(VppError):
    """Edges out of order, a naive or non-UTC instant, unequal grids."""


class SeriesError(VppError):
    """Values and stamps that do not fit each other."""


class IdError(VppError):
    """An id that cannot travel in a topic."""


class WireError(VppError):
    """A message that does not keep the wire contract."""


class AssetError(VppError):
    """A power or state outside what the kind allows."""


class ForecastError(VppError):
    """History or weather that a forecast cannot stand on."""


class PlanError(VppError):
    """A planning problem that contradicts itself."""


class BrokerError(VppError):
    """The message broker cannot be started or reached."""


class AccountError(VppError):
    """Accounts that cannot be made: no tariff, no emission factor, no register."""


class SchedulerError(VppError):
    """A job scheduler refuses, does not answer, or is set up against its rules."""


class WorkerError(VppError):
    """A process that computes for another died or hangs."""


class BalanceError(VppError):
    """Energy, hydrogen, work or money does not add up."""
