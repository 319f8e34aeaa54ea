#!/bin/bash
# What a pull request costs: check, test and diff of a policy of 1,000 services and 10,000 allows, with 100 `never` rules,
# 1,000 tests, and one allow more in the new version. Prints seconds for each (the best of RUNS) and their sum.
#
#   tests/bench/review.sh [SERVICES [ALLOWS]]      RINGFENCE_BUILD=build RUNS=3
set -euo pipefail
cd "$(dirname "$0")/../.."

services=${1:-1000} allows=${2:-10000}
ringfence=$PWD/${RINGFENCE_BUILD:-build}/ringfence
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# A document for each hundred services. Each allow goes from a service of some namespace to one of its own, never to the
# last of it, which a `never` closes to every other namespace.
write() { # DIRECTORY
	mkdir "$1"
	awk -v services="$services" -v allows="$allows" -v directory="$1" '
	function roll(sides) { state = (state * 16807) % 2147483647; return state % sides }
	BEGIN {
		state = 1; namespaces = int((services + 99) / 100)
		for (n = 0; n < namespaces; n++) {
			file = directory "/n" n ".yaml"
			print "ringfence: v1\nnamespace: n" n "\nservices:" > file
			for (i = 0; i < 100; i++)
				print "  s" i ": {workloads: {app: s" i ", tier: [gold, silver]}, ports: {http: " 8000 + i "/tcp, metrics: 9090/tcp}}" > file
			print "allow:" > file
			for (i = 0; i < allows / namespaces; i++) {
				from = roll(namespaces); a = roll(99); b = roll(99)
				print "  - {from: n" from "/s" a ", to: s" b ", ports: [http], why: reason " i "}" > file
				if (i % 10 == 0)
					tests[i / 10] = "  - {from: n" from "/s" a ", to: s" b ", ports: [http], expect: allow}"
			}
			print "never:" > file
			for (i = 0; i < 10; i++)
				print "  - {from: n" (n + i) % namespaces "/s" i ", to: s99, why: the last is alone}" > file
			print "tests:" > file
			for (i = 0; i in tests; i++)
				print tests[i] > file
			close(file)
		}
	}'
}
write "$folder/old"
cp -r "$folder/old" "$folder/new"
sed -i '0,/^never:/s//  - {from: s1, to: s2, ports: [443\/tcp], why: new}\nnever:/' "$folder/new/n0.yaml"

# Best of the runs, in seconds. The exit status must be the one expected, or there is nothing to measure.
best() { # STATUS COMMAND...
	local expected=$1 shortest='' took
	shift
	for ((run = 0; run < ${RUNS:-3}; run++)); do
		local begin=$EPOCHREALTIME status=0
		"$@" >"$folder/out" 2>"$folder/err" || status=$?
		took=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }')
		if [ "$status" -ne "$expected" ]; then
			echo "$* ended with $status:" >&2
			tail -n 5 "$folder/err" "$folder/out" >&2
			exit 2
		fi
		shortest=$(printf '%s\n' "$took" ${shortest:+"$shortest"} | sort -n | head -n 1)
	done
	echo "$shortest"
}

check=$(best 0 "$ringfence" check "$folder/new")
test=$(best 0 "$ringfence" test "$folder/new")
diff=$(best 1 "$ringfence" diff "$folder/old" "$folder/new")
sum=$(awk -v a="$check" -v b="$test" -v c="$diff" 'BEGIN { printf "%.3f", a + b + c }')
echo "services=$services allows=$allows check=$check test=$test diff=$diff sum=$sum"
