"""PostgreSQL's log as RDS writes it, and what of it is not the tests' own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cdk.config.server_log import SERVER_LOG

AS_RDS = {**SERVER_LOG, "log_line_prefix": "%t:%r:%u@%d:[%p]:"}
"""With the prefix that RDS gives each entry, and lets nobody change."""

_ENTRY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC:.*?:(?P<user>[^:@]*)@[^:@]*:\[\d+\]:")


def entries(text: str) -> Iterator[str]:
    """Each with all of its lines, but those of the superuser, as whom tests set things up."""
    ours = True
    entry = ""
    for line in text.splitlines():
        if start := _ENTRY.match(line):
            if entry and ours:
                yield entry
            ours, entry = start["user"] != "postgres", line
        else:
            entry += f"\n{line}"
    if entry and ours:
        yield entry
