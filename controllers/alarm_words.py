"""Alarms in Chinese: what a person on watch reads at night, made of the alarm's key and the figures in its English line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["ALARM_KEYS", "alarm_zh"]

#: By the key's beginning: the sentence, in which `{name}` is what the alarm is about, and the pattern of the English line whose
#: named parts it may use too. A line that does not fit its pattern is shown behind the sentence's first part as it is.
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "broker.away": ("消息总线中断；设备先按指令租约运行，到期后转入后备方案", ""),
    "silent": ("{name}失联；已不计入调度，其用电由区域电表反映", ""),
    "refuses": ("{name}不执行指令；其份额已转给其他设备", ""),
    "clock": ("{name}的时钟超前；其读数按收到时刻计", ""),
    "plan.missing": ("没有新计划；现按{source}运行", r"; (?P<source>\w+) in force"),
    "forecast.stale": ("预测已过期，最近一次为 {at}", r"is of (?P<at>\S+)"),
    "forecast.failed": ("没有新预测，上一预测逐渐过期：{why}", r"new forecast: (?P<why>.+)"),
    "forecast.no_models": ("尚无预测模型，园区按规则运行；{until}", r"by rules; (?P<until>.+)"),
    "forecast.training_failed": ("预测模型训练失败：{why}", r"trained: (?P<why>.+)"),
    "weather.late": ("天气预报迟到；{newest}", r"^(?P<newest>.+)$"),
    "ladder": ("{name}越限 {mw} MW，已启动切除阶梯第 {step} 级", r": (?P<mw>[\d.]+) MW .*step (?P<step>\d+)"),
    "loop": ("控制环 {name} 出错，{pause} 秒后重启：{why}", r"failed \((?P<why>.*)\); begins again in (?P<pause>[\d.e+]+) s"),
    "overrun": (
        "控制环 {name} 超时：用时 {took} 秒，限 {budget} 秒，累计 {n} 次",
        r"took (?P<took>[\d.]+) s of (?P<budget>[\d.e+]+) s; (?P<n>\d+) so far",
    ),
    "settle.failed": ("无法写入 15 分钟电量：{why}", r"written: (?P<why>.+)"),
    "promise": (
        "电网调用 {name}：已接受 {accepted} MW，现只能保证 {now} MW",
        r"of (?P<accepted>[\d.]+) MW accepted (?P<now>[\d.]+) MW can be held now",
    ),
    "deadline": (
        "{name}的部分作业预计无法按期完成（自 {since} 起）：{classes}",
        r"deadline from (?P<since>\S+) on: (?P<classes>.+)",
    ),
    "asks.unread": ("无法读取人工干预与电网调用：{why}", r"read: (?P<why>.+)"),
    "ledger.away": ("台账无法写入（{why}）；数据暂存内存，容量有限", r"written \((?P<why>.+)\);"),
    "ledger.unwritten": ("控制器在运行，但自 {since} 起台账没有写入；请检查台账的磁盘或数据库", r"nothing since (?P<since>\S+):"),
    "ledger.lost": ("台账长时间无法写入，以下数据未入账：{what}", r"too long: (?P<what>.+)"),
    "store.lost": ("台账数据库丢失或损坏，已启用新库：{why}", r"(?P<why>.+)"),
}
#: Every alarm that the service raises, by its key or the key's beginning.
ALARM_KEYS: Final = tuple(_WORDS)
#: Parts of a line that are words themselves.
_PARTS: Final[tuple[tuple[str, str], ...]] = (
    (r"^rules$", "规则"),
    (r"^last_plan$", "上一计划"),
    (r"^models may be in training now$", "模型可能正在训练"),
    (
        r"^it trains by itself when farms of half the capacity have measured (\d+) days, ([\d.]+) are there$",
        r"半数以上装机实测满 \1 天后自动训练，现有 \2 天",
    ),
    (r"^it trains by itself when farms of half the capacity have measured (\d+) days$", r"半数以上装机实测满 \1 天后自动训练"),
    (r"^train models into (\S+) with `vpp forecast train`$", r"请用 vpp forecast train 训练模型，存入 \1"),
    (r"^no weather run has come yet; wind is forecast by climatology$", "尚未收到任何天气预报，风电按气候均值预测"),
    (r"^the newest weather run came at (\S+); forecasts get wider as it ages$", r"最近一次收到于 \1，预测区间将逐渐变宽"),
)


def alarm_zh(key: str, text: str, names: Mapping[str, str]) -> str:
    """An alarm's line in Chinese; a key that is not known keeps its English line.

    Args:
        key: As in `silent.wind.songshan`.
        text: The English line.
        names: Chinese names of assets and connections, by id.

    >>> alarm_zh("silent.wind.songshan", "wind.songshan is silent; ...", {"wind.songshan": "松山风电场"})
    '松山风电场（wind.songshan）失联；已不计入调度，其用电由区域电表反映'
    >>> alarm_zh("overrun.plan", "a period took 344.85 s of 300 s; 1 so far", {})
    '控制环 plan 超时：用时 344.85 秒，限 300 秒，累计 1 次'
    """
    known = next((one for one in _WORDS if key == one), None) or next((one for one in _WORDS if key.startswith(f"{one}.")), None)
    if known is None:
        return text
    sentence, pattern = _WORDS[known]
    subject = key[len(known) + 1 :]
    found = re.search(pattern, text)
    if found is None:
        return f"{re.split('[：；，（]', sentence)[0].format_map(_Known(name=_named(subject, names)))}：{text}"
    return sentence.format_map(_Known(name=_named(subject, names), **{k: _part(v) for k, v in found.groupdict().items()}))


class _Known(dict[str, str]):
    """What a sentence asks for and nobody told stays a dash."""

    def __missing__(self, key: str) -> str:
        return "–"


def _named(subject: str, names: Mapping[str, str]) -> str:
    return f"{names[subject]}（{subject}）" if subject in names else subject


def _part(text: str) -> str:
    for pattern, words in _PARTS:
        if re.search(pattern, text):
            return re.sub(pattern, words, text)
    return text
