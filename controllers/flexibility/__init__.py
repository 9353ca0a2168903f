"""What the park can promise the grid: how far import can be held over a window, how surely, at what cost; what a call gets.

Nothing is imported here: whoever only reads an offer (`table`) takes no solver for it.
"""
