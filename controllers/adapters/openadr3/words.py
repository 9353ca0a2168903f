"""The objects of OpenADR 3.1.1 as they are sent, checked like the specification's own schemas.

Two things are wider than the specification: `null` stands for "not said" in every optional field, since clients in the field send
it, and what a newer version may add is ignored. Times stay text as they came; `times` reads them where they are needed.

Source: OpenADR 3.1.1 OpenAPI file (openadr3-3.1.1.yaml), OpenADR Alliance, Apache-2.0.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from controllers.adapters.openadr3.times import duration_text, instant_text, uri_text

__all__ = [
    "BlResource",
    "BlVen",
    "Event",
    "EventDescriptor",
    "Interval",
    "IntervalPeriod",
    "ObjectType",
    "Operation",
    "Program",
    "Report",
    "ReportDescriptor",
    "ReportPayloads",
    "ReportResource",
    "Subscription",
    "Values",
    "VenResource",
    "VenVen",
]

ObjectType: TypeAlias = Literal["PROGRAM", "EVENT", "REPORT", "SUBSCRIPTION", "VEN", "RESOURCE"]
Operation: TypeAlias = Literal["READ", "CREATE", "UPDATE", "DELETE"]

#: Lists longer than this are refused: nobody means them, and they would fill the memory.
_LIST_MAX: Final = 5_000


def _whole(value: object) -> object:
    """A number without a fraction is an integer in JSON, however it is written."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Short: TypeAlias = Annotated[str, Field(min_length=1, max_length=128)]
Id: TypeAlias = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_-]*$")]
Whole: TypeAlias = Annotated[int, BeforeValidator(_whole), Field(ge=-(2**31), lt=2**31)]
Instant: TypeAlias = Annotated[str, AfterValidator(instant_text)]
Duration: TypeAlias = Annotated[str, AfterValidator(duration_text)]
Uri: TypeAlias = Annotated[str, Field(min_length=2, max_length=8000), AfterValidator(uri_text)]
Targets: TypeAlias = Annotated[list[Short], Field(max_length=_LIST_MAX)] | None


class _Word(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    def sent(self) -> dict[str, Any]:
        """As it is stored and sent: what was not said is left out, since some fields may not be null on the way out."""
        return self.model_dump(mode="json", exclude_none=True)


class Point(_Word):
    """A pair of numbers."""

    x: float
    y: float


class Values(_Word):
    """Values of one type."""

    type: Short
    values: list[bool | int | float | str | Point] = Field(max_length=_LIST_MAX)


class IntervalPeriod(_Word):
    """When intervals begin and how long they are."""

    start: Instant | None = None
    duration: Duration | None = None
    randomizeStart: Duration | None = None  # noqa: N815  a name of the specification


class Interval(_Word):
    """Values over a span."""

    id: Whole
    intervalPeriod: IntervalPeriod | None = None  # noqa: N815
    payloads: list[Values] = Field(max_length=_LIST_MAX)


class EventDescriptor(_Word):
    """In which unit a type of an event is."""

    objectType: Literal["EVENT_PAYLOAD_DESCRIPTOR"]  # noqa: N815
    payloadType: Short  # noqa: N815
    units: Short | None = None
    currency: str | None = None


class ReportPayloads(_Word):
    """In which unit a type of a report is, and how it was read."""

    objectType: Literal["REPORT_PAYLOAD_DESCRIPTOR"]  # noqa: N815
    payloadType: Short  # noqa: N815
    readingType: Short | None = None  # noqa: N815
    units: Short | None = None
    accuracy: float | None = None
    confidence: Annotated[int, BeforeValidator(_whole), Field(ge=0, le=100)] | None = None


class ReportDescriptor(_Word):
    """A report that is asked for."""

    payloadType: Short  # noqa: N815
    readingType: Short | None = None  # noqa: N815
    units: Short | None = None
    targets: Targets = None
    aggregate: bool | None = None
    startInterval: Whole | None = None  # noqa: N815
    numIntervals: Whole | None = None  # noqa: N815
    historical: bool | None = None
    frequency: Whole | None = None
    repeat: Whole | None = None
    reportIntervals: Literal["INTERVALS", "SUB_INTERVALS", "OPEN_INTERVALS"] | None = None  # noqa: N815


class Description(_Word):
    """Where a program is described."""

    URL: Uri


class Program(_Word):
    """What events belong to."""

    programName: Short  # noqa: N815
    intervalPeriod: IntervalPeriod | None = None  # noqa: N815
    programDescriptions: list[Description] | None = None  # noqa: N815
    payloadDescriptors: (  # noqa: N815
        list[Annotated[EventDescriptor | ReportPayloads, Field(discriminator="objectType")]] | None
    ) = None
    attributes: list[Values] | None = None
    targets: Targets = None


class Event(_Word):
    """What is asked, over intervals."""

    programID: Id  # noqa: N815
    eventName: str | None = None  # noqa: N815
    duration: Duration | None = None
    priority: Annotated[int, BeforeValidator(_whole), Field(ge=0)] | None = None
    targets: Targets = None
    reportDescriptors: list[ReportDescriptor] | None = None  # noqa: N815
    payloadDescriptors: list[EventDescriptor] | None = None  # noqa: N815
    intervalPeriod: IntervalPeriod | None = None  # noqa: N815
    intervals: Annotated[list[Interval], Field(max_length=_LIST_MAX)] | None = None


class ReportResource(_Word):
    """Values of one resource."""

    resourceName: Short  # noqa: N815
    intervalPeriod: IntervalPeriod | None = None  # noqa: N815
    intervals: list[Interval] = Field(max_length=_LIST_MAX)


class Report(_Word):
    """What came of an event."""

    eventID: Id  # noqa: N815
    clientName: Short  # noqa: N815
    reportName: str | None = None  # noqa: N815
    payloadDescriptors: list[ReportPayloads] | None = None  # noqa: N815
    resources: list[ReportResource] = Field(max_length=_LIST_MAX)


class ObjectOperation(_Word):
    """Of what a subscriber wants to hear, and where."""

    objects: list[ObjectType]
    operations: list[Operation]
    callbackUrl: Uri  # noqa: N815
    bearerToken: str | None = None  # noqa: N815


class Subscription(_Word):
    """Who wants to be told."""

    clientName: Short  # noqa: N815
    programID: Id | None = None  # noqa: N815
    objectOperations: list[ObjectOperation] = Field(max_length=100)  # noqa: N815
    targets: Targets = None


class VenVen(_Word):
    """A VEN as it announces itself."""

    objectType: Literal["VEN_VEN_REQUEST"]  # noqa: N815
    venName: Short  # noqa: N815
    attributes: list[Values] | None = None


class BlVen(_Word):
    """A VEN as business logic provisions it."""

    objectType: Literal["BL_VEN_REQUEST"]  # noqa: N815
    clientID: Short  # noqa: N815
    targets: Targets = None
    venName: Short  # noqa: N815
    attributes: list[Values] | None = None


class VenResource(_Word):
    """A resource as its VEN announces it."""

    objectType: Literal["VEN_RESOURCE_REQUEST"]  # noqa: N815
    resourceName: Short  # noqa: N815
    venID: Id  # noqa: N815
    attributes: list[Values] | None = None


class BlResource(_Word):
    """A resource as business logic provisions it."""

    objectType: Literal["BL_RESOURCE_REQUEST"]  # noqa: N815
    clientID: Short  # noqa: N815
    targets: Targets = None
    resourceName: Short  # noqa: N815
    venID: Id  # noqa: N815
    attributes: list[Values] | None = None
