"""Korean: what one changes of packages: access, settings, deletion, restore, activity."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "%(count)s versions": "버전 %(count)s개",
    "%(num)s day left": "%(num)s일 남음",
    "%(num)s pull": "풀 %(num)s회",
    "%(num)s more is not shown.": "그 밖에 %(num)s개는 표시하지 않았습니다.",
    "%(who)s: %(role)s": "%(who)s 역할: %(role)s",
    "A name has 1 to 39 letters and digits, with single hyphens or underscores between; some are reserved.": (
        "이름은 1~39자의 영문자와 숫자이며, 사이에 하이픈이나 밑줄을 하나씩 쓸 수 있습니다. 예약어는 쓸 수 없습니다."
    ),
    "A name has letters, digits, points, hyphens and underscores, and does not end with .git.": (
        "이름에는 영문자, 숫자, 점, 하이픈, 밑줄을 쓸 수 있고 .git으로 끝날 수 없습니다."
    ),
    "A public package that was downloaded so often is not deleted. Make it private first.": (
        "이만큼 많이 다운로드된 퍼블릭 패키지는 삭제할 수 없습니다. 먼저 프라이빗으로 바꾸세요."
    ),
    "A public version that was downloaded so often is not deleted. Make the package private.": (
        "이만큼 많이 다운로드된 퍼블릭 버전은 삭제할 수 없습니다. 패키지를 프라이빗으로 바꾸세요."
    ),
    "A version comes back with its signatures and parts, and with tags that nothing else has by now.": (
        "버전은 서명과 구성 요소, 그리고 다른 버전이 쓰지 않는 태그와 함께 복원됩니다."
    ),
    "Access has a list of its own now.": "이제 패키지에 자체 액세스 목록이 있습니다.",
    "Access has a list of its own.": "패키지에 자체 액세스 목록이 있습니다.",
    "Access tokens need to be authorized": "액세스 토큰에 권한 부여 필요",
    "Add a person": "사람 추가",
    "Add the person": "사람 추가",
    "Admin": "관리자",
    "All its versions go, and can be restored for a while.": "모든 버전이 삭제되며, 한동안 복원할 수 있습니다.",
    "An index with these tags holds a part of it: %(tags)s. Delete the index first, or its tags.": (
        "다음 태그의 인덱스가 일부를 포함합니다: %(tags)s. 먼저 인덱스나 그 태그를 삭제하세요."
    ),
    "Another package has this name now. Delete it first.": (
        "지금은 다른 패키지가 이 이름을 씁니다. 먼저 그 패키지를 삭제하세요."
    ),
    "Anybody may find and pull all its versions, without signing in.": (
        "누구나 로그인하지 않고 모든 버전을 찾고 풀할 수 있습니다."
    ),
    "Back": "뒤로",
    "Check": "확인",
    "Check a person": "사람 확인",
    "Choose": "선택",
    "There is no such tag any more: %(tag)s": "이제 없는 태그입니다: %(tag)s",
    "Not all of these versions are here any more.": "이 버전 중 일부는 이제 여기에 없습니다.",
    "The package is deleted already: %(name)s": "이미 삭제된 패키지입니다: %(name)s",
    "This was restored before.": "이미 복원되었습니다.",
    "There is no such team any more: %(name)s": "이제 없는 팀입니다: %(name)s",
    "There is no such repository any more: %(name)s": "이제 없는 리포지토리입니다: %(name)s",
    "There is no such session any more.": "이제 없는 세션입니다.",
    "There is no such token any more.": "이제 없는 토큰입니다.",
    "If you sent this form before, it has done its work then.": "이 양식을 이미 보냈다면 그때 처리되었습니다.",
    "Restore all %(num)s of this page": "이 페이지의 %(num)s개 모두 복원",
    "Your organizations": "내 조직",
    "Delete all versions that match": "일치하는 모든 버전 삭제",
    "Delete all that match": "일치하는 버전 모두 삭제",
    "No version that could be deleted matches.": "일치하는 버전 중 삭제할 수 있는 버전이 없습니다.",
    "No more versions match.": "일치하는 버전이 더 없습니다.",
    "Other versions match now than before.": "일치하는 버전이 이전과 다릅니다.",
    "These are all that match.": "일치하는 버전은 이것이 전부입니다.",
    "%(num)s version matches.": "일치하는 버전: %(num)s개.",
    "More than %(num)s version matches.": "일치하는 버전: %(num)s개 이상.",
    "They go in portions, the oldest first: each is shown before.": (
        "오래된 버전부터 나누어 삭제하며, 삭제하기 전에 매번 내용을 보여 줍니다."
    ),
    "Parts of an index that has a tag stay.": "태그가 있는 인덱스의 일부는 남습니다.",
    "With a tag that matches": "일치하는 태그가 있음",
    "Pushed before": "다음 이전에 푸시됨",
    "Tag, such as v1.*": "태그, 예: v1.*",
    "Older than so many days": "다음 일수보다 오래됨",
    "Filter": "필터",
    "Choose the versions to delete first.": "먼저 삭제할 버전을 선택하세요.",
    "Choose them in the list of versions.": "버전 목록에서 선택합니다.",
    "Choose versions": "버전 선택",
    "Commands that fail from then on": "그때부터 실패하는 명령",
    "Danger zone": "위험 영역",
    "Days left": "남은 날",
    "Delete %(count)s": "%(count)s 삭제",
    "Delete %(name)s": "%(name)s 삭제",
    "Delete some versions": "일부 버전 삭제",
    "Delete the chosen versions": "선택한 버전 삭제",
    "Delete the package": "패키지 삭제",
    "Delete the version": "버전 삭제",
    "Delete versions": "버전 삭제",
    "Deleted": "삭제됨",
    "Deleted packages": "삭제된 패키지",
    "Deleted versions": "삭제된 버전",
    "Deleted with all that belongs to them: %(count)s.": "딸린 것과 함께 삭제했습니다: %(count)s.",
    "Direct": "직접 부여",
    "Downloads of its most downloaded version: %(count)s": "가장 많이 다운로드된 버전의 다운로드 수: %(count)s",
    "Every pull of it fails from then on.": "그때부터 이 패키지의 풀은 모두 실패합니다.",
    "Everybody": "모든 사람",
    "Images are pushed to %(host)s/NAME/IMAGE": "이미지를 푸시할 주소: %(host)s/NAME/IMAGE",
    "Inherit access": "액세스 상속",
    "Inheritance of access changed": "액세스 상속 변경",
    "It can be restored until %(day)s, unless another package takes its name.": (
        "다른 패키지가 이름을 쓰지 않는 한 %(day)s까지 복원할 수 있습니다."
    ),
    "It comes back as it was: with its versions, tags, link and roles.": (
        "버전, 태그, 연결, 역할이 그대로 복원됩니다."
    ),
    "Its packages stay, linked to nothing.": "패키지는 연결 없이 남습니다.",
    "Let its workflows in": "워크플로 허용",
    "Let its workspaces in": "작업 영역 허용",
    "Link it": "연결",
    "Linked to": "연결된 리포지토리:",
    "Login of the person": "로그인 이름",
    "Make it internal": "내부로 변경",
    "Make it private": "프라이빗으로 변경",
    "Make it public": "퍼블릭으로 변경",
    "Make the package internal": "패키지를 내부로 변경",
    "Make the package private": "패키지를 프라이빗으로 변경",
    "Make the package public": "패키지를 퍼블릭으로 변경",
    "Name in addresses": "주소에 쓰는 이름",
    "Name that is shown": "표시 이름",
    "No role": "역할 없음",
    "Nobody can restore it from these pages.": "이 페이지에서는 아무도 복원할 수 없습니다.",
    "Nobody has this login.": "이 로그인 이름을 쓰는 사람이 없습니다.",
    "Nobody was given a role over it.": "역할을 받은 사람이 없습니다.",
    "Nothing is deleted": "삭제된 것이 없습니다",
    "Of your account and of your organizations, as far as you may restore them.": (
        "내 계정과 내 조직의 패키지 중 복원할 수 있는 것입니다."
    ),
    "Nobody was signed in": "로그인하지 않은 사용자",
    "Pulls": "풀",
    "Pulls are not recorded": "풀을 기록하지 않습니다",
    "The operator of this registry can switch that on: MOORAGE_PULL_LOG.": (
        "이 레지스트리의 운영자가 MOORAGE_PULL_LOG로 켤 수 있습니다."
    ),
    "Who pulled the package": "패키지를 풀한 사용자",
    "Who pulls the package appears here some seconds later.": "패키지를 풀하면 몇 초 뒤에 여기에 표시됩니다.",
    "Nothing yet": "아직 없습니다",
    "Only those with a role may find and pull it; others see that there is nothing.": (
        "역할이 있는 사람만 찾고 풀할 수 있습니다. 다른 사람에게는 없는 것으로 보입니다."
    ),
    "Other versions go along now than before.": "함께 삭제될 버전이 달라졌습니다.",
    "Package deleted": "패키지 삭제",
    "Package published": "패키지 게시",
    "Package restored": "패키지 복원",
    "Packages that are deleted can be restored here for a while.": (
        "삭제한 패키지는 한동안 여기에서 복원할 수 있습니다."
    ),
    "Pulls of it fail, and others see that there is nothing.": ("풀은 실패하고 다른 사람에게는 없는 것으로 보입니다."),
    "Pulls without signing in fail from then on.": "그때부터 로그인하지 않은 풀은 실패합니다.",
    "Pushes, tags that move, and changes of settings appear here; they are kept for six months.": (
        "푸시, 태그 이동, 설정 변경이 여기에 표시되며 6개월 동안 보관됩니다."
    ),
    "Read": "읽기",
    "Remove": "제거",
    "Remove %(who)s": "%(who)s 제거",
    "Remove the tag": "태그 제거",
    "Restore": "복원",
    "Restore the package": "패키지 복원",
    "Restored: %(names)s.": "복원함: %(names)s.",
    "Role granted": "역할 부여",
    "Role revoked": "역할 회수",
    "Save the rules": "규칙 저장",
    "See what changes": "바뀌는 내용 보기",
    "Something changed since this page was opened; nothing was deleted": (
        "페이지를 연 뒤 바뀐 것이 있어 삭제하지 않았습니다"
    ),
    "Space that comes free": "비워지는 공간",
    "Tag made": "태그 생성",
    "Tag moved": "태그 이동",
    "Tag removed": "태그 제거",
    "Tags that came back: %(tags)s.": "복원된 태그: %(tags)s.",
    "Tags that do not go any more: %(tags)s": "더 이상 삭제되지 않는 태그: %(tags)s",
    "Tags that go now, too: %(tags)s": "이제 함께 삭제되는 태그: %(tags)s",
    "Tags that go: %(count)s": "삭제되는 태그: %(count)s",
    "Tags that others have now: %(tags)s.": "지금은 다른 버전이 쓰는 태그: %(tags)s.",
    "Tags: %(before)s then, %(now)s now": "태그: 그때 %(before)s개, 지금 %(now)s개",
    "The account is suspended": "정지된 계정",
    "The package is deleted: %(name)s. It can be restored until %(day)s.": (
        "패키지를 삭제했습니다: %(name)s. %(day)s까지 복원할 수 있습니다."
    ),
    "The package is internal": "내부 패키지",
    "The package is internal now.": "이제 내부 패키지입니다.",
    "The package is private now.": "이제 프라이빗 패키지입니다.",
    "The package is public": "퍼블릭 패키지",
    "The package is public now.": "이제 퍼블릭 패키지입니다.",
    "The package is public: others may depend on it.": "퍼블릭 패키지이므로 다른 사람이 의존하고 있을 수 있습니다.",
    "The package is restored: %(name)s": "패키지를 복원했습니다: %(name)s",
    "The settings are saved.": "설정을 저장했습니다.",
    "The tag is removed: %(tag)s. Its version stays.": "태그를 제거했습니다: %(tag)s. 버전은 남아 있습니다.",
    "The tag points at the version now: %(tag)s → %(digest)s": (
        "태그가 이제 이 버전을 가리킵니다: %(tag)s → %(digest)s"
    ),
    "There are none that you may see.": "볼 수 있는 것이 없습니다.",
    "There is no reason that gives a role.": "역할을 주는 이유가 없습니다.",
    "These lose the role that they have now: %(names)s": "지금의 역할을 잃는 사람과 팀: %(names)s",
    "These parts are held by nothing any more, and stay without a tag:": (
        "다음 구성 요소는 아무 데도 속하지 않게 되며, 태그 없이 남습니다."
    ),
    "This cannot be deleted": "삭제할 수 없습니다",
    "This cannot be restored now": "지금은 복원할 수 없습니다",
    "The first push makes a package:": "처음 푸시하면 패키지가 만들어집니다:",
    "This package is deleted": "삭제된 패키지입니다",
    "deleted": "삭제됨",
    "This is not the name.": "이름이 다릅니다.",
    "This name is taken.": "이미 쓰는 이름입니다.",
    "This would be the last version with a tag. Delete the package instead.": (
        "태그가 있는 마지막 버전입니다. 대신 패키지를 삭제하세요."
    ),
    "This would be the last version. Delete the package instead.": "마지막 버전입니다. 대신 패키지를 삭제하세요.",
    "To be restored until": "복원 기한",
    "To be restored until %(day)s, with tags that nothing else has by then.": (
        "%(day)s까지 복원할 수 있으며, 그때까지 다른 버전이 쓰지 않는 태그도 함께 돌아옵니다."
    ),
    "To be restored until %(day)s.": "%(day)s까지 복원할 수 있습니다.",
    "Undo": "실행 취소",
    "Unlink it": "연결 해제",
    "Use a list of its own": "자체 액세스 목록 사용",
    "Version deleted": "버전 삭제",
    "Version pushed": "버전 푸시",
    "Version restored": "버전 복원",
    "Versions that are deleted can be restored here for a while.": (
        "삭제한 버전은 한동안 여기에서 복원할 수 있습니다."
    ),
    "Versions that go: %(count)s": "삭제되는 버전: %(count)s",
    "Versions: %(before)s then, %(now)s now": "버전: 그때 %(before)s개, 지금 %(now)s개",
    "Visibility changed": "표시 여부 변경",
    "What goes": "삭제되는 것",
    "What stays": "남는 것",
    "Who": "대상",
    "Whoever is added again begins without them.": "다시 추가되어도 이전 역할은 돌아오지 않습니다.",
    "Why": "이유",
    "Workflows": "워크플로",
    "Workflows that may use it": "사용할 수 있는 워크플로",
    "Workspaces": "작업 영역",
    "Write": "쓰기",
    "You stay an admin, and grant the others their roles anew.": (
        "본인은 관리자로 남고, 다른 사람에게는 역할을 다시 부여해야 합니다."
    ),
    "by a workflow": "워크플로",
    "by a workspace": "작업 영역",
    "by the operator": "운영자",
    "by the mirror": "미러",
    "goes along": "함께 삭제",
    "in these pages": "웹 페이지에서",
    "one version": "버전 1개",
    "with a fine-grained token": "세분화된 토큰으로",
    "with an access token": "액세스 토큰으로",
}
