"""The statement's facts for machines: what `--json` writes and an API can hand out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.statements.build import Statement
from vpp.accounts import AreaTotal, Origin, PartyTotal, Projection, Ratio, invoice_lines

__all__ = ["statement_facts"]


def statement_facts(statement: Statement) -> dict[str, Any]:
    """One mapping, every number with its unit in the key."""
    accounts, totals = statement.accounts, statement.totals
    items = totals.items_cny()
    return {
        "park": statement.park.id,
        "span": {
            "kind": statement.span.kind,
            "label": statement.span.label,
            "start": accounts.grid.start.isoformat(),
            "end": accounts.grid.end.isoformat(),
            "covered_frac": statement.covered_frac,
            "final": statement.complete,
        },
        "emission_factor": accounts.terms.emission.id,
        "cost_cny": sum(items.values()),
        "cost_items_cny": items,
        "connections": [
            {
                "id": peak.connection,
                "import_mwh": peak.import_mwh,
                "export_mwh": peak.export_mwh,
                "peak_mw": peak.peak_mw,
                "peak_at": peak.peak_at.isoformat(),
                "measured_frac": peak.measured_frac,
                "missing_h": peak.missing_h,
                "bill": [
                    {"item": line.item, "amount": line.amount, "unit": line.unit, "cost_cny": line.cost_cny}
                    for line in invoice_lines(accounts, peak.connection)
                ],
            }
            for peak in totals.peaks
        ],
        "areas": [_area(area) for area in totals.areas],
        "parties": [_party(one) for one in totals.parties],
        "park_certificate_mwh": totals.park_certificate_mwh,
        "ratios": [_ratio(r, p) for r, p in zip(statement.ratios, statement.projections, strict=True)],
        "year_from": statement.year_from.isoformat(),
    }


def _origins(energy: Mapping[Origin, float]) -> dict[str, float]:
    return {origin.name.lower(): energy[origin] for origin in Origin}


def _area(area: AreaTotal) -> dict[str, Any]:
    return {
        "id": area.area,
        "supply_mwh": _origins(area.supply_mwh),
        "discharge_mwh": _origins(area.given_mwh),
        "from_areas_mwh": area.taken_mwh,
        "used_mwh": area.used_mwh,
        "charge_mwh": area.charged_mwh,
        "to_areas_mwh": area.handed_mwh,
        "export_mwh": area.exported_mwh,
        "unmetered_mwh": area.unmetered_mwh,
        "green_share_frac": area.green_frac,
    }


def _party(one: PartyTotal) -> dict[str, Any]:
    return {
        "id": one.party.id,
        "area": one.party.area,
        "role": one.party.role,
        "energy_mwh": one.energy_mwh,
        "origin_mwh": _origins(one.origin_mwh),
        "through_store_mwh": one.through_store_mwh,
        "green_share_frac": one.green_frac,
        "owed_green_frac": one.owed_frac,
        "certificate_mwh": one.certificate_mwh,
        "certificate_matched_by_quarter_mwh": one.strict_mwh,
        "emission_t": one.emission_t,
        "cost_cny": one.cost_cny,
        "cost_items_cny": {**one.items_cny, "green_shortfall": one.certificate_cny},
        "measured_frac": one.measured_frac,
    }


def _ratio(ratio: Ratio, projection: Projection | None) -> dict[str, Any]:
    reached = ratio.reached_frac
    return {
        "id": ratio.id,
        "name": ratio.name,
        "name_zh": ratio.name_zh,
        "metric": ratio.metric,
        "sense": ratio.sense,
        "target_frac": ratio.target_frac,
        "binding": ratio.binding,
        "reached_frac": reached,
        "state": ratio.state_of(reached),
        "year_end": None
        if projection is None
        else {
            "low_frac": projection.low_frac,
            "mid_frac": projection.mid_frac,
            "high_frac": projection.high_frac,
            "seen_days": projection.seen_days,
            "left_days": projection.left_days,
        },
    }
