#!/bin/bash
# An earlier policy is in force again by one command, with real packets, now and over a restart, until the directory changes.
. "$(dirname "$0")/lib.sh"

shop
rollback() { "$RINGFENCE" rollback --socket "$SOCKET" "$@"; }
revision() { (status || true) | jq -r .revision; } # status ends with 1 while a rollback holds
revision_is() { [ "$(revision)" = "$1" ]; }
answers() { # EXIT_STATUS TEXT REGEX COMMAND...
	local want=$1 text=$2 regex=$3 code=0
	shift 3
	"$@" >"$WORK/answer" 2>&1 || code=$?
	if [ "$code" -eq "$want" ] && grep -qE "$regex" "$WORK/answer"; then ok "$text"; else
		not_ok "$text"
		note "status $code: $(cat "$WORK/answer")"
	fi
}
take() { # COMMAND...; that changes the policy directory, which is in force afterwards
	local before
	before=$(revision)
	"$@"
	await 10 sh -c "[ \"\$('$RINGFENCE' status --socket '$SOCKET' --format json | jq -r .revision)\" != $before ]" ||
		note "the policy did not change"
	AFTER=$(revision)
}

# Without `state` there is nothing to go back to, and it says why.
daemon_start
answers 2 "without state, rollback says what is missing" 'no `state`' rollback
answers 0 "without state, the daemon has said once that nothing is kept" '^1$' grep -c 'nothing is kept' "$WORK/daemon.log"
daemon_stop

STATE=$WORK/state
daemon_start
first=$(revision)
answers 2 "there is nothing before the first" 'no policy before' rollback previous
answers 2 "it is in force already" 'already' rollback "$first"
take policy_shop '{from: web, to: api}' '{from: web, to: db}'
second=$AFTER
allowed web1 db1 5432 tcp "under the second policy"
answers 0 "the list has both" "^\* $second" rollback
answers 0 "the list has both" "^  $first" rollback
answers 2 "a revision that nobody knows" 'none of the last 2' rollback ffffffffffff
answers 2 "a revision that is too short" 'none of the last 2' rollback "${first:0:3}"
answers 2 "two arguments" 'takes one' rollback a b

answers 0 "rolls back" "rolled back from $second to $first" rollback "${first:0:6}"
denied web1 db1 5432 tcp "after the rollback"
allowed web1 api1 8080 tcp "after the rollback"
equal "the first is in force" "$first" "$(revision)"
answers 1 "status tells" "rolled back from $second to $first at .*$second is not taken" "$RINGFENCE" status --socket "$SOCKET"
touch "$POLICY/shop.yaml"
kill -HUP "$DAEMON_PID"
sleep 0.5
denied web1 db1 5432 tcp "the directory was read again, and has not changed"

daemon_kill
daemon_start
equal "the first is in force over a restart" "$first" "$(revision)"
denied web1 db1 5432 tcp "after a restart"
answers 1 "status tells after a restart" "rolled back from $second to $first" "$RINGFENCE" status --socket "$SOCKET"
workload new1 10.0.1.14 fd00:1::14
workload_file new1 shop 'app: web'
check "a workload that comes is followed" await 5 status_has '"workloads":4[,}]'
allowed new1 api1 8080 tcp "under the policy rolled back to"
denied new1 db1 5432 tcp "under the policy rolled back to"

answers 0 "forward again" "to $second" rollback previous
allowed web1 db1 5432 tcp "after the rollback was undone"
answers 0 "nothing is rolled back then" 'in force +yes' "$RINGFENCE" status --socket "$SOCKET"

answers 0 "back once more" "to $first" rollback "$first"
take policy_shop '{from: web, to: api}' '{from: web, to: db, ports: [echo]}'
third=$AFTER
denied web1 db1 5432 tcp "the directory changed: its policy is in force"
allowed web1 db1 5432 udp "the directory changed: its policy is in force"
answers 0 "nothing is rolled back then" 'in force +yes' "$RINGFENCE" status --socket "$SOCKET"

# The last ten: an eleventh pushes out the oldest.
for n in 1 2 3 4 5 6 7 8; do take policy_shop '{from: web, to: api}' "{from: web, to: db, why: \"$n\"}"; done
equal "ten are kept" 10 "$(rollback --format json | jq '.policies | length')"
answers 2 "the oldest of eleven is gone" 'none of the last 10' rollback "$second"
answers 0 "the oldest of ten" "to $third" rollback "$third"
denied web1 db1 5432 tcp "after the rollback by ten"

# A policy that cannot be read any more is told, and changes nothing.
oldest=$(rollback --format json | jq -r '.policies[-1].revision')
file=$(grep -al "$oldest" "$STATE"/policy-* | head -n 1)
printf x >>"$file"
answers 2 "a damaged one is told" 'damaged' rollback "$oldest"
equal "and what was in force still is" "$third" "$(revision)"
denied web1 db1 5432 tcp "after a rollback that failed"

# What cannot be kept is in force all the same, and told: here its file cannot be written.
next=$(rollback --format json | jq -r '.policies[1].revision')
number=$(find "$STATE" -name 'policy-*' -printf '%f\n' | sort | tail -n 1)
mkdir "$STATE/.policy-$(printf %010d $((10#${number#policy-} + 1))).new"
answers 1 "a rollback that cannot be kept is told" 'a restart of the daemon undoes it: ' rollback "$next"
equal "and it is in force" "$next" "$(revision)"
check "status tells, too" status_has '"problems":\["'
rmdir "$STATE"/.policy-*.new
check "and is content when it could be kept after all" await 5 status_has '"problems":\[\]'
daemon_stop

# Who is in quarantine cannot be known then: what is in force stays, and nothing is enforced anew.
chmod 777 "$STATE"
code_of 2 "a state directory that everybody can write to is not used" \
	timeout 5 nsenter --net="/run/netns/$ROUTER" -- "$RINGFENCED" --config "$WORK/ringfenced.yaml"
said "it says why" 'others, can write to it'
denied world db1 5432 tcp "without a daemon"
on node nft delete table inet ringfence
daemon_start
check "where there is no table the policy is better than nothing" grep -q 'enforced without them' "$WORK/daemon.log"
check "the directory is told of" status_has 'canwritetoit'
answers 2 "and not used" 'can write to it' rollback
denied world db1 5432 tcp "without a state directory"
daemon_stop
finish
