"""What PostgreSQL writes into its log of the service's sessions: no value of a statement.

The driver writes values into the text of a statement, so a log of statements, rows or plans is one
of addresses and password hashes.
"""

from __future__ import annotations

from collections.abc import Mapping

QUIET: Mapping[str, str] = {
    # Statements that failed or were cancelled. What is left is a crash of the whole server.
    "log_min_error_statement": "panic",
    # DETAIL and CONTEXT: keys and rows that break a constraint, statements of a deadlock.
    "log_error_verbosity": "terse",
    # Statements as such; those that change the schema carry no values.
    "log_statement": "ddl",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    # Values that another driver would send apart from the text.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    # Trees and plans, which hold the constants.
    "debug_print_parse": "off",
    "debug_print_rewritten": "off",
    "debug_print_plan": "off",
    "auto_explain.log_min_duration": "-1",
    "pgaudit.log_statement": "off",
}
"""Parameters that a role can have, each with the value that keeps values out of the log."""

OF_THE_SERVER = ("log_destination", "log_min_messages")
"""What counts besides. csvlog and jsonlog keep DETAIL whatever log_error_verbosity is, and only a
login whose errors are not logged at all has none there."""

_WITH_DETAIL = ("csvlog", "jsonlog")
_WITHOUT_ERRORS = ("log", "fatal", "panic")


def loud(found: Mapping[str, str]) -> Mapping[str, str]:
    """Of the parameters `found`, as pg_settings gives them, those that let values into the log,
    each with what it should be."""
    wanted = {name: value for name, value in QUIET.items() if found.get(name, value) != value}
    if found.get("log_statement") == "none":
        del wanted["log_statement"]
    detailed = any(each in found.get("log_destination", "") for each in _WITH_DETAIL)
    if detailed and found.get("log_min_messages") not in _WITHOUT_ERRORS:
        wanted["log_destination"] = "stderr"
    return wanted


def unread(found: Mapping[str, str]) -> list[str]:
    """Parameters that every server has, and that this login may not read."""
    return [name for name in (*QUIET, *OF_THE_SERVER) if "." not in name and name not in found]
