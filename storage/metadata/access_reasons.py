"""Why a person has a role over a package: each grant, seat and setting that gives one."""

from dataclasses import dataclass
from typing import Final

from storage.metadata import access_facts
from storage.metadata.access_facts import AccessFacts
from storage.metadata.query import Executor, Query, together
from storage.names import PackageName

#: As of a token that narrows nothing.
_FACTS: Final = Query(AccessFacts, f"SELECT {access_facts.COLUMNS} {access_facts.FROM_PERSON}")


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason of a role. ``name``: the organization, or the slug of the team; ``repository``: inherited from it.

    ``kind``: site_admin, owner, organization_owner, organization_member, grant, team, collaborator,
    outside_collaborator, public, or suspended, which ends all others.
    """

    kind: str
    role: int
    name: str | None
    repository: str | None


_REASONS: Final = Query(
    Reason,
    """
    SELECT reason.kind, reason.role, reason.name, reason.repository
      FROM packages package
      JOIN accounts owner ON owner.id = package.owner_id
      JOIN accounts person ON person.id = $1
      LEFT JOIN memberships seat ON seat.org_id = owner.id AND seat.user_id = person.id
      LEFT JOIN repositories source ON source.id = package.repository_id AND package.inherit_access
     CROSS JOIN LATERAL (
        SELECT 1 AS place, 'suspended' AS kind, 0 AS role, NULL::text AS name, NULL::text AS repository
         WHERE person.suspended_at IS NOT NULL
         UNION ALL
        SELECT 2, 'site_admin', 3, NULL, NULL WHERE person.site_admin
         UNION ALL
        SELECT 3, 'owner', 3, owner.login, NULL WHERE owner.id = person.id
         UNION ALL
        SELECT 4, CASE seat.role WHEN 'admin' THEN 'organization_owner' ELSE 'organization_member' END,
               CASE WHEN seat.role = 'admin' THEN 3 WHEN package.visibility = 'internal' THEN 1 ELSE 0 END,
               owner.login, NULL
         WHERE seat.role IS NOT NULL
         UNION ALL
        SELECT 5, 'grant', role, NULL, NULL FROM package_users
         WHERE package_id = package.id AND user_id = person.id AND NOT package.inherit_access
         UNION ALL
        SELECT 6, 'team', grants.role, team.slug, NULL
          FROM package_teams grants JOIN team_members member ON member.team_id = grants.team_id
          JOIN teams team ON team.id = grants.team_id
         WHERE grants.package_id = package.id AND member.user_id = person.id AND NOT package.inherit_access
         UNION ALL
        SELECT 7, CASE WHEN owner.kind = 'Organization' AND seat.role IS NULL
                       THEN 'outside_collaborator' ELSE 'collaborator' END,
               grants.role, NULL, owner.login || '/' || source.name
          FROM repository_users grants WHERE grants.repository_id = source.id AND grants.user_id = person.id
         UNION ALL
        SELECT 8, 'team', grants.role, team.slug, owner.login || '/' || source.name
          FROM repository_teams grants JOIN team_members member ON member.team_id = grants.team_id
          JOIN teams team ON team.id = grants.team_id
         WHERE grants.repository_id = source.id AND member.user_id = person.id
         UNION ALL
        SELECT 9, 'public', 1, NULL, NULL WHERE package.visibility = 'public'
     ) AS reason
     WHERE package.id = $4
     ORDER BY reason.place, reason.name
    """,
)


_OF_PERSON: Final = together(_FACTS, _REASONS)


async def of_person(
    db: Executor, account_id: int, name: PackageName, package_id: int
) -> tuple[AccessFacts, list[Reason]]:
    """The access facts of a person and a package, and the reasons of the person's role, the strongest kinds first."""
    (facts,), reasons = await _OF_PERSON.all(db, account_id, name.owner, name.image, package_id)
    return facts, reasons
