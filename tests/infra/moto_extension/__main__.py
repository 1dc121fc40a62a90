"""`python -m tests.infra.moto_extension PORT STUBS`: moto with this package, on the loopback."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple

from tests.infra.moto_extension.guard import refuse_real
from tests.infra.moto_extension.repairs import install
from tests.infra.moto_extension.resources import Stub


def main() -> int:
    port = int(sys.argv[1])
    Stub.listed_in = Path(sys.argv[2])
    refuse_real(os.environ)
    install()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    run_simple(
        "localhost",
        port,
        DomainDispatcherApplication(create_backend_app),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
