"""What Redis sees of the connections to it."""

from __future__ import annotations

from pathlib import Path

from tests.support.redis_places import PATIENT, RedisPlace
from tests.support.redis_server import redis_server


def test_a_connection_is_of_the_user_and_database_of_the_url(tmp_path: Path) -> None:
    """It speaks RESP 2 and does not introduce itself."""
    with redis_server(tmp_path) as server:
        server.command("ACL", "SETUSER", "service", "on", ">secret", "~*", "+@all")
        url = f"redis://service:secret@127.0.0.1:{server.port}/3"
        place = RedisPlace.at(url, waits=PATIENT)
        place.cache().put("name", b"v", seconds=600)
        assert place.cache().get("name") == b"v"
        clients = [each for each in server.command("CLIENT LIST") if each["user"] == "service"]
        place.server.close()
    assert [(each["db"], each["resp"], each["lib-name"]) for each in clients] == [("3", "2", "")]
