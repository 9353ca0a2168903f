"""What goes wrong on purpose, by seed: on the wire, at the devices, in the forecasts and in the plants."""

from __future__ import annotations

from sim_harness.faults.entry import FaultEntry, entry_faults
from sim_harness.faults.injector import Injector
from sim_harness.faults.schedule import Window, schedule_of

__all__ = ["FaultEntry", "Injector", "Window", "entry_faults", "schedule_of"]
