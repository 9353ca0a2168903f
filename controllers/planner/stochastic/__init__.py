"""Two stages: what is decided before the weather is known, and what answers to it; solved over many scenarios with a bound."""

from controllers.planner.stochastic.crew import Crew
from controllers.planner.stochastic.lshaped import Limits, Options, StochasticAnswer, Whole, solve_two_stage
from controllers.planner.stochastic.risk import Risk
from controllers.planner.stochastic.split import Elastic, Scenarios, TwoStage, two_stage, with_elastic

__all__ = [
    "Crew",
    "Elastic",
    "Limits",
    "Options",
    "Risk",
    "Scenarios",
    "StochasticAnswer",
    "TwoStage",
    "Whole",
    "solve_two_stage",
    "two_stage",
    "with_elastic",
]
