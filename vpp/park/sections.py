"""The sections of a park file and the keys each of their records may carry."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Final

from vpp.park.duties import CoalRate, Contract, EmissionFactor, GridRule, Target
from vpp.park.registry import plate_types
from vpp.park.schema import Area, Bus, Connection, Line, NetworkBasis, Site, Transformer
from vpp.park.tariff import Prices, Tariff

__all__ = ["ASSETS", "SECTIONS", "STATEMENT_SECTIONS", "Section"]

ASSETS: Final = "assets"
_NAMES: Final = ("id", "name", "name_zh")
_ASSET_IDENTITY: Final = ("id", "kind", "area", "bus", "name", "name_zh", "scenario")


@dataclass(frozen=True, slots=True)
class Section:
    """One section: the record it holds, which of its keys are identity, and which are marked values.

    Args:
        shape: The dataclass that a record becomes; its fields are the keys. For assets the kind decides.
        identity: Keys written plainly: who the record is and what it refers to. All others are marked values.
        single: Whether the section is one record and not a list.
        dated: Whether a record may be in service for a part of the time.
    """

    shape: type | None
    identity: tuple[str, ...]
    single: bool = False
    dated: bool = False

    def value_keys(self, kind: str | None) -> tuple[str, ...]:
        """Keys of marked values, for assets those of the kind's plate."""
        shape = plate_types().get(kind or "") if self.shape is None else self.shape
        if shape is None:
            return ()
        hidden = {*self.identity, "in_service_from", "in_service_until"}
        return tuple(field.name for field in fields(shape) if field.name not in hidden)

    def required_identity(self) -> tuple[str, ...]:
        """Identity keys without which a record cannot be told from others."""
        if self.shape is None:
            return tuple(key for key in self.identity if key != "scenario")
        defaults = {field.name for field in fields(self.shape) if field.default is not MISSING}
        return tuple(key for key in self.identity if key not in defaults)


SECTIONS: Final[dict[str, Section]] = {
    "park": Section(Site, _NAMES, single=True),
    "areas": Section(Area, _NAMES),
    "connections": Section(Connection, (*_NAMES, "area", "to", "tariff"), dated=True),
    ASSETS: Section(None, _ASSET_IDENTITY, dated=True),
    "network": Section(NetworkBasis, (), single=True),
    "buses": Section(Bus, ("id", "area", "name")),
    "lines": Section(Line, ("id", "from_bus", "to_bus")),
    "transformers": Section(Transformer, ("id", "hv_bus", "lv_bus")),
    "tariffs": Section(Tariff, _NAMES),
    "prices": Section(Prices, (), single=True),
    "contracts": Section(Contract, (*_NAMES, "areas", "assets")),
    "targets": Section(Target, (*_NAMES, "areas", "kinds")),
    "grid_rules": Section(GridRule, _NAMES),
    "emission_factors": Section(EmissionFactor, _NAMES),
    "coal_rates": Section(CoalRate, _NAMES),
}

#: Sections that are lists of marked sentences.
STATEMENT_SECTIONS: Final = ("not_modelled", "contradictions")
