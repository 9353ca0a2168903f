"""Gives back what the adapter of a Kubernetes holds when the adapter cannot.

python -m controllers.adapters.kube.watchdog TRACE KUBECONFIG CLUSTER KUEUE_VERSION RESOURCE
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from controllers.adapters.following.moves import Held
from controllers.adapters.following.watchdog import mind
from controllers.adapters.kube.api import Access

__all__ = ["main"]


def main(words: Sequence[str] | None = None) -> int:
    """Minds one trace."""
    path, kubeconfig, cluster, version, resource = list(sys.argv[1:] if words is None else words)
    access = Access(kubeconfig, cluster, version, resource)

    async def give_back(held: Held) -> None:
        async with access.connected() as kueue:
            await kueue.give_back()

    return mind(Path(path), give_back)


if __name__ == "__main__":
    sys.exit(main())
