-- Users the first to the last of a service that has existed for five years, as version 0.1.0 stored them, and an audit
-- event for each. Rows are consistent by their making: nothing is checked again.
SET LOCAL session_replication_role = replica;
SELECT setseed(1.0 / %(last)s);

-- RFC 9562 section 5.7, at the given moment.
CREATE OR REPLACE FUNCTION pg_temp.id_at(moment timestamptz) RETURNS uuid LANGUAGE sql AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0')
        || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid
$$;

-- A random number from 1 to `size`, drawn again for each `line`.
CREATE OR REPLACE FUNCTION pg_temp.any_of(size int, line bigint) RETURNS int LANGUAGE sql AS $$
    SELECT 1 + floor(random() * size + 0 * line)::int
$$;

-- 48 given and 1,000 family names, some of them not ASCII. Who has not verified the address is pending, and has
-- never logged in; who has been suspended or deactivated has not logged in of late. Time ends
-- last midnight, so that all batches end together.
CREATE TEMP TABLE person ON COMMIT DROP AS
SELECT n, at, pg_temp.id_at(at) AS id, given, family,
    replace(lower(given || '.' || family), 'ö', 'oe') || '.' || n || '@'
        || (ARRAY['example.com', 'example.org', 'mail.example.net', 'example.com'])[1 + mod(n, 4)] AS email,
    CASE
        WHEN lot < 0.04 THEN 'pending'
        WHEN lot < 0.041 THEN 'suspended'
        WHEN lot < 0.061 THEN 'deactivated'
        ELSE 'active'
    END AS status
FROM generate_series(%(first)s, %(last)s) AS n,
LATERAL (SELECT date_trunc('day', now()) - interval '5 years' * (1 - n / 1000001.0), random() + 0 * n) AS made (at, lot),
LATERAL (SELECT
    initcap((ARRAY['al', 'be', 'ca', 'do', 'el', 'fa'])[pg_temp.any_of(6, n)]
        || (ARRAY['ma', 'nö', 'ra', 'si', 'ta', 'va', 'wi', 'za'])[pg_temp.any_of(8, n)]),
    initcap((ARRAY['bar', 'cor', 'del', 'fen', 'gra', 'hol', 'jen', 'kra', 'lin', 'mor'])[pg_temp.any_of(10, n)]
        || (ARRAY['ba', 'ce', 'di', 'fo', 'gu', 'ha', 'ki', 'lo', 'mu', 'ne'])[pg_temp.any_of(10, n)]
        || (ARRAY['berg', 'dal', 'ford', 'ham', 'land', 'ley', 'man', 'son', 'ton', 'well'])[pg_temp.any_of(10, n)])
) AS named (given, family);

INSERT INTO users (id, email, email_normalised, email_verified, username, username_normalised, display_name,
    given_name, family_name, locale, time_zone, status, attributes, created_at, updated_at)
SELECT id, email, email, status <> 'pending', CASE WHEN mod(n, 5) < 2 THEN 'User_' || n END,
    CASE WHEN mod(n, 5) < 2 THEN 'user_' || n END, given || ' ' || family, given, family, 'en-GB', 'Europe/London',
    status, '{"theme": "dark"}', at, at
FROM person ORDER BY id;

INSERT INTO user_logins (user_id, last_login_at)
SELECT id, CASE status
        WHEN 'active' THEN greatest(at, date_trunc('day', now()) - interval '2 years' * power(random(), 3))
        ELSE at + (now() - at) * random() * 0.5
    END
FROM person WHERE status <> 'pending' AND random() < 0.9;

INSERT INTO roles (name, built_in) VALUES ('member', false), ('editor', false) ON CONFLICT DO NOTHING;
INSERT INTO user_roles (user_id, role, granted_at)
SELECT id, 'member', at FROM person WHERE random() < 0.8
UNION ALL SELECT id, 'editor', at FROM person WHERE status <> 'pending' AND random() < 0.01
UNION ALL SELECT id, 'support', at FROM person WHERE random() < 0.0005
UNION ALL SELECT id, 'admin', at FROM person WHERE mod(n, 200000) = 13;

INSERT INTO audit_events (id, type, actor, subject, occurred_at, request_id, payload_hash, leaf_hash)
SELECT pg_temp.id_at(at),
    CASE WHEN mod(n, 5000) = 1 THEN 'role.granted' WHEN mod(n, 10) = 2 THEN 'login.failed' ELSE 'login.succeeded' END,
    CASE WHEN mod(n, 10) <> 2 THEN id END, id, at, md5(n::text), sha256(n::text::bytea), sha256(n::text::bytea)
FROM person ORDER BY at;
INSERT INTO audit_payloads (event_id, salt, payload)
SELECT id, substr(payload_hash, 1, 16), '{"address": "192.0.2.1", "user_agent": "Browser/1.0"}'
FROM audit_events WHERE subject IN (SELECT id FROM person) AND mod(get_byte(payload_hash, 1), 20) <> 0;
