"""Bodies of answers: JSON bytes, and the forms that values have in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import orjson
from pydantic import Field
from starlette.responses import Response

JSON = "application/json"

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""What `timestamp` makes, for the models of answers."""


def json_response(
    body: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`body` consists of what JSON has, and UUIDs."""
    return Response(orjson.dumps(body), status_code=status, media_type=JSON, headers=headers)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-01-31T08:15:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
