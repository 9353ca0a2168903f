"""`vpp event proof`: what was requested, promised and delivered, as a table, a page and facts (响应证明)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from controllers.cli_service import AskError, Outcome, Service, common_words

if TYPE_CHECKING:
    from rich.console import Console

    from controllers.proof import Proof
    from controllers.proof.facts import Delivery

__all__ = ["RULE_NAMES", "add_proof_command", "show_proof"]

_BAD_INPUT: Final = 2
#: Baselines by name; that they are those of `controllers.proof.words` is tested, and spares the other commands its import.
RULE_NAMES: Final = ("declared", "jiangsu", "beijing", "caiso")
_LINES: Final = 8
_MOVED_MW: Final = 0.05


def add_proof_command(what: Any) -> None:
    """Adds `proof` to `vpp event`."""
    words = common_words(json_to_terminal=False)
    parser = what.add_parser("proof", parents=[words], help="what was requested, promised and delivered 响应证明")
    parser.add_argument("event_id", metavar="ID")
    parser.add_argument("--rule", choices=RULE_NAMES, help="baseline that judges; the declared schedule where there is one")
    parser.add_argument("--html", type=Path, metavar="FILE", help="as one page that needs no network")
    parser.add_argument("--json", dest="json_file", type=Path, metavar="FILE", help="all of it for machines")
    parser.set_defaults(act=proven)


def proven(service: Service, told: argparse.Namespace) -> Outcome:
    """Asks the service, writes what was asked for, and shows it."""
    # Only this command needs any of it.
    import msgspec

    from controllers.proof import Proof, proof_html

    query = "" if told.rule is None else f"?rule={told.rule}"
    answer = service.ask("GET", f"/v1/events/{quote(told.event_id, safe='')}/proof{query}")
    try:
        proof = msgspec.convert(answer, type=Proof)
    except msgspec.ValidationError as error:
        raise AskError(f"the service's proof cannot be read ({error}); is it of the same version?") from error
    if told.json_file is not None:
        _written(told.json_file, proof.to_json() + b"\n", "--json")
    if told.html is not None:
        _written(told.html, proof_html(proof).encode(), "--html")
    return answer, lambda console, _: show_proof(console, proof)


def _written(path: Path, content: bytes, option: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise AskError(f"{option}: {path}: cannot be written: {error.strerror}", _BAD_INPUT) from error


def show_proof(console: Console, proof: Proof) -> None:
    """The figures, the baselines, who gave most, and the checks."""
    from rich import box
    from rich.table import Table

    from controllers.proof.words import KINDS, RULES, VERDICTS, mw, percent, seconds

    event, how = proof.event, proof.reaction
    console.print(
        f"[bold]{event.event_id}[/]  {KINDS.get(event.kind, event.kind)}  {event.meter}  target {mw(event.target_mw)} MW  "
        f"[bold]{VERDICTS[proof.verdict][0]}[/]",
        soft_wrap=True,
    )
    console.print(
        f"response 响应时间 {seconds(how.response_s)}  ramp 调节速率 {mw(how.ramp_mw_per_min)} MW/min  "
        f"promised 承诺 {mw(proof.promised_mw)} MW  metered {percent(proof.covered_frac)} of the minutes",
        soft_wrap=True,
    )
    rules = Table(box=box.SIMPLE, title="Baselines 基线负荷", title_justify="left")
    rules.add_column("rule 规则")
    for name in ("baseline MW", "requested MW", "delivered MW", "1 min", "15 min", "accuracy 精度", "held 持续", "RMSE MW"):
        rules.add_column(name, justify="right")
    for one in proof.rules:
        chosen = " *" if one.rule == proof.rule else ""
        rules.add_row(f"{RULES[one.rule]}{chosen}", *_row(one.delivery), mw(None if one.error is None else one.error.rmse_mw))
    if proof.twin is not None:
        rules.add_row("twin run 孪生仿真", *_row(proof.twin), "")
    console.print(rules)
    assets = Table(box=box.SIMPLE, title="Who gave what 各资源贡献", title_justify="left")
    assets.add_column("asset 设备")
    for name in ("reference MW", "confirmed MW", "metered MW", "gave 贡献 MW"):
        assets.add_column(name, justify="right")
    for share in [s for s in proof.assets if s.gave_mw is not None and abs(s.gave_mw) >= _MOVED_MW][:_LINES]:
        given = mw(share.gave_mw, signed=True)
        assets.add_row(
            f"{share.asset_id} {share.name_zh}", mw(share.reference_mw), mw(share.confirmed_mw), mw(share.metered_mw), given
        )
    console.print(assets)
    for check in proof.checks:
        colour = {"clear": "green", "look": "yellow", "unknown": "dim"}[check.verdict]
        console.print(f"[{colour}]{check.verdict:<8}[/] {check.name_zh} {check.name}: {check.text}", soft_wrap=True)


def _row(one: Delivery) -> tuple[str, ...]:
    from controllers.proof.words import mw, percent

    shares = (one.by_minute_frac, one.by_quarter_frac, one.accuracy_frac, one.sustained_frac)
    return (mw(one.reference_mw), mw(one.requested_mw), mw(one.delivered_mw), *map(percent, shares))
