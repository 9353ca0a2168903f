"""What Prometheus reads of the park: taken from the present when it asks, kept nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controllers.api.bell import Bell
from controllers.api.live import LiveView
from controllers.api.live_state import AssetMode, LiveState
from controllers.api.stream import Hub
from controllers.api.watch import AskWatch
from vpp.units import W_PER_MW

__all__ = ["ParkGauges"]


class ParkGauges(Collector):
    """Powers, modes and ages; Prometheus wants base units, so watts and seconds are what it gets.

    Args:
        live: The present.
        hub: Streams.
        bell: To the controller.
        now: Park time.
        watch: What stands in the ledger, as it was last read.
    """

    def __init__(self, live: LiveView, hub: Hub, bell: Bell, now: Callable[[], datetime], watch: AskWatch) -> None:
        self._live, self._hub, self._bell, self._now, self._watch = live, hub, bell, now, watch

    def describe(self) -> Iterable[Metric]:
        """Nothing before the first question: the names are known only then."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Everything, as it is now."""
        state = self._live.state(self._now())
        yield from _powers(state)
        yield from self._ages(state)
        yield from self._bus()
        open_asks = GaugeMetricFamily("vpp_open", "Overrides, events and alarms that stand.", labels=["what"])
        for what, count in sorted(self._watch.counts().items()):
            open_asks.add_metric([what], count)
        yield open_asks
        yield from _controller(self._watch.health)
        yield GaugeMetricFamily("vpp_streams_open", "Event streams that are open.", value=self._hub.followers)
        yield CounterMetricFamily("vpp_stream_events_lost", "Events dropped for followers too slow.", value=self._hub.lost)

    def _ages(self, state: LiveState) -> Iterable[Metric]:
        plan, heard_at = self._live.plan, state.controller_heard_at
        if plan is not None:
            age_s = (state.at - plan.issued_at).total_seconds()
            yield GaugeMetricFamily("vpp_plan_age_seconds", "Since the current plan was made, in park time.", value=age_s)
            yield GaugeMetricFamily("vpp_plan_unmet", "What the current plan does not meet.", value=len(plan.unmet))
        if heard_at is not None:
            silent_s = (state.at - heard_at).total_seconds()
            yield GaugeMetricFamily("vpp_controller_silence_seconds", "Since the controller was heard.", value=silent_s)

    def _bus(self) -> Iterable[Metric]:
        counters = self._live.bus.counters
        yield GaugeMetricFamily("vpp_bus_connected", "Whether the bus is there.", value=float(self._live.bus.connected))
        yield CounterMetricFamily("vpp_bus_messages_delivered", "Messages taken from the bus.", value=counters.delivered)
        malformed = sum(counters.malformed.values())
        yield CounterMetricFamily("vpp_bus_messages_malformed", "Messages that broke the contract.", value=malformed)
        yield CounterMetricFamily("vpp_bus_messages_dropped", "Messages that could not be sent in time.", value=counters.dropped)
        yield CounterMetricFamily("vpp_bell_rung", "Asks that the controller was told of.", value=self._bell.rung)


def _controller(health: dict[str, Any]) -> Iterable[Metric]:
    """How the controller's loops fare, from its own note; nothing before the first."""
    for name, key, words in (
        ("vpp_dispatch_late_p99_seconds", "dispatch_late_p99_s", "How late dispatch begins, 99th percentile of the latest."),
        ("vpp_ack_p99_seconds", "ack_p99_s", "From a command to its ack, 99th percentile of the latest."),
    ):
        if health.get(key) is not None:
            yield GaugeMetricFamily(name, words, value=health[key])
    for name, key, words in (
        ("vpp_commands_sent", "commands", "Commands sent since the controller began."),
        ("vpp_ledger_rows_written", "rows_written", "Rows that the controller has written."),
        ("vpp_ledger_rows_lost", "rows_lost", "Rows lost because the disk was away for too long."),
    ):
        if health.get(key) is not None:
            yield CounterMetricFamily(name, words, value=health[key])
    restarts = CounterMetricFamily("vpp_loop_restarts", "Failures of a loop after which it began again.", labels=["loop"])
    overruns = CounterMetricFamily("vpp_loop_overruns", "Periods of a loop longer than its budget.", labels=["loop"])
    for loop, row in health.get("loops", {}).items():
        restarts.add_metric([loop], row["restarts"])
        overruns.add_metric([loop], row["overruns"])
    yield from (restarts, overruns)


def _powers(state: LiveState) -> Iterable[Metric]:
    power = GaugeMetricFamily("vpp_asset_power_watts", "At the meter, positive when consuming.", labels=["asset", "area"])
    available = GaugeMetricFamily("vpp_asset_available_watts", "What a source could generate.", labels=["asset", "area"])
    mode = GaugeMetricFamily("vpp_assets", "Assets by how they can be counted on.", labels=["mode"])
    flow = GaugeMetricFamily("vpp_connection_import_watts", "Into the area; negative is export.", labels=["connection"])
    for asset in state.assets:
        if asset.power_mw is not None:
            power.add_metric([asset.id, asset.area], asset.power_mw * W_PER_MW)
        if asset.available_mw is not None:
            available.add_metric([asset.id, asset.area], asset.available_mw * W_PER_MW)
    for word in AssetMode:
        mode.add_metric([word.value], sum(asset.mode is word for asset in state.assets))
    for connection in state.connections:
        if connection.import_mw is not None:
            flow.add_metric([connection.id], connection.import_mw * W_PER_MW)
    return (power, available, mode, flow)
