-- A service with 100,000 users as it looks on an ordinary day: what is due for deletion is a minute's worth or so,
-- and a provider's outage has left a backlog of mails. Every password is the one behind %(password_hash)s.
SET LOCAL statement_timeout = '60s';
-- Rows are consistent by their making; checking 1.5 million foreign keys takes as long as making them.
SET LOCAL session_replication_role = replica;
SELECT setseed(0.5);

-- Built at the end, from sorted rows, most indexes take a third of the time.
CREATE TEMP TABLE later ON COMMIT DROP AS
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    AND indexrelid NOT IN (SELECT conindid FROM pg_constraint);
DO $$
DECLARE
    index text;
BEGIN
    FOR index IN SELECT name FROM later LOOP
        EXECUTE 'DROP INDEX ' || index;
    END LOOP;
END
$$;

-- RFC 9562 section 5.7, at the given moment.
CREATE FUNCTION pg_temp.id_at(moment timestamptz) RETURNS uuid LANGUAGE sql AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0')
        || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid
$$;

INSERT INTO users (id, email, email_normalised, email_verified, username, username_normalised, display_name,
    given_name, family_name, locale, time_zone, status, attributes, created_at, updated_at)
SELECT pg_temp.id_at(at), 'Person-' || n || '@example.com', 'person-' || n || '@example.com', mod(n, 50) <> 1,
    CASE WHEN mod(n, 5) < 2 THEN 'Name_' || n END, CASE WHEN mod(n, 5) < 2 THEN 'name_' || n END,
    'Person ' || n, 'Person', 'Of ' || n, 'en-GB', 'Europe/London',
    CASE mod(n, 100) WHEN 97 THEN 'pending' WHEN 98 THEN 'suspended' WHEN 99 THEN 'deactivated' ELSE 'active' END,
    '{"theme": "dark"}', at, at
FROM generate_series(1, 100000) AS n, LATERAL (SELECT now() - interval '10 minutes' * (100000 - n)) AS made (at);

INSERT INTO user_logins (user_id, last_login_at)
SELECT id, CASE WHEN status <> 'pending' AND random() < 0.9 THEN now() - interval '90 days' * random() END FROM users;

INSERT INTO password_credentials (user_id, password_hash, changed_at)
SELECT id, %(password_hash)s, created_at FROM users;

INSERT INTO known_addresses (user_id, address_key, last_seen_at)
SELECT id, sha256((id::text || n)::bytea), now() - interval '365 days 12 hours' * random()
FROM users, generate_series(1, 2) AS n;

INSERT INTO mail_suppressions (address_key, reason, since)
SELECT sha256(('refuses' || n)::bytea), 'bounced', now() - interval '116 minutes' * n FROM generate_series(1, 5000) AS n;

INSERT INTO roles (name, built_in) VALUES ('member', false);
INSERT INTO user_roles (user_id, role, granted_at)
SELECT id, 'member', now() FROM users WHERE random() < 0.8;
INSERT INTO user_roles (user_id, role, granted_at)
SELECT id, CASE mod(n, 50) WHEN 0 THEN 'admin' WHEN 1 THEN 'auditor' ELSE 'support' END, now()
FROM (SELECT id, row_number() OVER () AS n FROM users LIMIT 2000) AS staff;

-- Three logins a user, 200 of some.
INSERT INTO sessions (id, user_id, client_id, user_agent, address, amr, epoch, generation, rotated_at, rotated_by,
    authenticated_at, created_at, last_used_at, expires_at, absolute_expires_at, revoked_at, revoke_reason)
SELECT pg_temp.id_at(at), user_id, 'user-api', 'Browser/1.0', '192.0.2.1', '{pwd}', 1, 3, used, sha256('client'),
    at, at, used, least(used + interval '30 days', at + interval '90 days'), at + interval '90 days',
    CASE WHEN ended THEN greatest(used, now() - interval '30 days 2 hours' * random()) END,
    CASE WHEN ended THEN 'logout' END
FROM (
    SELECT id AS user_id FROM users, generate_series(1, 3)
    UNION ALL
    SELECT id FROM users, generate_series(1, 200)
    WHERE email_normalised IN (SELECT 'person-' || n || '@example.com' FROM generate_series(1, 100) AS n)
) AS logins,
LATERAL (SELECT now() - interval '90 days 1 hour' * random(), user_id) AS begun (at, of_user),
LATERAL (SELECT at + (now() - at) * random(), random() < 0.3) AS since (used, ended)
ORDER BY at;

INSERT INTO pending_registrations (id, email, email_normalised, username, profile, password_hash, created_at, expires_at)
SELECT pg_temp.id_at(at), 'pending-' || n || '@example.com', 'pending-' || n || '@example.com', NULL, '{}',
    %(password_hash)s, at, at + interval '1 day'
FROM generate_series(1, 10000) AS n, LATERAL (SELECT now() - interval '24 hours 10 minutes' * random(), n) AS made (at, of_n);

INSERT INTO one_time_codes (id, digest, purpose, email_normalised, registration_id, created_at, expires_at)
SELECT gen_random_uuid(), sha256(id::text::bytea), 'verify_email', email_normalised, id, created_at, expires_at
FROM pending_registrations;
INSERT INTO sign_up_passwords (digest, expires_at) SELECT sha256(id::text::bytea), expires_at FROM pending_registrations;
INSERT INTO one_time_codes (id, digest, purpose, email_normalised, user_id, created_at, expires_at, used_at)
SELECT pg_temp.id_at(at), sha256(id::text::bytea), 'reset_password', email_normalised, id, at, at + interval '30 minutes',
    CASE WHEN random() < 0.5 THEN now() END
FROM users, LATERAL (SELECT now() - interval '31 minutes' * random(), id) AS made (at, of_id) WHERE random() < 0.1;

INSERT INTO throttles (key, failures, expires_at)
SELECT sha256(n::text::bytea), 1 + mod(n, 5), now() - interval '30 seconds' + interval '1 hour' * random()
FROM generate_series(1, 20000) AS n;

INSERT INTO idempotency_records (scope_hash, fingerprint, sealed_answer, created_at, expires_at)
SELECT sha256(n::text::bytea), sha256(n::text::bytea), sha512(n::text::bytea), at, at + interval '1 day'
FROM generate_series(1, 50000) AS n, LATERAL (SELECT now() - interval '24 hours 10 minutes' * random(), n) AS made (at, of_n);

INSERT INTO outbox (id, kind, payload, attempts, created_at, due_at, lease_owner, parked_at, last_error)
SELECT pg_temp.id_at(now()), 'mail', jsonb_build_object('template', 'verify_email', 'code_id', gen_random_uuid()), 3,
    now() - interval '1 hour', now() + interval '30 minutes' + interval '30 minutes' * random(),
    CASE WHEN mod(n, 50) = 1 THEN 'worker-' || n / 500 END, CASE WHEN mod(n, 50) = 2 THEN now() - interval '1 hour' * mod(n, 737) END, 'refused'
FROM generate_series(1, 10000) AS n;

INSERT INTO audit_events (id, type, actor, subject, occurred_at, request_id, payload_hash, leaf_hash)
SELECT pg_temp.id_at(at), CASE WHEN random() < 0.001 THEN 'role.granted' ELSE 'login.succeeded' END, id, id, at, md5(id::text), sha256(id::text::bytea), sha256(id::text::bytea)
FROM users, generate_series(1, 2), LATERAL (SELECT created_at + (now() - created_at) * random(), id) AS done (at, of_id)
ORDER BY at;
INSERT INTO audit_payloads (event_id, salt, payload)
SELECT id, substr(payload_hash, 1, 16), '{"address": "192.0.2.1", "user_agent": "Browser/1.0"}'
FROM audit_events ORDER BY id;

-- Without tokens: thirty days and a little more of them.
INSERT INTO audit_events (id, type, occurred_at, request_id, payload_hash, leaf_hash)
SELECT pg_temp.id_at(at), 'login.failed', at, md5(n::text), sha256(n::text::bytea), sha256(n::text::bytea)
FROM generate_series(1, 20000) AS n, LATERAL (SELECT now() - interval '2.161 minutes' * n) AS done (at)
ORDER BY at;
INSERT INTO audit_payloads (event_id, salt, payload)
SELECT id, substr(payload_hash, 1, 16), '{"address": "192.0.2.1", "user_agent": "Browser/1.0"}'
FROM audit_events WHERE actor IS NULL ORDER BY id;

-- Invited, and never came: a year and a little more of them.
INSERT INTO users (id, email, email_normalised, email_verified, status, attributes, created_at, updated_at)
SELECT pg_temp.id_at(at), 'invited-' || n || '@example.com', 'invited-' || n || '@example.com', false, 'pending', '{}', at, at
FROM generate_series(1, 2000) AS n, LATERAL (SELECT now() - interval '4.381 hours' * n) AS made (at)
ORDER BY at;
INSERT INTO user_logins (user_id) SELECT id FROM users WHERE email LIKE 'invited-%%';

INSERT INTO erasure_requests (user_id, requested_at, due_at)
SELECT id, at, at + interval '30 days'
FROM users, LATERAL (SELECT now() - interval '30 days' * random(), id) AS asked (at, of_id) LIMIT 2000;

DO $$
DECLARE
    index text;
BEGIN
    FOR index IN SELECT definition FROM later LOOP
        EXECUTE index;
    END LOOP;
END
$$;
