"""Korean: site administration."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "%(num)s blob": "블롭 %(num)s개",
    "%(num)s item": "항목 %(num)s개",
    "%(num)s version": "버전 %(num)s개",
    "%(seconds)s s": "%(seconds)s초",
    "A link that was made before ends.": "전에 만든 링크는 쓸 수 없게 됩니다.",
    "A login has up to 39 letters, digits and single hyphens, and is no word of this registry.": (
        "로그인 이름은 영문자, 숫자, 홑 하이픈으로 39자까지이며, 레지스트리가 쓰는 낱말은 쓸 수 없습니다."
    ),
    "A sign-in link for %(login)s": "로그인 링크: %(login)s",
    "Accounts": "계정",
    "Administrator": "관리자",
    "Administrators": "관리자",
    "All accounts": "모든 계정",
    "An administrator sees and changes every account, package and token of this registry.": (
        "관리자는 이 레지스트리의 모든 계정, 패키지, 토큰을 보고 변경합니다."
    ),
    "An organization has packages that several people share.": "조직은 여러 사람이 함께 쓰는 패키지를 가집니다.",
    "As pulled, the sum of all images": "풀할 때의 크기, 모든 이미지의 합",
    "As the process finds it that made this page; other replicas have pages of their own.": (
        "이 페이지를 만든 프로세스가 본 상태입니다. 다른 복제본은 각자의 상태를 보여 줍니다."
    ),
    "Back to the account": "계정으로 돌아가기",
    "Blobs to check: whether a manifest needs them": "매니페스트가 쓰는지 확인할 블롭",
    "Deleted bytes stay in the store until one does. Start one:": (
        "실행될 때까지 삭제한 데이터가 저장소에 남습니다. 시작하는 명령:"
    ),
    "Effective settings": "적용된 설정",
    "Empty: the name stays": "비워 두면 이름을 그대로 씁니다",
    "End all sessions": "모든 세션 종료",
    "End the sessions of %(login)s": "세션 종료: %(login)s",
    "End the suspension": "정지 해제",
    "End the suspension of %(login)s": "정지 해제: %(login)s",
    "Every role of people, teams and workflows ends, and so does the link to a repository.": (
        "사람, 팀, 워크플로의 역할이 모두 없어지고, 리포지토리 연결도 끊어집니다."
    ),
    "Every token and session is refused from the next request on, on every replica.": (
        "모든 복제본에서 다음 요청부터 모든 토큰과 세션을 거부합니다."
    ),
    "Every token and session is refused until the suspension ends.": (
        "정지를 해제할 때까지 모든 토큰과 세션을 거부합니다."
    ),
    "Figures above 10,000 are estimates.": "10,000이 넘는 수는 추정값입니다.",
    "First owner": "첫 소유자",
    "Go on": "계속",
    "Health": "상태",
    "If it was downloaded often, nobody can use the former name again.": (
        "다운로드가 많았다면 이전 이름은 아무도 다시 쓸 수 없습니다."
    ),
    "In no version, of uploads": "버전에 없는 업로드",
    "In the store": "저장소",
    "It can be ended at any time.": "언제든 해제할 수 있습니다.",
    "It is internal now, and private afterwards.": "지금은 내부이며, 이전 후에는 프라이빗이 됩니다.",
    "It moves, with its versions, tags and downloads: %(before)s → %(after)s": (
        "버전, 태그, 다운로드 수와 함께 옮겨집니다: %(before)s → %(after)s"
    ),
    "It signs in once, within half an hour. Hand it over in private.": (
        "30분 안에 한 번 로그인할 수 있습니다. 다른 사람이 볼 수 없게 전달하세요."
    ),
    "It was not transferred: %(why)s": "이전하지 못했습니다: %(why)s",
    "Its page": "패키지 페이지",
    "Job": "작업",
    "Jobs": "작업",
    "Kind": "종류",
    "Last change": "마지막 변경",
    "Last failure": "마지막 실패",
    "Last run": "마지막 실행",
    "Last work": "마지막 처리",
    "Login of the owner": "소유자의 로그인 이름",
    "Logins that begin with": "로그인 이름의 시작 글자",
    "Make %(login)s an administrator": "관리자로 지정: %(login)s",
    "Make a sign-in link": "로그인 링크 만들기",
    "Make the link": "링크 만들기",
    "Make the organization": "조직 만들기",
    "Make the user": "사용자 만들기",
    "Make the user an administrator": "관리자로 지정",
    "New name": "새 이름",
    "New organization": "새 조직",
    "New owner": "새 소유자",
    "New user": "새 사용자",
    "No account has the new login.": "새 소유자의 로그인 이름을 가진 계정이 없습니다.",
    "No accounts here": "계정이 없습니다",
    "No login begins like this.": "이렇게 시작하는 로그인 이름이 없습니다.",
    "No organizations here": "조직이 없습니다",
    "No user has this login.": "이 로그인 이름을 가진 사용자가 없습니다.",
    "No worker has recorded them for a while: deleted bytes stay in the store. Start one:": (
        "한동안 워커의 실행 기록이 없습니다. 삭제한 데이터가 저장소에 남습니다. 시작하는 명령:"
    ),
    "No worker has run yet": "아직 실행된 워커가 없습니다",
    "Nobody has this login, or the user has no token.": "이 로그인 이름을 가진 사람이 없거나, 토큰이 없습니다.",
    "Objects to delete from the store": "저장소에서 삭제할 개체",
    "On its way out": "삭제 대기",
    "Only in deleted versions": "삭제한 버전에만 있음",
    "Owners": "소유자",
    "Packages appear here with their first push.": "첫 푸시를 하면 패키지가 여기에 나타납니다.",
    "Packages stay where they are, and others use them as before.": (
        "패키지는 그대로 있고, 다른 사람들은 전과 같이 씁니다."
    ),
    "Pause": "간격",
    "Revoke a token of %(login)s": "토큰 철회: %(login)s",
    "Revoke the token": "토큰 철회",
    "Schema": "스키마",
    "Schema of this release": "이 릴리스의 스키마",
    "Setting": "설정",
    "Show": "표시",
    "Sign-in link": "로그인 링크",
    "Some jobs are late": "늦어진 작업이 있습니다",
    "State": "상태",
    "Storage": "저장 공간",
    "Store": "저장소",
    "Stored": "저장된 크기",
    "Suspend %(login)s": "정지: %(login)s",
    "Suspend the user": "사용자 정지",
    "Suspended": "정지됨",
    "Take administration away": "관리자 해제",
    "Take administration from %(login)s": "관리자 해제: %(login)s",
    "Take something away": "위험한 변경",
    "The link signs in once, within half an hour. It is shown this once.": (
        "링크로 30분 안에 한 번 로그인할 수 있습니다. 지금 한 번만 보여 줍니다."
    ),
    "The login of a user": "사용자의 로그인 이름",
    "The login of a user or organization": "사용자나 조직의 로그인 이름",
    "The new owner has a package with this name.": "새 소유자에게 같은 이름의 패키지가 있습니다.",
    "The organization is made: %(login)s": "만든 조직: %(login)s",
    "The package is transferred: %(name)s": "이전한 패키지: %(name)s",
    "The sessions have ended: %(login)s": "세션을 종료한 사용자: %(login)s",
    "The token is refused from the next request on, on every replica: %(name)s": (
        "모든 복제본에서 다음 요청부터 거부되는 토큰: %(name)s"
    ),
    "The user has no token.": "토큰이 없습니다.",
    "The user is an administrator now: %(login)s": "관리자로 지정한 사용자: %(login)s",
    "The user is in no organization.": "속한 조직이 없습니다.",
    "The user is made: %(login)s. A sign-in link lets them in.": (
        "만든 사용자: %(login)s. 로그인 링크를 만들어 주면 로그인할 수 있습니다."
    ),
    "The user is no longer an administrator: %(login)s": "관리자에서 해제한 사용자: %(login)s",
    "The user is no longer suspended: %(login)s": "정지를 해제한 사용자: %(login)s",
    "The user is signed in nowhere.": "로그인한 곳이 없습니다.",
    "The user is signed out in every browser. Tokens stay valid.": (
        "모든 브라우저에서 로그아웃됩니다. 토큰은 계속 쓸 수 있습니다."
    ),
    "The user is signed out of these pages in every browser.": "모든 브라우저에서 이 페이지에서 로그아웃됩니다.",
    "The user is suspended: %(login)s": "정지한 사용자: %(login)s",
    "The user keeps packages and roles, and no longer administers this registry.": (
        "패키지와 역할은 그대로이고, 이 레지스트리를 더는 관리하지 못합니다."
    ),
    "The user keeps packages and roles.": "패키지와 역할은 그대로입니다.",
    "The user signs in anew, and every twelve hours from then on.": (
        "다시 로그인해야 하며, 그 뒤로는 12시간마다 로그인해야 합니다."
    ),
    "The user signs in anew.": "다시 로그인해야 합니다.",
    "The user's tokens work again, and the user can sign in.": "토큰을 다시 쓸 수 있고, 로그인할 수 있습니다.",
    "There is more than is added up at once: these are the least.": (
        "한 번에 더할 수 있는 것보다 많습니다. 적어도 이만큼입니다."
    ),
    "This is no e-mail address.": "이메일 주소가 아닙니다.",
    "This is not the name of the package.": "패키지의 이름이 아닙니다.",
    "This is the last administrator: make another one first.": "마지막 관리자입니다. 먼저 다른 관리자를 지정하세요.",
    "This login is taken.": "이미 쓰는 로그인 이름입니다.",
    "This process": "이 프로세스",
    "Those of the process that made this page, from its environment. Secrets are never shown.": (
        "이 페이지를 만든 프로세스의 환경 변수에서 읽은 설정입니다. 비밀 값은 보여 주지 않습니다."
    ),
    "Tokens stay valid, and the user can sign in again.": "토큰은 계속 쓸 수 있고, 다시 로그인할 수 있습니다.",
    "Tokens that people make appear here.": "사람들이 만든 토큰이 여기에 나타납니다.",
    "Transfer %(name)s": "패키지 이전: %(name)s",
    "Transfer the package": "패키지 이전",
    "Transfer to another account": "다른 계정으로 이전",
    "Up to 39 letters, digits and single hyphens; packages are named by it": (
        "영문자, 숫자, 홑 하이픈으로 39자까지. 패키지 이름의 앞부분이 됩니다"
    ),
    "Uploads under way": "진행 중인 업로드",
    "Audit log": "감사 로그",
    "Search phrase": "검색 구문",
    "This phrase is not understood. It is made of: %(terms)s": "이해할 수 없는 구문입니다. 쓸 수 있는 항목: %(terms)s",
    "Nothing on this page; there may be more on the next one.": (
        "이 페이지에는 없습니다. 다음 페이지에 더 있을 수 있습니다."
    ),
    "Changes of packages, rights, tokens, accounts and settings appear here; they are kept for six months.": (
        "패키지, 권한, 토큰, 계정, 설정의 변경이 여기에 표시되며 6개월 동안 보관됩니다."
    ),
    "Uploads under way are cancelled.": "진행 중인 업로드는 취소됩니다.",
    "User": "사용자",
    "Users": "사용자",
    "Value": "값",
    "Version of the registry": "레지스트리 버전",
    "Versions, tags and downloads go along; roles and the former name end. The next page asks first.": (
        "버전, 태그, 다운로드 수는 함께 옮겨지고, 역할과 이전 이름은 없어집니다. 다음 페이지에서 다시 묻습니다."
    ),
    "What it takes": "차지하는 크기",
    "Workers run them, and record each every five minutes and when it has done something.": (
        "워커가 실행하며, 5분마다 그리고 처리한 것이 있을 때 기록합니다."
    ),
    "What uses it stops working. It cannot be brought back; its owner can make another one.": (
        "이 토큰을 쓰던 것은 멈춥니다. 되돌릴 수 없으며, 소유자가 새로 만들 수 있습니다."
    ),
    "Who is here": "계정 현황",
    "Who pulls or pushes by the former name gets an error.": "이전 이름으로 풀하거나 푸시하면 오류가 납니다.",
    "Whoever has it signs in as this user, and can set a password: hand it over in private.": (
        "링크를 가진 사람은 누구나 이 사용자로 로그인하고 암호를 설정할 수 있습니다. 다른 사람이 볼 수 없게 전달하세요."
    ),
    "active": "활성",
    "administrator": "관리자",
    "all is well": "정상",
    "answers": "응답함",
    "by its rules": "규칙에 따름",
    "does not answer": "응답하지 않음",
    "has packages and tokens of their own": "본인의 패키지와 토큰을 가집니다",
    "is about to stop": "곧 멈춥니다",
    "late": "늦음",
    "not all is well": "문제 있음",
    "not set": "설정 안 함",
    "of a newer release": "더 새로운 릴리스의 스키마",
    "off": "꺼짐",
    "older than this release": "이 릴리스보다 오래됨",
    "on": "켜짐",
    "Changes": "변경",
    "read-only": "읽기 전용",
    "sees and changes everything in this registry": "이 레지스트리의 모든 것을 보고 변경합니다",
    "suspended": "정지됨",
    "the first is due %(when)s": "가장 이른 예정: %(when)s",
}
