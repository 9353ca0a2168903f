"""Plots as SVG written by hand: no script, a few kilobytes, sharp on paper; every mark carries a `title` to point at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

from vpp.units import FloatArray

__all__ = ["Frame", "Layer", "bars", "heat", "legend", "lines", "nice_step"]

_INK: Final = "#1f2933"
_SOFT: Final = "#7b8794"
_PALE: Final = "#e4e7eb"


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of a stacked plot.

    Args:
        name: In the legend and in titles.
        colour: Of its marks.
        values: Of each column, shape (n,); NaN leaves a hole.
    """

    name: str
    colour: str
    values: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Size, axes and labels of a plot.

    Args:
        unit: Above the vertical axis.
        labels: Of all columns, n of them; shown in titles.
        ticks: Columns that are labelled below the axis, and their labels.
    """

    unit: str
    labels: Sequence[str]
    ticks: Sequence[tuple[int, str]]
    width: float = 1120.0
    height: float = 280.0
    left: float = 58.0
    right: float = 14.0
    top: float = 26.0
    bottom: float = 28.0

    @property
    def inner(self) -> tuple[float, float]:
        """Width and height of the plot without its margins."""
        return self.width - self.left - self.right, self.height - self.top - self.bottom

    def x(self, column: float) -> float:
        """Left edge of a column."""
        return self.left + column * self.inner[0] / len(self.labels)


def nice_step(span: float) -> float:
    """A round step that cuts a span into three to six parts.

    >>> nice_step(870.0), nice_step(4.4)
    (200.0, 1.0)
    """
    if span <= 0.0:
        return 1.0
    rough = span / 5.0
    power = 10.0 ** np.floor(np.log10(rough))
    return float(power * next(factor for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * (1.0 - 1e-9)))


def bars(frame: Frame, layers: Sequence[Layer], gap_frac: float = 0.18, line: Layer | None = None) -> str:
    """Stacked bars, negative values below the axis, and on top of them a line if one is given."""
    values = np.array([np.nan_to_num(layer.values) for layer in layers]).reshape(len(layers), -1)
    high = np.maximum(values, 0.0).sum(axis=0)
    low = np.minimum(values, 0.0).sum(axis=0)
    tops = [float(high.max(initial=0.0)), 0.0 if line is None else float(np.nanmax(np.nan_to_num(line.values), initial=0.0))]
    y, grid = _scale(frame, float(low.min(initial=0.0)), max(tops))
    width = frame.inner[0] / len(frame.labels)
    marks = [grid]
    up, down = np.zeros(len(frame.labels)), np.zeros(len(frame.labels))
    for layer, row in zip(layers, values, strict=True):
        for column, value in enumerate(row):
            if value == 0.0:
                continue
            base = up if value > 0.0 else down
            y0, y1 = y(base[column]), y(base[column] + value)
            base[column] += value
            title = f"{frame.labels[column]}: {layer.name} {value:,.4g} {frame.unit}"
            marks.append(
                f'<rect x="{frame.x(column + gap_frac / 2):.1f}" y="{min(y0, y1):.1f}" width="{width * (1 - gap_frac):.2f}" '
                f'height="{abs(y1 - y0):.2f}" fill="{layer.colour}"><title>{escape(title)}</title></rect>'
            )
    if line is not None:
        marks.append(_path(frame, line, y, 1.8))
    return _svg(frame, marks)


def lines(
    frame: Frame,
    layers: Sequence[Layer],
    shades: Sequence[tuple[int, int, str]] = (),
    level: tuple[float, str] | None = None,
    *,
    from_zero: bool = True,
) -> str:
    """Step lines over shaded spans of columns, and one dashed level with its word.

    Without `from_zero` the axis spans what is drawn and no more, for changes that are small beside their level.
    """
    known = np.concatenate(
        [layer.values[np.isfinite(layer.values)] for layer in layers] + [np.array([level[0]] if level else [])]
    )
    known = np.append(known, 0.0) if from_zero or not known.size else known
    top, low = float(known.max()), float(known.min())
    y, grid = _scale(frame, low, top) if from_zero else _scale(frame, low - 0.06 * (top - low), top + 0.06 * (top - low))
    marks = [
        f'<rect x="{frame.x(a):.1f}" y="{frame.top}" width="{frame.x(b) - frame.x(a):.1f}" height="{frame.inner[1]:.1f}" '
        f'fill="{colour}"/>'
        for a, b, colour in shades
    ]
    marks.append(grid)
    if level is not None:
        at = y(level[0])
        marks.append(
            f'<line x1="{frame.left}" x2="{frame.width - frame.right}" y1="{at:.1f}" y2="{at:.1f}" stroke="#d55e00" '
            f'stroke-dasharray="6 4"/><text x="{frame.width - frame.right - 4}" y="{at - 5:.1f}" text-anchor="end" '
            f'fill="#b04a00">{escape(level[1])}</text>'
        )
    marks += [_path(frame, layer, y, 1.3) for layer in layers]
    return _svg(frame, marks)


def heat(frame: Frame, values: FloatArray, colour: Callable[[float], str], rows: Sequence[str], title: str) -> str:
    """A field of cells, shape (rows, n); NaN is an empty cell with a stroke through it."""
    count, columns = values.shape
    width, height = frame.inner[0] / columns, frame.inner[1] / count
    marks = []
    for row in range(count):
        for column in range(columns):
            value, x, y = values[row, column], frame.x(column), frame.top + row * height
            cell = f'<rect x="{x:.1f}" y="{y:.1f}" width="{width - 0.6:.2f}" height="{height - 0.6:.2f}" '
            what = f"{frame.labels[column]} {rows[row]}: "
            if np.isnan(value):
                marks.append(f'{cell}fill="#fff" stroke="{_PALE}" stroke-width=".5"><title>{escape(what)}no value</title></rect>')
            else:
                marks.append(f'{cell}fill="{colour(value)}"><title>{escape(what)}{title} {value:.1%}</title></rect>')
    marks += [
        f'<text x="{frame.left - 8}" y="{frame.top + (row + 0.5) * height + 4:.1f}" text-anchor="end">{escape(name)}</text>'
        for row, name in enumerate(rows)
        if row % max(1, -(-count // 8)) == 0
    ]
    return _svg(frame, marks)


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Names with their colours, as a line of HTML."""
    return '<p class="legend">' + "".join(f'<span><i style="background:{c}"></i>{escape(n)}</span>' for n, c in entries) + "</p>"


def _scale(frame: Frame, low: float, high: float) -> tuple[Callable[[float], float], str]:
    """From value to height, and the horizontal grid with its labels."""
    step = nice_step(high - low)
    top = high + 0.04 * (high - low) if high > low else low + step
    bottom = low - 0.04 * (high - low) if low < 0.0 else low
    inner = frame.inner[1]

    def y(value: float) -> float:
        return float(frame.top + inner * (top - value) / (top - bottom))

    marks = []
    for value in np.arange(step * np.ceil(bottom / step), top, step):
        colour = _SOFT if abs(value) < step / 2 else _PALE
        marks.append(
            f'<line x1="{frame.left}" x2="{frame.width - frame.right}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
            f'stroke="{colour}"/><text x="{frame.left - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value + 0.0:,.10g}</text>'
        )
    return y, "".join(marks)


def _path(frame: Frame, layer: Layer, y: Callable[[float], float], width: float) -> str:
    """A step line; NaN interrupts it."""
    parts, pen = [], "M"
    for column, value in enumerate(layer.values):
        if np.isnan(value):
            pen = "M"
            continue
        parts.append(f"{pen}{frame.x(column):.1f} {y(value):.1f}H{frame.x(column + 1):.1f}")
        pen = "L"
    return (
        f'<path d="{"".join(parts)}" fill="none" stroke="{layer.colour}" stroke-width="{width}">'
        f"<title>{escape(layer.name)}</title></path>"
    )


def _svg(frame: Frame, marks: Sequence[str]) -> str:
    base = frame.height - frame.bottom
    ticks = "".join(
        f'<text x="{frame.x(column + 0.5):.1f}" y="{base + 18:.1f}" text-anchor="middle">{escape(label)}</text>'
        for column, label in frame.ticks
    )
    unit = f'<text x="{frame.left - 50}" y="14" fill="{_SOFT}">{escape(frame.unit)}</text>'
    return (
        f'<svg viewBox="0 0 {frame.width:g} {frame.height:g}" role="img" font-size="12" fill="{_INK}">'
        f"{''.join(marks)}{ticks}{unit}</svg>"
    )
