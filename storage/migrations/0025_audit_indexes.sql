-- The audit log is read in the order of its transactions. What writes events waits until both are there, what reads does not.
CREATE INDEX events_commits ON events (xid, id);
CREATE INDEX events_owner ON events (owner_id, xid, id);
