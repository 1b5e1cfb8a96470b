"""Write the OpenAPI document as JSON, to a file or to standard output; starts no server.

The same code gives the same bytes: the page's types are generated from it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from server.main import create_app
from server.settings import Settings


def document() -> str:
    """Return the document, whatever this machine's settings and keys are."""
    app = create_app(settings=Settings.model_construct(), static=Path("none"))
    return json.dumps(app.openapi(), indent=2) + "\n"


def main(arguments: list[str]) -> None:
    match arguments:
        case []:
            sys.stdout.write(document())
        case [path]:
            Path(path).write_text(document(), "utf-8")
        case _:
            raise SystemExit("usage: make_openapi.py [FILE]")


if __name__ == "__main__":
    main(sys.argv[1:])
