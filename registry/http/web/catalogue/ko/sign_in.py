"""Korean: sign-in, devices, and the settings of one's own account."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "All back": "전부 회복",
    "All your tokens count together.": "모든 토큰의 사용량을 합산합니다.",
    "At most": "한도",
    "Counted": "대상",
    "Left": "남음",
    "Pulls": "풀",
    "Rate limits": "속도 제한",
    "Requests of the API": "API 요청",
    "Sign in again, and send the form once more": "다시 로그인한 뒤 양식을 한 번 더 보내세요",
    "Send the form once more": "양식을 한 번 더 보내세요",
    "The form was opened before you signed in. Nothing was changed yet, and what you filled in is kept here.": (
        "로그인하기 전에 연 양식입니다. 아직 변경된 것은 없으며, 입력한 내용은 여기에 남아 있습니다."
    ),
    "Your sign-in is over, or too long ago for this. Nothing was changed yet, and what you filled in is kept here.": (
        "로그인이 만료되었거나 로그인한 지 오래되었습니다. 아직 변경된 것은 없으며, 입력한 내용은 여기에 남아 있습니다."
    ),
    "Sign in in a new tab": "새 탭에서 로그인",
    "Then come back to this page:": "그런 다음 이 페이지로 돌아오세요.",
    "Send the form again": "양식 다시 보내기",
    "%(count)s days": "%(count)s일",
    "A name has at most 255 characters.": "이름은 최대 255자입니다.",
    "A password has at least 15 characters.": "암호는 15자 이상이어야 합니다.",
    "A password has at most 1,024 bytes.": "암호는 최대 1,024바이트입니다.",
    "A token is a password for docker, podman, helm and scripts. It may never do more than you.": (
        "토큰은 docker, podman, helm, 스크립트에 쓰는 암호입니다. 본인의 사용 권한을 넘지 못합니다."
    ),
    "Access token": "액세스 토큰",
    "Account since": "계정을 만든 날",
    "Address": "주소",
    "Administrator of this registry": "이 레지스트리의 관리자",
    "All other sessions have ended.": "다른 세션을 모두 종료했습니다.",
    "All tokens": "모든 토큰",
    "An account for you cannot be made: the login is taken, or cannot be one here.": (
        "계정을 만들 수 없습니다. 이미 쓰는 로그인 이름이거나, 여기서 쓸 수 없는 이름입니다."
    ),
    "Asked at": "요청 시각",
    "At least 15 characters of any kind; some words that you alone would put together are best": (
        "어떤 글자든 15자 이상. 본인만 떠올릴 단어 몇 개를 이어 쓰는 것이 가장 좋습니다"
    ),
    "Authorize": "권한 부여",
    "Browser": "브라우저",
    "Change": "변경",
    "Choose a day in the future.": "앞으로의 날짜를 고르세요.",
    "Choose what the token may do.": "토큰의 사용 권한을 고르세요.",
    "Code": "코드",
    "Connect": "연결",
    "Connect an identity": "ID 연결",
    "Connect with %(name)s": "연결: %(name)s",
    "Continue": "계속",
    "Copy it now": "지금 복사하세요",
    "Day, if of your choice": "날짜(직접 고를 때)",
    "Deny": "거부",
    "Disconnect": "연결 해제",
    "E-mail": "이메일",
    "Eight letters; case and hyphens do not matter": "여덟 글자. 대소문자와 하이픈은 상관없습니다",
    "End": "종료",
    "End all other sessions": "다른 세션 모두 종료",
    "Expires": "만료",
    "Expires in": "만료 기간",
    "For the first time, or without your password:": "처음이거나 암호가 없다면:",
    "Full names such as acme/web; * stands for anything, as in acme/*": (
        "acme/web 같은 전체 이름. acme/*처럼 *는 무엇이든 뜻합니다"
    ),
    "Identities at providers": "공급자의 ID",
    "Identity": "ID 정보",
    "Is this you? The device will act for the account %(login)s.": (
        "본인이 맞나요? 이 장치는 다음 계정으로 동작합니다: %(login)s"
    ),
    "It gets": "받는 것",
    "It is shown this once. Only its hash is kept.": "지금 한 번만 보여 줍니다. 서버에는 해시만 남습니다.",
    "It may": "사용 권한 범위",
    "Its address": "장치의 주소",
    "Its last characters": "마지막 글자",
    "Kept in this browser.": "이 브라우저에 저장됩니다.",
    "Kind of token": "토큰 종류",
    "Language and theme": "언어와 테마",
    "Last seen": "마지막 접속",
    "Last used": "마지막 사용",
    "Login": "로그인 이름",
    "Machine, by its own words": "장치가 밝힌 이름",
    "Made": "만든 때",
    "Make one to push and pull.": "푸시하고 풀하려면 하나 만드세요.",
    "Make the token": "토큰 만들기",
    "Name": "이름",
    "Name packages such as alice/* or acme/web, and what may be done with them.": (
        "alice/*나 acme/web 같은 패키지와 그 사용 권한을 정하세요."
    ),
    "New password": "새 암호",
    "No device waits with this code. It is wrong, was used, or has expired.": (
        "이 코드로 기다리는 장치가 없습니다. 코드가 틀렸거나, 이미 썼거나, 만료되었습니다."
    ),
    "No tokens yet": "아직 토큰이 없습니다",
    "Operators make one with this command:": "운영자는 이 명령으로 만듭니다:",
    "Organizations": "조직",
    "Organizations that ask for an authorization": "권한 부여가 필요한 조직",
    "Packages, and what may be done with them": "패키지와 그 사용 권한",
    "Password": "암호",
    "Paste the token where it asks for a password:": "암호를 물으면 토큰을 붙여 넣으세요:",
    "Permissions": "사용 권한",
    "Profile": "프로필",
    "Provider": "공급자",
    "Remove the authorization": "권한 부여 취소",
    "Revoke": "철회",
    "Revoke this token": "이 토큰 철회",
    "Role": "역할",
    "Save": "저장",
    "Security": "보안",
    "Sessions": "세션",
    "Set the password": "암호 설정",
    "Sign in a device": "장치 로그인",
    "Sign in this device": "이 장치 로그인",
    "Sign in with %(name)s": "로그인: %(name)s",
    "Sign in with a code": "코드로 로그인",
    "Started": "시작",
    "The device is signed in: %(host)s. Its token is in this list.": (
        "로그인한 장치: %(host)s. 장치의 토큰은 이 목록에 있습니다."
    ),
    "The device was denied.": "장치를 거부했습니다.",
    "The identity is connected.": "ID를 연결했습니다.",
    "The identity is not connected any more.": "ID 연결을 해제했습니다.",
    "The login or the password is wrong, or this account cannot sign in.": (
        "로그인 이름이나 암호가 틀렸거나, 로그인할 수 없는 계정입니다."
    ),
    "The operator of this registry gives out codes. Each is good for one sign-in, for half an hour.": (
        "코드는 이 레지스트리의 운영자가 줍니다. 30분 동안 한 번만 쓸 수 있습니다."
    ),
    "The password is set, and other sessions ended.": "암호를 설정했고, 다른 세션은 종료했습니다.",
    "The provider did not sign you in.": "공급자에서 로그인하지 못했습니다.",
    "The session has ended.": "세션을 종료했습니다.",
    "The token is authorized for the organization: %(org)s": "토큰에 권한을 부여한 조직: %(org)s",
    "The token is made": "토큰을 만들었습니다",
    "The token is not authorized any more for the organization: %(org)s": "토큰의 권한 부여를 취소한 조직: %(org)s",
    "The token is revoked: %(name)s": "철회한 토큰: %(name)s",
    "This code is wrong, was used, or has expired.": "코드가 틀렸거나, 이미 썼거나, 만료되었습니다.",
    "This connection is not encrypted": "암호화되지 않은 연결입니다",
    "This identity belongs to another account here.": "이 ID는 다른 계정에 연결되어 있습니다.",
    "This identity is the last way to sign in: set a password first.": (
        "로그인할 수 있는 마지막 방법입니다. 먼저 암호를 설정하세요."
    ),
    "This password is little more than your login, or the name of this registry.": (
        "로그인 이름이나 이 레지스트리의 이름과 거의 같은 암호입니다."
    ),
    "This password repeats a few characters.": "몇 글자를 되풀이한 암호입니다.",
    "This password, or nearly this, is one of those that are tried first.": (
        "누구나 먼저 시도해 보는 암호이거나 그와 거의 같습니다."
    ),
    "This sign-in was begun too long ago, or in another browser. Try it again.": (
        "로그인을 시작한 지 너무 오래되었거나, 다른 브라우저에서 시작했습니다. 다시 시도하세요."
    ),
    "Type the code that your own command line shows. Who sends you a code wants to sign in as you.": (
        "본인의 명령줄에 보이는 코드를 입력하세요. "
        "다른 사람이 보낸 코드라면, 그 사람이 당신의 계정으로 로그인하려는 것입니다."
    ),
    "Unknown": "알 수 없음",
    "What it is for, such as: laptop, or deployment": "쓰는 곳. 예: 노트북, 배포",
    "What stands in the link behind the #": "링크에서 # 뒤에 있는 글자",
    "What the provider sent cannot be verified. Tell the operator of this registry.": (
        "공급자가 보낸 내용을 확인할 수 없습니다. 이 레지스트리의 운영자에게 알려 주세요."
    ),
    "Where you are signed in to these pages. Command lines have tokens, and are not here.": (
        "이 페이지에 로그인한 곳입니다. 명령줄은 토큰을 쓰므로 여기에 없습니다."
    ),
    "Whoever is between you and this registry can read the password. Ask its operator for https.": (
        "중간에서 누구나 암호를 읽을 수 있습니다. 운영자에게 https를 요청하세요."
    ),
    "Whoever is this person at the provider can sign in to this account from then on.": (
        "앞으로 공급자에서 이 사람인 것이 확인되면 이 계정으로 로그인할 수 있습니다."
    ),
    "With a password": "암호로 로그인",
    "You are in no organization.": "속한 조직이 없습니다.",
    "You are signed in as %(login)s. Sign in again to go on.": (
        "로그인한 계정: %(login)s. 계속하려면 다시 로그인하세요."
    ),
    "You are signed in. Set a password for the next time.": "로그인했습니다. 다음을 위해 암호를 설정하세요.",
    "You are signed out.": "로그아웃했습니다.",
    "You have a password. A new one ends all your other sessions.": (
        "암호가 있습니다. 새로 설정하면 다른 세션은 모두 종료됩니다."
    ),
    "You have no account here. Ask the operator of this registry for one.": (
        "여기에 계정이 없습니다. 이 레지스트리의 운영자에게 요청하세요."
    ),
    "You have no password yet. Without one you need a code or a provider each time.": (
        "아직 암호가 없습니다. 암호가 없으면 로그인할 때마다 코드나 공급자가 필요합니다."
    ),
    "administer accounts of this registry": "이 레지스트리의 계정 관리",
    "an access token for %(days)s days, which you can revoke": "%(days)s일 동안 쓰는 액세스 토큰. 철회할 수 있습니다",
    "authorized": "권한 부여됨",
    "change members and teams": "멤버와 팀 변경",
    "classic": "클래식",
    "delete organizations": "조직 삭제",
    "delete packages and versions": "패키지와 버전 삭제",
    "expired": "만료됨",
    "fine-grained": "세분화된",
    "list, make and revoke your tokens": "본인 토큰 보기, 만들기, 철회",
    "make repositories, and say who may do what with them": "리포지토리 만들기, 리포지토리의 사용 권한 정하기",
    "member": "멤버",
    "never": "없음",
    "on a day of your choice": "직접 고른 날짜",
    "owner": "소유자",
    "pull": "풀",
    "pull and push": "풀, 푸시",
    "pull images, and read about packages": "이미지 풀, 패키지 정보 읽기",
    "pull, push and delete": "풀, 푸시, 삭제",
    "push too, change settings and access, restore": "푸시, 설정과 액세스 변경, 복원",
    "see organizations, their members and teams": "조직과 멤버, 팀 보기",
    "this session": "이 세션",
    "without a name": "이름 없음",
}
