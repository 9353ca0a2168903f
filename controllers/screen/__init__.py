"""The park on a screen: wall display and phone, Chinese and English; mounted on the API's own application."""

from controllers.screen.dress import dress_with
from controllers.screen.source import ScreenSource

__all__ = ["ScreenSource", "dress_with"]
