"""How much work the stack puts into a fit: `record` for the best score, `fast` for a refit within a minute."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["FAST", "RECORD", "SETTINGS", "BoostSettings", "NetSettings", "StackSettings"]


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
class StackSettings:
    """The whole model.

    Args:
        name: Name of the setting.
        first: The cross-fitted mean models.
        second: The quantile models.
        net: The net.
        levels: Levels fitted; the others are interpolated.
        net_levels: Levels of the net, the median in the middle.
        folds: Parts the training time is dealt to.
        block_days: Days that stay together in a part.
        second_seeds: Second stages with seeds of their own, averaged.
        net_share: Weight of the net's own quantiles in the result.
        outage_weight: Weight of stopped and stuck hours in the second stage.
        seed: Of everything random.
    """

    name: str
    first: BoostSettings
    second: BoostSettings
    net: NetSettings = field(default_factory=NetSettings)
    levels: tuple[float, ...] = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
    net_levels: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
    folds: int = 5
    block_days: int = 6
    second_seeds: int = 1
    net_share: float = 0.0
    outage_weight: float = 1.0
    seed: int = 0


RECORD = StackSettings(
    name="record",
    first=BoostSettings(300, 15, 80, 0.05, 0.3, 0.8, 63, True),
    second=BoostSettings(200, 31, 200, 0.05, 0.3, 0.8, 63, True),
    net=NetSettings(members=2),
)
FAST = StackSettings(
    name="fast",
    first=BoostSettings(150, 15, 80, 0.1, 0.3, 0.5, 63, True),
    second=BoostSettings(110, 31, 200, 0.09, 0.3, 0.5, 63, True),
    net=NetSettings(epochs=20),
    levels=(0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98),
)
SETTINGS = {setting.name: setting for setting in (RECORD, FAST)}
