"""Korean: clusters of Kubernetes, and what their service accounts may pull."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "A cluster of this name is replaced, and keeps its grants.": (
        "같은 이름의 클러스터가 있으면 교체되며, 권한 부여는 그대로 유지됩니다."
    ),
    "Audience": "대상(aud)",
    "Certificates of the authority": "인증 기관의 인증서",
    "Clusters": "클러스터",
    "In PEM, where the issuer is asked and its certificate is of an authority of its own.": (
        "PEM 형식. 발급자에게 키를 요청하며 발급자가 자체 인증 기관의 인증서를 쓰는 경우에 입력합니다."
    ),
    "Issuer": "발급자(iss)",
    "Its grants go with it.": "권한 부여도 함께 제거됩니다.",
    "Its nodes pull without a secret no more, from the next request on.": (
        "다음 요청부터 이 클러스터의 노드는 시크릿 없이 풀할 수 없습니다."
    ),
    "Keys": "키",
    "Let them pull": "풀 허용",
    "Namespaces": "네임스페이스",
    "Namespaces that match": "일치하는 네임스페이스",
    "New cluster": "새 클러스터",
    "New grant": "새 권한 부여",
    "No clusters": "클러스터 없음",
    "None of its service accounts may pull anything private.": (
        "이 클러스터의 서비스 계정은 비공개 패키지를 풀할 수 없습니다."
    ),
    "Pods of these clusters of Kubernetes pull with the token of their service account, without a secret.": (
        "이 쿠버네티스 클러스터의 파드는 시크릿 없이 서비스 계정의 토큰으로 풀합니다."
    ),
    "Pods that pull without a secret.": "시크릿 없이 풀하는 파드.",
    "Public keys": "공개 키",
    "Register the cluster": "클러스터 등록",
    "Remove the cluster": "클러스터 제거",
    "Remove the cluster %(name)s": "클러스터 %(name)s 제거",
    "Service accounts": "서비스 계정",
    "Service accounts that match": "일치하는 서비스 계정",
    "The cluster is registered: %(name)s": "클러스터를 등록했습니다: %(name)s",
    "The cluster is removed.": "클러스터를 제거했습니다.",
    "The cluster is replaced: %(name)s": "클러스터를 교체했습니다: %(name)s",
    "The form below registers one by its public keys.": "아래 양식에서 공개 키로 클러스터를 등록합니다.",
    "The grant is removed, from the next pull on.": "권한 부여를 제거했습니다. 다음 풀부터 적용됩니다.",
    "The service accounts may pull from now on.": "이제부터 서비스 계정이 풀할 수 있습니다.",
    "There is no such cluster or grant any more.": "해당 클러스터 또는 권한 부여가 더 이상 없습니다.",
    "What its tokens have as aud, if not %(name)s.": "토큰의 aud 값. 비워 두면 %(name)s입니다.",
    "What its tokens have as iss.": "토큰의 iss 값.",
    "What kubectl get --raw /openid/v1/jwks prints. Without them the issuer is asked.": (
        "kubectl get --raw /openid/v1/jwks의 출력. 비워 두면 발급자에게 요청합니다."
    ),
    "fetched from the issuer": "발급자에게서 가져옴",
}
