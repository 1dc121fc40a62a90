"""The schema of a database as PostgreSQL describes it, so that two can be compared whole."""

from __future__ import annotations

from tests.support.storage import query

_PARTS = {
    "columns": """
        SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull,
            pg_get_expr(adbin, adrelid)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0
            AND NOT attisdropped AND relname <> 'alembic_version'
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
            AND conrelid IS DISTINCT FROM to_regclass('alembic_version')
    """,
    "indexes": """
        SELECT tablename, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    """,
    "storage": """
        SELECT relname, array_to_string(reloptions, ' ') FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND relname <> 'alembic_version'
    """,
    "triggers": """
        SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger
        WHERE NOT tgisinternal
    """,
    # Those of extensions are not ours.
    "functions": """
        SELECT pg_get_functiondef(oid), proacl::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND NOT EXISTS (
            SELECT FROM pg_depend
            WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e'
        )
    """,
}
CODE = frozenset({"triggers", "functions"})


def schema(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Columns, constraints, indexes, storage parameters and triggers of all tables but Alembic's,
    and functions."""
    return {part: sorted(query(url, sql), key=str) for part, sql in _PARTS.items()}
