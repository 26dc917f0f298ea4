"""Korean: usage and quotas."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Above it": "할당량을 넘으면",
    "Above it, clients are warned.": "이를 넘으면 클라이언트에 경고합니다.",
    "Expected a size such as 500GB or 1.5TiB, and a percentage from 1 to 100.": (
        "500GB나 1.5TiB 같은 크기와 1부터 100까지의 비율을 적어야 합니다."
    ),
    "Largest packages": "가장 큰 패키지",
    "No limit": "제한 없음",
    "Not everything is counted yet.": "아직 모두 집계되지 않았습니다.",
    "Nothing is stored.": "저장된 것이 없습니다.",
    "Quota": "할당량",
    "Quota of %(login)s": "할당량: %(login)s",
    "Set a quota": "할당량 설정",
    "Set the quota": "할당량 설정하기",
    "Such as 500GB or 1.5TiB; empty: no limit": "예: 500GB, 1.5TiB. 비워 두면 제한 없음",
    "The quota is set: %(login)s": "할당량을 설정했습니다: %(login)s",
    "The quota is taken away: %(login)s": "할당량을 없앴습니다: %(login)s",
    "Uploads above it are refused.": "이를 넘는 업로드는 거부됩니다.",
    "Usage": "사용량",
    "Used of the quota": "할당량 중 사용량",
    "Warn from this percentage on": "경고를 시작할 비율, 퍼센트",
    "What several packages have counts once. What is deleted counts until it can no longer be restored.": (
        "여러 패키지에 있는 것은 한 번만 셉니다. 삭제한 것은 더 이상 복원할 수 없을 때까지 포함됩니다."
    ),
}
