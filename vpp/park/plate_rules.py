"""Rules inside one record that types cannot say: orders, sums, curves. Each yields (key, value, what is wrong and right)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from itertools import pairwise
from typing import Final, TypeAlias

from vpp.park import plates as p
from vpp.park.tariff import SLOTS_PER_DAY, SLOTS_PER_HOUR, Tariff
from vpp.units import s_to_h

__all__ = ["Finding", "plate_findings", "tariff_findings"]

#: Key, value as text, rule.
Finding: TypeAlias = tuple[str, str, str]

#: The planner's near step: a store that is empty sooner cannot be planned.
STEP_H: Final = 0.25
_SUM_TOLERANCE: Final = 1e-6


@singledispatch
def plate_findings(plate: object) -> Iterator[Finding]:
    """What is wrong with a plate, beyond types and bounds; a kind from outside may register its own."""
    yield from ()


def _store(power_mw: float, energy_mwh: float, soc_min_frac: float, soc_max_frac: float) -> Iterator[Finding]:
    if energy_mwh < power_mw * STEP_H:
        rule = f"less than one step of 15 min at power_mw {power_mw:g}; write at least {power_mw * STEP_H:g}"
        yield "energy_mwh", f"{energy_mwh:g}", rule
    if soc_min_frac >= soc_max_frac:
        yield (
            "soc_min_frac",
            f"{soc_min_frac:g}",
            f"not below soc_max_frac {soc_max_frac:g}; correct it against the source it cites",
        )


@plate_findings.register
def _battery(plate: p.BatteryPlate) -> Iterator[Finding]:
    yield from _store(plate.power_mw, plate.energy_mwh, plate.soc_min_frac, plate.soc_max_frac)


@plate_findings.register
def _compressed_air(plate: p.CompressedAirPlate) -> Iterator[Finding]:
    yield from _store(plate.power_mw, plate.energy_mwh, plate.soc_min_frac, plate.soc_max_frac)


@plate_findings.register
def _electrolyser(plate: p.ElectrolyserPlate) -> Iterator[Finding]:
    loads, specific = plate.load_frac, plate.specific_kwh_per_nm3
    if len(loads) != len(specific):
        yield "specific_kwh_per_nm3", f"{len(specific)} values", f"load_frac has {len(loads)}; write one for each load"
        return
    if len(loads) < 2 or any(right <= left for left, right in pairwise(loads)):
        yield "load_frac", str(list(loads)), "loads must increase, two of them at least"
        return
    if loads[0] > plate.min_load_frac or loads[-1] < plate.max_load_frac:
        rule = f"must reach from min_load_frac {plate.min_load_frac:g} to max_load_frac {plate.max_load_frac:g}"
        yield "load_frac", str(list(loads)), rule
    hydrogen = [load / energy for load, energy in zip(loads, specific, strict=True)]
    if any(right <= left for left, right in pairwise(hydrogen)):
        yield "specific_kwh_per_nm3", str(list(specific)), "more power would make less hydrogen; check the curve"
        return
    slopes = [(p1 - p0) / (h1 - h0) for (p0, h0), (p1, h1) in pairwise(zip(loads, hydrogen, strict=True))]
    for index, (left, right) in enumerate(pairwise(slopes)):
        if right < left - _SUM_TOLERANCE:
            rule = f"power is not convex in hydrogen at load {loads[index + 1]:g}; lower the energy there or raise it beside"
            yield "specific_kwh_per_nm3", str(list(specific)), rule


@plate_findings.register
def _compute(plate: p.ComputePlate) -> Iterator[Finding]:
    shares = sum(job.share_frac for job in plate.job_classes)
    if abs(shares - 1) > _SUM_TOLERANCE:
        yield "job_classes", f"shares add up to {shares:g}", "share_frac of all job classes must add up to 1"
    tiers = sum(plate.tier_frac)
    if abs(tiers - 1) > _SUM_TOLERANCE:
        yield "tier_frac", f"adds up to {tiers:g}", "shares of tiers 0 to 3 must add up to 1"
    names = [job.name for job in plate.job_classes]
    if len(set(names)) < len(names):
        yield "job_classes", ", ".join(names), "two classes of one name; rename one"
    power, throughput = plate.cap_power_frac, plate.cap_throughput_frac
    if len(power) != len(throughput):
        yield "cap_throughput_frac", f"{len(throughput)} values", f"cap_power_frac has {len(power)}; write one for each cap"
    for key, curve in (("cap_power_frac", power), ("cap_throughput_frac", throughput)):
        if any(right <= left for left, right in pairwise(curve)):
            yield key, str(list(curve)), "a cap curve must increase from the lowest cap to none"
    if plate.it_mw * plate.pue_frac > plate.rated_mw * (1 + _SUM_TOLERANCE):
        rule = f"below it_mw {plate.it_mw:g} x pue_frac {plate.pue_frac:g}; write {plate.it_mw * plate.pue_frac:g} or more"
        yield "rated_mw", f"{plate.rated_mw:g}", rule


@plate_findings.register
def _arc_furnace(plate: p.ArcFurnacePlate) -> Iterator[Finding]:
    if plate.sequence_heats_min > plate.sequence_heats_max:
        yield "sequence_heats_min", str(plate.sequence_heats_min), f"above sequence_heats_max {plate.sequence_heats_max}"
    if plate.power_on_s > plate.tap_to_tap_s:
        yield "power_on_s", f"{plate.power_on_s:g}", f"longer than tap_to_tap_s {plate.tap_to_tap_s:g}"
    melting_h = plate.heat_mwh * plate.melting_energy_frac / plate.melting_mw
    refining_h = plate.heat_mwh * (1 - plate.melting_energy_frac) / (plate.melting_mw * plate.refining_frac)
    power_on_h = s_to_h(plate.power_on_s)
    if melting_h + refining_h > power_on_h:
        rule = f"a heat at full stage power takes {melting_h + refining_h:.2f} h, power_on_s allows {power_on_h:.2f} h"
        yield "heat_mwh", f"{plate.heat_mwh:g}", rule


def _band(
    plate: p.ZincElectrowinningPlate | p.CopperRefiningPlate | p.SubmergedArcPlate | p.FlexibleLoadPlate,
) -> Iterator[Finding]:
    if plate.min_frac > plate.max_frac:
        yield "min_frac", f"{plate.min_frac:g}", f"above max_frac {plate.max_frac:g}"
    elif plate.quota_frac > plate.max_frac:
        yield "quota_frac", f"{plate.quota_frac:g}", f"above max_frac {plate.max_frac:g}: the quota cannot be met"


@plate_findings.register
def _zinc(plate: p.ZincElectrowinningPlate) -> Iterator[Finding]:
    yield from _band(plate)
    if plate.protective_frac > plate.min_frac:
        yield "protective_frac", f"{plate.protective_frac:g}", f"above min_frac {plate.min_frac:g}"


@plate_findings.register
def _copper(plate: p.CopperRefiningPlate) -> Iterator[Finding]:
    yield from _band(plate)


@plate_findings.register
def _submerged_arc(plate: p.SubmergedArcPlate) -> Iterator[Finding]:
    yield from _band(plate)


@plate_findings.register
def _flexible_load(plate: p.FlexibleLoadPlate) -> Iterator[Finding]:
    yield from _band(plate)


def tariff_findings(tariff: Tariff) -> Iterator[Finding]:
    """What is wrong with a tariff: hours not covered once, periods without price, limits out of order."""
    yield from _hour_findings(tariff)
    named = {period.name for period in (*tariff.periods, *tariff.sharp_periods)}
    for name in sorted(named ^ set(tariff.import_cny_per_mwh)):
        rule = "a period without a price" if name in named else "a price without a period"
        yield "import_cny_per_mwh", name, f"{rule}; periods are {', '.join(sorted(named))}"
    if tariff.spot_floor_cny_per_mwh >= tariff.spot_cap_cny_per_mwh:
        yield "spot_floor_cny_per_mwh", f"{tariff.spot_floor_cny_per_mwh:g}", f"not below the cap {tariff.spot_cap_cny_per_mwh:g}"
    if tariff.valid_until is not None and tariff.valid_until < tariff.valid_from:
        yield "valid_until", str(tariff.valid_until), f"before valid_from {tariff.valid_from}"


def _hour_findings(tariff: Tariff) -> Iterator[Finding]:
    covers = [0] * SLOTS_PER_DAY
    for period in tariff.periods:
        if period.months:
            yield "periods", period.name, "holds in some months only; write it under sharp_periods"
        for start, end in period.hours:
            for slot in range(int(start * SLOTS_PER_HOUR), int(end * SLOTS_PER_HOUR)):
                covers[slot] += 1
    for period in (*tariff.periods, *tariff.sharp_periods):
        for start, end in period.hours:
            if end <= start:
                yield "periods", f"{period.name} {start:g}-{end:g}", "hours must run forward within a day; split them at midnight"
    for wrong, what in ((0, "no period covers"), (2, "two periods cover")):
        hit = [slot for slot, count in enumerate(covers) if min(count, 2) == wrong]
        if hit:
            text = f"{what} {len(hit) / SLOTS_PER_HOUR:g} h from hour {hit[0] / SLOTS_PER_HOUR:g}"
            yield "periods", text, "periods must cover 24 h exactly once"
