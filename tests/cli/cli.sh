#!/bin/bash
# The command as people and pipelines use it: exit statuses, streams, formats, wrong use. TAP.
. "$(dirname "$0")/lib.sh"

expect "no subcommand: help, and status 2" 2 'usage: ringfence' ''
expect "help" 0 'explain +says whether' '' help
expect "help of a subcommand" 0 '--inventory PATH' '' help check
for name in check compile explain reach test apply status drift observe; do
	expect "help $name" 0 "^usage: ringfence $name " '' help "$name"
	expect "$name --help" 0 "^usage: ringfence $name " '' "$name" --help
	expect "$name: an unknown option" 2 '' "does not take .--zzzzzzz.|see .ringfence help $name" "$name" --zzzzzzz
	expect "$name: a format that is none" 2 '' 'text.* or (json|tap)' "$name" --format yaml "$SHOP"
done
for name in check compile reach test apply; do expect "$name without a policy" 2 '' 'name the policy' "$name"; done
expect "help of a subcommand that is none" 2 '' 'did you mean `reach`' help raech
expect "a subcommand like no other" 2 '' 'see `ringfence help`' zzzzzz
expect "a color that is none" 2 '' 'auto, always or never' check --color red "$SHOP"
expect "explain with too few words" 2 '' 'ringfence help explain' explain "$SHOP" shop/web
expect "explain with nothing" 2 '' 'ringfence help explain' explain
expect "explain - without a policy" 2 '' 'ringfence help explain' explain -
expect "- is no policy" 2 '' '^error: -: No such file' check -
expect "status takes one workload" 2 '' 'takes one workload' status shop/web-1 now
expect "drift takes no words" 2 '' 'takes no arguments' drift now
expect "observe takes no words" 2 '' 'takes no arguments' observe now
expect "observe without a daemon" 2 '' 'no daemon listens here' observe --socket "$WORK/none.sock"
expect "observe --last of no number" 2 '' 'last is a number from 0 to 1000' observe --last many
expect "observe --last of too many" 2 '' 'last is a number from 0 to 1000' observe --last 1001
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

: >"$WORK/empty/empty.yaml"
expect "an empty file is no policy" 2 '' 'no policy found' check "$WORK/empty"
mkdir "$WORK/two"
printf 'ringfence: v2\n' >"$WORK/two/a.yaml"
printf 'ringfence: v1\nservice: {}\n' >"$WORK/two/b.yaml"
expect "every error of every file" 2 '' '^ringfence: 2 errors in 2 files' check "$WORK/two"
holds "every error of every file, in order" test "$(grep -o '[ab]\.yaml:[0-9:]*' "$WORK/err" | tr '\n' ' ')" = "a.yaml:1:12: b.yaml:2:1: "
odd="$WORK/$(printf 'odd\033[31m\377')"
mkdir "$odd"
cp "$SHOP"/*.yaml "$odd"
cp "$WORK/two/a.yaml" "$WORK/$(printf 'wrong\033[31m.yaml')"
expect "an escape sequence in a file's name stays text" 2 '' 'wrong.x1b.31m.yaml:1:12: error' check "$WORK"/wrong*
expect "explain: the same" 0 'odd.x1b.31m.xff/policy.yaml' '' explain "$odd" shop/web shop/api http
expect "reach: the same" 0 'odd.x1b.31m.xff/policy.yaml' '' reach "$odd"
holds "no escape sequence on standard output" test "$(grep -c "$(printf '\033')" "$WORK/out")" -eq 0
expect "explain: a file's name that is no UTF-8, in JSON" 0 'odd.*xff/policy.yaml' '' explain --format json "$odd" shop/web shop/api http
holds "explain: still JSON" parses json "$WORK/out"
expect "reach: a file's name that is no UTF-8, in JSON" 0 'odd.*xff/policy.yaml' '' reach --format json "$odd"
sed 's/why: SHOP-311/why: "x\\e[2J\\" ; accept ; #\\n accept"/' "$SHOP/policy.yaml" >"$WORK/why.yaml"
expect "explain: an escape sequence in a reason stays text" 0 'x.x1b.2J" ; accept ; #.x0a accept$' '' explain "$WORK/why.yaml" shop/api 203.0.113.9 443/tcp
expect "compile: a reason opens nothing" 0 'table inet ringfence' '' compile "$WORK/why.yaml" "$SHOP/inventory.yaml"
holds "compile: a reason does not end its quotes" test "$(grep -cE 'SHOP|x1b|" ; accept|^ accept' "$WORK/out")" -eq 0
if [ "$(id -u)" -eq 0 ]; then
	chmod 711 "$WORK"
	mkdir -m 700 "$WORK/shut"
	cp "$RINGFENCE" "$WORK/ringfence"
	status=0
	setpriv --reuid 65534 --regid 65534 --clear-groups "$WORK/ringfence" check "$WORK/shut" >"$WORK/out" 2>"$WORK/err" || status=$?
	holds "a directory that may not be read" test "$status" -eq 2
	holds "a directory that may not be read: says so" grep -q '^error: .*/shut: Permission denied' "$WORK/err"
	chmod 755 "$WORK/shut"
	cp "$SHOP/policy.yaml" "$WORK/shut/open.yaml"
	cp "$SHOP/inventory.yaml" "$WORK/shut/shut.yaml"
	chmod 644 "$WORK/shut/open.yaml"
	chmod 600 "$WORK/shut/shut.yaml"
	status=0
	setpriv --reuid 65534 --regid 65534 --clear-groups "$WORK/ringfence" compile "$WORK/shut" >"$WORK/out" 2>"$WORK/err" || status=$?
	holds "one file that may not be read is an error, and not a smaller policy" test "$status/$(stat -c %s "$WORK/out")" = 2/0
	holds "one file that may not be read: says which" grep -q '^error: .*/shut.yaml: Permission denied' "$WORK/err"
else
	COUNT=$((COUNT + 1))
	echo "ok $COUNT - files that may not be read # SKIP needs root to become another user"
fi

expect "check: sound" 0 '^ok: 5 services' '' check "$SHOP"
expect "check: twice in a row" 0 '^ok: 5 services' '' check "$SHOP"
expect "check: JSON" 0 '"version":1.*"ok":true' '' check --format json "$SHOP"
holds "check: JSON that parses" parses json "$WORK/out"
printf 'apiVersion: apps/v1\nkind: Deployment\n' >"$WORK/deployment.yaml"
expect "check: other Kubernetes objects pass" 0 '^ok: 5 services' '' check "$SHOP" "$WORK/deployment.yaml"
expect "check -v: says what was passed over" 0 '^ok: 5 services' 'passed over 1 Kubernetes' check -v "$SHOP" "$WORK/deployment.yaml"
expect "explain: allowed" 0 '^ALLOW .*8080/tcp' '' explain "$SHOP" shop/web-1 shop/api-1 8080/tcp
expect "explain: the statement and why" 0 'policy.yaml:[0-9]+:[0-9]+ .*storefront' '' explain "$SHOP" shop/web-1 shop/api-1 8080/tcp
expect "explain: a port's name" 0 '^ALLOW' '' explain "$SHOP" shop/web-1 shop/api-1 http
expect "explain: a service by its name" 0 '^ALLOW' '' explain "$SHOP" shop/web shop/api 8080/tcp
expect "explain: denied" 1 '^DENY' '' explain "$SHOP" shop/web-1 shop/db-1 5432/tcp
expect "explain: where denied" 1 '^  ingress +deny +examples/shop/policy.yaml:12:3 ' '' explain "$SHOP" shop/web-1 shop/db-1 5432/tcp
expect "explain: workload: and service: before a name" 0 '^ALLOW' '' explain "$SHOP" workload:shop/web-1 service:shop/api http
expect "explain: without an inventory a service stands for one" 0 '^ALLOW  shop/.any web. -> shop/.any api. http' '' explain "$SHOP/policy.yaml" shop/web shop/api http
expect "explain: a built-in peer" 1 '^DENY  any' '' explain "$SHOP" any shop/db 5432/tcp
expect "explain: an address" 1 '^DENY  198.51.100.1' '' explain "$SHOP" 198.51.100.1 shop/db-1 5432/tcp
expect "explain: nobody of that name" 2 '' 'no workload, service or address' explain "$SHOP" shop/nobody shop/db-1 5432/tcp
expect "explain: no such port" 2 '' 'port `99999/tcp`' explain "$SHOP" shop/web-1 shop/db-1 99999/tcp
revision=$("$RINGFENCE" check --format json "$SHOP" | grep -oE '"revision":"[0-9a-f]{16}"')
expect "explain: the policy's revision" 1 "^  policy   $(cut -d '"' -f 4 <<<"$revision")\$" '' explain "$SHOP" shop/web-1 shop/db-1 5432/tcp
expect "explain: the same in JSON" 1 "$revision" '' explain --format json "$SHOP" shop/web-1 shop/db-1 5432/tcp
expect "explain: silence is how it is denied" 1 '"how":"drop"' '' explain --format json "$SHOP" shop/web-1 shop/db-1 5432/tcp
cat >"$WORK/ends.yaml" <<'END'
ringfence: v1
services:
  a: {workloads: {app: a}, mode: audit}
  b: {workloads: {app: b}, deny: reject}
allow: [{from: world, to: a, ports: [80/tcp]}]
tests: [{from: a, to: b, ports: [80/tcp], expect: allow}]
END
expect "explain: a service that answers" 1 '^  ingress +deny .*ends.yaml:4:3  .*; rejected$' '' explain "$WORK/ends.yaml" default/a default/b 80/tcp
expect "explain: and one in audit mode" 1 '^  egress +deny .*ends.yaml:3:3  .*; in audit: let through$' '' explain "$WORK/ends.yaml" default/a default/b 80/tcp
expect "explain: of which the answer comes" 1 '"how":"reject"' '' explain --format json "$WORK/ends.yaml" default/a default/b 80/tcp
expect "explain: denied in audit mode alone" 1 'but the mode is audit: the flow is logged and let through' '' explain "$WORK/ends.yaml" default/a world 80/tcp
expect "explain: which JSON says" 1 '"how":"audit".*"mode":"audit"' '' explain --format json "$WORK/ends.yaml" default/a world 80/tcp
expect "test: judges what is enforced, and says so" 1 '; rejected$' '^ringfence: 1 service is in audit mode' test "$WORK/ends.yaml"
expect "reach: lists what is allowed, and says so" 0 'default/a +80/tcp' '^ringfence: 1 service is in audit mode' reach "$WORK/ends.yaml"
expect "check: says so" 0 '1 of the services in audit mode' 'warning' check "$WORK/ends.yaml"
expect "explain: JSON" 1 '"verdict":"deny","because":\[\{"side":"egress"' '' explain --format json "$SHOP" shop/web-1 shop/db-1 5432/tcp
printf 'shop/web-1 shop/api-1 8080/tcp\n\n# a comment\nshop/web-1 shop/db-1 5432/tcp\n' >"$WORK/questions"
INPUT=$WORK/questions expect "explain -: a JSON line for each" 0 '"verdict":"allow"' '' explain "$SHOP" -
result "explain -: as many answers as questions" "$([ "$(wc -l <"$WORK/out")" -eq 2 ] && echo 0 || echo 1)"
holds "explain -: JSON on every line" parses lines "$WORK/out"
for field in version from to port verdict because side file line rule; do
	holds "explain -: the field $field" test "$(grep -c "\"$field\":" "$WORK/out")" -eq 2
done
holds "explain -: the verdict of each, in the order asked" test "$(grep -o '"port":"[^"]*","verdict":"[a-z]*"' "$WORK/out" | tr '\n' ' ')" \
	= '"port":"8080/tcp","verdict":"allow" "port":"5432/tcp","verdict":"deny" '
printf 'shop/nobody shop/api http\nshop/web shop/api http x\nshop/web shop/api http' >"$WORK/questions"
INPUT=$WORK/questions expect "explain -: the rest is answered" 2 '"verdict":"allow"' 'line 1: no workload' explain "$SHOP" -
holds "explain -: too many words" grep -q 'line 2: a line is FROM TO PORT' "$WORK/err"
printf '\377\033[31m shop/api http\n' >"$WORK/questions"
INPUT=$WORK/questions expect "explain -: bytes that are no text" 2 '' 'no workload, service or address `.xff.x1b' explain "$SHOP" -
INPUT=/dev/null expect "explain -: no question, no answer" 0 '' '' explain "$SHOP" -
printf 'shop/web-1 shop/api-1\n' >"$WORK/questions"
INPUT=$WORK/questions expect "explain -: a line that is none" 2 '' 'line 1: a line is FROM TO PORT' explain "$SHOP" -
expect "reach" 0 'shop/web +-> shop/api +8080/tcp' '' reach "$SHOP"
expect "reach: workloads" 0 'shop/web-1 +-> shop/api-1' '' reach --workloads "$SHOP"
expect "reach: JSON" 0 '"from":"shop/web","to":"shop/api"' '' reach --format json "$SHOP"

holds "reach: JSON that parses" parses json "$WORK/out"
expect "reach: what is denied is not there" 0 'shop/api' '' reach "$SHOP"
holds "reach: no web to db" test "$(grep -cE 'shop/web +-> shop/db' "$WORK/out")" -eq 0

expect "compile: a node that is none" 2 '' 'no node `nowhere`' compile --node nowhere "$SHOP"
expect "compile: JSON names the statements" 0 '"from": "examples/shop/policy.yaml:' '' compile --format json --node node-a "$SHOP"
holds "compile: JSON that parses" parses json "$WORK/out"
"$RINGFENCE" compile "$SHOP/policy.yaml" "$SHOP/inventory.yaml" >"$WORK/a"
"$RINGFENCE" compile "$SHOP/inventory.yaml" "$SHOP/policy.yaml" >"$WORK/b"
result "compile: the order of files changes no byte" "$(cmp -s "$WORK/a" "$WORK/b" && echo 0 || echo 1)"
expect "compile -o" 0 '' '' compile -o "$WORK/c" "$SHOP/policy.yaml" "$SHOP/inventory.yaml"
result "compile -o: the same bytes, and nothing left beside" "$(cmp -s "$WORK/a" "$WORK/c" && [ "$(ls "$WORK"/c* | wc -l)" -eq 1 ] && echo 0 || echo 1)"
"$RINGFENCE" compile -i "$SHOP/inventory.yaml" "$SHOP/policy.yaml" >"$WORK/b"
holds "compile: -i changes no byte" cmp -s "$WORK/a" "$WORK/b"
"$RINGFENCE" compile "$SHOP" >"$WORK/a"
mkdir "$WORK/one" "$WORK/other"
cp "$SHOP/policy.yaml" "$WORK/one/policy.yaml"
sed 's/{from: api, to: db, ports: \[sql\],/{ports: [sql], to: db, from: api,/; s/{app: api, tier: \[gold, silver\]}/{tier: [silver, gold], app: api}/' \
	"$SHOP/policy.yaml" >"$WORK/other/policy.yaml"
(cd "$WORK/one" && "$RINGFENCE" compile policy.yaml) >"$WORK/b"
(cd "$WORK/other" && "$RINGFENCE" compile policy.yaml) >"$WORK/e"
holds "compile: the order of keys changes no byte" cmp -s "$WORK/b" "$WORK/e"
holds "compile: and the files did differ" test "$(cmp -s "$WORK/one/policy.yaml" "$WORK/other/policy.yaml" || echo yes)" = yes
echo old >"$WORK/d"
ln "$WORK/d" "$WORK/held"
expect "compile -o over a file" 0 '' '' compile -o "$WORK/d" "$SHOP"
holds "compile -o: a reader of the old file keeps it whole" test "$(cat "$WORK/held")" = old
holds "compile -o: the new file is whole" cmp -s "$WORK/a" "$WORK/d"
expect "compile -o with an error" 2 '' 'error' compile -o "$WORK/d" "$WORK/two"
holds "compile -o with an error: the file stays" cmp -s "$WORK/a" "$WORK/d"
mkfifo "$WORK/pipe"
cat "$WORK/pipe" >"$WORK/b" &
expect "compile -o to a pipe" 0 '' '' compile -o "$WORK/pipe" "$SHOP"
[ -p "$WORK/pipe" ] || kill "$!"
wait "$!" || true
holds "compile -o to a pipe: the pipe stays" test -p "$WORK/pipe"
holds "compile -o to a pipe: the same bytes" cmp -s "$WORK/a" "$WORK/b"
expect "compile -o to a directory" 2 '' 'Is a directory' compile -o "$WORK/one" "$SHOP"
expect "compile -o: a directory that is not there" 2 '' 'No such file' compile -o "$WORK/none/c" "$SHOP"
expect "compile --all-nodes" 0 '' '' compile --all-nodes -o "$WORK/nodes" "$SHOP"
result "compile --all-nodes: a file for each" "$([ -s "$WORK/nodes/node-a.nft" ] && echo 0 || echo 1)"
"$RINGFENCE" compile --node node-a "$SHOP" >"$WORK/b"
holds "compile --all-nodes: the same as --node" cmp -s "$WORK/b" "$WORK/nodes/node-a.nft"
expect "compile --all-nodes: twice, and JSON" 0 '' '' compile --all-nodes --format json -o "$WORK/nodes" "$SHOP"
holds "compile --all-nodes: JSON that parses" parses json "$WORK/nodes/node-a.json"
holds "compile --all-nodes: nothing left beside" test "$(ls "$WORK/nodes" | tr '\n' ' ')" = "node-a.json node-a.nft "
expect "compile --all-nodes: -o that is a file" 2 '' 'Not a directory' compile --all-nodes -o "$WORK/a" "$SHOP"
expect "compile --all-nodes without -o" 2 '' 'needs -o DIR' compile --all-nodes "$SHOP"

sed 's/ports: \[sql\], why: orders/ports: [sql], until: 2027-03-31, why: orders/' "$SHOP/policy.yaml" >"$WORK/until.yaml"
expect "--at before the end" 0 '^ALLOW' '' explain --at 2027-03-31T23:59:59Z -i "$SHOP/inventory.yaml" "$WORK/until.yaml" shop/api-1 shop/db-1 sql
expect "--at a date is its start: the last day" 0 '^ALLOW' '' explain --at 2027-03-31 -i "$SHOP/inventory.yaml" "$WORK/until.yaml" shop/api-1 shop/db-1 sql
expect "--at behind the end" 1 '^DENY' '' explain --at 2027-04-01 -i "$SHOP/inventory.yaml" "$WORK/until.yaml" shop/api-1 shop/db-1 sql
expect "--at: reach before the end" 0 'shop/api +-> shop/db' '' reach --at 2027-03-31 "$WORK/until.yaml"
expect "--at: reach behind the end" 0 'shop/web +-> shop/api' '' reach --at 2027-04-01 "$WORK/until.yaml"
holds "--at: reach behind the end shows no such pair" test "$(grep -cE 'shop/api +-> shop/db' "$WORK/out")" -eq 0
expect "--at that is no time" 2 '' 'expected a date' check --at soon "$SHOP"

expect "colour when asked for" 0 "$(printf '\033')" '' explain --color always "$SHOP" shop/web-1 shop/api-1 8080/tcp
NO_COLOR=1 expect "colour when asked for, NO_COLOR or not" 0 "$(printf '\033')" '' explain --color always "$SHOP" shop/web shop/api http
expect "colour of diagnostics when asked for" 2 '' "$(printf '\033')" check --color always "$WORK/two"
expect "no colour in a pipe" 2 '' 'error: ' check "$WORK/two"
holds "no colour in a pipe: no escape sequence" test "$(grep -c "$(printf '\033')" "$WORK/err")" -eq 0
if command -v script >/dev/null; then
	on_terminal() { # PATTERN COUNT [NAME=VALUE]
		local seen
		seen=$(env ${3:+"$3"} script -qec "'$RINGFENCE' check ${4:-} '$WORK/two/a.yaml'" /dev/null </dev/null | grep -c "$1" || true)
		[ "$seen" -eq "$2" ]
	}
	holds "colour on a terminal" on_terminal "$(printf '\033')" 2
	holds "NO_COLOR on a terminal" on_terminal "$(printf '\033')" 0 NO_COLOR=1
	holds "an empty NO_COLOR is none" on_terminal "$(printf '\033')" 2 NO_COLOR=
	holds "--color never on a terminal" on_terminal "$(printf '\033')" 0 NO_COLOR= '--color never'
fi
result "a closed pipe is quiet" "$("$RINGFENCE" reach "$SHOP" 2>"$WORK/err" | head -0; [ ! -s "$WORK/err" ] && echo 0 || echo 1)"
"$RINGFENCE" compile "$SHOP" 2>"$WORK/err" | head -1 >"$WORK/out" || true
holds "a closed pipe is quiet: compile" test "$(stat -c %s "$WORK/err")/$(wc -l <"$WORK/out")" = 0/1
status=0
"$RINGFENCE" check "$SHOP" >/dev/full 2>"$WORK/err" || status=$?
holds "a full disk is not a yes" test "$status" -eq 2
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
		nft list ruleset >"$3.before"
		"$1" apply --node node-a "$2" | grep -q 'nothing to change'
		nft list ruleset | cmp - "$3.before"
		"$1" apply --dry-run --format json --node node-a "$2" | grep -q '"version":1.*"changed":false'
		nft 'add table inet other { chain keep { counter comment "mine"; }; }'
		status=0
		"$1" apply --node nowhere "$2" >/dev/null 2>"$3.node" || status=$?
		[ "$status" -eq 2 ] && grep -q 'no node `nowhere`' "$3.node"
		nft flush table inet ringfence
		status=0
		"$1" apply --dry-run --format json --node node-a "$2" >"$3.json" || status=$?
		[ "$status" -eq 1 ] && grep -q '"changed":true,"applied":false' "$3.json"
		"$1" apply --format json --node node-a "$2" | grep -q '"changed":true,"applied":true'
		"$1" apply --dry-run --node node-a "$2" >/dev/null
		nft list table inet other | grep -q mine
		"$1" compile --node node-a "$2" >"$3.nft"
		nft -f "$3.nft"
		"$1" apply --dry-run --node node-a "$2" >/dev/null
		status=0
		setpriv --reuid 65534 --clear-groups --bounding-set -all "$1" apply --node node-a "$2" >/dev/null 2>"$3.user" || status=$?
		[ "$status" -eq 2 ] && grep -q 'CAP_NET_ADMIN' "$3.user"
	END
	unshare --net bash "$WORK/apply" "$RINGFENCE" "$PWD/$SHOP" "$WORK/x" >"$WORK/out" 2>"$WORK/err" && status=0 || status=1
	result "apply: dry run 1, apply 0, dry run 0, again nothing, without privilege 2" "$status"
else
	COUNT=$((COUNT + 1))
	echo "ok $COUNT - apply # SKIP only root can make a network namespace"
fi
cat >"$WORK/more.yaml" <<END
ringfence: v1
namespace: shop
services: {web: {workloads: {app: web}}, api: {workloads: {app: api}, ports: {http: 8080/tcp}}}
allow: [{from: web, to: api, rate: 50/second per source, why: the storefront, owner: team-web}]
quarantine: [{workload: api-1, until: 2099-01-01, why: INC-42}]
settings: {mode: audit}
---
ringfence: v1
workloads:
  - {name: web-1, namespace: shop, labels: {app: web}, addresses: [10.0.0.1]}
  - {name: api-1, namespace: shop, labels: {app: api}, addresses: [10.0.0.2]}
  - {name: api-2, namespace: shop, labels: {app: api}, addresses: [10.0.0.3]}
END
expect "explain: rate, why and owner" 0 'up to 50/second per source: the storefront \(owner: team-web\)$' '' \
	explain "$WORK/more.yaml" shop/web-1 shop/api-2 http
expect "explain: the same as JSON" 0 '"why":"the storefront","owner":"team-web","rate":"50/second per source"' '' \
	explain --format json "$WORK/more.yaml" shop/web-1 shop/api-2 http
expect "explain: a quarantine" 1 'more.yaml:5:14  in quarantine: INC-42$' '' explain "$WORK/more.yaml" shop/web-1 shop/api-1 http
expect "explain: audit mode lets it through" 1 'audit \(.*more.yaml:6\): the flow is logged and let through' '' \
	explain "$WORK/more.yaml" shop/api-2 shop/web-1 80/tcp
"$RINGFENCE" explain "$WORK/more.yaml" shop/web-1 shop/api-1 http >"$WORK/out" || true
holds "explain: but no quarantine" lacks 'let through' "$WORK/out"
expect "explain: a quarantine ends" 0 ALLOW '' explain --at 2099-01-03 "$WORK/more.yaml" shop/web-1 shop/api-1 http
sed -i 's/api-1, until/api1, until/' "$WORK/more.yaml"
expect "check: a quarantine of nobody gets a warning" 0 '^ok: ' 'warning: the inventory has no workload .api1.' check "$WORK/more.yaml"
expect "check: which guesses" 0 '^ok: ' 'did you mean .api-1.' check "$WORK/more.yaml"

finish
