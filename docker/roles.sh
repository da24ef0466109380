#!/bin/bash
# Make the roles of mparchive in the compose file's Postgres. The image runs this when it makes the database; in a
# database of an earlier version run it once:
#   docker compose exec postgres bash /docker-entrypoint-initdb.d/roles.sh
# POSTGRES_USER is the superuser, which mparchive does not use.
set -e
password() { # VARIABLE FILE: what the service's entrypoint exports, else the secret itself
    printenv "$1" || cat "${SECRETS:-/run/secrets}/$2"
}
sql() {
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"
}
sql --file "${ROLES:-/roles.sql}"
# The passwords go through the environment: the arguments of a process are visible to others.
SUPERUSER_PASSWORD=$(password POSTGRES_PASSWORD superuser_password) \
OWNER_PASSWORD=$(password OWNER_PASSWORD database_password) \
READER_PASSWORD=$(password READER_PASSWORD reader_password) \
sql <<'EOF'
\getenv superuser SUPERUSER_PASSWORD
\getenv owner OWNER_PASSWORD
\getenv reader READER_PASSWORD
SELECT format('ALTER ROLE %I PASSWORD %L', role, secret)
FROM (VALUES (current_user::text, :'superuser'), ('mparchive_owner', :'owner'), ('mparchive_reader', :'reader'))
    AS given (role, secret) \gexec
EOF
