"""OpenADR 3: the park as server (VTN) for an operator and for sites, and as client (VEN) of an operator."""
