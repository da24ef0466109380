"""Write transactions: store parse results and records, parse again."""
