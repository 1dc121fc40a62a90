"""What goes wrong between us and PostgreSQL, as the callers of the port know it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from sqlalchemy import exc

from core.errors import InvalidInput, StorageUnavailable

logger = logging.getLogger(__name__)

# https://www.postgresql.org/docs/15/errcodes-appendix.html
_UNSTORABLE_TEXT = frozenset({"22021", "22P05"})


class StatementFailed(Exception):
    """A statement that PostgreSQL refused: a defect of ours.

    PostgreSQL's own message quotes values of the row and stays out of logs; its code and the
    constraint do not.
    """


@contextmanager
def translated() -> Iterator[None]:
    """Turns errors of driver and pool into those of the port.

    Raises:
        StorageUnavailable: no connection, a deadline, a lost connection, a conflict worth a retry.
        InvalidInput: text or JSON that PostgreSQL cannot store.
        StatementFailed: anything else that the database refuses.
    """
    try:
        yield
    except exc.TimeoutError as error:
        raise _unavailable("no free connection in the pool") from error
    except exc.DBAPIError as error:
        raise _of_driver(error) from None
    except exc.StatementError as error:
        if isinstance(error.orig, (UnicodeEncodeError, orjson.JSONEncodeError)):
            raise _unstorable() from None
        raise
    except ValueError as error:
        # psycopg2 refuses NUL in text by a bare ValueError, and cannot encode a lone surrogate.
        if isinstance(error, UnicodeEncodeError) or "NUL (0x00)" in str(error):
            raise _unstorable() from None
        raise


def _of_driver(error: exc.DBAPIError) -> Exception:
    code = getattr(error.orig, "pgcode", None)
    if error.connection_invalidated or isinstance(error, exc.OperationalError):
        return _unavailable(f"{type(error.orig).__name__} {code or ''}".rstrip())
    if code in _UNSTORABLE_TEXT:
        return _unstorable()
    constraint = constraint_of(error) or ""
    return StatementFailed(f"{type(error.orig).__name__} {code} {constraint}: {error.statement}")


def constraint_of(error: exc.DBAPIError) -> str | None:
    """The constraint that a statement broke."""
    name: str | None = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    return name


def _unavailable(reason: str) -> StorageUnavailable:
    logger.warning("database unavailable: %s", reason)
    return StorageUnavailable()


def _unstorable() -> InvalidInput:
    return InvalidInput.at("", "holds text or numbers that cannot be stored")
