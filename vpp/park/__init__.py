"""The park as data: nameplates, areas, connections, tariffs and duties, each value with its mark and source."""

from vpp.park.duties import CoalRate, Contract, EmissionFactor, GridRule, Target
from vpp.park.load import load, load_record
from vpp.park.record import ParkRecord, Record
from vpp.park.registry import PlateRegistration, plate_types, register_plate
from vpp.park.rules import areas_behind
from vpp.park.safe_power import SafeRange, safe_power_range_mw, safe_range_of_plate
from vpp.park.schema import GRID, Area, Asset, Bus, Connection, Line, Network, NetworkBasis, Park, Site, Transformer
from vpp.park.tariff import Period, Prices, Tariff, TariffId, TariffPrices, tariff_prices
from vpp.park.yaml_marks import Marked, Provenance, Statement

__all__ = [
    "GRID",
    "Area",
    "Asset",
    "Bus",
    "CoalRate",
    "Connection",
    "Contract",
    "EmissionFactor",
    "GridRule",
    "Line",
    "Marked",
    "Network",
    "NetworkBasis",
    "Park",
    "ParkRecord",
    "Period",
    "PlateRegistration",
    "Prices",
    "Provenance",
    "Record",
    "SafeRange",
    "Site",
    "Statement",
    "Target",
    "Tariff",
    "TariffId",
    "TariffPrices",
    "Transformer",
    "areas_behind",
    "load",
    "load_record",
    "plate_types",
    "register_plate",
    "safe_power_range_mw",
    "safe_range_of_plate",
    "tariff_prices",
]
