#!/bin/bash
# `ringfence apply --confirm`: the kernel has again what it had, unless somebody confirms in time; with real packets, and
# without a daemon.
. "$(dirname "$0")/lib.sh"

shop
LOCK_SOCKET=$WORK/none.sock # where no daemon listens
apply() { on node "$RINGFENCE" apply --node node-a --socket "$LOCK_SOCKET" -i "$WORKLOADS" "$@" "$POLICY"; }
confirm() { "$RINGFENCE" confirm --socket "$LOCK_SOCKET"; }
ends() { # EXIT_STATUS TEXT COMMAND...
	local want=$1 text=$2 code=0
	shift 2
	"$@" >"$WORK/answer" 2>&1 || code=$?
	equal "$text" "$want" "$code"
	[ "$want" -eq "$code" ] || note "$(cat "$WORK/answer")"
}
APPLYING=
applying() { # SECONDS; in the background, until it waits
	start "$WORK/apply" node "$RINGFENCE" apply --node node-a --socket "$LOCK_SOCKET" -i "$WORKLOADS" --confirm "$1" "$POLICY"
	APPLYING=$STARTED_PID
	await 10 grep -q 'is undone in' "$WORK/apply.err" || note "$(cat "$WORK/apply" "$WORK/apply.err")"
}
ended() { # EXIT_STATUS TEXT
	local code=0
	wait "$APPLYING" || code=$?
	equal "$2" "$1" "$code"
}

ends 2 "no time at all" apply --confirm 0
ends 2 "no number" apply --confirm soon
ends 2 "with --dry-run" apply --confirm 5 --dry-run
ends 2 "nothing waits" confirm

# The first ruleset of a machine: what was there before is nothing.
applying 2
denied web1 db1 5432 tcp "while the first ruleset waits"
allowed web1 api1 8080 tcp "while the first ruleset waits"
ended 1 "nobody confirmed the first"
check "there is no table again" sh -c "! nsenter --net=/run/netns/$PREFIX-node -- nft list table inet ringfence 2>/dev/null"
allowed web1 db1 5432 tcp "without a table, as before"

ends 0 "without --confirm nothing waits" apply
table_text node >"$WORK/first"
ends 0 "nothing to change is nothing to wait for" apply --confirm 60
denied web1 db1 5432 tcp "under the first"

policy_shop '{from: web, to: api}' '{from: web, to: db}'
applying 2
allowed web1 db1 5432 tcp "while the second waits"
ended 1 "nobody confirmed the second"
check "it says so" grep -q 'not confirmed' "$WORK/apply.err"
table_text node >"$WORK/again"
same_text "the table is exactly what it was" "$WORK/first" "$WORK/again"
denied web1 db1 5432 tcp "under the first again"
ends 2 "it is too late" confirm

# The terminal may go away; whoever ends the program has it go back at once.
applying 60
kill -HUP "$APPLYING"
kill -PIPE "$APPLYING"
sleep 0.3
check "it waits without its terminal" kill -0 "$APPLYING"
allowed web1 db1 5432 tcp "while it waits without its terminal"
ends 2 "no other can wait meanwhile" apply --confirm 60
kill -TERM "$APPLYING"
ended 1 "ended, it goes back"
table_text node >"$WORK/again"
same_text "to exactly what it was" "$WORK/first" "$WORK/again"

applying 60
ends 0 "somebody confirms" confirm
ended 0 "it is content"
table_text node >"$WORK/second"
sleep 1
allowed web1 db1 5432 tcp "after the confirmation"
ends 2 "nothing waits any more" confirm

# A daemon would undo it.
daemon_start
LOCK_SOCKET=$SOCKET
policy_shop
await 10 status_has '"ok":true'
ends 2 "a daemon enforces here" apply --confirm 5
check "it says what to do" grep -q 'policy: {confirm' "$WORK/answer"
ends 2 "it has nothing that waits" confirm
daemon_stop
finish
