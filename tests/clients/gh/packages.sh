#!/usr/bin/env bash
# gh api, as GitHub publishes it.
set -euo pipefail

die() { echo "line ${BASH_LINENO[0]}: $*"; exit 1; }
is() { [ "$1" = "$2" ] || { echo "line ${BASH_LINENO[0]}: expected $2, got $1"; exit 1; }; }
missing() { # PATH
  if gh api "$1" >/dev/null 2>"$GH_CONFIG_DIR.error"; then echo "line ${BASH_LINENO[0]}: $1 is there"; exit 1; fi
  grep -q 'Not Found (HTTP 404)' "$GH_CONFIG_DIR.error" || die "$(cat "$GH_CONFIG_DIR.error")"
}

packages() { # OWNER NAME
  local path=$1/packages/container/$2 id version
  is "$(gh api "$1/packages?package_type=container" --jq '.[].name')" "${2/\%2F//}"
  is "$(gh api "$path" --jq .visibility)" private
  id=$(gh api "$path" --jq .id)
  is "$(gh api --paginate "$path/versions?per_page=1" --jq '.[].metadata.container.tags[]' | sort | tr '\n' ' ')" 'v1 v2 v3 '
  version=$path/versions/$(gh api "$path/versions" --jq '.[0].id')
  gh api --method DELETE "$version"
  missing "$version"
  is "$(gh api "$path/versions?state=deleted" --jq length)" 1
  gh api --method POST "$version/restore"
  is "$(gh api "$version" --jq '.metadata.container.tags[0]')" v3
  gh api --method DELETE "$path"
  missing "$path"
  gh api --method POST "$path/restore"
  is "$(gh api "$path" --jq .id)" "$id"
}

repositories() { # OWNER LIST
  is "$(gh api --method POST "$2" -f name=code -F private=true --jq .full_name)" "$1/code"
  is "$(gh api "repos/$1/code" --jq .private)" true
  is "$(gh api --method PATCH "repos/$1/code" -f description=changed --jq .description)" changed
  gh api --method PUT "repos/$1/code/collaborators/bob" -f permission=push
  is "$(gh api "repos/$1/code/collaborators/bob/permission" --jq .permission)" write
  gh api --paginate "repos/$1/code/collaborators?per_page=1" --jq '.[].login' | grep -x bob >/dev/null || die 'no bob'
  gh api --method DELETE "repos/$1/code/collaborators/bob"
  missing "repos/$1/code/collaborators/bob"
  gh api --method DELETE "repos/$1/code"
  missing "repos/$1/code"
}

audit() { # of acme, page by page, and what is asked for alone
  local log=orgs/acme/audit-log newest
  newest=$(gh api "$log?per_page=1" --jq '.[] | "\(.action) \(.actor) \(.org) \(.data.repository.full_name)"')
  is "$newest" 'repo.destroy alice acme acme/code'
  is "$(gh api --paginate "$log?per_page=2" --jq '.[]._document_id' | sort -u | wc -l)" "$(gh api "$log?per_page=100" --jq length)"
  is "$(gh api --method GET "$log" -f phrase='action:repo.create actor:alice' --jq '.[].action')" repo.create
  is "$(gh api --method GET "$log" -f phrase='action:org' -f order=asc --jq '.[0].action')" org.create
  gh api "$log" -H 'Accept: application/x-ndjson' | head -1 | grep '^{"@timestamp":' >/dev/null || die 'no JSON lines'
  missing orgs/none/audit-log
}

is "$(gh api user --jq .login)" alice
gh api -i user | grep '^HTTP/1.1 200' >/dev/null || die 'no status line'
is "$(gh api user/orgs --jq '.[].login')" acme
packages orgs/acme team%2Fapp
packages users/alice tools%2Fapp
packages user tools%2Fapp
repositories alice user/repos
repositories acme orgs/acme/repos
audit
echo 'all done'
