-- A plan of half a million decisions looked its own row up as often, a second of its time. The statement that adds
-- decisions locks the plan's row once instead; a plan goes after its decisions, as before.
ALTER TABLE retention_decisions DROP CONSTRAINT retention_decisions_plan_id_fkey;
