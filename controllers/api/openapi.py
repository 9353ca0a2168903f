"""The API as an OpenAPI document, generated from its routes.

`python -m controllers.api.openapi` writes `docs/openapi.json`; with `--check` it only says whether the file is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from controllers.api.app import describe
from vpp.wire.published import keep_published

__all__ = ["main", "render"]

DOCUMENT: Final = Path("docs/openapi.json")


def render() -> str:
    """The document as JSON, in an order that does not depend on the run."""
    return json.dumps(describe(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def main(words: list[str] | None = None) -> int:
    """Writes the document, or checks it; the exit status is 1 when it is stale."""
    return keep_published("controllers.api.openapi", "the API as OpenAPI", DOCUMENT, render, words)


if __name__ == "__main__":
    sys.exit(main())
