-- What the code of revision 0002 reads and writes: an audit from its upload to the end, a decision, and their removal.
INSERT INTO audit (id, owner, name, model, status, revision, step, done, total, bytes, created_at, cancel_requested)
    VALUES ('0123456789abcdef', 'ann', 'Autumn', 'm@1', 'queued', 0, 'plan', 0, 0, 1000, '2026-11-01 12:00:00+00:00', false);
INSERT INTO audit_chunk (audit_id, revision, step, i, rows, done, attempts)
    VALUES ('0123456789abcdef', 0, 'plan', 0, 0, false, 0);
UPDATE audit SET status = 'running', worker = 'w', lease_until = 1793534410.5 WHERE id = '0123456789abcdef';
UPDATE audit_chunk SET done = true, attempts = attempts + 1 WHERE audit_id = '0123456789abcdef' AND step = 'plan';
UPDATE audit SET step = 'infer', total = 600, done = 600, step_started_at = 1793534411.5 WHERE worker = 'w';
UPDATE audit SET status = 'succeeded', worker = NULL, lease_until = NULL, ended_at = 1793534412.5, error = NULL
    WHERE id = '0123456789abcdef';
INSERT INTO decision (audit_id, "row", version, decision, label, author, decided_at)
    VALUES ('0123456789abcdef', 7, 1, 'relabel', 'Shirt', 'ann', '2026-11-01 12:05:00+00:00');
SELECT id, owner, name, model, status, revision, step, done, total, error, bytes, created_at, step_started_at, ended_at,
    cancel_requested, worker, lease_until FROM audit ORDER BY created_at, id;
SELECT audit_id, revision, step, i, rows, done, attempts FROM audit_chunk;
SELECT id, audit_id, "row", version, decision, label, author, decided_at FROM decision;
