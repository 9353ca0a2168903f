"""The park as client (VEN) of an operator."""
