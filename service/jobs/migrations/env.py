"""Run by Alembic: applies the revisions over the connection that ``service.jobs.database.migrate`` hands in."""

from alembic import context

from service.jobs.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
