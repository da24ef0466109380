"""Open the database: settings, engine, embedded server, schema, locks."""
