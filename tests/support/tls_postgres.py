"""A server that is reached over TCP with TLS and passwords alone, as RDS is with force_ssl."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from unittest.mock import patch

import psycopg2

from handler.local import postgres_server
from handler.local.postgres import LocalPostgres
from migrations.runner import upgrade
from tests.support.certificates import certificate
from tests.support.provisioning import FOREIGN
from tests.support.storage import query

ADMINISTRATOR, ADMINISTRATOR_PASSWORD = "rds_master", "of-the-rotation"

# As of the RDS master user: no superuser, but it may make and change roles.
_ADMINISTRATOR = f"""
CREATE ROLE {ADMINISTRATOR} LOGIN CREATEROLE PASSWORD '{ADMINISTRATOR_PASSWORD}';
GRANT user_api, user_api_app TO {ADMINISTRATOR} WITH ADMIN OPTION;
ALTER ROLE user_api PASSWORD 'the first one';
GRANT CONNECT ON DATABASE user_api TO {ADMINISTRATOR}
"""
_RULES = "local all all trust\nhostssl all all 127.0.0.0/8 scram-sha-256\n"


@dataclass(frozen=True)
class TlsPostgres:
    """`ca_file` has the certificate that the server shows at `host`, an address of its own."""

    postgres: LocalPostgres
    host: str
    port: int
    ca_file: Path

    def secret(self, username: str, password: str) -> dict[str, object]:
        """As RDS and its rotation have it."""
        return {
            "engine": "postgres",
            "username": username,
            "password": password,
            "host": self.host,
            "port": self.port,
            "dbname": "user_api",
        }


@contextmanager
def tls_postgres(folder: Path) -> Iterator[TlsPostgres]:
    """Migrated; the password of user_api is `the first one`."""
    # An address of its own, because the port is everybody's.
    host = str(ip_address("127.64.0.0") + 1 + secrets.randbelow(2**22 - 2))
    data = folder / "data"
    listening = {"listen_addresses": host}
    quick = {"fsync": "off", "synchronous_commit": "off", "log_statement": "ddl", **FOREIGN}
    with (
        patch.dict(postgres_server._SOCKET_ONLY, listening),
        LocalPostgres.start(data, settings=quick) as postgres,
    ):
        certificate(folder, address=host)
        pem = folder / f"{host}.pem"
        served = data / "server.pem"
        served.write_bytes(pem.read_bytes())
        served.chmod(0o600)
        owner = data.stat()
        os.chown(served, owner.st_uid, owner.st_gid)
        (data / "pg_hba.conf").write_text(_RULES)
        upgrade(postgres.owner_url)
        for statement in _ADMINISTRATOR.split(";"):
            query(postgres.superuser_url, statement)
        with closing(psycopg2.connect(postgres.superuser_url)) as connection:
            # In a transaction it is refused.
            connection.autocommit = True
            for setting in ("ssl_cert_file='server.pem'", "ssl_key_file='server.pem'", "ssl=on"):
                connection.cursor().execute(f"ALTER SYSTEM SET {setting}")
        query(postgres.superuser_url, "SELECT pg_reload_conf()")
        yield TlsPostgres(postgres, host, postgres_server.PORT, pem)
