"""The park as server (VTN)."""
