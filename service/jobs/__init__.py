"""Jobs: the ledger of audits in a database, and the workers that carry them out."""
