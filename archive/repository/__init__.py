"""Read and write the database: one module per noun, the only place of SQL statements."""
