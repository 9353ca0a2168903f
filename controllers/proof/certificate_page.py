"""The certificate of a qualification test as one HTML page, in the dress of a proof."""

from __future__ import annotations

from datetime import timedelta
from html import escape
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from controllers.proof.facts import Proof
from controllers.proof.page import document, section, table, tile
from controllers.proof.qualification import Certificate, Criterion, StepResult, number
from controllers.proof.words import mw, percent, seconds
from controllers.statements.svg import Frame, Layer, legend, lines

__all__ = ["certificate_html"]

_METER, _TARGET, _TWIN = "#0072b2", "#d55e00", "#009e73"


def certificate_html(certificate: Certificate) -> str:
    """The whole page."""
    zone = ZoneInfo(certificate.time_zone)
    title = f"能力测试报告 Qualification test · {certificate.park_name_zh}"
    word, dress = ("passed 合格", "kept") if certificate.passed else ("not passed 不合格", "missed")
    up, down = certificate.declared_mw
    head = (
        f"<p>{escape(certificate.name_zh)} {escape(certificate.name)} <span class='badge {dress}'>{word}</span></p>"
        f"<p>{escape(certificate.park)} · {escape(certificate.connection)} · {escape(certificate.where)} · "
        f"made 出具 {certificate.made_at.astimezone(zone):%Y-%m-%d %H:%M}</p>"
        f"<p>declared 申报: {mw(up)} MW less import 上调, {mw(down)} MW more import 下调; "
        f"rules 规则: {escape(certificate.jurisdiction)}</p>"
    )
    body = [f'<div class="tiles">{"".join(_tile(one) for one in certificate.criteria)}</div>']
    body.append(section("Criteria 指标", table(_CRITERIA, [_criterion(one) for one in certificate.criteria], words=2)))
    body.append(section("The test, by minute 测试过程（分钟）", _chart(certificate.proofs, zone)))
    body.append(section("Steps 测试步骤", table(_STEPS, [_step(one) for one in certificate.steps], words=2)))
    body.append(section("How this is counted 计算口径", _METHOD))
    return document(title, head, "\n".join(body))


_CRITERIA: Final = ("criterion 指标", "basis 依据", "asked 要求", "measured 实测", "")
_STEPS: Final = (
    "step 步骤",
    "kind 类型",
    "requested MW",
    "given MW",
    "response 响应时间",
    "ramp /min",
    "accuracy 精度",
    "held 持续",
    "answered",
)
_METHOD: Final = (
    '<ul class="note"><li>Every step is called and proven like any other call; on the simulated park against the same world '
    "without the calls, on a running one against the baseline that settles.</li>"
    "<li>Adjustable capacity is the most that a step of each direction gave of what it asked, in the mean over its minutes; more "
    "than was asked does not count.</li><li>A step that was never reached counts as nothing in every mean.</li>"
    "<li>Thresholds marked <i>assumption</i> were not found in a published rule of the place; the file names what each rests "
    "on.</li></ul>"
)


def _tile(one: Criterion) -> str:
    badge = '<span class="badge kept">✓</span>' if one.passed else '<span class="badge missed">✗</span>'
    return tile(f"{escape(one.threshold.name_zh)} {badge}", number(one.threshold, one.measured), "")


def _criterion(one: Criterion) -> list[str]:
    asked = one.threshold
    sign = "≥" if asked.sense == "at_least" else "≤"
    badge = '<span class="badge kept">passed 合格</span>' if one.passed else '<span class="badge missed">not passed 不合格</span>'
    basis = f"{escape(asked.mark)}<small>{escape(asked.source)}</small>"
    return [
        f"{escape(asked.name_zh)}<small>{escape(asked.name)}</small>",
        basis,
        f"{sign} {number(asked, asked.value)}",
        number(one.threshold, one.measured),
        badge,
    ]


def _step(one: StepResult) -> list[str]:
    word = "less import 减负荷" if one.step.kind == "peak" else "more import 增负荷"
    missed = f"refused 拒绝<small>{escape(one.refused)}</small>" if one.refused else "no"
    badge = '<span class="badge kept">yes</span>' if one.answered else f'<span class="badge missed">{missed}</span>'
    return [
        f"{escape(one.step.id)}<small>{escape(one.step.about)}</small>",
        word,
        mw(one.requested_mw),
        mw(one.delivered_mw),
        seconds(one.response_s),
        percent(one.ramp_frac_per_min),
        percent(one.accuracy_frac),
        percent(one.sustained_frac),
        badge,
    ]


def _chart(proofs: tuple[Proof, ...], zone: ZoneInfo) -> str:
    """Import over the whole test, with its targets; the curves of the proofs overlap and are laid into one."""
    curves = [proof.curve for proof in proofs if proof.curve.import_mw]
    if not curves:
        return '<p class="note">nothing was metered</p>'
    step_s = curves[0].step_s
    first = min(curve.start for curve in curves)
    n = max(round((c.start - first).total_seconds() / step_s) + len(c.import_mw) for c in curves)
    meter, twin, target = (np.full(n, np.nan) for _ in range(3))
    for curve in curves:
        at = round((curve.start - first).total_seconds() / step_s)
        meter[at : at + len(curve.import_mw)] = [np.nan if v is None else v for v in curve.import_mw]
        twin[at : at + len(curve.twin_mw)] = [np.nan if v is None else v for v in curve.twin_mw]
    shades = []
    for proof in proofs:
        a, b = (round((at - first).total_seconds() / step_s) for at in (proof.event.start, proof.event.end))
        target[a:b] = proof.event.target_mw
        shades.append((a, b, "#fff1dc" if proof.event.kind == "peak" else "#e6f4ff"))
    times = [(first + timedelta(seconds=k * step_s)).astimezone(zone) for k in range(n)]
    ticks = [(k, f"{at:%H:%M}") for k, at in enumerate(times) if at.minute == 0]
    frame = Frame(unit="MW", labels=[f"{at:%H:%M}" for at in times], ticks=ticks, height=320.0)
    layers = [Layer("meter 电表", _METER, meter), Layer("target 目标", _TARGET, target)]
    if np.isfinite(twin).any():
        layers.insert(0, Layer("without the test 未测试（孪生）", _TWIN, twin))
    key = [(layer.name, layer.colour) for layer in layers] + [("less import 上调", "#fff1dc"), ("more import 下调", "#e6f4ff")]
    return lines(frame, layers, shades, from_zero=False) + legend(key)
