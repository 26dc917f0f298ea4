"""Korean: policies of retention, and their plans."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "A policy of that name is replaced.": "같은 이름의 정책은 바뀝니다.",
    "A policy says which old versions go, and which stay. What no rule mentions stays.": (
        "정책은 어떤 오래된 버전을 삭제하고 어떤 버전을 남길지 정합니다. 규칙에 없는 것은 남습니다."
    ),
    "A worker does it. Reload this page soon.": "작업자가 처리합니다. 잠시 후 이 페이지를 새로 고치세요.",
    "A worker makes the plan. Reload this page soon.": "작업자가 계획을 만듭니다. 잠시 후 이 페이지를 새로 고치세요.",
    "Apply the plan": "계획 적용",
    "As long as no policy was planned, nothing is deleted by rules.": (
        "정책의 계획이 없으면 규칙으로 삭제되는 것이 없습니다."
    ),
    "It stays: no rule deletes it.": "남습니다. 삭제하는 규칙이 없습니다.",
    "No plan of a policy": "정책의 계획 없음",
    "Because": "이유",
    "Decision": "결정",
    "Decisions": "결정",
    "Delete the policy": "정책 삭제",
    "For the first time in an hour. Without it, only by a plan that you apply.": (
        "한 시간 뒤에 처음 실행됩니다. 선택하지 않으면 적용한 계획으로만 실행됩니다."
    ),
    "In %(num)s package. Look at the decisions before you apply them.": (
        "패키지 %(num)s개가 해당합니다. 적용하기 전에 결정을 확인하세요."
    ),
    "Keep beats delete, and what no rule mentions stays.": "유지가 삭제보다 우선하며, 규칙에 없는 것은 남습니다.",
    "Made": "만든 때",
    "Make a plan": "계획 만들기",
    "More would go than the guards allow": "보호 한도보다 많이 삭제됩니다",
    "Next run": "다음 실행",
    "No plan was made yet. A plan deletes nothing: it tells what would go, and why.": (
        "아직 계획이 없습니다. 계획은 아무것도 삭제하지 않고, 무엇이 왜 삭제될지 알려 줍니다."
    ),
    "No policies": "정책 없음",
    "Nothing is decided: no rule deletes anything.": "결정이 없습니다. 삭제하는 규칙이 없습니다.",
    "Outcome": "결과",
    "Packages and rules, as JSON": "패키지와 규칙(JSON)",
    "Plan": "계획",
    "Plan %(number)s": "계획 %(number)s",
    "Plans": "계획",
    "Policies": "정책",
    "Policy": "정책",
    "Reload": "새로 고침",
    "Retention": "보존",
    "Run by itself": "자동 실행",
    "Runs": "실행",
    "Save a policy": "정책 저장",
    "Save the policy": "정책 저장",
    "State": "상태",
    "Tags that go alone": "따로 삭제되는 태그",
    "The policy is deleted.": "정책을 삭제했습니다.",
    "The policy is saved: %(name)s": "정책을 저장했습니다: %(name)s",
    "The policy, as it was": "당시의 정책",
    "This is no policy: %(why)s": "정책이 아닙니다: %(why)s",
    "Undo the plan": "계획 되돌리기",
    "Versions that go": "삭제되는 버전",
    "What has changed since the plan is left out. It can be undone as long as deleted versions can be restored.": (
        "계획 이후 바뀐 것은 제외됩니다. 삭제된 버전을 복원할 수 있는 동안 되돌릴 수 있습니다."
    ),
    "applied": "적용됨",
    "by a retention policy": "보존 정책으로",
    "done": "완료",
    "every day": "매일",
    "every hour": "매시간",
    "every week": "매주",
    "goes": "삭제",
    "is being applied": "적용 중",
    "is being undone": "되돌리는 중",
    "left out: it has changed": "제외됨: 바뀌었습니다",
    "left out: it is refused": "제외됨: 거부되었습니다",
    "needs your approval": "승인 필요",
    "not undone": "되돌리지 못함",
    "only by hand": "수동으로만",
    "planned": "계획됨",
    "rule %(number)s": "규칙 %(number)s",
    "stays": "유지",
    "tag goes": "태그 삭제",
    "undone": "되돌림",
    "waits for a worker": "작업자 대기 중",
}
