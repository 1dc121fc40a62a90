-- Roles, their limits and the rights on this database. Run it once per database, connected to that database,
-- as a superuser or as the RDS master user (CREATEROLE and ownership of the database are enough):
--
--     psql "$MASTER_URL" --set=ON_ERROR_STOP=1 --file=migrations/provision.sql
--
-- Plain SQL without psql commands, so that any driver can run it. Running it again changes nothing: every step
-- on a role, which all databases share, looks first, so that several databases can be provisioned at one time.

BEGIN;

-- Four roles, so that a stolen application password can neither change the schema nor rewrite history:
--   user_api_owner    logs in for migrations only, and owns every table
--   user_api          logs in for the service, and owns nothing
--   user_api_app      what the service may do; the migrations grant to it, never to a login, so that a second
--                     login (rotation with two users, another region) needs one GRANT
--   user_api_erasure  alone may delete audit payloads; nobody is a member until erasure is set up
-- No passwords here: a file is no place for a secret. psql's \password, or the rotation, sets them without telling
-- the server's log, and until then nobody can log in by password.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('user_api_app', 'NOLOGIN'),
            ('user_api_erasure', 'NOLOGIN'),
            ('user_api_owner', 'LOGIN'),
            ('user_api', 'LOGIN')
        ) AS roles (name, login)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
            EXECUTE format('CREATE ROLE %I %s', wanted.name, wanted.login);
        END IF;
    END LOOP;
    IF NOT EXISTS (
        SELECT FROM pg_auth_members
        WHERE roleid = 'user_api_app'::regrole AND member = 'user_api'::regrole
    ) THEN
        GRANT user_api_app TO user_api;
    END IF;
END
$$;

-- Deadlines of the service's own sessions. They sit on the role because RDS Proxy refuses connection options and
-- pins a connection that runs SET. The owner has no deadline here: migrations set their own for each step.
-- Times are shown and compared in UTC for both, whatever the server's zone is.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('user_api', 'statement_timeout', '2s'),
            ('user_api', 'lock_timeout', '1s'),
            ('user_api', 'idle_in_transaction_session_timeout', '5s'),
            ('user_api', 'default_transaction_isolation', 'read committed'),
            ('user_api', 'TimeZone', 'UTC'),
            ('user_api_owner', 'TimeZone', 'UTC')
        ) AS limits (role, name, value)
    LOOP
        IF NOT EXISTS (
            SELECT FROM pg_db_role_setting
            WHERE setdatabase = 0
                AND setrole = wanted.role::regrole
                AND wanted.name || '=' || wanted.value = ANY (setconfig)
        ) THEN
            EXECUTE format('ALTER ROLE %I SET %I = %L', wanted.role, wanted.name, wanted.value);
        END IF;
    END LOOP;
END
$$;

-- What the server's log may hold of our sessions, whatever it logs of others: the driver writes values into the text
-- of its statements, so a logged statement, row or plan would hold addresses and password hashes (core/domain/
-- server_log.py says why each). Only a superuser, or who has SET on the parameter, may give these to a role; without
-- that right the same has to be set for the whole server, as cdk does for RDS.
DO $$
DECLARE
    wanted record;
    refused text[] := '{}';
BEGIN
    FOR wanted IN
        SELECT rolname AS role, name, value
        FROM pg_roles, (VALUES
            ('log_min_error_statement', 'panic'),
            ('log_error_verbosity', 'terse'),
            ('log_statement', 'ddl'),
            ('log_min_duration_statement', '-1'),
            ('log_min_duration_sample', '-1'),
            ('log_transaction_sample_rate', '0'),
            ('log_parameter_max_length', '0'),
            ('log_parameter_max_length_on_error', '0'),
            ('debug_print_parse', 'off'),
            ('debug_print_rewritten', 'off'),
            ('debug_print_plan', 'off'),
            ('auto_explain.log_min_duration', '-1'),
            ('pgaudit.log_statement', 'off')
        ) AS quiet (name, value)
        WHERE rolname IN ('user_api', 'user_api_b', 'user_api_owner') AND NOT EXISTS (
            SELECT FROM pg_db_role_setting
            WHERE setdatabase = 0 AND setrole = pg_roles.oid AND name || '=' || value = ANY (setconfig)
        )
    LOOP
        BEGIN
            EXECUTE format('ALTER ROLE %I SET %I = %L', wanted.role, wanted.name, wanted.value);
        EXCEPTION WHEN insufficient_privilege THEN
            -- A library that is not loaded has no parameters; the attempt above leaves an empty one. As quiet as
            -- ddl is none.
            IF coalesce(current_setting(wanted.name, true), '') NOT IN ('', 'none', wanted.value) THEN
                refused := refused || format('%s = %s', wanted.name, wanted.value);
            END IF;
        END;
    END LOOP;
    IF refused <> '{}' THEN
        RAISE WARNING 'the log of this server may hold values of statements, and % may not change that: set % for the server, or run this file as a superuser',
            current_user, (SELECT string_agg(DISTINCT each, ', ') FROM unnest(refused) AS each);
    END IF;
END
$$;

-- PostgreSQL lets every role connect to a new database and make temporary tables in it; only ours may connect here.
-- A copy of a template does not bring these rights along, so they are set for each database.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO user_api_app', current_database());
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO user_api_owner', current_database());
    -- RDS Proxy looks after its target with this login, and fails without its rights.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rdsproxyadmin') THEN
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO rdsproxyadmin', current_database());
    END IF;
END
$$;

-- Nor may ours connect to the databases that every server has, which PostgreSQL opens to every role. Other logins keep
-- what they had. On RDS the master user owns both; where this login owns neither, their owner has to do it.
DO $$
DECLARE
    opened record;
    other name;
BEGIN
    FOR opened IN
        SELECT datname, pg_get_userbyid(datdba) AS owner FROM pg_database
        WHERE datname IN ('postgres', 'template1') AND datname <> current_database() AND EXISTS (
            SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba)))
            WHERE grantee = 0 AND privilege_type = 'CONNECT'
        )
    LOOP
        IF NOT pg_has_role(opened.owner, 'USAGE') THEN
            RAISE WARNING 'user_api may connect to the database %: its owner % has to REVOKE CONNECT ON DATABASE % FROM PUBLIC',
                opened.datname, opened.owner, opened.datname;
            CONTINUE;
        END IF;
        FOR other IN
            SELECT rolname FROM pg_roles
            WHERE rolcanlogin AND NOT rolsuper AND rolname <> opened.owner
                AND rolname NOT IN ('user_api', 'user_api_b', 'user_api_owner')
        LOOP
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', opened.datname, other);
        END LOOP;
        EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', opened.datname);
    END LOOP;
END
$$;

-- A cluster upgraded from version 14 or before still lets everybody create in public, where a function planted by
-- one role is run by another (CVE-2018-1058).
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO user_api_owner;
GRANT USAGE ON SCHEMA public TO user_api_app, user_api_erasure;

-- For searching users by a part of their name. Trusted since version 13, so no superuser is needed; created here and
-- not by a migration, because the owner of the schema has no right to create extensions.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

COMMIT;
