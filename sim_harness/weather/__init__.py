"""The weather of the simulated world: measured series on park time, or generated from a seed."""

from sim_harness.weather.base import Farm, Weather
from sim_harness.weather.door import WeatherDoor
from sim_harness.weather.generated import GeneratedWeather
from sim_harness.weather.measured import MeasuredWeather
from sim_harness.weather.source import default_data_dir, open_weather
from sim_harness.weather.sun_runs import SUN_FEATURES

__all__ = [
    "SUN_FEATURES",
    "Farm",
    "GeneratedWeather",
    "MeasuredWeather",
    "Weather",
    "WeatherDoor",
    "default_data_dir",
    "open_weather",
]
