"""The HTTP side of the service: what people and machines may read and ask, in a process of its own; see `docs/api.md`."""
