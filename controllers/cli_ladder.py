"""`vpp ladder`: the shedding ladders (切除阶梯) as they are armed in the devices, asked from the running service."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from controllers.cli_service import Outcome, Service, common_words, service_command

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["add_ladder_command", "service_command"]


def add_ladder_command(commands: Any) -> None:
    """Adds it to `vpp`."""
    parser = commands.add_parser(
        "ladder", parents=[common_words()], help="who is shed in which order, and how often already 切除阶梯"
    )
    parser.set_defaults(act=ladder)


def ladder(service: Service, told: argparse.Namespace) -> Outcome:
    """Every ladder."""
    del told
    return service.ask("GET", "/v1/guard/ladder"), show_ladder


def show_ladder(console: Console, answer: Mapping[str, Any]) -> None:
    """One table an area."""
    from rich import box
    from rich.table import Table

    for one in answer["ladders"]:
        armed = "not armed yet 未下发" if one["armed_at"] is None else f"armed 已下发 {one['armed_at']:%m-%d %H:%M:%S}"
        stands = f"  [red]step {one['step']} stands: {one['reason']}[/]" if one["step"] else "  at rest 未动作"
        title = f"Ladder 切除阶梯 {one['area']} ({', '.join(one['connections'])})  {armed}{stands}"
        table = Table(box=box.SIMPLE, title=title, title_justify="left")
        table.add_column("step 级", justify="right")
        table.add_column("asset 设备")
        for name in ("MW now 现可切", "at most 最多", "CNY/MWh", "full after 全切用时", "calls 次数", "hours 小时"):
            table.add_column(name, justify="right")
        table.add_column("state 状态")
        for rung in one["rungs"]:
            table.add_row(*_row(rung))
        console.print(table)
    if not answer["ladders"]:
        console.print("no area has a connection to the grid; nothing is shed 无并网点")


def _row(rung: Mapping[str, Any]) -> tuple[str, ...]:
    now = "" if rung["now_mw"] is None else f"{rung['now_mw']:,.1f}"
    return (
        str(rung["step"]) if rung["step"] else "out 退出",
        f"{rung['asset_id']} {rung['name_zh']}",
        now,
        f"{rung['relief_mw']:,.1f}",
        f"{rung['cost_cny_per_mwh']:,.0f}",
        f"{rung['full_after_s']:,.1f} s",
        _of(rung["calls"], rung["calls_per_year"], "d"),
        _of(rung["open_h"], rung["hours_per_year"], ".1f"),
        rung["reason"] or rung["mode"],
    )


def _of(used: float, most: float | None, style: str) -> str:
    return f"{used:{style}}" if most is None else f"{used:{style}} / {most:g}"
