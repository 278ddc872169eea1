"""The ledger's tables. A change here needs a revision in ``migrations/versions``; a test compares the two.

Times are seconds since 1970 (UTC), by the clock of whoever writes: leases are long against what clocks differ by.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

audit = Table(
    "audit",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("owner", String(100), nullable=False),
    Column("name", String(200)),
    Column("model", String(100)),  # NAME@VERSION; null: the file's own probabilities
    Column("status", String(16), nullable=False),  # queued, running, succeeded, failed, cancelled
    Column("revision", Integer, nullable=False),  # grows with every re-scoring
    Column("step", String(16), nullable=False),  # of service.audits.steps.work.STEPS
    Column("done", Integer, nullable=False),  # rows of the step
    Column("total", Integer, nullable=False),
    Column("error", Text),
    Column("bytes", BigInteger, nullable=False),  # of the upload
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("step_started_at", Float),
    Column("ended_at", Float),
    Column("cancel_requested", Boolean, nullable=False),
    Column("worker", String(100)),  # who holds the lease
    Column("lease_until", Float),
    Index("audit_by_status", "status", "created_at"),
)

audit_chunk = Table(
    "audit_chunk",
    metadata,
    Column("audit_id", String(16), ForeignKey("audit.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("step", String(16), primary_key=True),
    Column("i", Integer, primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
)

decision = Table(
    "decision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("audit_id", String(16), ForeignKey("audit.id", ondelete="CASCADE"), nullable=False),
    Column("row", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("decision", String(16), nullable=False),
    Column("label", Text),
    Column("author", String(100)),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("audit_id", "row", "version", name="decision_version"),
)
