#!/bin/bash
# `ringfence replay`, and lines of a flow log in `explain`, as people and pipelines meet them. TAP.
. "$(dirname "$0")/lib.sh"

BASE='ringfence: v1
namespace: shop
services:
  web: {workloads: {app: web}, ports: {http: 8080/tcp}}
  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}
allow:'
policy() { # NAME LINE...; the lines stand behind `allow:`, which is line 6
	local name=$WORK/$1
	shift
	printf '%s\n' "$BASE" "$@" >"$name"
}
policy old.yaml '- {from: web, to: db, why: orders}'
policy new.yaml '- {from: web, to: db, ports: [5433/tcp]}' '- {from: db, to: web}'
policy until.yaml '- {from: web, to: db, until: 2027-03-31}'
policy wrong.yaml '- {from: wab, to: db}'
printf 'ringfence: v1\nnodes: {n: {workload_networks: [10.0.0.0/24]}}\nworkloads:\n' >"$WORK/inventory.yaml"
for i in 1 2 3; do
	printf -- '- {name: %s-%d, namespace: shop, labels: {app: %s}, addresses: [10.0.0.%d]}\n' web $i web $i db $i db 1$i
done >>"$WORK/inventory.yaml"
cd "$WORK"
record() { # SRC DST PORT [MORE]
	printf '{"ts":"2026-11-25T09:00:0%dZ","verdict":"allow","src":"%s","dst":"%s","proto":"tcp","sport":40112,"dport":%d%s}\n' \
		$((${#1} % 10)) "$1" "$2" "$3" "${4:-}"
}
# shellcheck disable=SC2034
I=(-i inventory.yaml)
{
	echo '# recorded on a Wednesday'
	for i in $(seq 602); do record shop/web-1 shop/db-1 5432; done
	for i in $(seq 602); do record shop/web-2 shop/db-1 5432; done
	echo
	echo 'shop/db-1 shop/web-1 http'
	echo 'shop/web-1 shop/web-2 http'
} >flows
record shop/web-1 shop/db-1 5433 >passes
record shop/web-1 shop/web-2 8080 >same

# ---- what is told ----

expect "help" 0 '^usage: ringfence replay ' '' help replay
expect "flows that are cut, and that pass" 1 '^  - shop/web -> shop/db-1  5432/tcp  1,204 records of 2 flows, last 2026-11-25T09:00:00Z$' '' \
	replay "${I[@]}" flows old.yaml new.yaml
holds "with what allowed them" grep -q '^      old  both     allow  old.yaml:7:3  allowed by this statement: orders$' out
holds "and what denies them" grep -q '^      new  ingress  deny   new.yaml:5:3  no allow matches; isolated by this service$' out
holds "and what comes nearest" grep -q '^      new  nearest  new.yaml:7:3  allows shop/web -> shop/db on 5433/tcp; misses: the port is 5432/tcp$' out
holds "and what allows a new one" grep -q '^      new  both     allow  new.yaml:8:3 ' out
holds "each with its mark" grep -q '^  + shop/db-1 -> shop/web-1  8080/tcp  1 record$' out
holds "the cut ones first, then the summary" test "$(grep -oE '^  [-+?]|^2 flows would be cut \(1,204 records\), 1 newly passes \(1 record\), 1 unchanged \(1 record\)$' out | cut -c 1-3 | tr '\n' ' ')" = '  -   + 2 f '
expect "more of the nearest, or none" 1 'cut' '' replay --nearest 0 "${I[@]}" flows old.yaml new.yaml
holds "none" lacks nearest out
expect "no change is a yes" 0 '^0 flows would be cut \(0 records\), 0 newly pass \(0 records\), 1 unchanged \(1 record\)$' '' \
	replay "${I[@]}" same old.yaml new.yaml
expect "what newly passes is a no" 1 '1 newly passes' '' replay "${I[@]}" passes old.yaml new.yaml
INPUT=flows expect "standard input" 1 '1,204 records' '' replay "${I[@]}" - old.yaml new.yaml
expect "services need no inventory" 1 '^  - shop/web -> shop/db ' '' replay <(echo 'shop/web shop/db sql') old.yaml new.yaml
expect "the time counts for both" 1 '1 flow would be cut' '' replay --at 2027-04-01 <(echo 'shop/web shop/db sql') old.yaml until.yaml
expect "and before it both allow" 0 '1 unchanged' '' replay --at 2027-03-31 <(echo 'shop/web shop/db sql') old.yaml until.yaml
mkdir tree
cp old.yaml inventory.yaml tree/
expect "a workload that only one inventory has is no change" 0 '1 unchanged' '' replay same tree old.yaml

# ---- what is not known ----

record shop/gone shop/db-1 5432 >gone
record shop/web-1 shop/db-1 5432 >>gone
expect "an end that nobody knows is told, and is no answer" 2 '^  \? no workload, service or address `shop/gone`  1 record' '' \
	replay "${I[@]}" gone old.yaml new.yaml
holds "the rest is" grep -q '^1 flow would be cut (1 record), .*, 1 of unknown ends (1 record)$' out
record shop/gone shop/db-1 5432 ',"src_ip":"198.51.100.7"' >gone
expect "its recorded address is judged" 0 '^1 of them judged by a recorded address' '' replay "${I[@]}" gone old.yaml new.yaml
record shop/gone shop/db-1 5432 ',"src_ip":"10.0.0.77"' >gone
expect "one for workloads that none has is not" 2 'shop/gone.; no workload is known at .10.0.0.77' '' replay "${I[@]}" gone old.yaml new.yaml
printf '{"src":"shop/\\u001b[31m\\u202e","dst":"shop/db-1","proto":"tcp","dport":1}\n' >gone
expect "names are escaped" 2 'address .shop/.x1b\[31m' '' replay "${I[@]}" gone old.yaml new.yaml

# ---- forms ----

expect "JSON" 1 '^\{"version":1,"cut":\{"flows":2,"records":1204\},"passes":\{"flows":1,"records":1\},"unknown":\{"flows":0,"records":0\},"unchanged":\{"flows":1,"records":1\}' '' \
	replay --format json "${I[@]}" flows old.yaml new.yaml
holds "JSON: a flow" grep -qF '{"flows":2,"records":1204,"fate":"cut","last":"2026-11-25T09:00:00Z","from":"shop/web","to":"shop/db-1","port":"5432/tcp","example":{"from":"shop/web-1 (10.0.0.1)","to":"shop/db-1 (10.0.0.11)"},"old":{"verdict":"allow"' out
holds "JSON: what comes nearest" grep -q '"new":{"verdict":"deny".*"nearest":\[{"file":"new.yaml","line":7' out
holds "JSON that parses" parses lines out
holds "one line of it" test "$(wc -l <out)" -eq 1
expect "JSON: what is not known" 2 '"fate":"unknown","last":"[^"]*","reason":"no workload, service or address `shop/x`"' '' \
	replay --format json "${I[@]}" <(record shop/x shop/db-1 1) old.yaml new.yaml
expect "colours where they are asked for" 1 $'\x1b\\[31m-' '' replay --color always "${I[@]}" flows old.yaml new.yaml
expect "a format that is none" 2 '' 'text or json' replay --format html flows old.yaml new.yaml

# ---- what is refused ----

{
	echo '{"src":"shop/web-1","dst":"shop/db-1","proto":"tcp"}'
	record shop/web-1 shop/db-1 5432
	echo '{"src"'
	echo 'shop/web-1 shop/db-1'
	echo 'shop/web-1 shop/db-1 nothing'
	printf 'shop/web-1 \377\0 http\n'
} >bad
expect "every line that is wrong is told" 2 '^1 flow would be cut' '^bad:1:1: error: `dport` is missing' replay "${I[@]}" bad old.yaml new.yaml
holds "all of them" test "$(grep -o '^bad:[0-9]*' err | tr '\n' ' ')" = 'bad:1 bad:3 bad:4 bad:5 bad:6 '
holds "and counted" grep -q '^ringfence: 5 errors ' err
for i in $(seq 1000); do echo "{$i"; done >>bad
expect "many are told in part" 2 'would be cut' '^bad:1006:1: error: 985 more lines are wrong, this is the last of them$' replay "${I[@]}" bad old.yaml new.yaml
holds "in part" test "$(grep -c '^bad:[0-9]' err)" -eq 21
expect "as annotations" 2 'would be cut' '^::error .*file=bad,line=1' replay --diagnostics github "${I[@]}" bad old.yaml new.yaml
printf '%s\n' '# nothing' >empty
expect "no flow at all proves nothing" 2 '' 'empty: there is no flow in it' replay "${I[@]}" empty old.yaml new.yaml
expect "no such file" 2 '' 'nothing: No such file' replay nothing old.yaml new.yaml
expect "a directory" 2 '' 'Is a directory' replay tree old.yaml new.yaml
expect "a wrong policy" 2 '' '^wrong.yaml:7:10: error' replay flows old.yaml wrong.yaml
expect "two words" 2 '' 'FLOWS OLD NEW|file of flows' replay flows old.yaml
expect "four words" 2 '' 'file of flows' replay flows old.yaml new.yaml new.yaml

# ---- explain ----

LINE=$(record shop/web-1 shop/db-1 5432)
expect "explain: a line of a log" 0 '^ALLOW  shop/web-1 \(10.0.0.1\) -> shop/db-1 \(10.0.0.11\) 5432/tcp$' '' explain "${I[@]}" old.yaml "$LINE"
holds "explain: that says the same" lacks 'record' out
expect "explain: that says something else" 1 '^  but the record says allow, at 2026-11-25T09:00:00Z$' '' explain "${I[@]}" new.yaml "$LINE"
expect "explain: in JSON" 1 '"from":"shop/web-1","to":"shop/db-1","port":"5432/tcp","verdict":"deny",.*"recorded":"allow"\}$' '' \
	explain --format json "${I[@]}" new.yaml "$LINE"
expect "explain: by its address" 1 '^  no inventory has shop/gone: judged by its recorded address 198.51.100.7$' '' \
	explain "${I[@]}" old.yaml "$(record shop/gone shop/db-1 5432 ',"src_ip":"198.51.100.7"')"
expect "explain: by its address in JSON" 1 '"from":"shop/gone".*"from_address":"198.51.100.7"' '' \
	explain --format json "${I[@]}" old.yaml "$(record shop/gone shop/db-1 5432 ',"src_ip":"198.51.100.7"')"
expect "explain: nobody" 2 '' 'no workload, service or address `shop/gone`' explain "${I[@]}" old.yaml "$(record shop/gone shop/db-1 5432)"
expect "explain: a line that is none" 2 '' 'no JSON object: ' explain "${I[@]}" old.yaml '{"src"'
expect "explain: what misses" 2 '' '`dst` is missing' explain "${I[@]}" old.yaml '{"src": "shop/web-1"}'
expect "explain: a line and no policy" 2 '' 'POLICY... LINE' explain "$LINE"
printf '%s\n' "$LINE" 'shop/web-1 shop/db-1 sql' '{}' "$LINE" >questions
INPUT=questions expect "explain -: both forms" 2 '"port":"sql"' 'standard input, line 3: `src` is missing' explain "${I[@]}" old.yaml -
holds "explain -: each is answered" test "$(grep -o '"port":"[^"]*","verdict":"allow"' out | wc -l)" -eq 3

finish
