"""The API as an OpenAPI document, generated from its routes.

`python -m controllers.api.openapi` writes `docs/openapi.json`; with `--check` it only says whether the file is stale.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from controllers.api.app import describe

__all__ = ["main", "render"]

DOCUMENT: Final = Path("docs/openapi.json")


def render() -> str:
    """The document as JSON, in an order that does not depend on the run."""
    return json.dumps(describe(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Writes the document, or checks it; the exit status is 1 when it is stale."""
    parser = argparse.ArgumentParser(prog="python -m controllers.api.openapi", description="the API as OpenAPI")
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 when the file is stale")
    parser.add_argument("--path", type=Path, default=DOCUMENT)
    options = parser.parse_args(arguments)
    text = render()
    if options.check:
        fresh = options.path.is_file() and options.path.read_text(encoding="utf-8") == text
        if not fresh:
            sys.stderr.write(f"{options.path} is stale: run python -m controllers.api.openapi\n")
        return 0 if fresh else 1
    options.path.parent.mkdir(parents=True, exist_ok=True)
    options.path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
