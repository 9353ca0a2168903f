"""The wire: topics, messages and how they become bytes; needs nothing but msgspec."""
