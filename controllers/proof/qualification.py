"""The qualification test of a virtual power plant (能力测试): thresholds from a file, steps that are called, and the certificate.

Every step is a call like any other and is proven like one; the certificate only gathers what proofs say. Pure but for the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import yaml

from controllers.proof.facts import Delivery, Proof
from controllers.proof.measure import REACHED_FRAC
from controllers.proof.words import percent, seconds
from vpp.errors import AccountError

__all__ = [
    "Certificate",
    "Criterion",
    "Qualification",
    "StepResult",
    "TestStep",
    "Tested",
    "Threshold",
    "certify",
    "number",
    "read_qualification",
]

_MARKS: Final = ("fact", "assumption")
_SENSES: Final = ("at_least", "at_most")
_KINDS: Final = ("peak", "valley")
_IDS: Final = (
    "capacity_mw",
    "capacity_of_load_frac",
    "duration_h",
    "response_s",
    "ramp_frac_per_min",
    "accuracy_frac",
    "sustained_frac",
    "availability_frac",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What is asked, with how it is known.

    Args:
        id: What is measured, with its unit.
        name: In words.
        name_zh: In Chinese.
        sense: Whether the value is the least or the most.
        value: In the unit of the id.
        mark: `fact` or `assumption`.
        source: Where it is written, or on what it rests.
    """

    id: str
    name: str
    name_zh: str
    sense: Literal["at_least", "at_most"]
    value: float
    mark: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestStep:
    """One call of the test.

    Args:
        id: Of the step.
        kind: peak for less import, valley for more.
        start_h: After the test's beginning. [h]
        duration_h: How long. [h]
        share_frac: Of the declared capacity.
        about: In words.
    """

    __test__ = False  # no test of ours, though it is called one

    id: str
    kind: Literal["peak", "valley"]
    start_h: float
    duration_h: float
    share_frac: float
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualification:
    """A test as its file has it."""

    name: str
    name_zh: str
    jurisdiction: str
    thresholds: tuple[Threshold, ...]
    steps: tuple[TestStep, ...]

    @property
    def length_h(self) -> float:
        """Until the last step is over. [h]."""
        return max(step.start_h + step.duration_h for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What a step came to.

    Args:
        step: As it was called.
        requested_mw: Asked for. [MW]
        delivered_mw: Mean that was given and asked for. [MW]
        response_s: Until 90 % of it. [s]
        ramp_frac_per_min: Of the step's size.
        accuracy_frac: See `Delivery`.
        sustained_frac: See `Delivery`.
        answered: Whether 90 % came in time.
        refused: Why the park took nothing of it; empty where it did.
    """

    step: TestStep
    requested_mw: float
    delivered_mw: float
    response_s: float | None
    ramp_frac_per_min: float | None
    accuracy_frac: float | None
    sustained_frac: float | None
    answered: bool
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One line of the certificate; `measured` is None where the test could not show it, which does not pass."""

    threshold: Threshold
    measured: float | None
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The outcome of a test.

    Args:
        name: Of the test.
        name_zh: In Chinese.
        jurisdiction: Whose rules.
        park: Who was tested.
        park_name_zh: In Chinese.
        time_zone: In which people there read the clock.
        made_at: When (UTC).
        where: On what, as in `simulated park` or the service's address.
        connection: At which meter.
        declared_mw: Capacity that the park declared: less import, more import. [MW]
        normal_load_mw: Mean of what all consumers of the park drew. [MW]
        passed: Whether every line did.
        criteria: Each.
        steps: Each.
        proofs: Of each step.
    """

    name: str
    name_zh: str
    jurisdiction: str
    park: str
    park_name_zh: str
    time_zone: str
    made_at: datetime
    where: str
    connection: str
    declared_mw: tuple[float, float]
    normal_load_mw: float | None
    passed: bool
    criteria: tuple[Criterion, ...]
    steps: tuple[StepResult, ...]
    proofs: tuple[Proof, ...]

    def to_json(self) -> bytes:
        """As JSON, with an indent for people."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """Who was tested, and where.

    Args:
        where: On what.
        declared_mw: Less import, more import. [MW]
        normal_load_mw: Mean of what all consumers drew; None where that is not known. [MW]
    """

    __test__ = False  # as above

    where: str
    declared_mw: tuple[float, float]
    normal_load_mw: float | None


def certify(test: Qualification, tested: Tested, proofs: Sequence[Proof]) -> Certificate:
    """The certificate out of the proofs of all steps, in their order.

    Raises:
        AccountError: A step has no proof.
    """
    if len(proofs) != len(test.steps):
        raise AccountError(f"{len(proofs)} proofs for {len(test.steps)} steps; a test that was broken off certifies nothing")
    limit_s = next((t.value for t in test.thresholds if t.id == "response_s"), None)
    steps = tuple(_step(step, proof, limit_s) for step, proof in zip(test.steps, proofs, strict=True))
    measured = _measured(steps, tested)
    criteria = tuple(_criterion(one, measured.get(one.id)) for one in test.thresholds)
    first = proofs[0]
    return Certificate(
        name=test.name,
        name_zh=test.name_zh,
        jurisdiction=test.jurisdiction,
        park=first.park,
        park_name_zh=first.park_name_zh,
        time_zone=first.time_zone,
        made_at=max(proof.made_at for proof in proofs),
        where=tested.where,
        connection=first.event.connection,
        declared_mw=tested.declared_mw,
        normal_load_mw=tested.normal_load_mw,
        passed=all(one.passed for one in criteria),
        criteria=criteria,
        steps=steps,
        proofs=tuple(proofs),
    )


def _step(step: TestStep, proof: Proof, limit_s: float | None) -> StepResult:
    judged: Delivery | None = proof.twin if proof.twin is not None else proof.settled
    if proof.event.state == "refused":
        return _refused(step, proof.event.reason, judged)
    how = proof.reaction
    frac = None if judged is None else judged.by_minute_frac
    size_mw = 0.0 if how.needed_mw is None else how.needed_mw
    ramp = how.ramp_mw_per_min / size_mw if how.ramp_mw_per_min is not None and size_mw > 0.0 else None
    in_time = how.response_s is not None and (limit_s is None or how.response_s <= limit_s)
    return StepResult(
        step=step,
        requested_mw=0.0 if judged is None else judged.requested_mw,
        delivered_mw=0.0 if judged is None or frac is None else frac * judged.requested_mw,
        response_s=how.response_s,
        ramp_frac_per_min=ramp,
        accuracy_frac=None if judged is None else judged.accuracy_frac,
        sustained_frac=None if judged is None else judged.sustained_frac,
        answered=in_time and frac is not None and frac >= REACHED_FRAC,
    )


def _refused(step: TestStep, reason: str, judged: Delivery | None) -> StepResult:
    """Whatever the meter did, the park gave nothing: it had said so."""
    return StepResult(
        step=step,
        requested_mw=0.0 if judged is None else judged.requested_mw,
        delivered_mw=0.0,
        response_s=None,
        ramp_frac_per_min=None,
        accuracy_frac=None,
        sustained_frac=None,
        answered=False,
        refused=reason or "refused",
    )


def _measured(steps: Sequence[StepResult], tested: Tested) -> Mapping[str, float | None]:
    """What each threshold is held against."""
    most = {kind: max((s.delivered_mw for s in steps if s.step.kind == kind), default=0.0) for kind in _KINDS}
    capacity_mw = most["peak"] + most["valley"]
    load_mw = tested.normal_load_mw
    # Held is what was kept to the end of the step with hardly a minute below.
    held = [s.step.duration_h for s in steps if s.answered and s.sustained_frac is not None and s.sustained_frac >= REACHED_FRAC]
    times = [s.response_s for s in steps]
    ramps = [s.ramp_frac_per_min for s in steps if s.ramp_frac_per_min is not None]
    return {
        "capacity_mw": capacity_mw,
        "capacity_of_load_frac": capacity_mw / load_mw if load_mw else None,
        "duration_h": max(held, default=0.0),
        "response_s": None if any(t is None for t in times) else max(t for t in times if t is not None),
        "ramp_frac_per_min": min(ramps) if ramps else None,
        "accuracy_frac": _mean([s.accuracy_frac for s in steps]),
        "sustained_frac": _mean([s.sustained_frac for s in steps]),
        "availability_frac": sum(s.answered for s in steps) / len(steps),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    """A step that was never reached counts as nothing."""
    return sum(value or 0.0 for value in values) / len(values) if values else None


def _criterion(threshold: Threshold, measured: float | None) -> Criterion:
    if measured is None:
        return Criterion(threshold=threshold, measured=None, passed=False)
    passed = measured >= threshold.value - 1e-9 if threshold.sense == "at_least" else measured <= threshold.value + 1e-9
    return Criterion(threshold=threshold, measured=measured, passed=passed)


def number(threshold: Threshold, value: float | None) -> str:
    """A figure as people read it, in the unit of its threshold."""
    if value is None:
        return "–"
    if "_frac" in threshold.id:
        return percent(value)
    return seconds(value) if threshold.id.endswith("_s") else f"{value:,.2f} {'MW' if threshold.id.endswith('_mw') else 'h'}"


def read_qualification(path: Path) -> Qualification:
    """A test's file.

    Raises:
        AccountError: It cannot be read, or is no such file; every fault is named.
    """
    try:
        said: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AccountError(f"{path}: {' '.join(str(error).split())}") from error
    faults: list[str] = []
    if not isinstance(said, dict):
        raise AccountError(f"{path}: no mapping; write name, thresholds and steps")
    thresholds = [_threshold(i, one, faults) for i, one in enumerate(said.get("thresholds") or ())]
    steps = [_test_step(i, one, faults) for i, one in enumerate(said.get("steps") or ())]
    faults += [f"thresholds: {name}: is missing" for name in _IDS if name not in {t.id for t in thresholds if t is not None}]
    if not steps:
        faults.append("steps: a test without steps shows nothing")
    jurisdiction, _, _ = _marked("jurisdiction", said.get("jurisdiction"), faults)
    if faults:
        raise AccountError(f"{path}: {'; '.join(faults)}")
    return Qualification(
        name=str(said.get("name", path.stem)),
        name_zh=str(said.get("name_zh", "")),
        jurisdiction=str(jurisdiction),
        thresholds=tuple(t for t in thresholds if t is not None),
        steps=tuple(s for s in steps if s is not None),
    )


def _marked(where: str, said: Any, faults: list[str]) -> tuple[Any, str, str]:
    """Value, mark and source of `{fact: VALUE, source: TEXT}`."""
    marks = [mark for mark in _MARKS if isinstance(said, dict) and mark in said]
    if len(marks) != 1 or not said.get("source"):
        faults.append(f"{where}: {said!r}: write {{fact: VALUE, source: TEXT}} or {{assumption: VALUE, source: TEXT}}")
        return None, "", ""
    return said[marks[0]], marks[0], str(said["source"])


def _threshold(i: int, said: Any, faults: list[str]) -> Threshold | None:
    where = f"thresholds.{i}"
    if not isinstance(said, dict) or said.get("id") not in _IDS:
        faults.append(f"{where}: must have an id, one of {', '.join(_IDS)}")
        return None
    value, mark, source = _marked(f"{where}.value", said.get("value"), faults)
    if said.get("sense") not in _SENSES:
        faults.append(f"{where}.sense: {said.get('sense')!r}: must be one of {', '.join(_SENSES)}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        faults.append(f"{where}.value: {value!r}: must be a number")
        return None
    return Threshold(
        id=said["id"],
        name=str(said.get("name", said["id"])),
        name_zh=str(said.get("name_zh", "")),
        sense=said.get("sense", "at_least"),
        value=float(value),
        mark=mark,
        source=source,
    )


def _test_step(i: int, said: Any, faults: list[str]) -> TestStep | None:
    try:
        step = msgspec.convert(said, type=TestStep)
    except msgspec.ValidationError as error:
        faults.append(f"steps.{i}: {error}")
        return None
    if step.start_h < 0.0 or step.duration_h <= 0.0 or not 0.0 < step.share_frac <= 1.0:
        faults.append(f"steps.{i}: {step.id}: start_h from 0, duration_h above 0, share_frac above 0 and at most 1")
    return step
