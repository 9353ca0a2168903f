"""What the adapters of all schedulers share: from queue and signal to moves, a backlog, and nothing left behind."""
