"""IEC 60870-5-104: the park as a station of a dispatch centre (调度主站), in a process of its own."""
