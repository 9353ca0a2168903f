"""The plant as a model: park, assets, flexibility, plan, events, accounts, wire. Pure: no I/O but reading its own files."""
