from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
import pytest

from forecasting.physics import clear_sky_ghi_w_m2, sun_position

CHIFENG = (42.3, 118.9)
A_YEAR = np.arange("2030-01-01T00:00", "2031-01-01T00:00", np.timedelta64(97, "m"), dtype="datetime64[us]")


def test_sun_elevation_agrees_with_the_reference_algorithm_to_a_twentieth_of_a_degree() -> None:
    reference = pvlib.solarposition.get_solarposition(pd.DatetimeIndex(A_YEAR, tz="UTC"), *CHIFENG, method="nrel_numpy")
    ours = sun_position(A_YEAR, *CHIFENG)
    assert np.abs(ours.elevation_deg - reference["elevation"].to_numpy()).max() < 0.05


def test_the_hour_angle_is_zero_at_the_parks_true_noon() -> None:
    # 2030-04-15: equation of time about zero, so noon is at 12:00 + 4 min/deg * (120 - 118.9) Beijing time = 04:04:24 UTC.
    noon = np.array(["2030-04-15T04:04:24"], dtype="datetime64[us]")
    assert sun_position(noon, *CHIFENG).hour_angle_deg[0] == pytest.approx(0.0, abs=0.15)


def test_clear_sky_irradiance_agrees_with_pvlib() -> None:
    elevation_deg = np.array([0.5, 5.0, 30.0, 60.0, 90.0])
    reference = pvlib.clearsky.haurwitz(pd.Series(90.0 - elevation_deg))["ghi"].to_numpy()
    assert clear_sky_ghi_w_m2(elevation_deg) == pytest.approx(reference, rel=1e-9)


def test_there_is_no_sun_at_night() -> None:
    assert clear_sky_ghi_w_m2(np.array([-30.0, -0.1])).tolist() == [0.0, 0.0]
