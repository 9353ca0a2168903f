"""What the service answers, as tables for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = [
    "in_zone",
    "show_event",
    "show_events",
    "show_key",
    "show_keys",
    "show_override",
    "show_overrides",
    "show_released",
    "show_revoked",
    "show_status",
    "show_token",
]

_MODES: Final = {
    "remote": "remote 远控",
    "local": "[yellow]local 就地[/]",
    "fault": "[red]fault 故障[/]",
    "offline": "[red]offline 离线[/]",
    "silent": "[red]silent 失联[/]",
    "awaited": "[dim]awaited 待上线[/]",
}
_S_PER_H: Final = timedelta(hours=1).total_seconds()
_QUALITIES: Final = {
    "fresh": "[green]fresh 正常[/]",
    "stale": "[yellow]stale 输入不全[/]",
    "persistence": "[red]persistence 惯性外推[/]",
    "climatology": "[red]climatology 气候均值[/]",
}
_LEVELS: Final = {"alarm": "red", "warning": "yellow", "note": "dim"}
_DONE: Final = {"accepted": "[green]✓[/]", "clamped": "[yellow]≈[/]", "rejected": "[red]✗[/]", None: "[dim]…[/]"}

Row = Mapping[str, Any]

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def in_zone(answer: Any, zone: ZoneInfo) -> Any:
    """The same answer with every instant in park time, because a person reads it."""
    match answer:
        case dict():
            return {key: in_zone(value, zone) for key, value in answer.items()}
        case list():
            return [in_zone(value, zone) for value in answer]
        case str() if _INSTANT.fullmatch(answer):
            return datetime.fromisoformat(answer).astimezone(zone)
        case _:
            return answer


def show_status(console: Console, answer: Row) -> None:
    """The park: areas, connections, assets with command and reason, alarms."""
    live, alarms = answer["live"], answer["alarms"]
    bus = "" if live["connected"] else "   [red]no connection to the bus: all below stands still[/]"
    heard = "never heard" if live["controller_heard_at"] is None else f"heard {_time(live['controller_heard_at'])}"
    plan = live["plan_id"] or "none"
    console.print(f"[bold]{live['park']}[/]  {_time(live['at'])}  plan {plan}  controller {heard}{bus}", soft_wrap=True)
    console.print(_areas(live))
    console.print(_connections(live["connections"]))
    console.print(_assets(live["assets"]))
    console.print(f"\n{_forecasts(answer['forecasts'], live['at'])}", soft_wrap=True)
    for alarm in alarms:
        colour = _LEVELS.get(alarm["level"], "red")
        seen = f"  seen by {alarm['acknowledged_by']}" if alarm["acknowledged_at"] else ""
        console.print(f"[{colour}]{alarm['number']:>5} {alarm['level']:<8}[/] {escape(alarm['text'])}{seen}", soft_wrap=True)
        if alarm["text_zh"] not in ("", alarm["text"]):
            console.print(f"{'':>15}{escape(alarm['text_zh'])}", soft_wrap=True)
    if not alarms:
        console.print("no alarm stands 无告警")


def show_overrides(console: Console, answer: Row) -> None:
    """Overrides that stand."""
    table = _table("Overrides 人工干预", "no.", "asset", "kind", "MW", "from", "until", "by", "why")
    for row in answer["overrides"]:
        table.add_row(*_override(row))
    _print(console, table, "no override stands 无人工干预")


def show_override(console: Console, row: Row) -> None:
    """One that was written or ended."""
    until = "until it is released" if row["end"] is None else f"until {_time(row['end'])}"
    if row["closed_at"]:
        console.print(f"override {row['number']}: {row['asset_id']} {row['kind']} ended", soft_wrap=True)
        return
    power = "" if row["power_mw"] is None else f" at {row['power_mw']:g} MW"
    text = f"override {row['number']}: {row['asset_id']} {row['kind']}{power} from {_time(row['start'])} {until}"
    console.print(text, soft_wrap=True)


def show_released(console: Console, row: Row) -> None:
    """What a release has ended."""
    ended = ", ".join(map(str, row["released"])) or "nothing that held it"
    console.print(f"{row['asset_id']} is released; ended: {ended}", soft_wrap=True)


def show_events(console: Console, answer: Row) -> None:
    """Events with their states."""
    table = _table("Events 调度事件", "id", "connection", "meter", "kind", "MW", "from", "until", "state", "reason")
    for row in answer["events"]:
        table.add_row(
            escape(row["event_id"]),
            row["connection"],
            row["asset"] or "",
            row["kind"],
            f"{row['target_mw']:g}",
            _time(row["start"]),
            _time(row["end"]),
            row["state"],
            escape(row["reason"]),
        )
    _print(console, table, "no event was called 无事件")


def show_event(console: Console, row: Row) -> None:
    """One event as it stands."""
    span = f"{_time(row['start'])} to {_time(row['end'])}"
    why = f" ({escape(row['reason'])})" if row["reason"] else ""
    place = f"on {row['connection']}" if row["asset"] is None else f"at the meter of {row['asset']} behind {row['connection']}"
    text = f"event {escape(row['event_id'])} revision {row['revision']}: {row['state']}{why}; {row['kind']} {place}"
    promised = "" if row["accepted_mw"] is None else f", {row['accepted_mw']:g} of {row['asked_mw']:g} MW promised"
    promised += "" if row["possible_mw"] is None else f", {row['possible_mw']:g} MW can be held now"
    console.print(f"{text}, {row['target_mw']:g} MW{promised}, {span}", soft_wrap=True)


def show_token(console: Console, row: Row) -> None:
    """The token alone, so that a shell can take it."""
    console.print(row["token"], soft_wrap=True, highlight=False, markup=False)


def show_key(console: Console, row: Row) -> None:
    """A new key: the only time it is shown."""
    facts = row["facts"]
    console.print(row["key"], soft_wrap=True, highlight=False, markup=False)
    console.print(f"key {facts['id']} for {escape(facts['name'])} as {facts['role']}; it is shown this once", soft_wrap=True)


def show_keys(console: Console, answer: Row) -> None:
    """Every key."""
    table = _table("Keys 密钥", "id", "name", "role", "cluster", "made", "by", "state")
    for row in answer["keys"]:
        state = f"revoked {_time(row['revoked_at'])}" if row["revoked_at"] else _until(row["expires_at"])
        made = _time(row["created_at"])
        table.add_row(row["id"], escape(row["name"]), row["role"], row["cluster"] or "", made, escape(row["created_by"]), state)
    _print(console, table, "no key was made 无密钥")


def show_revoked(console: Console, row: Row) -> None:
    """A key that opens nothing any more."""
    console.print(f"key {row['id']} of {escape(row['name'])} is revoked", soft_wrap=True)


def _forecasts(row: Row, at: datetime) -> str:
    """Where forecasts stand, in a few lines: how old, how good, by which models."""
    if row["issued_at"] is None and not row["enough_days"]:
        return "[bold]Forecasts 预测[/]  this service does not forecast by itself 本服务未自行预测"
    issued = "none yet 尚无" if row["issued_at"] is None else f"{_time(row['issued_at'])} ({_old(row['issued_at'], at)})"
    farms = _farms_of(row)
    if row["given"]:
        return "\n".join([f"[bold]Forecasts 预测[/]  {issued}, by a forecaster of their own 由外部预测器提供", *farms])
    models = row["version"] or "[yellow]no models yet: by rules 尚无模型，按规则运行[/]"
    run = "none 无" if row["run_received_at"] is None else f"{_time(row['run_received_at'])} ({_old(row['run_received_at'], at)})"
    failing = f" [red]fetch failed 获取失败 x{row['weather_failures']}[/]" if row["weather_failures"] else ""
    source = " [yellow]no source 未配置来源[/]" if row["weather"] == "none" else ""
    lines = [f"[bold]Forecasts 预测[/]  {issued}  models 模型 {models}  weather run 天气预报 {run}{source}{failing}"]
    return "\n".join([*lines, *farms, _training(row)])


def _farms_of(row: Row) -> list[str]:
    found = []
    for load, word in ((False, "farms 场站 "), (True, "loads 负荷 ")):
        by_quality = Counter(one["quality"] for one in row["farms"] if one["load"] is load)
        if by_quality:
            found.append(word + ", ".join(f"{n} {_QUALITIES.get(name, name)}" for name, n in by_quality.items()))
    lines = ["  ".join(found)] if found else []
    return lines + [f"  {farm['id']} {farm['quality']}: {', '.join(farm['flags'])}" for farm in row["farms"] if farm["flags"]]


def _training(row: Row) -> str:
    last = row["training"]
    if row["training_since"] is not None:
        return f"training 训练 since {_time(row['training_since'])}"
    if row["training_failure"]:
        return f"[red]training failed 训练失败[/] {escape(row['training_failure'])}"
    if not row["trains"]:
        return "training 训练 by hand 人工: `vpp forecast train`"
    if not row["version"]:
        days = 0.0 if last is None else last["measured_days"]
        return f"training 训练 by itself after {row['enough_days']} measured days, {days:.1f} are there 已有 {days:.1f} 天"
    if last is None or not last["version"]:
        return "training 训练 looked at daily 每日检查"
    said = "in use 已启用" if last["promoted"] else "not better, not used 未优于现用"
    return f"training 训练 {last['version']} {said} ({escape(last['reason'])})"


def _old(since: datetime, at: datetime) -> str:
    return f"{max((at - since).total_seconds(), 0.0) / _S_PER_H:.1f} h"


def _areas(live: Row) -> Table:
    table = _table("Areas 供电区", "area", "gives MW", "available", "takes MW", "unheard")
    for row in live["areas"]:
        values = (row["generation_mw"], row["available_mw"], row["consumption_mw"])
        table.add_row(row["id"], *(f"{v:,.1f}" for v in values), str(len(row["unheard"]) or ""))
    return table


def _connections(rows: Sequence[Row]) -> Table:
    table = _table("Connections 联络点", "connection", "import MW", "planned", "limits MW", "Hz")
    for row in rows:
        limits = f"{-row['export_limit_mw']:g} … {row['import_limit_mw']:g}"
        hertz = "" if row["frequency_hz"] is None else f"{row['frequency_hz']:.3f}"
        table.add_row(row["id"], _mw(row["import_mw"]), _mw(row["planned_mw"]), limits, hertz)
    return table


def _assets(rows: Sequence[Row]) -> Table:
    table = _table("Assets 资产", "asset", "mode", "MW", "available", "planned", "command", "", "why")
    for row in rows:
        command = row["commands"][-1] if row["commands"] else None
        told = ("", "", "") if command is None else _command(command)
        numbers = (_mw(row["power_mw"]), _mw(row["available_mw"]), _mw(row["planned_mw"]))
        table.add_row(row["id"], _MODES.get(row["mode"], row["mode"]), *numbers, *told)
    return table


def _command(row: Row) -> tuple[str, str, str]:
    """What it was told, what it answered, and why."""
    setpoint = row["setpoint"]
    words = {key: value for key, value in setpoint.items() if key != "kind"}
    text = setpoint["kind"].replace("_", " ") + " " + " ".join(_value(value) for value in words.values())
    why = row["reason"]["text"] or row["reason"]["code"]
    limit, price = row["reason"].get("limit"), row["reason"].get("price_cny_per_mwh")
    more = [f"limit {limit}"] if limit else []
    more += [] if price is None else [f"{price:,.0f} CNY/MWh"]
    return text, _DONE.get(row.get("outcome"), "?"), escape(f"{why}{' · ' if more else ''}{', '.join(more)}")


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return _time(value) if isinstance(value, datetime) else str(value)


def _override(row: Row) -> tuple[str, ...]:
    power = "" if row["power_mw"] is None else f"{row['power_mw']:g}"
    span = (_time(row["start"]), _until(row["end"]))
    return (str(row["number"]), row["asset_id"], row["kind"], power, *span, escape(row["by"]), escape(row["why"]))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False)
    right = {"MW", "gives MW", "available", "takes MW", "planned", "import MW", "Hz", "no.", "unheard"}
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", header_style="dim", overflow="fold")
    return table


def _print(console: Console, table: Table, empty: str) -> None:
    console.print(table if table.row_count else empty)


def _mw(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def _until(at: datetime | None) -> str:
    return "" if at is None else _time(at)


def _time(at: datetime) -> str:
    return f"{at:%m-%d %H:%M:%S}"
