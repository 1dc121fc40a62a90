"""`python -m tests.infra.moto_extension PORT STUBS`: moto with this package, on the loopback."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.route53.models import route53_backends
from werkzeug.serving import run_simple

from cdk import config
from cdk.config.deployment import EXAMPLE_ACCOUNT
from tests.infra.moto_extension.guard import refuse_real
from tests.infra.moto_extension.repairs import install
from tests.infra.moto_extension.resources import Stub

_EXAMPLE = Path(config.__file__).with_name("example.context.json")


def main() -> int:
    port = int(sys.argv[1])
    Stub.listed_in = Path(sys.argv[2])
    refuse_real(os.environ)
    install()
    _add_hosted_zones()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    run_simple(
        "localhost",
        port,
        DomainDispatcherApplication(create_backend_app),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    return 0


def _add_hosted_zones() -> None:
    """Those of the example's owner, which a deployment finds and does not make."""
    backend = route53_backends[EXAMPLE_ACCOUNT]["aws"]
    for own in json.loads(_EXAMPLE.read_text()).values():
        if isinstance(own, dict) and "hosted_zone_id" in own:
            zone = backend.create_hosted_zone(own["domain"], private_zone=False)
            made = next(key for key, each in backend.zones.items() if each is zone)
            backend.zones[own["hosted_zone_id"]] = backend.zones.pop(made)
            zone.resource_id = own["hosted_zone_id"]


if __name__ == "__main__":
    sys.exit(main())
