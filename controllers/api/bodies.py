"""What people and machines may send: every field with its unit and bounds; a field that does not exist is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from controllers.api.roles import Role
from vpp.events import EventKind
from vpp.wire.messages.fields import MAX_MW

__all__ = [
    "AcknowledgeBody",
    "AmendBody",
    "BacklogBody",
    "BacklogItemBody",
    "EventBody",
    "KeyBody",
    "LocalBody",
    "MaintenanceBody",
    "OverrideBody",
    "PinBody",
    "RefusedCallBody",
    "ReleaseBody",
    "ResponseBody",
    "TokenBody",
]


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


#: With a zone; inside there is only UTC.
Instant: TypeAlias = Annotated[AwareDatetime, AfterValidator(_utc)]
Mw: TypeAlias = Annotated[float, Field(ge=-MAX_MW, le=MAX_MW, allow_inf_nan=False)]
MagnitudeMw: TypeAlias = Annotated[float, Field(ge=0.0, le=MAX_MW, allow_inf_nan=False)]
Amount: TypeAlias = Annotated[float, Field(ge=0.0, le=1e9, allow_inf_nan=False)]
Id: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$", max_length=120)]
EventId: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", max_length=120)]
#: Someone will ask.
Why: TypeAlias = Annotated[str, Field(min_length=3, max_length=400)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class LocalBody(_Body):
    """Take an asset out of remote control: it is counted with its telemetry and commanded nothing."""

    kind: Literal["local"]
    asset_id: Id
    start: Instant | None = Field(None, description="from when; now without it")
    end: Instant | None = Field(None, description="until when; until it is released without it")
    why: Why


class PinBody(_Body):
    """Hold an asset at a power until an end."""

    kind: Literal["pin"]
    asset_id: Id
    power_mw: Mw = Field(description="positive when consuming [MW]")
    start: Instant | None = Field(None, description="from when; now without it")
    end: Instant = Field(description="until when; a pin without an end would be forgotten")
    why: Why


class MaintenanceBody(_Body):
    """A window in which an asset is not counted on."""

    kind: Literal["maintenance"]
    asset_id: Id
    start: Instant
    end: Instant
    why: Why


class ReleaseBody(_Body):
    """Give an asset back: everything that holds it ends now."""

    kind: Literal["release"]
    asset_id: Id
    why: Why


OverrideBody: TypeAlias = Annotated[LocalBody | PinBody | MaintenanceBody | ReleaseBody, Field(discriminator="kind")]


class EventBody(_Body):
    """A call of the grid on one connection, or at one cluster's meter; the same `event_id` and content again changes nothing."""

    event_id: EventId = Field(description="the caller's own name of it")
    connection: Id
    asset: Id | None = Field(
        None,
        description="a computing cluster behind the connection at whose own meter the call is counted: for peak, import_limit "
        "and emergency; stores and all else beside it count for nothing",
    )
    kind: EventKind
    target_mw: Mw = Field(
        description="import to keep, negative for export: at most for peak, import_limit and emergency, "
        "at least for valley and export_limit; with asset the most that its meter may read [MW]"
    )
    start: Instant
    end: Instant
    priority: int = Field(0, ge=0, le=1000, description="the lower goes first")
    confidence: float = Field(0.99, ge=0.5, le=0.999, allow_inf_nan=False, description="how surely it is to be kept")
    note: str = Field("", max_length=400)


class AmendBody(_Body):
    """What changes of an event that is not over; at least one field."""

    target_mw: Mw | None = None
    start: Instant | None = None
    end: Instant | None = None
    priority: int | None = Field(None, ge=0, le=1000)
    confidence: float | None = Field(None, ge=0.5, le=0.999, allow_inf_nan=False)

    @model_validator(mode="after")
    def _something(self) -> AmendBody:
        if not self.model_fields_set:
            raise ValueError("say what changes: target_mw, start, end, priority or confidence")
        return self


class RefusedCallBody(_Body):
    """A call in another protocol that cannot be put into the words of this one."""

    event_id: str = Field(min_length=1, max_length=120, description="the caller's own name of it, as it came")
    why: str = Field(min_length=3, max_length=900)


class BacklogItemBody(_Body):
    """Deferrable work of one class."""

    job_class: str = Field(min_length=1, max_length=80)
    energy_mwh: Amount | None = Field(None, description="work left as energy at the cluster's meter [MWh]; this or gpu_h")
    gpu_h: Amount | None = Field(None, description="work left in GPU-hours [h]")
    release: Instant
    deadline: Instant
    max_mw: MagnitudeMw
    tier: int = Field(ge=0, le=3)
    preemptible: bool
    checkpoint_s: float | None = Field(None, ge=0.0, le=1e7, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_measure(self) -> BacklogItemBody:
        if (self.energy_mwh is None) == (self.gpu_h is None):
            raise ValueError("needs one of energy_mwh and gpu_h")
        return self


class BacklogBody(_Body):
    """All deferrable work of a cluster; replaces what was said before. Items are judged one by one."""

    fast_band_mw: MagnitudeMw = Field(0.0, description="band within which power may be modulated in seconds [MW]")
    items: list[dict[str, Any]] = Field(max_length=20_000, description="see BacklogItem; each is taken or refused by itself")


class AcceptedIntervalBody(_Body):
    """The power a scheduler takes on for one interval where it differs from the target."""

    start: Instant
    end: Instant
    power_mw: MagnitudeMw


class ResponseBody(_Body):
    """What of a revision of the compute-shift signal the scheduler accepts."""

    revision: int = Field(ge=0)
    accepted: Literal["all", "part", "none"]
    intervals: list[AcceptedIntervalBody] = Field(default_factory=list, max_length=400)
    note: str = Field("", max_length=400)


class AcknowledgeBody(_Body):
    """Someone has seen an alarm."""

    note: str = Field("", max_length=400)


class TokenBody(_Body):
    """How long the token shall live; never longer than the service allows."""

    life_s: int | None = Field(None, ge=10, le=86_400)


class KeyBody(_Body):
    """A key for somebody."""

    name: str = Field(min_length=2, max_length=80)
    role: Role
    cluster: Id | None = Field(None, description="for a scheduler: the only cluster it speaks for")
    expires_at: Instant | None = None
