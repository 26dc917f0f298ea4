"""Korean: tag rules, and what a page says when one forbids something."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "A rule keeps this tag": "규칙이 이 태그를 보호합니다",
    "A rule of this name is replaced.": "같은 이름의 규칙이 있으면 교체됩니다.",
    "Admins of the package are not bound": "패키지 관리자에게는 적용하지 않음",
    "An owner of the account can disable the rule: %(rule)s": (
        "계정 소유자가 이 규칙을 비활성화할 수 있습니다: %(rule)s"
    ),
    "But not these": "제외할 태그",
    "Disable": "비활성화",
    "Enable": "활성화",
    "Every tag may be moved and deleted by whoever has the right. The form below keeps releases as they are.": (
        "권한이 있으면 누구나 모든 태그를 옮기고 삭제할 수 있습니다. 아래 양식은 릴리스를 그대로 유지합니다."
    ),
    "Exception": "예외",
    "Forbidden": "금지",
    "Globs with blanks between: * is any text, ? one character, [0-9] one of a range, {a,b} a choice.": (
        "공백으로 구분한 글롭: *는 임의의 텍스트, ?는 한 글자, [0-9]는 범위 중 하나, {a,b}는 선택입니다."
    ),
    "It stays at the version that it was made for.": "처음 만들어진 버전을 계속 가리킵니다.",
    "New rule": "새 규칙",
    "No tag rules": "태그 규칙 없음",
    "Nobody may": "금지할 작업",
    "Nor its version, nor the package.": "해당 버전과 패키지도 삭제할 수 없습니다.",
    "Nothing more is recorded of this tag.": "이 태그에 대해 더 기록된 것이 없습니다.",
    "Packages that match": "대상 패키지",
    "Roll back": "롤백",
    "Save the rule": "규칙 저장",
    "Tag rules": "태그 규칙",
    "Tag rolled back": "태그 롤백됨",
    "Tags that may not be moved, deleted or made.": "옮기거나 삭제하거나 만들 수 없는 태그입니다.",
    "Tags that match": "대상 태그",
    "The rule forbids to delete the tag %(tag)s.": "규칙이 태그 %(tag)s의 삭제를 금지합니다.",
    "The rule forbids to make the tag %(tag)s.": "규칙이 태그 %(tag)s 만들기를 금지합니다.",
    "The rule forbids to move the tag %(tag)s.": "규칙이 태그 %(tag)s 옮기기를 금지합니다.",
    "The rule holds from now on: %(name)s": "이제부터 규칙이 적용됩니다: %(name)s",
    "The rule is disabled: %(name)s": "규칙을 비활성화했습니다: %(name)s",
    "The rule is removed: %(name)s": "규칙을 제거했습니다: %(name)s",
    "There is no such rule any more: %(name)s": "그런 규칙이 더 이상 없습니다: %(name)s",
    "This version can no longer be restored.": "이 버전은 더 이상 복원할 수 없습니다.",
    "This is refused: %(why)s": "거부되었습니다: %(why)s",
    "What nobody may do to tags of these packages: no push, no page, no command gets past a rule.": (
        "이 패키지들의 태그에 아무도 할 수 없는 작업입니다. 푸시, 페이지, 명령 어느 것도 규칙을 우회하지 못합니다."
    ),
    "but not": "제외:",
    "delete": "삭제",
    "delete the tag": "태그 삭제",
    "disabled": "비활성",
    "enabled": "활성",
    "make": "만들기",
    "make the tag": "태그 만들기",
    "move": "옮기기",
    "move the tag": "태그 옮기기",
}
