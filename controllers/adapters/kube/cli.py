"""The `vpp-kube` command: the daemon that stands beside a Kubernetes with Kueue."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from controllers.adapters.following.cli import Daemon, run_daemon
from controllers.adapters.kube.hands import KubeHands
from controllers.adapters.kube.settings import load_kube

__all__ = ["main"]

_WHAT: Final = "A Kubernetes cluster with Kueue follows the park's compute-shift signal."
_DAEMON: Final = Daemon("vpp-kube", _WHAT, "docs/connect_kubernetes.md", load_kube, KubeHands.of)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command; 2 for bad input, with one line that says what and where."""
    return run_daemon(_DAEMON, words)


if __name__ == "__main__":
    sys.exit(main())
