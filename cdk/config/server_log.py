"""What RDS writes into PostgreSQL's log, which goes to CloudWatch, and what it keeps instead."""

from __future__ import annotations

SERVER_LOG = {
    # The service's driver writes values into the text of its statements. So none is logged, nor the
    # rows and keys of DETAIL: these would be addresses and password hashes.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    # Slow statements are in pg_stat_statements, without their values.
    "log_min_duration_statement": "-1",
    "log_statement": "ddl",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    # The other formats keep DETAIL.
    "log_destination": "stderr",
    # Names processes and tuples, and no values.
    "log_lock_waits": "1",
}
"""Parameters of the instance. Those that are not here log no statement unless they are set."""

STATEMENT_STATISTICS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "all",
    # Statements of this kind are kept as they are: ALTER ROLE ... PASSWORD, too.
    "pg_stat_statements.track_utility": "0",
}
"""Which statements take how long, with placeholders for their values."""
