-- Make the two roles of an archive, and give its tables to the first. Run it as a superuser in the archive's
-- database; it may be run again. mparchive grants the second role its rights when the first opens the archive.
DO $$
DECLARE
    role_name text;
    statement text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['mparchive_owner', 'mparchive_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I', role_name);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', role_name
        );
    END LOOP;
    EXECUTE format('ALTER DATABASE %I OWNER TO mparchive_owner', current_database());
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    -- A table's indexes, row type, and the sequences of its columns go with it; members of extensions stay.
    FOR statement IN
        SELECT format('ALTER SCHEMA %I OWNER TO mparchive_owner', nspname)
        FROM pg_namespace
        WHERE nspname IN ('public', 'jobs', 'partitions', 'derived')
            AND nspowner::regrole::text NOT IN ('mparchive_owner', 'pg_database_owner')
        UNION ALL
        SELECT format('ALTER %s %s OWNER TO mparchive_owner', kind, name)
        FROM (
            SELECT 'pg_class'::regclass AS catalog, oid, relnamespace AS schema_id, relowner AS owner_id,
                'TABLE' AS kind, oid::regclass::text AS name
            FROM pg_class AS relation
            WHERE relkind IN ('r', 'p', 'v', 'm', 'f') OR relkind = 'S' AND NOT EXISTS (
                SELECT FROM pg_depend
                WHERE classid = 'pg_class'::regclass AND objid = relation.oid AND deptype IN ('a', 'i')
            )
            UNION ALL
            SELECT 'pg_proc'::regclass, oid, pronamespace, proowner, 'ROUTINE', oid::regprocedure::text
            FROM pg_proc
            UNION ALL
            SELECT 'pg_type'::regclass, oid, typnamespace, typowner, 'TYPE', oid::regtype::text
            FROM pg_type
            WHERE typtype IN ('e', 'd', 'r') OR typtype = 'c' AND EXISTS (
                SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind = 'c'
            )
        ) AS found
        WHERE schema_id IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'jobs', 'partitions', 'derived'))
            AND owner_id <> 'mparchive_owner'::regrole
            AND NOT EXISTS (
                SELECT FROM pg_depend
                WHERE classid = catalog AND objid = found.oid AND deptype = 'e'
            )
    LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
