"""How the service forecasts by itself: history out of its own ledger, weather runs that it keeps, models that it trains."""

from controllers.foreteller.setup import ForecastSetup
from controllers.foreteller.shelf import RunShelf
from controllers.foreteller.standing import StandingForecaster, StandingForeteller, standing_forecaster
from controllers.foreteller.training import Training, look_and_train, too_young

__all__ = [
    "ForecastSetup",
    "RunShelf",
    "StandingForecaster",
    "StandingForeteller",
    "Training",
    "look_and_train",
    "standing_forecaster",
    "too_young",
]
