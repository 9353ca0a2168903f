"""A proof as one HTML page that needs no network and prints on two sheets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from controllers.proof.facts import AssetShare, Delivery, Proof, RuleResult
from controllers.proof.words import KINDS, RULES, VERDICTS, mw, percent, seconds
from controllers.statements.page import STYLE
from controllers.statements.svg import Frame, Layer, bars, legend, lines

__all__ = ["document", "proof_html", "section", "table", "tile"]

_MORE: Final = """
ul.plain { list-style: none; padding: 0; margin: 0; } ul.plain li { padding: 6px 0; border-bottom: 1px solid var(--line); }
ul.plain li:last-child { border-bottom: 0; } ul.plain b { margin-right: 8px; }
"""
_METER, _BASE, _DECLARED, _TWIN = "#0072b2", "#d55e00", "#7b8794", "#009e73"
_SHADE: Final = "#fff1dc"
_GAVE, _TOOK = "#009e73", "#d55e00"
#: So many assets are drawn; the table has all that moved.
_DRAWN: Final = 8
_MOVED_MW: Final = 0.05
#: So many minutes between two words of an axis.
_TICK_MIN: Final = 30


def proof_html(proof: Proof) -> str:
    """The whole page."""
    event, zone = proof.event, ZoneInfo(proof.time_zone)
    word, dress = VERDICTS[proof.verdict]
    start, end = event.start.astimezone(zone), event.end.astimezone(zone)
    title = f"响应证明 Proof of response · {event.event_id}"
    head = (
        f"<p>{escape(proof.park_name_zh)} ({escape(proof.park)}) · {escape(_place(proof))} · "
        f"{KINDS.get(event.kind, event.kind)}"
        f' <span class="badge {dress}">{word}</span></p>'
        f"<p>{start:%Y-%m-%d %H:%M:%S} – {end:%H:%M:%S} park time 园区时间; "
        f"asked 下达 {event.asked_at.astimezone(zone):%m-%d %H:%M:%S} by {escape(event.by)}; "
        f"target 目标 {mw(event.target_mw)} MW{' import' if event.asset is None else ''}</p>"
        f"<p>made 出具 {proof.made_at.astimezone(zone):%Y-%m-%d %H:%M:%S}; "
        f"meter known in {percent(proof.covered_frac)} of the minutes</p>"
    )
    return document(title, head, "\n".join(_body(proof, zone)))


def document(title: str, head: str, body: str) -> str:
    """A page in the dress of the statements.

    Args:
        title: Without markup.
        head: Below it, as HTML.
        body: As HTML.
    """
    return (
        "<!doctype html><html lang='zh'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}{_MORE}</style></head><body><main>"
        f"<header><h1>{escape(title)}</h1>{head}</header>{body}</main></body></html>\n"
    )


def section(title: str, content: str, *, long: bool = False) -> str:
    """A box with a title."""
    return f"<section{' class=long' if long else ''}><h2>{escape(title)}</h2>{content}</section>"


def tile(what: str, value: str, unit: str) -> str:
    """One large figure."""
    return f'<div class="tile"><b>{value} <small>{unit}</small></b><span>{what}</span></div>'


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Rows of HTML cells; the first `words` columns are text, all others figures."""
    head = "".join(f"<th{'' if k < words else ' class=n'}>{c}</th>" for k, c in enumerate(columns))
    body = "".join(
        "<tr>" + "".join(f"<td{'' if k < words else ' class=n'}>{cell}</td>" for k, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _body(proof: Proof, zone: ZoneInfo) -> Iterator[str]:
    yield f'<div class="tiles">{"".join(_tiles(proof))}</div>'
    at = "Import at the connection, by minute 并网点功率（分钟）"
    at = at if proof.event.asset is None else "Power at the cluster's own meter, by minute 集群自有电表功率（分钟）"
    yield section(at, _import_chart(proof, zone))
    if proof.settled is not None or proof.twin is not None:
        yield section("Delivered minute by minute 逐分钟响应量", _delivery_chart(proof, zone))
    yield section("Baselines 基线负荷：各规则与误差", _rules(proof))
    if proof.twin is not None:
        yield section(
            "Against the same world without the call 与未调用的孪生仿真对照", _deliveries([("twin run 孪生仿真", proof.twin)])
        )
    yield section("Who gave what 各资源贡献", _assets(proof), long=True)
    yield section("Checks 反作弊核查", _checks(proof))
    yield section("How this is counted 计算口径", _method(proof))


def _place(proof: Proof) -> str:
    event = proof.event
    return event.connection if event.asset is None else f"{event.asset}, its own meter 自有电表, behind {event.connection}"


def _judged(proof: Proof) -> Delivery | None:
    return proof.twin if proof.twin is not None else proof.settled


def _tiles(proof: Proof) -> Iterator[str]:
    judged, how = _judged(proof), proof.reaction
    yield tile("requested 要求响应", mw(None if judged is None else judged.requested_mw), "MW")
    yield tile("promised 承诺响应", mw(proof.promised_mw), "MW")
    yield tile("delivered, mean 平均响应", mw(None if judged is None else judged.delivered_mw), "MW")
    yield tile("energy by minute 电量完成率（1 分钟）", percent(None if judged is None else judged.by_minute_frac), "")
    yield tile("energy by 15 min 电量完成率（15 分钟）", percent(None if judged is None else judged.by_quarter_frac), "")
    yield tile("response time 响应时间", seconds(how.response_s), "")
    yield tile("ramp 调节速率", mw(how.ramp_mw_per_min), "MW/min")
    yield tile("accuracy 调节精度", percent(None if judged is None else judged.accuracy_frac), "")
    yield tile("held 持续达标占比", percent(None if judged is None else judged.sustained_frac), "")
    yield tile("rebound 反弹", mw(None if judged is None else judged.rebound_mw), "MW")


def _values(row: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in row], dtype=np.float64)


def _frame(proof: Proof, zone: ZoneInfo, n: int, first: datetime, height: float) -> Frame:
    step = timedelta(seconds=proof.curve.step_s)
    local = [(first + k * step).astimezone(zone) for k in range(n)]
    ticks = [(k, f"{at:%H:%M}") for k, at in enumerate(local) if at.minute % _TICK_MIN == 0 and at.second < step.total_seconds()]
    thin = max(1, -(-len(ticks) // 16))
    return Frame(unit="MW", labels=[f"{at:%H:%M}" for at in local], ticks=ticks[::thin], height=height)


def _import_chart(proof: Proof, zone: ZoneInfo) -> str:
    curve, event = proof.curve, proof.event
    step_s = curve.step_s
    n = len(curve.import_mw)
    if not n:
        return '<p class="note">nothing was metered</p>'
    a = max(0, round((event.start - curve.start).total_seconds() / step_s))
    b = min(n, round((event.end - curve.start).total_seconds() / step_s))
    layers = [Layer("meter 电表", _METER, _values(curve.import_mw))]
    if proof.rule != "declared" and curve.baseline_mw:
        layers.insert(0, Layer(f"baseline 基线 ({RULES[proof.rule]})", _BASE, _values(curve.baseline_mw)))
    if curve.declared_mw:
        layers.insert(0, Layer("declared schedule 申报计划", _DECLARED, _values(curve.declared_mw)))
    if curve.twin_mw:
        layers.insert(0, Layer("without the call 未调用（孪生）", _TWIN, _values(curve.twin_mw)))
    frame = _frame(proof, zone, n, curve.start, 300.0)
    word = f"target 目标 {mw(event.target_mw)} MW"
    drawn = lines(frame, layers, [(a, b, _SHADE)] if a < b else (), (event.target_mw, word), from_zero=False)
    return drawn + legend([(layer.name, layer.colour) for layer in layers] + [("event 事件时段", _SHADE)])


def _delivery_chart(proof: Proof, zone: ZoneInfo) -> str:
    """Change of every minute against what judges, with what was requested as a line."""
    curve, event = proof.curve, proof.event
    reference = _values(curve.twin_mw or curve.baseline_mw)
    a = max(0, round((event.start - curve.start).total_seconds() / curve.step_s))
    b = min(len(reference), round((event.end - curve.start).total_seconds() / curve.step_s))
    given = event.sign * (reference - _values(curve.import_mw))[a:b]
    wanted = np.maximum(event.sign * (reference[a:b] - event.target_mw), 0.0)
    if not len(given) or not np.isfinite(given).any():
        return '<p class="note">nothing to draw</p>'
    frame = _frame(proof, zone, b - a, curve.start + timedelta(seconds=a * curve.step_s), 220.0)
    layer, line = Layer("delivered 响应量", _GAVE, given), Layer("requested 要求", "#1f2933", np.nan_to_num(wanted))
    against = "the same world without the call 孪生仿真" if curve.twin_mw else RULES.get(proof.rule, proof.rule)
    note = f'<p class="note">against {escape(against)}</p>'
    return (
        bars(frame, [layer], 0.1 if b - a < 120 else 0.0, line) + legend([(layer.name, _GAVE), (line.name, line.colour)]) + note
    )


def _deliveries(rows: Sequence[tuple[str, Delivery]]) -> str:
    columns = (
        "",
        "reference MW",
        "requested MW",
        "delivered MW",
        "1 min",
        "15 min",
        "accuracy 精度",
        "held 持续",
        "rebound MW",
        "back",
    )
    return table(columns, [[escape(name), *_figures(one)] for name, one in rows])


def _figures(one: Delivery) -> list[str]:
    back = "–" if one.recovered is None else "yes" if one.recovered else "no"
    shares = [percent(v) for v in (one.by_minute_frac, one.by_quarter_frac, one.accuracy_frac, one.sustained_frac)]
    return [mw(one.reference_mw), mw(one.requested_mw), mw(one.delivered_mw), *shares, mw(one.rebound_mw), back]


def _rules(proof: Proof) -> str:
    if not proof.rules:
        words = "no plan was known before the call and no day before it was metered: there is no baseline, and none is invented"
        return f'<p class="note">{words}</p>'
    columns = (
        "rule 规则",
        "baseline MW",
        "requested MW",
        "delivered MW",
        "1 min",
        "15 min",
        "mean error MW",
        "RMSE MW",
        "RMSE",
        "days",
    )
    return table(columns, [_rule_row(proof, one) for one in proof.rules]) + (
        '<p class="note">Errors are measured on this meter, at the same hours of earlier days on which nothing was called: '
        "baseline less meter; above zero it pays the park too much. 误差取自本园区无事件日同一时段：基线减实测。</p>"
    )


def _rule_row(proof: Proof, one: RuleResult) -> list[str]:
    chosen = ' <span class="badge kept">judges 结算</span>' if one.rule == proof.rule else ""
    days = f"<small>{', '.join(day[5:] for day in one.days)}</small>" if one.days else f"<small>{escape(one.source)}</small>"
    factor = f"<small>adjusted ×{one.adjusted_by_frac:.3f}</small>" if one.adjusted_by_frac != 1.0 else ""
    given, error = one.delivery, one.error
    wrong = (
        ["–", "–", "–", "0"]
        if error is None
        else [mw(error.mean_error_mw, signed=True), mw(error.rmse_mw), percent(error.rmse_frac), str(error.days)]
    )
    return [
        f"{escape(RULES[one.rule])}{chosen}{days}{factor}",
        mw(given.reference_mw),
        mw(given.requested_mw),
        mw(given.delivered_mw),
        percent(given.by_minute_frac),
        percent(given.by_quarter_frac),
        *wrong,
    ]


def _assets(proof: Proof) -> str:
    known = [one for one in proof.assets if one.gave_mw is not None]
    moved = [one for one in known if abs(one.gave_mw or 0.0) >= _MOVED_MW]
    if not moved:
        return '<p class="note">no asset behind the meter moved against its schedule</p>'
    rows = [_asset_row(one) for one in moved]
    total = sum(one.gave_mw or 0.0 for one in known)
    confirmed = (
        f"devices confirmed 确认 {mw(proof.confirmed_mw)} MW, their meters show 实测 {mw(proof.metered_mw)} MW"
        if proof.confirmed_mw is not None
        else "no device confirmed a command"
    )
    note = (
        '<p class="note">A scheduler answers its signal revision by revision and confirms no command.</p>'
        if proof.event.asset is not None
        else f'<p class="note">All assets behind the connection together {mw(total, signed=True)} MW; {confirmed}. Wind, sun and '
        "users are in the sum: what they did without being asked is no response; they are held against the plan too.</p>"
    )
    columns = ("asset 设备", "reference 参照", "reference MW", "confirmed MW", "metered MW", "gave 贡献 MW")
    return _asset_chart(moved) + table(columns, rows, words=2) + note


def _asset_row(one: AssetShare) -> list[str]:
    basis = {"declared": "declared 申报", "twin": "twin 孪生"}.get(one.reference, "before 事前")
    name = f"{escape(one.asset_id)}<small>{escape(one.name_zh)}</small>"
    return [name, basis, mw(one.reference_mw), mw(one.confirmed_mw), mw(one.metered_mw), mw(one.gave_mw, signed=True)]


def _asset_chart(moved: Sequence[AssetShare]) -> str:
    drawn = moved[:_DRAWN]
    names = [one.asset_id for one in drawn]
    frame = Frame(unit="MW", labels=names, ticks=list(enumerate(names)), height=190.0)
    gave = _values([one.gave_mw for one in drawn])
    layers = [Layer("gave 贡献", _GAVE, np.maximum(gave, 0.0)), Layer("against it 反向", _TOOK, np.minimum(gave, 0.0))]
    return bars(frame, layers, 0.4) + legend([(layer.name, layer.colour) for layer in layers])


def _checks(proof: Proof) -> str:
    dress = {"clear": ("clear 正常", "kept"), "look": ("look 待核", "missed"), "unknown": ("cannot say 无法判定", "open")}
    rows = []
    for check in proof.checks:
        word, badge = dress[check.verdict]
        name = f"<b>{escape(check.name_zh)} {escape(check.name)}</b>"
        rows.append(f'<li><span class="badge {badge}">{word}</span> {name} {escape(check.text)}</li>')
    return f'<ul class="plain">{"".join(rows)}</ul>'


def _method(proof: Proof) -> str:
    own = (
        "The meter is the cluster's own, cooling included; its baseline is the plan known before the call, from which the target "
        "of its compute-shift signal is taken. Storage beside it and everything else behind the connection count for nothing. "
        "算力集群自有电表：基线为调用前的申报计划（算力调节信号目标）。",
    )
    points = (
        *(() if proof.event.asset is None else own),
        "Every change counts in the direction of the call: less import for peak, import limit, emergency; more for the others.",
        "Requested is what lies between the reference and the target; where the reference keeps it by itself nothing was asked.",
        "Of each minute or quarter no more than the request counts: too much in one does not make up for too little in another.",
        "Kept: 95 % of the promised energy by minute; the reference is the twin in a simulation, else the baseline that judges.",
        "Response time and ramp are of the meter alone: from its mean of the minute before the start to 90 % of the way to the "
        f"target; its readings are {proof.reaction.resolution_s:g} s apart and nothing faster can be seen.",
        "Accuracy: 1 less the mean deviation from the request over the request, from the first minute with 90 % on.",
        "Rebound: the most that a quarter in the two hours after the end lies on the other side of the reference.",
    )
    return '<ul class="note">' + "".join(f"<li>{escape(point)}</li>" for point in points) + "</ul>"
