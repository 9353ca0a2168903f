"""What simple plants answer to a setpoint, in one wording."""

from __future__ import annotations

from controllers.edge.device import Applied
from vpp.wire.messages import Reason, Setpoint

__all__ = ["accepted", "clamped", "rejected", "rejected_kind"]


def accepted(power_mw: float) -> Applied:
    """It is followed as it was asked."""
    return Applied("accepted", power_mw)


def clamped(power_mw: float, code: str, text: str) -> Applied:
    """It is followed as far as the machine can."""
    return Applied("clamped", power_mw, Reason(code=code, text=text))


def rejected(power_mw: float, code: str, text: str) -> Applied:
    """Nothing changes."""
    return Applied("rejected", power_mw, Reason(code=code, text=text))


def rejected_kind(power_mw: float, setpoint: Setpoint, knows: str) -> Applied:
    """Nothing changes, because the machine does not know setpoints of this kind."""
    return rejected(power_mw, "unknown_setpoint", f"{type(setpoint).__name__} means nothing here; {knows}")
