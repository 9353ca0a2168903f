"""The screen's words in two languages, and its colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

__all__ = [
    "CATEGORY_WORDS",
    "COLOURS",
    "FLAGS",
    "LANGUAGES",
    "MODES",
    "REASONS",
    "Language",
    "kind_words",
    "quality_words",
    "word",
]

Language: TypeAlias = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("虚拟电厂", "Virtual power plant"),
    "whole_park": ("全园", "Whole park"),
    "supply": ("供电", "Supply"),
    "demand": ("用电", "Demand"),
    "generation": ("风光出力", "Wind and sun"),
    "import": ("下网", "Import"),
    "export": ("上网", "Export"),
    "green": ("绿电占比", "Green now"),
    "frequency": ("频率", "Frequency"),
    "store": ("储能", "Stores"),
    "charging": ("充电", "charging"),
    "discharging": ("放电", "discharging"),
    "plan": ("计划", "Plan"),
    "planned": ("计划", "planned"),
    "planned_supply": ("计划供电", "planned supply"),
    "planned_demand": ("计划用电", "planned demand"),
    "available": ("风光可发", "wind and sun available"),
    "no_plan": ("尚无计划", "no plan yet"),
    "bus": ("总线", "Bus"),
    "connected": ("在线", "up"),
    "away": ("中断", "DOWN"),
    "ledger": ("台账", "Ledger"),
    "controller": ("控制器", "Controller"),
    "heard": ("秒前", "s ago"),
    "never": ("未收到", "not heard"),
    "alarms": ("告警", "Alarms"),
    "no_alarms": ("无告警", "No alarms"),
    "acknowledge": ("确认", "Acknowledge"),
    "acknowledge_over": ("确认全部已消除", "Acknowledge all that are over"),
    "acknowledged": ("已确认", "acknowledged by"),
    "cleared": ("已消除", "over"),
    "events": ("电网调用", "Grid calls"),
    "no_events": ("近期无调用", "No calls"),
    "overrides": ("人工干预", "Overrides"),
    "no_overrides": ("无人工干预", "No overrides"),
    "assets": ("设备", "Assets"),
    "asset": ("设备", "asset"),
    "power": ("功率 MW", "power, MW"),
    "limits": ("可调范围 MW", "limits, MW"),
    "command": ("指令", "command"),
    "reason": ("原因", "reason"),
    "answer": ("应答", "answer"),
    "unheard": ("未收到", "not heard"),
    "unmet": ("计划未满足", "Plan does not meet"),
    "now": ("现在", "now"),
    "past": ("实测", "measured"),
    "future": ("计划", "planned"),
    "forecast_stale": ("预测已过期", "forecast is old"),
    "login": ("登录", "Log in"),
    "token": ("访问令牌或密钥", "Key or token"),
    "token_hint": ("启动时打印的令牌，或管理员发放的密钥", "The token printed at start, or a key from an administrator"),
    "logout": ("退出", "Log out"),
    "ended": ("登录已过期", "Your token has ended"),
    "not_allowed": ("无权确认告警", "Your role may not acknowledge"),
    "failed": ("未写入，请重试", "Not written, try again"),
    "hold": ("保持", "hold"),
    "rest": ("静置", "rest"),
    "charge": ("充电", "charge"),
    "discharge": ("放电", "discharge"),
    "at_most": ("不超过", "at most"),
    "free": ("自由运行", "run free"),
    "stacks": ("槽运行", "stacks on"),
    "warm": ("热备", "warm"),
    "heat": ("开炉", "heat"),
    "closed": ("合闸", "switch on"),
    "open": ("分闸", "switch off"),
    "cap": ("上限", "cap"),
    "accepted": ("已接受", "accepted"),
    "clamped": ("部分接受", "clamped"),
    "rejected": ("已拒绝", "REJECTED"),
    "waiting": ("待应答", "waiting"),
    "price": ("价", "at"),
    "target": ("目标", "target"),
    "at": ("于", "at"),
    "close": ("关闭", "Close"),
    "why": ("原因（必填）", "why (needed)"),
    "minutes": ("时长 min", "for, min"),
    "pin": ("定功率", "Hold power"),
    "local": ("转就地", "Take to local"),
    "release": ("交回", "Give back"),
    "maintenance": ("检修", "Maintenance"),
    "from": ("开始（空为现在）", "from (empty: now)"),
    "until_released": ("交回为止", "until released"),
    "end_it": ("结束此项", "End it"),
    "needs_start": ("检修请填写开始时间", "say when the maintenance begins"),
    "bad_start": ("开始时间无法识别", "that is no time"),
    "peak": ("削峰", "peak"),
    "valley": ("填谷", "valley"),
    "import_limit": ("限下网", "import limit"),
    "export_limit": ("限上网", "export limit"),
    "emergency": ("紧急", "emergency"),
    "received": ("已收到", "received"),
    "assessed": ("已评估", "assessed"),
    "refused": ("已拒绝", "refused"),
    "only_possible": ("现只能保证", "can be held now:"),
    "running": ("执行中", "running"),
    "delivered": ("已执行", "delivered"),
    "settled": ("已结算", "settled"),
    "cancelled": ("已取消", "cancelled"),
    "forecasts": ("预测", "Forecasts"),
    "no_forecasts": ("本服务未自行预测", "This service does not forecast by itself"),
    "models": ("模型", "models"),
    "given_models": ("由外部预测器提供", "a forecaster of its own"),
    "none_by_rules": ("尚无，按规则运行", "none yet: by rules"),
    "learnt": ("学习截至", "learnt until"),
    "issued": ("发布", "issued"),
    "weather_run": ("天气预报", "weather run"),
    "no_weather": ("未配置来源", "no source is set"),
    "failing": ("获取失败", "fetch failed"),
    "training": ("训练", "training"),
    "in_training": ("训练中", "training now"),
    "failed_training": ("训练失败", "failed"),
    "by_hand": ("人工训练", "by hand"),
    "days_measured": ("天实测", "days measured"),
    "daily_look": ("每日检查", "looked at daily"),
    "promoted": ("已启用", "in use"),
    "not_better": ("未优于现用模型", "not better, not used"),
}

#: Categories of `controllers.console.palette`.
CATEGORY_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "wind": ("风电", "wind"),
    "sun": ("光伏", "sun"),
    "thermal": ("火电与生物质", "thermal"),
    "base": ("基础负荷", "base load"),
    "compute": ("算力", "computing"),
    "hydrogen": ("制氢", "hydrogen"),
    "ammonia": ("合成氨", "ammonia"),
    "furnace": ("炉群", "furnaces"),
    "metal": ("电解", "metals"),
    "vehicles": ("充换电", "vehicles"),
    "other": ("其他", "other"),
    "storage": ("储能", "stores"),
    "link": ("区间联络", "other areas"),
    "grid": ("电网", "grid"),
}

#: Told apart on dark and on light ground; supply and demand never share a colour that means two things.
COLOURS: Final[Mapping[str, str]] = {
    "wind": "#56b4e9",
    "sun": "#f0c419",
    "thermal": "#8d99a6",
    "storage": "#cc79a7",
    "link": "#b08d57",
    "grid": "#e69f00",
    "base": "#7c8894",
    "compute": "#3f7fd0",
    "hydrogen": "#009e73",
    "ammonia": "#66c2a5",
    "furnace": "#d55e00",
    "metal": "#a6a03c",
    "vehicles": "#8c6bb1",
    "other": "#b3bac2",
}

MODES: Final[Mapping[str, tuple[str, str, str]]] = {
    "remote": ("●", "遥控", "remote"),
    "local": ("◐", "就地", "local"),
    "fault": ("✖", "故障", "fault"),
    "offline": ("○", "离线", "offline"),
    "silent": ("?", "失联", "silent"),
    "awaited": ("·", "未收到", "not heard yet"),
}

REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "mpc": ("按计划", "plan"),
    "rules": ("规则", "rules"),
    "curtailed": ("余电限发", "surplus"),
    "held": ("不可调", "cannot move"),
    "event": ("电网调用", "grid call"),
    "override": ("人工干预", "override"),
}

#: Of a forecast, from good to poor.
_QUALITIES: Final[Mapping[str, tuple[str, str]]] = {
    "fresh": ("正常", "fresh"),
    "stale": ("输入不全", "input incomplete"),
    "persistence": ("惯性外推", "persistence"),
    "climatology": ("气候均值", "climatology"),
}

#: What a forecast's input lacks.
FLAGS: Final[Mapping[str, tuple[str, str]]] = {
    "power_missing": ("无实测功率", "no measured power"),
    "power_late": ("实测功率迟到", "measured power is late"),
    "power_stuck": ("实测功率不变", "measured power is stuck"),
    "clock_shift": ("时钟偏移", "its clock was shifted"),
    "history_missing": ("无历史", "no history"),
    "run_missing": ("无天气预报", "no weather run"),
    "run_late": ("天气预报迟到", "weather run is late"),
    "run_partial": ("天气预报不全", "weather run is partial"),
    "drift": ("模型偏移", "the model drifts"),
}

_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "wind": ("风电", "wind"),
    "solar": ("光伏", "sun"),
    "thermal_unit": ("火电", "thermal"),
    "battery": ("电池", "battery"),
    "compressed_air": ("压缩空气", "air store"),
    "electrolyser": ("电解槽", "electrolyser"),
    "ammonia_loop": ("合成氨", "ammonia"),
    "compute": ("算力", "computing"),
    "arc_furnace": ("电弧炉", "arc furnace"),
    "submerged_arc": ("矿热炉", "submerged arc"),
    "zinc_electrowinning": ("锌电积", "zinc"),
    "copper_refining": ("铜电解", "copper"),
    "flexible_load": ("可调负荷", "flexible load"),
    "feeder": ("馈线", "feeder"),
    "ev_charging": ("充换电", "vehicles"),
    "base_load": ("基础负荷", "base load"),
}


def word(name: str, language: Language) -> str:
    """A word of the screen; a name that it does not know is shown as it is."""
    return _WORDS.get(name, (name, name))[LANGUAGES.index(language)]


def quality_words(quality: str, language: Language) -> str:
    """How good a forecast is."""
    return _QUALITIES.get(quality, (quality, quality))[LANGUAGES.index(language)]


def kind_words(kind: str, language: Language) -> str:
    """The word for a kind of asset; a kind from outside keeps its name."""
    return _KINDS.get(kind, (kind, kind.replace("_", " ")))[LANGUAGES.index(language)]
