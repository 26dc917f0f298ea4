-- What administrators see of the background jobs: one row a job, written by whichever worker ran it, every few minutes.
CREATE TABLE job_runs (
    job            text             PRIMARY KEY,
    pause_seconds  double precision NOT NULL,
    ran_at         timestamptz,  -- the last run that ended well
    worked_at      timestamptz,  -- the last run that found something to do
    items          bigint           NOT NULL DEFAULT 0,  -- what was done until worked_at
    failed_at      timestamptz,
    failure        text
);
