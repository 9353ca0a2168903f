"""How much work the stack puts into a fit: `record` for the best score, `fast` for a refit within a minute."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["FAST", "RECORD", "SETTINGS", "BoostSettings", "KernelSettings", "NetSettings", "SecondSettings", "StackSettings"]


@dataclass(frozen=True, slots=True)
class BoostSettings:
    """One kind of LightGBM model.

    Args:
        rounds: Trees.
        leaves: Leaves of each tree.
        leaf_rows: Fewest rows in a leaf.
        learning_rate: Shrinkage.
        feature_frac: Share of the columns each tree may use.
        row_frac: Share of the rows each tree is grown on.
        bins: Histogram bins of a column.
        extra_trees: Random thresholds: more trees, less variance.
        l2: Penalty on leaf values.
    """

    rounds: int
    leaves: int
    leaf_rows: int
    learning_rate: float
    feature_frac: float
    row_frac: float
    bins: int
    extra_trees: bool
    l2: float = 1.0


@dataclass(frozen=True, slots=True)
class NetSettings:
    """The small quantile net of all zones.

    Args:
        hidden: Width of the two hidden layers.
        epochs: Passes over the rows.
        batch: Rows of a step.
        learning_rate: Of Adam, at the start; it falls to a tenth along a half cosine.
        weight_decay: Decoupled from the gradient, per step, times the learning rate.
        average_from_frac: Share of the steps after which the weights are averaged.
        dropout: Share of the inputs and of the first layer's units left out in a step.
        members: Nets with seeds of their own, averaged.
    """

    hidden: int = 64
    epochs: int = 40
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 2.0
    average_from_frac: float = 0.5
    dropout: float = 0.1
    members: int = 1


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """The kernel regressions of all zones, averaged.

    Args:
        centres: Hours that all others are compared with.
        penalty: Of the regression.
        shapes: Power and width of each kernel exp(-(distance / width) ** power).
    """

    centres: int = 1500
    penalty: float = 0.5
    shapes: tuple[tuple[float, float], ...] = ((1.0, 2.0), (2.0, 1.0))


@dataclass(frozen=True, slots=True)
class SecondSettings:
    """One second stage; the result is the mean of all that a setting has.

    Args:
        boost: Size of its models.
        on_first: Trees correct the first stage's own quantiles; else they start from a constant.
    """

    boost: BoostSettings
    on_first: bool


@dataclass(frozen=True, slots=True)
class StackSettings:
    """The whole model.

    Args:
        name: Name of the setting.
        first: The cross-fitted mean models.
        second: The quantile models, averaged.
        net: The net.
        kernel: The kernel regressions.
        levels: Levels fitted; the others are interpolated.
        net_levels: Levels of the net, the median in the middle.
        folds: Parts the training time is dealt to.
        block_days: Days that stay together in a part.
        deals: Times that the parts are dealt anew and the first stage is fitted, averaged.
        outage_weight: Weight of stopped and stuck hours in the second stage.
        seed: Of everything random.
    """

    name: str
    first: BoostSettings
    second: tuple[SecondSettings, ...]
    net: NetSettings = field(default_factory=NetSettings)
    kernel: KernelSettings = field(default_factory=KernelSettings)
    levels: tuple[float, ...] = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
    net_levels: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
    folds: int = 5
    block_days: int = 6
    deals: int = 1
    outage_weight: float = 1.0
    seed: int = 0


RECORD = StackSettings(
    name="record",
    first=BoostSettings(300, 15, 80, 0.05, 0.3, 0.8, 63, True),
    second=(
        SecondSettings(BoostSettings(100, 31, 200, 0.05, 0.3, 0.8, 63, True), on_first=True),
        SecondSettings(BoostSettings(200, 31, 200, 0.05, 0.3, 0.8, 63, True), on_first=False),
    ),
    net=NetSettings(members=2),
    deals=2,
)
FAST = StackSettings(
    name="fast",
    first=BoostSettings(150, 15, 80, 0.1, 0.3, 0.5, 63, True),
    second=(SecondSettings(BoostSettings(60, 31, 200, 0.09, 0.3, 0.5, 63, True), on_first=True),),
    net=NetSettings(epochs=20),
    kernel=KernelSettings(centres=600),
    levels=(0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98),
)
SETTINGS = {setting.name: setting for setting in (RECORD, FAST)}
