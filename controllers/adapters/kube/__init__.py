"""A Kubernetes cluster with Kueue that follows the park: workloads become the backlog, the signal Kueue's own means."""
