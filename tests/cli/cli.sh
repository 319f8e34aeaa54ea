#!/bin/bash
# The command as people and pipelines use it: exit statuses, streams, formats, wrong use. TAP.
set -euo pipefail
cd "$(dirname "$0")/../.."

case ${RINGFENCE_BUILD:-build} in
/*) RINGFENCE=$RINGFENCE_BUILD/ringfence ;;
*) RINGFENCE=$PWD/${RINGFENCE_BUILD:-build}/ringfence ;;
esac
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
SHOP=examples/shop
COUNT=0 FAILED=0

result() { # TEXT STATUS
	COUNT=$((COUNT + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $COUNT - $1"
	else
		echo "not ok $COUNT - $1"
		sed 's/^/# /' "$WORK/out" "$WORK/err"
		FAILED=$((FAILED + 1))
	fi
}

# Runs the command; its status, standard output and errors are then looked at.
expect() { # TEXT STATUS OUT_PATTERN ERR_PATTERN ARGUMENTS...; an empty pattern means that nothing is written
	local text=$1 want=$2 out=$3 err=$4 status=0 good=1
	shift 4
	"$RINGFENCE" "$@" >"$WORK/out" 2>"$WORK/err" <"${INPUT:-/dev/null}" || status=$?
	if [ "$status" -eq "$want" ] && matches "$out" "$WORK/out" && matches "$err" "$WORK/err"; then good=0; fi
	result "$text" "$good"
}

matches() { # PATTERN FILE
	if [ -z "$1" ]; then [ ! -s "$2" ]; else grep -qE -- "$1" "$2"; fi
}

expect "no subcommand: help, and status 2" 2 'usage: ringfence' ''
expect "help" 0 'explain +says whether' '' help
expect "help of a subcommand" 0 '--inventory PATH' '' help check
expect "--help behind a subcommand" 0 'usage: ringfence reach' '' reach --help
expect "--version" 0 '^ringfence [0-9]' '' --version
expect "an unknown subcommand is guessed" 2 '' 'did you mean `check`' chekc
expect "an unknown option is guessed" 2 '' 'did you mean `format`' check --fromat json "$SHOP"
expect "an option of another subcommand is refused" 2 '' 'does not take' check --dry-run "$SHOP"
expect "an option without its value" 2 '' 'needs a value' check "$SHOP" --format
expect "a format that is none" 2 '' 'text or json' check --format xml "$SHOP"
expect "no policy named" 2 '' 'name the policy' check
expect "a path that is not there" 2 '' 'No such file' check "$WORK/none"
mkdir "$WORK/empty"
expect "an empty directory is no policy" 2 '' 'no policy found' check "$WORK/empty"
expect "an empty directory compiles to nothing" 2 '' 'no policy found' compile "$WORK/empty"

expect "check: sound" 0 '^ok: 5 services' '' check "$SHOP"
expect "check: twice in a row" 0 '^ok: 5 services' '' check "$SHOP"
expect "check: JSON" 0 '"version":1.*"ok":true' '' check --format json "$SHOP"
expect "explain: allowed" 0 '^ALLOW .*8080/tcp' '' explain "$SHOP" shop/web-1 shop/api-1 8080/tcp
expect "explain: the statement and why" 0 'policy.yaml:[0-9]+:[0-9]+ .*storefront' '' explain "$SHOP" shop/web-1 shop/api-1 8080/tcp
expect "explain: a port's name" 0 '^ALLOW' '' explain "$SHOP" shop/web-1 shop/api-1 http
expect "explain: a service by its name" 0 '^ALLOW' '' explain "$SHOP" shop/web shop/api 8080/tcp
expect "explain: denied" 1 '^DENY' '' explain "$SHOP" shop/web-1 shop/db-1 5432/tcp
expect "explain: an address" 1 '^DENY  198.51.100.1' '' explain "$SHOP" 198.51.100.1 shop/db-1 5432/tcp
expect "explain: nobody of that name" 2 '' 'no workload, service or address' explain "$SHOP" shop/nobody shop/db-1 5432/tcp
expect "explain: no such port" 2 '' 'port `99999/tcp`' explain "$SHOP" shop/web-1 shop/db-1 99999/tcp
expect "explain: JSON" 1 '"verdict":"deny","because":\[\{"side":"egress"' '' explain --format json "$SHOP" shop/web-1 shop/db-1 5432/tcp
printf 'shop/web-1 shop/api-1 8080/tcp\n\n# a comment\nshop/web-1 shop/db-1 5432/tcp\n' >"$WORK/questions"
INPUT=$WORK/questions expect "explain -: a JSON line for each" 0 '"verdict":"allow"' '' explain "$SHOP" -
result "explain -: as many answers as questions" "$([ "$(wc -l <"$WORK/out")" -eq 2 ] && echo 0 || echo 1)"
printf 'shop/web-1 shop/api-1\n' >"$WORK/questions"
INPUT=$WORK/questions expect "explain -: a line that is none" 2 '' 'line 1: a line is FROM TO PORT' explain "$SHOP" -
expect "reach" 0 'shop/web +-> shop/api +8080/tcp' '' reach "$SHOP"
expect "reach: workloads" 0 'shop/web-1 +-> shop/api-1' '' reach --workloads "$SHOP"
expect "reach: JSON" 0 '"from":"shop/web","to":"shop/api"' '' reach --format json "$SHOP"

expect "compile: a node that is none" 2 '' 'no node `nowhere`' compile --node nowhere "$SHOP"
expect "compile: JSON names the statements" 0 '"from": "examples/shop/policy.yaml:' '' compile --format json --node node-a "$SHOP"
"$RINGFENCE" compile "$SHOP/policy.yaml" "$SHOP/inventory.yaml" >"$WORK/a"
"$RINGFENCE" compile "$SHOP/inventory.yaml" "$SHOP/policy.yaml" >"$WORK/b"
result "compile: the order of files changes no byte" "$(cmp -s "$WORK/a" "$WORK/b" && echo 0 || echo 1)"
expect "compile -o" 0 '' '' compile -o "$WORK/c" "$SHOP/policy.yaml" "$SHOP/inventory.yaml"
result "compile -o: the same bytes, and nothing left beside" "$(cmp -s "$WORK/a" "$WORK/c" && [ "$(ls "$WORK"/c* | wc -l)" -eq 1 ] && echo 0 || echo 1)"
expect "compile -o: a directory that is not there" 2 '' 'No such file' compile -o "$WORK/none/c" "$SHOP"
expect "compile --all-nodes" 0 '' '' compile --all-nodes -o "$WORK/nodes" "$SHOP"
result "compile --all-nodes: a file for each" "$([ -s "$WORK/nodes/node-a.nft" ] && echo 0 || echo 1)"
expect "compile --all-nodes without -o" 2 '' 'needs -o DIR' compile --all-nodes "$SHOP"

sed 's/ports: \[sql\]}/ports: [sql], until: 2027-03-31}/' "$SHOP/policy.yaml" >"$WORK/until.yaml"
expect "--at before the end" 0 '^ALLOW' '' explain --at 2027-03-31T23:59:59Z -i "$SHOP/inventory.yaml" "$WORK/until.yaml" shop/api-1 shop/db-1 sql
expect "--at behind the end" 1 '^DENY' '' explain --at 2027-04-01 -i "$SHOP/inventory.yaml" "$WORK/until.yaml" shop/api-1 shop/db-1 sql
expect "--at that is no time" 2 '' 'expected a date' check --at soon "$SHOP"

expect "colour when asked for" 0 "$(printf '\033')" '' explain --color always "$SHOP" shop/web-1 shop/api-1 8080/tcp
result "a closed pipe is quiet" "$("$RINGFENCE" reach "$SHOP" 2>"$WORK/err" | head -0; [ ! -s "$WORK/err" ] && echo 0 || echo 1)"
expect "status without a daemon" 2 '' 'control.sock' status --socket "$WORK/control.sock"
expect "drift without a daemon" 2 '' 'control.sock' drift --socket "$WORK/control.sock"

if [ "$(id -u)" -eq 0 ]; then
	cat >"$WORK/apply" <<-'END'
		set -eu
		status=0
		"$1" apply --dry-run --node node-a "$2" >"$3.dry" || status=$?
		[ "$status" -eq 1 ] && [ -z "$(nft list ruleset)" ]
		"$1" apply --node node-a "$2" >/dev/null
		"$1" apply --dry-run --node node-a "$2" >/dev/null
		"$1" apply --node node-a "$2" | grep -q 'nothing to change'
		status=0
		setpriv --reuid 65534 --clear-groups --bounding-set -all "$1" apply --node node-a "$2" >/dev/null 2>"$3.user" || status=$?
		[ "$status" -eq 2 ] && grep -q 'not permitted' "$3.user"
	END
	unshare --net bash "$WORK/apply" "$RINGFENCE" "$PWD/$SHOP" "$WORK/x" >"$WORK/out" 2>"$WORK/err" && status=0 || status=1
	result "apply: dry run 1, apply 0, dry run 0, again nothing, without privilege 2" "$status"
else
	COUNT=$((COUNT + 1))
	echo "ok $COUNT - apply # SKIP only root can make a network namespace"
fi
echo "1..$COUNT"
[ "$FAILED" -eq 0 ]
