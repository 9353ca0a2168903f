"""What a field may hold: each type carries its bounds, which decoder and schema both read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

#: More than any park has; catches a kilowatt or a watt sent as a megawatt, and infinity.
MAX_MW = 1e5

Mw: TypeAlias = Annotated[float, Meta(ge=-MAX_MW, le=MAX_MW, description="MW, positive when consuming")]
MagnitudeMw: TypeAlias = Annotated[float, Meta(ge=0.0, le=MAX_MW, description="MW, never negative")]
RampMwPerMin: TypeAlias = Annotated[float, Meta(gt=0.0, le=MAX_MW, description="MW per minute, never negative")]
Fraction: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0, description="share, 0 to 1")]
Confidence: TypeAlias = Annotated[float, Meta(ge=0.5, le=0.999, description="how surely, 0.5 to 0.999")]
Quantity: TypeAlias = Annotated[float, Meta(ge=-1e12, le=1e12, description="a finite number")]
Positive: TypeAlias = Annotated[float, Meta(ge=0.0, le=1e12, description="a finite number, never negative")]
Seconds: TypeAlias = Annotated[float, Meta(ge=0.0, le=1e7, description="s")]
LeaseSeconds: TypeAlias = Annotated[float, Meta(gt=0.0, le=1e5, description="s on the receiver's own clock")]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Instant: TypeAlias = Annotated[datetime, Meta(tz=True, description="instant with a zone; UTC inside")]
#: The pattern of `vpp.ids`; its tail because `$` alone would let a line break pass, and `\Z` is no JSON Schema.
Id: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$(?!\n)", max_length=120)]
#: The caller's own name of an event; it never travels in a topic.
EventId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$(?!\n)")]
Code: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_.]*$", max_length=60)]
Text: TypeAlias = Annotated[str, Meta(max_length=400)]

#: The three that IEC 61850-7-3 gives a measured value.
Quality: TypeAlias = Literal["good", "questionable", "invalid"]
Mode: TypeAlias = Literal["remote", "local", "fault"]
Outcome: TypeAlias = Literal["accepted", "clamped", "rejected"]
