"""The ledger of the service: what was measured, planned, asked and done."""

from controllers.store.engine import Store, open_store
from controllers.store.rows import (
    AlarmRow,
    AskRow,
    AuditRow,
    EventRow,
    ForecastRow,
    OverrideKind,
    OverrideRow,
    PlanRow,
    PromiseRow,
    Reading,
    RegisterRow,
    SaidRow,
)

__all__ = [
    "AlarmRow",
    "AskRow",
    "AuditRow",
    "EventRow",
    "PromiseRow",
    "ForecastRow",
    "OverrideKind",
    "OverrideRow",
    "PlanRow",
    "Reading",
    "RegisterRow",
    "SaidRow",
    "Store",
    "open_store",
]
