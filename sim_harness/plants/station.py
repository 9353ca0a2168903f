"""What every plant has beside its machines: a name, a meter, a frequency relay and a key for remote or local (远方/就地)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import rejected
from sim_harness.plants.base import Ambient
from vpp.ids import AreaId, AssetId
from vpp.park.schema import Asset
from vpp.wire.messages import Mode, Setpoint

__all__ = ["Station"]

NOMINAL_HZ: Final = 50.0


class Station(ABC):
    """The half of a plant that is the same for every kind: identity, metering and who may command it.

    In `local` or `fault` mode it refuses every command and goes on as it was last told; whoever turned the key works it with
    `by_hand`. The reading carries the frequency of the last step, so that a reflex armed at the device can see it.

    Args:
        asset: What stands here.
        start: First instant (UTC).
        power_mw: At the meter when the run begins. [MW]
    """

    def __init__(self, asset: Asset, start: datetime, power_mw: float = 0.0) -> None:
        self._asset, self._at, self._power_mw = asset, start, power_mw
        self._mode: Mode = "remote"
        self._frequency_hz = NOMINAL_HZ

    @property
    def asset_id(self) -> AssetId:
        """Its id."""
        return self._asset.id

    @property
    def area(self) -> AreaId:
        """The supply area it stands in."""
        return self._asset.area

    @property
    def power_mw(self) -> float:
        """Mean power of the last step, positive when consuming."""
        return self._power_mw

    @property
    def mode(self) -> Mode:
        """Who commands it: `remote` the park, `local` somebody's hand, `fault` nobody."""
        return self._mode

    def turn_key(self, mode: Mode) -> None:
        """Put it in somebody's hand or give it back; what it does goes on without a bump."""
        self._mode = mode

    def apply(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """Follow a setpoint from outside, if the key stands on remote."""
        if self._mode != "remote":
            return rejected(
                self._power_mw, f"mode_{self._mode}", f"{self.asset_id} is in {self._mode} mode and follows its own panel"
            )
        return self._obey(setpoint, ramp_mw_per_min)

    def by_hand(self, setpoint: Setpoint, ramp_mw_per_min: float | None = None) -> Applied:
        """Follow a setpoint given at the plant's own panel, whatever the key says."""
        return self._obey(setpoint, ramp_mw_per_min)

    @abstractmethod
    def _obey(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """Follow a setpoint as far as the machines can; a kind that means nothing here is rejected, not raised."""

    def _metered(self, power_mw: float, ambient: Ambient) -> None:
        """Read the meter and the frequency relay at the end of a step."""
        self._power_mw, self._frequency_hz = power_mw, ambient.frequency_hz
        self._at = ambient.at + timedelta(seconds=ambient.dt_s)

    def _reading(self, state: dict[str, float], limits: Mapping[str, float]) -> Reading:
        """What the panel tells, `state` and the frequency beside it."""
        state["frequency_hz"] = self._frequency_hz
        return Reading(self._at, self._power_mw, None, state, self._mode, limits)
