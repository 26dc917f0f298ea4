"""Korean: mirrors of other registries."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "0: never.": "0: 삭제하지 않음.",
    "Another registry that is pulled through this organization.": "이 조직을 통해 풀하는 다른 레지스트리입니다.",
    "Blobs on the way": "가져오는 중인 블롭",
    "Bytes above which what was idle for longest is deleted": (
        "넘으면 가장 오래 사용하지 않은 것부터 삭제하는 크기(바이트)"
    ),
    "Days without a pull after which a version is deleted": "풀이 없으면 버전을 삭제하기까지의 일수",
    "docker.io, ghcr.io, or a URL. It is asked before it is saved.": (
        "docker.io, ghcr.io 또는 URL입니다. 저장하기 전에 접속해 확인합니다."
    ),
    "Empty: always.": "비우면 항상.",
    "Empty: it is asked as nobody.": "비우면 로그인하지 않고 요청합니다.",
    "Empty: no limit.": "비우면 제한 없음.",
    "Empty: the one that is saved, for the same upstream and user name.": (
        "비우면 저장된 비밀번호를 사용합니다(같은 업스트림과 사용자 이름일 때)."
    ),
    "For docker: hosts that lead to this registry. An administrator gives them.": (
        "docker용: 이 레지스트리로 연결되는 호스트입니다. 관리자가 지정합니다."
    ),
    "Globs with blanks between; empty: all.": "공백으로 구분한 글롭입니다. 비우면 전체입니다.",
    "Hosts that stand for it": "업스트림을 대신하는 호스트",
    "It last failed": "마지막 실패",
    "It was no mirror any more.": "이미 미러가 아닙니다.",
    "Its packages stay, and can be pushed to again.": "패키지는 그대로 남고 다시 푸시할 수 있습니다.",
    "Its tokens come from": "토큰 발급처",
    "Mirror": "미러",
    "Mirror nothing": "미러 해제",
    "Names of the upstream": "업스트림의 이름",
    "No images that match": "제외할 이미지",
    "Only an administrator of the registry gives names.": "이름은 레지스트리 관리자만 지정할 수 있습니다.",
    "Only images that match": "허용할 이미지",
    "Password there": "업스트림의 비밀번호",
    "Pause the mirror": "일시 중지",
    "paused": "일시 중지됨",
    "Save the mirror": "미러 저장",
    "Seconds for which a tag is served without asking": "업스트림에 묻지 않고 태그를 제공하는 시간(초)",
    "Seconds for which it is served without an answer": "업스트림이 응답하지 않아도 제공하는 시간(초)",
    "Seconds for which what is missing is not asked for again": "없는 것을 다시 묻지 않는 시간(초)",
    "Tags and digests that it did not tell of": "업스트림이 알려 주지 않은 태그와 다이제스트",
    "The mirror is set: every process knows within seconds.": (
        "미러를 설정했습니다. 몇 초 안에 모든 프로세스에 적용됩니다."
    ),
    "The organization mirrors nothing any more. Its packages stay.": (
        "조직이 더 이상 미러가 아닙니다. 패키지는 그대로 남습니다."
    ),
    "The upstream is not asked: what is here is served.": "업스트림에 요청하지 않고 여기 있는 것만 제공합니다.",
    "The upstream last answered": "업스트림의 마지막 응답",
    "This organization is a mirror of %(name)s.": "이 조직은 %(name)s의 미러입니다.",
    "Upstream": "업스트림",
    "User name there": "업스트림의 사용자 이름",
    "What clients call it in ns=, such as docker.io. An administrator of the registry gives names.": (
        "클라이언트가 ns=에 쓰는 이름입니다(예: docker.io). 이름은 레지스트리 관리자가 지정합니다."
    ),
    "What is pulled through a mirror is fetched once, kept, and served also while the other registry is away.": (
        "미러를 통해 풀한 것은 한 번 가져와 보관하며, 다른 레지스트리가 응답하지 않을 때에도 제공합니다."
    ),
    "Who may have images fetched": "이미지를 가져오게 할 수 있는 사람",
    "anybody, without signing in": "로그인하지 않은 누구나",
    "whoever may read them": "읽을 수 있는 사람",
    "whoever may write": "쓸 수 있는 사람",
}
