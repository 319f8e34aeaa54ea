#!/bin/bash
# What the table flags owner (Linux 5.12) and persist (6.9) protect against, and what not, as this kernel has it: the facts
# behind the decision that the daemon does not set them (README, "Drift").
. "$(dirname "$0")/lib.sh"

OWNER=$BUILD/tests/packets/owner
ask() { echo "$1" >&7; } # LINE; to the process that holds the table
said() { [ "$(tail -n 1 "$WORK/owner")" = "$1" ] && [ "$(wc -l <"$WORK/owner")" -eq "$2" ]; } # ANSWER LINES
# Makes the table in the router and holds it, until the end of descriptor 7 or of the process.
own() { # FLAG...
	rm -f "$WORK/ask"
	: >"$WORK/owner"
	mkfifo "$WORK/ask"
	exec 7<>"$WORK/ask"
	become node "$OWNER" "$@" <&7 >"$WORK/owner" 7>&- &
	HOLDER=$!
	STARTED+=("$HOLDER")
	await 5 test -s "$WORK/owner"
}
disown_() { stop "$HOLDER" KILL; }
try() { on node "$OWNER" "$@" </dev/null | head -n 1; } # FLAG...; another process asks for the table
refused() { # TEXT COMMAND...; refused by the kernel, for want of ownership
	local text=$1
	shift
	if on node "$@" >"$WORK/said" 2>&1; then
		not_ok "$text"
	else
		check "$text" grep -q 'Operation not permitted' "$WORK/said"
	fi
}
table_there() { on node nft list tables | grep -qx 'table inet ringfence'; }
table_gone() { ! table_there; }

node
# ---- is there what we ask for? ----
own owner persist
if ! said ok 1; then
	equal "a kernel without persist refuses both flags together, and makes no table" "Operation not supported" "$(cat "$WORK/owner")"
	check "so there is none" table_gone
	note "the rest needs Linux 6.9"
	finish
	exit
fi

# ---- what they protect against, while the owner lives ----
check "nft 1.0.6 lists the table" on node nft list table inet ringfence
ask 'chain ours'
check "the owner may change it" await 5 said ok 2
refused "others may not add a chain" nft add chain inet ringfence theirs
refused "nor flush it" nft flush table inet ringfence
refused "nor delete it" nft delete table inet ringfence
refused "nor load what \`ringfence compile\` prints" nft 'table inet ringfence; delete table inet ringfence; table inet ringfence { }'
equal "nor take it over" "Operation not permitted" "$(try owner persist)"
equal "nor make it dormant" "Operation not permitted" "$(try dormant)"
on node nft flush ruleset
check "flush ruleset passes it by" table_there
ask 'flags owner persist dormant'
check "the owner itself may not make it dormant" await 5 said "Operation not supported" 3
ask 'flags persist'
check "nor give it up but by its end" await 5 said "Operation not supported" 4

# ---- what they do not protect against ----
on node nft 'add table inet theirs; add chain inet theirs c { type filter hook forward priority -300; }; add rule inet theirs c ip daddr set 10.0.0.1'
check "rules in other tables" on node nft list chain inet theirs c
on node nft delete table inet theirs
disown_
check "with the owner killed, the table stays" table_there
check "and anybody may change it" on node nft add chain inet ringfence theirs
equal "without the flags it is not ours again" "Operation not supported" "$(try)"
equal "nor without persist" "Operation not supported" "$(try owner)"
own owner persist
check "a new process with both takes the orphan over" said ok 1
refused "and then others may not" nft delete table inet ringfence
disown_
on node nft flush ruleset
check "an orphan goes with flush ruleset" table_gone

# ---- and what stands in the way ----
on node nft add table inet ringfence
equal "a table that was made without owner never gets one" "Operation not supported" "$(try owner persist)"
on node nft delete table inet ringfence
own owner
check "owner alone" said ok 1
disown_
check "dies with its socket: everything would be open" await 5 table_gone

# ---- somebody else's ownership is no way to be rid of us unseen ----
policy_node
policy_shop
own owner
daemon_config repair
code=0
on node timeout 20 "$RINGFENCED" --config "$WORK/ringfenced.yaml" >"$WORK/said" 2>&1 || code=$?
equal "no daemon starts while somebody else owns the table" 2 "$code"
check "and says so" grep -q 'another process owns table inet ringfence.*Operation not permitted' "$WORK/said"
disown_
daemon_start repair
kill -STOP "$DAEMON_PID" # or it would have repaired the table before it is somebody's
on node nft delete table inet ringfence
own owner
kill -CONT "$DAEMON_PID"
if command -v jq >/dev/null; then
	check "one that runs tells of what it cannot repair" await 10 drift_has '.kinds | index("table") != null' true
	equal "and why" "the kernel refused table ringfence: Operation not permitted" "$(status | jq -r .error)"
fi
disown_
check "the table is made whole when its owner has gone" await 10 no_drift
daemon_stop
finish
