#!/bin/bash
# `check --budget`: limits of a node's ruleset, what is over them, and what is wrong with a budget. TAP.
. "$(dirname "$0")/lib.sh"

budget() { # NAME LINE...
	local name=$WORK/$1
	shift
	printf '%s\n' 'ringfence-budget: v1' "$@" >"$name"
}

cat >"$WORK/policy.yaml" <<'E2'
ringfence: v1
services: {a: {workloads: {app: a}}, b: {workloads: {app: b}}}
allow:
  - {from: a, to: b, ports: [1/tcp, 3/tcp, 5/tcp], why: a}
  - {from: b, to: a, ports: [7/tcp], why: b}
E2
cat >"$WORK/inventory.yaml" <<'E2'
ringfence: v1
nodes: {big: {addresses: [192.0.2.1]}, small: {addresses: [192.0.2.2]}}
workloads:
  - {name: a1, node: big, labels: {app: a}, addresses: [10.0.0.1]}
  - {name: a2, node: big, labels: {app: a}, addresses: [10.0.0.2]}
  - {name: a3, node: big, labels: {app: a}, addresses: [10.0.0.4]}
  - {name: b1, node: small, labels: {app: b}, addresses: [10.0.0.3]}
E2
cd "$WORK"
P=(policy.yaml inventory.yaml)

# The numbers are those of the ruleset that `compile` prints.
count() { # NODE: elements, rules
	"$RINGFENCE" compile --node "$1" --format json "${P[@]}" >"$WORK/ruleset.json"
	/usr/bin/python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
print("%d elements, %d rules" % (sum(len(s["elements"]) for s in r["sets"]), sum(len(c["rules"]) for c in r["chains"])))' "$WORK/ruleset.json"
}

budget ok.yaml 'every-node: {elements: 20000, rules: 500, netlink-bytes: 2MB}'
expect "within the budget" 0 '^ok: ' '' check --budget ok.yaml "${P[@]}"
holds "and no number is told" lacks 'elements' out
expect "-v tells each node's numbers" 0 '^big: [0-9]+ elements, [0-9]+ rules, [0-9]+ netlink-bytes$' '' check -v --budget ok.yaml "${P[@]}"
cp out numbers
holds "of each" grep -q '^small: ' numbers
for node in big small; do
	holds "which are those of the ruleset of $node" grep -q "^$node: $(count $node)," numbers
done
elements=$(sed -n 's/^big: \([0-9]*\) elements.*/\1/p' numbers)
rules=$(sed -n 's/^big: .* \([0-9]*\) rules.*/\1/p' numbers)
bytes=$(sed -n 's/^big: .* \([0-9]*\) netlink-bytes/\1/p' numbers)
expect "JSON has them always" 0 "\"nodes\":\[\{\"over\":\[\],\"node\":\"big\",\"elements\":$elements,\"rules\":$rules,\"netlink-bytes\":$bytes\}" '' \
	check --format json --budget ok.yaml "${P[@]}"

budget exact.yaml "nodes: {big: {elements: $elements, rules: $rules, netlink-bytes: $bytes}}"
expect "as much as may be" 0 '^ok: ' '' check --budget exact.yaml "${P[@]}"
budget elements.yaml "nodes: {big: {elements: $((elements - 1))}}"
expect "one element more" 1 '' "^elements.yaml:2:25: error: node big has $elements elements; its budget is $((elements - 1))$" check --budget elements.yaml "${P[@]}"
holds "with what makes most" grep -qE '^help: most come from .*\([0-9]+ elements\)' err
holds "and not the other node" lacks 'node small' err
budget rules.yaml "every-node: {rules: $((rules - 1))}"
expect "one rule more" 1 '' "node big has $rules rules; its budget is $((rules - 1))$" check --budget rules.yaml "${P[@]}"
budget bytes.yaml "every-node: {netlink-bytes: $((bytes - 1))}"
expect "one byte more" 1 '' "node big has $bytes netlink-bytes; its budget is $((bytes - 1))$" check --budget bytes.yaml "${P[@]}"
budget override.yaml 'every-node: {elements: 1}' 'nodes:' '  big: {elements: 100000}' '  small: {rules: 1000}'
expect "a node's own limit counts, and only it" 1 '' 'node small has [0-9]+ elements; its budget is 1$' check --budget override.yaml "${P[@]}"
holds "not that of every node" lacks 'node big' err
expect "its rule" 1 '' '"rule":"budget","file":"override.yaml","line":2' check --diagnostics json --budget override.yaml "${P[@]}"
expect "JSON of what is over" 1 '"ok":false.*"over":\["elements"\],"node":"small"' 'error' check --format json --budget override.yaml "${P[@]}"
expect "without an inventory every workload is local" 0 '^every workload local: [0-9]+ elements, ' '' check -v --budget ok.yaml policy.yaml
budget tiny.yaml 'every-node: {rules: 1}'
expect "and judged so" 1 '' 'with every workload local, the ruleset has [0-9]+ rules' check --budget tiny.yaml policy.yaml

# Statements are named where a set comes of one.
{
	sed 's/1\/tcp, 3\/tcp, 5\/tcp/1\/tcp/' policy.yaml
	echo '  - {from: {cidr: 203.0.113.0/24}, to: a, ports: ['"$(seq -s ', ' -f '%g/tcp' 100 2 400)"']}'
} >large.yaml
budget large-budget.yaml 'every-node: {elements: 100}'
expect "the statement that makes most is named" 1 '' '^help: most come from .*large.yaml:6.* \([0-9]+ elements\)' check --budget large-budget.yaml large.yaml inventory.yaml

# 2kB is 2000, 2KiB is 2048
for unit in "$((bytes / 1000))kB 1" "$((bytes / 1000 + 1))kB 0" "$((bytes / 1024))KiB 1" "$((bytes / 1024 + 1))KiB 0" '1MB 0' '1MiB 0' '"2MB" 2' '2 MB 0'; do
	budget unit.yaml "nodes: {big: {netlink-bytes: ${unit% *}}}"
	status=0
	"$RINGFENCE" check --budget unit.yaml "${P[@]}" >out 2>err || status=$?
	holds "an amount of ${unit% *}" test "$status" -eq "${unit##* }"
done

# ---- what is wrong with a budget ----

wrong() { # TEXT PATTERN LINE...
	local text=$1 pattern=$2
	shift 2
	budget wrong.yaml "$@"
	expect "$text" 2 '' "$pattern" check --budget wrong.yaml "${P[@]}"
}
wrong "an unknown key" '^wrong.yaml:2:1: error: unknown key .every-nod. in a budget' 'every-nod: {rules: 1}'
holds "is helped with" grep -q 'did you mean .every-node' err
wrong "an unknown limit" '^wrong.yaml:2:14: error: unknown key .element.' 'every-node: {element: 1}'
wrong "an unknown node" '^wrong.yaml:2:9: error: no node .bog. in the inventory' 'nodes: {bog: {rules: 1}}'
holds "is helped with, too" grep -q 'did you mean .big' err
for amount in x -1 1.5 '""' '[1]' '{}' 1e3 9999999999999999 2MB ''; do
	wrong "no number of rules: $amount" '^wrong.yaml:2:[0-9]+: error: .rules. must be a whole number' "every-node: {rules: $amount}"
done
wrong "no unit" 'must be a whole number, or one with a unit' 'every-node: {netlink-bytes: 2GB}'
wrong "no mapping" '^wrong.yaml:2:13: error: .every-node. must be a mapping' 'every-node: 3'
wrong "no limit" 'names no limit' 'every-node: {}'
wrong "nodes that are none" '.nodes. must be a mapping' 'nodes: [big]'
wrong "nothing in it" 'a budget without any limit'
wrong "twice the same key" 'error' 'every-node: {rules: 1, rules: 2}'
printf 'every-node: {rules: 1}\n' >wrong.yaml
expect "no version" 2 '' 'needs the key .ringfence-budget' check --budget wrong.yaml "${P[@]}"
printf 'ringfence-budget: v2\nevery-node: {rules: 1}\n' >wrong.yaml
expect "another version" 2 '' '^wrong.yaml:1:19: error: only version v1' check --budget wrong.yaml "${P[@]}"
: >wrong.yaml
expect "an empty file" 2 '' 'a budget without any limit' check --budget wrong.yaml "${P[@]}"
expect "no file" 2 '' 'nothing.yaml: No such file' check --budget nothing.yaml "${P[@]}"
expect "a directory" 2 '' 'not a regular file' check --budget . "${P[@]}"
printf '{"ringfence-budget": "v1", "every-node": {"rules": 5000}}\n' >budget.json
expect "JSON is fine" 0 '^ok' '' check --budget budget.json "${P[@]}"
mkdir tree && cp policy.yaml inventory.yaml ok.yaml tree/
expect "a budget may stand beside the policy" 0 '^ok' '' check --budget tree/ok.yaml tree
expect "and is passed over where nobody asks" 0 '^ok' '' check tree
mkdir alone && cp ok.yaml alone/
expect "but it is no policy" 2 '' 'no policy found' check alone
finish
