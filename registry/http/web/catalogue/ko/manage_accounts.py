"""Korean: organizations, people, teams and repositories, and what one changes of them."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "%(num)s member who is no owner is affected. Owners may always.": (
        "소유자가 아닌 구성원 %(num)s명에게 적용됩니다. 소유자는 언제나 만들 수 있습니다."
    ),
    "A package can be linked only to a repository of the account that owns it.": (
        "패키지는 소유 계정의 리포지토리에만 연결할 수 있습니다."
    ),
    "A package may name the repository that it is made from, and take over who may do what there.": (
        "패키지가 만들어진 리포지토리를 표시하고, 그 사용 권한을 상속할 수 있습니다."
    ),
    "A role over the repository: %(who)s": "리포지토리 역할 부여: %(who)s",
    "A token needs to be authorized for the organization, too.": "토큰도 이 조직에 대해 권한이 부여되어야 합니다.",
    "Access comes from the repository": "액세스를 리포지토리에서 상속합니다",
    "Access comes from the repository now.": "이제 액세스를 리포지토리에서 상속합니다.",
    "Add a person or a team": "사람 또는 팀 추가",
    "Add the team": "팀 추가",
    "All its packages, repositories and teams go with it.": "조직의 패키지, 리포지토리, 팀이 모두 함께 삭제됩니다.",
    "All members": "모든 구성원",
    "All members of the organization may find and pull it; others see that there is nothing.": (
        "조직의 모든 구성원이 찾고 풀할 수 있습니다. 다른 사람에게는 없는 것으로 보입니다."
    ),
    "An organization owns packages for several people, who are its members. You are its first owner.": (
        "조직은 여러 구성원을 위해 패키지를 소유합니다. 만든 사람이 첫 소유자가 됩니다."
    ),
    "Collaborator of the repository": "리포지토리 협력자",
    "Collaborators": "협력자",
    "Delete the organization": "조직 삭제",
    "Delete the repository": "리포지토리 삭제",
    "Delete the team": "팀 삭제",
    "Each member authorizes a token for this organization in the settings of the token.": (
        "구성원이 각자 토큰 설정에서 이 조직에 대한 권한을 부여합니다."
    ),
    "Every role that this organization gave ends: %(who)s": "이 조직이 부여한 역할이 모두 끝납니다: %(who)s",
    "In the team now: %(who)s": "팀에 추가함: %(who)s",
    "Inherited from the repository: %(name)s": "리포지토리에서 상속: %(name)s",
    "Its members lose the roles that they have by the team.": "팀원은 팀을 통해 받은 역할을 잃습니다.",
    "Leave": "나가기",
    "Leave the organization": "조직에서 나가기",
    "Link a repository": "리포지토리 연결",
    "Link another repository": "다른 리포지토리 연결",
    "Link the package to a repository first.": "먼저 패키지를 리포지토리에 연결하세요.",
    "Link the repository": "리포지토리 연결",
    "Make a member": "구성원으로 변경",
    "Make an owner": "소유자로 변경",
    "Make the repository": "리포지토리 만들기",
    "Make the team": "팀 만들기",
    "Member of the organization": "조직 구성원",
    "Members may make packages": "구성원이 만들 수 있는 패키지",
    "Name a repository as owner/name.": "리포지토리를 owner/name 형식으로 입력하세요.",
    "New packages inherit access from their repository": "새 패키지가 리포지토리의 액세스를 상속",
    "New repository": "새 리포지토리",
    "New team": "새 팀",
    "No member any more: %(who)s": "더 이상 구성원이 아님: %(who)s",
    "No repositories": "리포지토리 없음",
    "No role over the repository any more: %(who)s": "리포지토리 역할 제거: %(who)s",
    "Nobody is in this team": "팀원이 없습니다",
    "Not in the team any more: %(who)s": "팀에서 제거함: %(who)s",
    "Only a repository of an organization can be internal.": "조직의 리포지토리만 내부로 설정할 수 있습니다.",
    "Only members of the organization can be in a team.": "조직의 구성원만 팀에 넣을 수 있습니다.",
    "Only members of the organization can have a role over a package that is not public.": (
        "퍼블릭이 아닌 패키지에 대한 역할은 조직 구성원에게만 부여할 수 있습니다."
    ),
    "Only packages of organizations can be internal.": "조직의 패키지만 내부로 설정할 수 있습니다.",
    "Only repositories of the account that owns the package can have a role over it.": (
        "패키지를 소유한 계정의 리포지토리에만 역할을 부여할 수 있습니다."
    ),
    "Other owners": "다른 소유자",
    "Owner of the account": "계정 소유자",
    "Owner of the organization": "조직 소유자",
    "Owners of the organization put its members in.": "조직의 소유자가 구성원을 팀에 넣습니다.",
    "Packages are linked to a repository, and may take over its roles. No source is kept here.": (
        "소스 리포지토리의 이름입니다. 패키지를 연결하고 사용 권한을 상속할 수 있으며, 소스는 여기에 저장하지 않습니다."
    ),
    "People and teams have the roles that they have over the repository.": (
        "사람과 팀은 리포지토리에 대한 역할을 그대로 갖습니다."
    ),
    "People and teams lose the roles that they have over it by the repository.": (
        "사람과 팀은 리포지토리를 통해 받은 역할을 잃습니다."
    ),
    "People who are no members of the organization lose their roles.": "조직 구성원이 아닌 사람은 역할을 잃습니다.",
    "Remove a member": "구성원 제거",
    "Repositories": "리포지토리",
    "Repository (owner/name)": "리포지토리 (owner/name)",
    "Repository linked": "리포지토리 연결",
    "Repository unlinked": "리포지토리 연결 해제",
    "Save the profile": "프로필 저장",
    "Save the repository": "리포지토리 저장",
    "Save the team": "팀 저장",
    "Team": "팀",
    "Teams can have roles only over packages of their organization.": (
        "팀은 자기 조직의 패키지에 대해서만 역할을 가질 수 있습니다."
    ),
    "The last owner stays one: name another owner first.": (
        "마지막 소유자는 바꿀 수 없습니다. 먼저 다른 소유자를 정하세요."
    ),
    "The link to the former repository ends: %(name)s": "이전 리포지토리와의 연결이 끝납니다: %(name)s",
    "The name of a team has a letter or a digit.": "팀 이름에는 영문자나 숫자가 있어야 합니다.",
    "The organization does not let its members do this: ask one of its owners.": (
        "조직이 구성원에게 허용하지 않는 변경입니다. 소유자에게 요청하세요."
    ),
    "The organization has no such team.": "조직에 이런 팀이 없습니다.",
    "The organization is deleted: %(name)s": "조직을 삭제했습니다: %(name)s",
    "The organization is made: %(name)s": "조직을 만들었습니다: %(name)s",
    "The package does not name this repository any more: %(name)s": (
        "패키지가 더 이상 이 리포지토리를 표시하지 않습니다: %(name)s"
    ),
    "The package inherits its access from its repository: change the roles over the repository.": (
        "이 패키지는 리포지토리의 액세스를 상속합니다. 리포지토리의 역할을 바꾸세요."
    ),
    "The package is linked to no repository now.": "이제 연결된 리포지토리가 없습니다.",
    "The package is linked to the repository: %(name)s": "패키지를 리포지토리에 연결했습니다: %(name)s",
    "The page of the package names this repository as known to this registry: %(name)s": (
        "패키지 페이지에 이 레지스트리가 아는 리포지토리로 표시됩니다: %(name)s"
    ),
    "The repository is deleted: %(name)s": "리포지토리를 삭제했습니다: %(name)s",
    "The repository is made: %(name)s": "리포지토리를 만들었습니다: %(name)s",
    "The repository is saved.": "리포지토리를 저장했습니다.",
    "The team is deleted: %(name)s": "팀을 삭제했습니다: %(name)s",
    "The team is made: %(name)s": "팀을 만들었습니다: %(name)s",
    "The team is saved.": "팀을 저장했습니다.",
    "There is no such repository, or you may not see it.": "이런 리포지토리가 없거나, 볼 수 없습니다.",
    "There is such a team.": "같은 팀이 이미 있습니다.",
    "They stay members of the organization.": "조직의 구성원으로는 남습니다.",
    "This account cannot be a collaborator.": "이 계정은 협력자가 될 수 없습니다.",
    "Unlink the repository": "리포지토리 연결 해제",
    "When the first push names one of this organization.": "첫 푸시가 이 조직의 리포지토리를 지정한 경우.",
    "Whoever had a role over them by the repository loses it; so do its workflows.": (
        "리포지토리를 통해 패키지에 역할을 받은 사람과 워크플로는 역할을 잃습니다."
    ),
    "Workflows of a repository (Actions) may pull, and with Write push, without a secret of their own.": (
        "리포지토리의 워크플로(Actions)는 별도 비밀 없이 풀하고, 쓰기 역할이 있으면 푸시할 수 있습니다."
    ),
    "Workflows of the repository may manage it, and its workspaces may push.": (
        "리포지토리의 워크플로는 패키지를 관리하고, 작업 영역은 푸시할 수 있습니다."
    ),
    "Workspaces of a repository (Codespaces) have the role that they are given here.": (
        "리포지토리의 작업 영역(Codespaces)은 여기에서 받은 역할을 갖습니다."
    ),
    "You need the role Write over the repository to link it.": "연결하려면 리포지토리에 쓰기 역할이 있어야 합니다.",
}
