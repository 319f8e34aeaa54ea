#!/bin/bash
# The limits that the README states: each is an error in time, before memory is gone. TAP.
. "$(dirname "$0")/lib.sh"

# Status 2, the message, nothing on stdout, and no longer than so many milliseconds, five times that with sanitizers.
refuses() { # TEXT MILLISECONDS PATTERN SUBCOMMAND...
	local text=$1 most=$2 pattern=$3 status=0 begin took wrong=0
	shift 3
	case $RINGFENCE in *sanitize*) most=$((5 * most)) ;; esac
	begin=$(date +%s%N)
	"$RINGFENCE" "$@" >"$WORK/out" 2>"$WORK/err" || status=$?
	took=$((($(date +%s%N) - begin) / 1000000))
	[ "$status" -eq 2 ] && [ ! -s "$WORK/out" ] && grep -qE -- "$pattern" "$WORK/err" && [ "$took" -le "$most" ] || wrong=1
	result "$text ($took ms)" "$wrong"
}

truncate -s 65M "$WORK/large.yaml"
refuses "a file of more than 64 MiB" 500 'larger than 64 MiB' check "$WORK/large.yaml"

printf '[%.0s' {1..200000} >"$WORK/deep.yaml"
refuses "200,000 open brackets" 500 'deep.yaml:1:49: error: nested more than 48 levels' check "$WORK/deep.yaml"
{ printf '{"a":%.0s' {1..20000}; } >"$WORK/deep.json"
refuses "20,000 open braces" 500 'nested more than 48 levels' check "$WORK/deep.json"

{
	echo 'a: &a [x, x, x, x, x, x, x, x, x]'
	for pair in ba cb dc ed fe gf hg ih; do
		alias="*${pair:1}"
		echo "${pair:0:1}: &${pair:0:1} [$alias, $alias, $alias, $alias, $alias, $alias, $alias, $alias, $alias]"
	done
} >"$WORK/bomb.yaml"
refuses "aliases that stand for 400 million values" 200 'more than 8000000 values' check "$WORK/bomb.yaml"

mkdir -p "$WORK/nested/$(printf 'd/%.0s' {1..40})"
refuses "directories nested 40 deep" 500 'nested too deep' check "$WORK/nested"

{
	echo 'ringfence: v1'
	echo 'services: {a: {workloads: {app: a}}, b: {workloads: {app: b}}}'
	echo "allow: [{from: a, to: b, ports: [$(seq -s ', ' -f '%g/tcp' 1000)]}]"
	echo 'workloads:'
	echo '  - {name: b, labels: {app: b}, addresses: [10.9.0.1]}'
	for i in {1..2100}; do
		echo "  - {name: a$i, labels: {app: a}, addresses: [10.0.$((i / 250)).$((i % 250))]}"
	done
} >"$WORK/product.yaml"
refuses "2,100 peers on 1,000 ports" 20000 'product.yaml:3:9: error: the ruleset would have more than 2000000 elements' \
	compile "$WORK/product.yaml"

{
	echo 'ringfence: v1'
	echo 'services: {a: {workloads: {app: a}}}'
	echo 'allow:'
	echo "  - {from: a, to: {cidr: 10.0.0.0/8}, ports: [$(seq -s ', ' -f '%g/tcp' 1 2 3000)]}"
	for i in {1..1500}; do
		echo "  - {from: a, to: {cidr: 10.$((i / 250)).$((i % 250)).7/32}, ports: [4000/tcp]}"
	done
	echo 'workloads: [{name: a, labels: {app: a}, addresses: [10.9.0.1]}]'
} >"$WORK/cut.yaml"
refuses "1,500 networks that cut another with 1,500 ports" 20000 'more than 2000000 elements' compile "$WORK/cut.yaml"
finish
