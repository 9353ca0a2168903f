"""The other side of the wire: weather, plants, grid, clusters, clock, scoring."""
