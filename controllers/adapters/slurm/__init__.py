"""A Slurm cluster that follows the park: its queue becomes the backlog, the signal becomes Slurm's own means."""
