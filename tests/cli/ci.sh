#!/bin/bash
# deploy/ci: the steps of the workflow files, run here on pull requests of a repository made for it. TAP.
# Only what a test cannot have is stood in for: apt-get, the forge's interface (pipelines/forge.py), the compiler.
. "$(dirname "$0")/lib.sh"

SOURCE=$PWD
PYTHON=/usr/bin/python3
RUNNER=$SOURCE/tests/cli/pipelines/runner.py
if ! "$PYTHON" -c 'import yaml' 2>/dev/null || ! command -v git jq curl >/dev/null; then
	echo "1..0 # skip python3-yaml, git, jq or curl is not installed"
	exit
fi
export HOME=$WORK/home GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a \
	GIT_COMMITTER_EMAIL=a@example.com no_proxy=127.0.0.1
mkdir -p "$HOME" "$WORK/bin" "$WORK/forge"
git config --global init.defaultBranch main
git config --global advice.detachedHead false

# ---- what the files say ----

python() { # CODE FILE...
	"$PYTHON" -c "import re, yaml, sys
files = [yaml.safe_load(open(name)) for name in sys.argv[1:]]
d = files[0]
$1" "${@:2}" >"$WORK/out" 2>"$WORK/err"
}
GITHUB=$SOURCE/deploy/ci/github/ringfence.yaml GITLAB=$SOURCE/deploy/ci/gitlab/ringfence.yml
holds "the files are YAML" python '' "$GITHUB" "$GITLAB" "$SOURCE/.pre-commit-hooks.yaml"
holds "GitHub: on pull requests, and not with the base's rights" python 'assert d[True] == "pull_request"' "$GITHUB"
holds "GitHub: no right too many" python 'assert d["permissions"] == {"contents": "read", "pull-requests": "write", "security-events": "write"}
assert all("permissions" not in job for job in d["jobs"].values())' "$GITHUB"
holds "GitHub: actions are pinned to commits" python 'uses = [s["uses"] for s in d["jobs"]["policy"]["steps"] if "uses" in s]
assert len(uses) == 3 and all(re.fullmatch("[a-z/-]+@[0-9a-f]{40}", use) for use in uses)' "$GITHUB"
holds "GitHub: no expression is in a script" python 'runs = [s["run"] for s in d["jobs"]["policy"]["steps"] if "run" in s]
assert len(runs) == 4 and not any("${{" in run for run in runs)' "$GITHUB"
holds "GitHub: the token is for the comment alone" python 'steps = [s["name"] for s in d["jobs"]["policy"]["steps"] if "token }}" in str(s)]
assert steps == ["Comment on the pull request"]' "$GITHUB"
holds "GitLab: on merge requests" python '(job,) = d.values(); assert job["rules"] == [{"if": "$CI_PIPELINE_SOURCE == \"merge_request_event\""}]' "$GITLAB"
holds "GitLab: results are kept when it fails" python '(job,) = d.values(); assert job["artifacts"]["when"] == "always"' "$GITLAB"
holds "both build with the same packages" test "$(grep -A1 'apt-get -qq install' "$GITHUB" | tail -1 | tr -d ' ')" = \
	"$(grep -A1 'apt-get -qq install' "$GITLAB" | tail -1 | tr -d ' ')"

# ---- Ringfence's own repository, as a runner fetches it; what it builds is what was built ----

git init -q "$WORK/ringfence"
cp -r "$SOURCE/deploy" "$WORK/ringfence/"
printf 'build/ringfence:\n\tmkdir -p build && ln -sf %s build/ringfence\n' "$RINGFENCE" >"$WORK/ringfence/Makefile"
git -C "$WORK/ringfence" add -A
git -C "$WORK/ringfence" commit -qm one
export RINGFENCE_SOURCE=$WORK/ringfence RINGFENCE_REVISION
RINGFENCE_REVISION=$(git -C "$WORK/ringfence" rev-parse HEAD)
git -C "$WORK/ringfence" commit -q --allow-empty -m "what is not pinned"
printf '#!/bin/sh\nexit 0\n' >"$WORK/bin/apt-get"
chmod +x "$WORK/bin/apt-get"
export PATH=$WORK/bin:$PATH

# ---- the forge ----

"$PYTHON" "$SOURCE/tests/cli/pipelines/forge.py" "$WORK/forge" &
FORGE=$!
trap 'kill "$FORGE"; rm -rf "$WORK"' EXIT
for ((i = 0; i < 100; i++)); do
	[ ! -s "$WORK/forge/port" ] || break
	sleep 0.1
done
API=http://127.0.0.1:$(cat "$WORK/forge/port")
# A hundred comments of others, the first of which looks like ours: ours is on the second page.
strangers() {
	jq -n '[range(1; 101) | {id: ., body: "<!-- ringfence -->\nall is well", user: {login: "mallory"}, author: {username: "mallory"}}]' \
		>"$WORK/forge/comments.json"
}
comment() { jq -r '.[100].body // empty' "$WORK/forge/comments.json"; } # ours

# ---- pull requests ----

git init -q --bare "$WORK/origin.git"
git clone -q "$WORK/origin.git" "$WORK/author" 2>/dev/null
mkdir "$WORK/author/policy"
cp "$SOURCE/examples/shop/"*.yaml "$WORK/author/policy/"
git -C "$WORK/author" add -A
git -C "$WORK/author" commit -qm base
git -C "$WORK/author" push -q origin main

# Commits what COMMAND changes to a branch, and merges it as GitHub does for its checks.
propose() { # BRANCH COMMAND...
	local branch=$1
	shift
	cd "$WORK/author"
	git checkout -q -B "$branch" main
	"$@"
	git add -Af
	git commit -q --allow-empty -m change
	git push -qf origin "HEAD:refs/heads/$branch"
	git checkout -q --detach main
	git merge -q --no-ff -m merge "$branch"
	git push -qf origin HEAD:refs/pull/7/merge
	BRANCH=$branch
}

checkout() { # REFERENCE DEPTH
	rm -rf "$WORK/runner"
	git init -q "$WORK/runner"
	cd "$WORK/runner"
	git remote add origin "file://$WORK/origin.git"
	git fetch -q --depth "$2" origin "$1"
	git checkout -q --detach FETCH_HEAD
}

FROM_FORK=false
github() { # TEXT STATUS
	local status=0 known
	checkout refs/pull/7/merge 2
	: >"$WORK/summary"
	known='{"runner.arch": "X64", "env.RINGFENCE_REVISION": "r", "github.token": "secret", "github.event.pull_request.number": 7,
		"github.event.pull_request.head.repo.full_name == github.repository": '$([ $FROM_FORK = true ] && echo false || echo true)'}'
	EXPRESSIONS=$known GITHUB_WORKSPACE=$PWD GITHUB_STEP_SUMMARY=$WORK/summary GITHUB_API_URL=$API GITHUB_REPOSITORY=shop/policy \
		GITHUB_HEAD_REF=$BRANCH "$PYTHON" "$RUNNER" github "$GITHUB" >"$WORK/out" 2>"$WORK/err" || status=$?
	result "GitHub: $1" $((status != $2))
}
gitlab() { # TEXT STATUS [TOKEN]
	local status=0
	checkout "refs/heads/$BRANCH" 20
	CI_MERGE_REQUEST_DIFF_BASE_SHA=$(git -C "$WORK/author" merge-base main "$BRANCH") CI_API_V4_URL=$API CI_PROJECT_ID=12 \
		CI_MERGE_REQUEST_IID=7 RINGFENCE_TOKEN=${3-secret} CI_COMMIT_REF_NAME=$BRANCH \
		"$PYTHON" "$RUNNER" gitlab "$GITLAB" >"$WORK/out" 2>"$WORK/err" || status=$?
	result "GitLab: $1" $((status != $2))
}
says() { holds "$1" grep -qE -- "$2" "$3"; } # TEXT PATTERN FILE
says_not() { holds "$1" lacks "$2" "$3"; }
query() { jq -e "$@" >/dev/null; }
R=.ringfence-results

widen() { sed -i 's|^never:|  - {from: api, to: world, ports: [8443/tcp], why: "a public site"}\n&|' policy/policy.yaml; }
wrong() { sed -i 's/to: api, ports/to: apu, ports/' policy/policy.yaml; }
break_never() { sed -i 's/^never:/  - {from: web, to: db, ports: [sql]}\n&/; /web, to: db, ports: \[sql\], expect/d' policy/policy.yaml; }
fail_test() { sed -i 's|80/tcp\], expect: deny|80/tcp], expect: allow|' policy/policy.yaml; }

strangers
propose wider widen
github "a widening passes" 0
says "it is built from the pinned revision" . .ringfence/deploy/packages
holds "and not from another" test "$(git -C .ringfence rev-parse HEAD)" = "$RINGFENCE_REVISION"
says "the summary has the flow" '^\| \\\+ \| shop/api \| world \| 8443/tcp \| added policy/policy\.yaml:[0-9]+:5 \|' "$WORK/summary"
says "and what became wider" '^- \*\*\\!\*\* an allow to world is new' "$WORK/summary"
holds "so has the comment" test "$(comment)" = "$(cat "$WORK/summary")"
holds "that of a stranger is as it was" test "$(jq -r '.[0].body' "$WORK/forge/comments.json" | tail -1)" = "all is well"
says "the SARIF log goes up" '^USES github/codeql-action/upload-sarif@.*"\.ringfence-results/ringfence\.sarif"' "$WORK/out"
holds "it is one" query '.version == "2.1.0" and (.runs[0].results | map(.ruleId)) == ["whole-network-egress"]' $R/ringfence.sarif
says "the tests' results are there" '<testsuites?.* failures="0"' $R/junit.xml
holds "so is the status" test "$(cat $R/status)" = 0

propose never break_never
github "a broken never fails" 1
holds "with 1" test "$(cat $R/status)" = 1
says "it is an annotation" '^::error file=policy/policy.yaml,line=[0-9]+,.*`never` is broken' "$WORK/out"
holds "the comment is changed, and none is added" test "$(jq length "$WORK/forge/comments.json")" -eq 101
holds "it says so" grep -qF '**check**: failed: a `never` is broken' <(comment)
holds "and what the change means" grep -qF 'a \`never\` is broken: shop/web' <(comment)
holds "the log has it" query '.runs[0].results[0].ruleId == "never"' $R/ringfence.sarif
says "the log goes up all the same" '^USES github/codeql-action/upload-sarif@' "$WORK/out"

propose parse wrong
github "a policy that is wrong fails" 1
holds "with 2" test "$(cat $R/status)" = 2
says "an annotation has its place" '^::error file=policy/policy.yaml,line=[0-9]+,' "$WORK/out"
holds "no result of tests is claimed" test ! -e $R/junit.xml
holds "the comment has the error" grep -qE '^    policy/policy.yaml:[0-9]+:[0-9]+: error: ' <(comment)

propose failing fail_test
github "a failed test fails" 1
holds "with 1" test "$(cat $R/status)" = 1
says "in its results too" '<failure' $R/junit.xml
holds "the comment names it" grep -qE '^    FAILED  policy/policy.yaml:' <(comment)

propose nothing true
FROM_FORK=true
strangers
github "no difference passes, of a fork too" 0
holds "which gets no comment" test -z "$(comment)"
says "but a summary" 'no difference' "$WORK/summary"
FROM_FORK=false

# ---- hostile pull requests ----

hostile() {
	mkdir 'policy/$(touch owned)'
	cat >'policy/$(touch owned)/::warning::x`touch owned`.yaml' <<-'END'
		ringfence: v1
		namespace: shop
		allow:
		  - {from: web, to: db, ports: [5433/tcp], why: "$(touch owned)\n::error::no\n/close\n```\n<!-- ringfence -->@all"}
		tests:
		  - {from: web, to: db, ports: [5434/tcp], expect: allow, why: "`touch owned`\n::add-mask::a\n/merge\n```"}
	END
}
propose 'x$(touch${IFS}owned);touch${IFS}owned' hostile
github "what looks like commands is text" 1
holds "nothing of it ran" test -z "$(find "$WORK/runner" "$WORK/author" -name owned)"
awk '/^::stop-commands::/ { end = "::" substr($0, 18) "::" } !end; $0 == end { end = "" }' "$WORK/out" >"$WORK/commands"
says_not "no line is a command of the workflow" '^ *::(add-mask|warning::|error::)|##\[' "$WORK/commands"
comment >"$WORK/comment"
says_not "no line is a command of the forge" '^ *(/[a-z]|```|::)' "$WORK/comment"
# CommonMark 4.4 and 5.2: four spaces begin code behind an empty line, but not inside an item of a list.
holds "what is quoted is code" awk '/^    / && before !~ /^    / && (!empty || before ~ /^ *([-*+]|[0-9]+[.)]) /) { exit 1 }
	{ empty = /^$/ } !empty { before = $0 }' "$WORK/comment"
says_not "and nobody is called" '(^|[^`\\])@all' "$WORK/comment"
gitlab "the same in GitLab" 1
holds "nothing of it ran" test -z "$(find "$WORK/runner" "$WORK/author" -name owned)"

propose link ln -s /etc/passwd policy/passwd.yaml
github "a link is refused" 1
says "with its reason" 'a symbolic link is no part of a policy: policy/passwd.yaml' "$WORK/err"
stand_in() {
	mkdir -p .ringfence/build
	printf '#!/bin/sh\n' >.ringfence/build/ringfence
	chmod +x .ringfence/build/ringfence
	wrong
}
propose stand-in stand_in
github "a command of the pull request does not stand in for ours" 1
holds "it is not asked" test ! -e $R
gitlab "nor in GitLab" 2
results() { mkdir -p $R && ln -s /tmp/nowhere $R/check.txt; }
propose results results
github "results of the pull request are refused" 1
says "with what to do" 'set RESULTS' "$WORK/err"

# ---- GitLab ----

strangers
propose wider widen
gitlab "a widening passes" 0
holds "the note is posted" grep -q 'shop/api' <(comment)
says "the tests' results are there" '<testsuite' $R/junit.xml
holds "a report of what lint says of it" query 'length == 1' $R/code-quality.json
propose never break_never
gitlab "a broken never fails" 1
holds "with 1" test "$(cat $R/status)" = 1
holds "the note is changed" grep -qF 'a `never` is broken' <(comment)
holds "and none is added" test "$(jq length "$WORK/forge/comments.json")" -eq 101
holds "the report has what GitLab asks for" query '.[0] | .severity == "critical" and .check_name == "never" and (.fingerprint | length > 0)
	and .location.path == "policy/policy.yaml" and .location.lines.begin > 1 and (.description | contains("{{") | not)' $R/code-quality.json
propose parse wrong
gitlab "a policy that is wrong fails" 2
strangers
gitlab "without a token" 2 ''
holds "there is no note" test -z "$(comment)"
gitlab "with a wrong token the verdict is the same" 2 other

# ---- the script itself ----

run() { # TEXT STATUS ERR_PATTERN [KEY=VALUE...]
	local status=0
	env RINGFENCE="$RINGFENCE" "${@:4}" "$SOURCE/deploy/ci/pull-request" >"$WORK/out" 2>"$WORK/err" || status=$?
	holds "$1" test "$status" -eq "$2"
	[ -z "$3" ] || says "and says why" "$3" "$WORK/err"
}
cd "$WORK/author"
git checkout -q main
run "no base" 2 'BASE=REVISION'
run "a base that is none" 2 'was it fetched' BASE=none
run "an option is no base" 2 'was it fetched' BASE=--help
run "a command that is none" 2 'set RINGFENCE' BASE=main RINGFENCE=/nothing
run "a directory that is none" 2 '' BASE=main POLICY=nothing
run "main against itself" 0 '' BASE=main
run "twice in a row" 0 '' BASE=main
run "a policy that is new" 0 '' BASE="$(git commit-tree -m empty "$(git mktree </dev/null)")"
says "has nothing to compare with" 'the policy is new' $R/comment.md
run "results elsewhere" 0 '' BASE=main RESULTS="$WORK/elsewhere"
holds "are there" test -s "$WORK/elsewhere/comment.md"
printf 'ringfence: v1\nnamespace: shop\nallow:\n' >policy/many.yaml
for ((i = 1; i <= 800; i++)); do
	echo "  - {from: {labels: {a: b$i}}, to: api, ports: [http], why: w}" >>policy/many.yaml
done
run "a change of 800 flows" 0 '' BASE=main
holds "fits into a comment" test "$(wc -c <$R/comment.md)" -lt 65000
says "which says what is left out" '^[0-9]+ more lines are in the results of the pipeline: diff.md$' $R/comment.md
finish
