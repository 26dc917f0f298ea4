-- The repositories of a team in the order in which they are listed.
CREATE INDEX repository_teams_listed ON repository_teams (team_id, repository_id);
DROP INDEX repository_teams_team;
