#!/bin/bash
# Another policy is rolled back unless it is confirmed in time, and at once when it denies flows that the one before allowed.
. "$(dirname "$0")/lib.sh"

shop
STATE=$WORK/state
revision() { (status || true) | jq -r .revision; }
waiting() { status_has '"confirm":\{'; }
not_waiting() { status_has '"confirm":null'; }
confirm() { "$RINGFENCE" confirm --socket "$SOCKET"; }
answers() { # EXIT_STATUS TEXT REGEX COMMAND...
	local want=$1 text=$2 regex=$3 code=0
	shift 3
	"$@" >"$WORK/answer" 2>&1 || code=$?
	if [ "$code" -eq "$want" ] && grep -qE "$regex" "$WORK/answer"; then ok "$text"; else
		not_ok "$text"
		note "status $code: $(cat "$WORK/answer")"
	fi
}

daemon_config repair
sed "s/}$/, confirm: 5}/; /^state/d" "$WORK/ringfenced.yaml" >"$WORK/wrong.yaml"
answers 2 "confirm needs state" '`confirm` needs `state`' "$RINGFENCED" --config "$WORK/wrong.yaml" --check
CONFIRM=0
daemon_config repair
answers 2 "0 seconds are no time" '`confirm` is a number of seconds' "$RINGFENCED" --config "$WORK/ringfenced.yaml" --check

CONFIRM=10 # what is asked while a policy waits must come sooner, also on a machine that does much else
daemon_start
first=$(revision)
check "the first policy has none before it, and waits for nothing" not_waiting
answers 2 "there is nothing to confirm" 'no policy waits' confirm

# Nobody confirms.
policy_shop '{from: web, to: api}' '{from: web, to: db}'
check "another policy waits" await 5 waiting
allowed web1 db1 5432 tcp "under a policy that waits"
second=$(revision)
answers 0 "status tells" "$second is rolled back in ([0-9]|10) s, unless" "$RINGFENCE" status --socket "$SOCKET"
check "and is rolled back" await 20 not_waiting
denied web1 db1 5432 tcp "nobody confirmed it"
equal "the first is in force" "$first" "$(revision)"
answers 1 "status tells why" "from $second to $first at .*not confirmed in time" "$RINGFENCE" status --socket "$SOCKET"
kill -HUP "$DAEMON_PID"
sleep 0.5
equal "and is not taken again while it is the same" "$first" "$(revision)"

# Somebody does.
policy_shop '{from: web, to: api}' '{from: web, to: db, ports: [sql]}'
check "the next one waits" await 5 waiting
third=$(revision)
answers 0 "it is confirmed" "confirmed: policy $third" confirm
answers 2 "once" 'no policy waits' confirm
sleep $((CONFIRM + 1))
equal "and stays" "$third" "$(revision)"
allowed web1 db1 5432 tcp "after the confirmation"
check "what is saved is that" await 5 sh -c "grep -qa $third '$STATE/ruleset'"
table_text node >"$WORK/confirmed"

# While it waits, nothing of it outlives a crash: it is long since the ruleset was saved, so it could be again.
sleep 2
policy_shop '{from: web, to: api}' '{from: web, to: db}' '{from: db, to: web, ports: [http]}'
check "another one waits" await 5 waiting
allowed db1 web1 8080 tcp "under a policy that waits"
sleep 1.5
daemon_kill
on node nft delete table inet ringfence
check "a boot in between has what was confirmed" on node "$RINGFENCED" --config "$WORK/ringfenced.yaml" --enforce-saved
table_text node >"$WORK/booted"
same_text "exactly" "$WORK/confirmed" "$WORK/booted"
denied db1 web1 8080 tcp "after a boot while it waited"
daemon_start
check "the next daemon has it wait again" waiting
check "and rolls it back" await 20 not_waiting
denied db1 web1 8080 tcp "nobody confirmed it after the start either"
equal "the confirmed one is in force" "$third" "$(revision)"

# An operator who goes back himself ends the waiting.
policy_shop '{from: web, to: api}' '{from: any, to: db}'
check "another one waits" await 5 waiting
answers 0 "a rollback goes to the confirmed one" "to $third" "$RINGFENCE" rollback --socket "$SOCKET" previous
check "and nothing waits" not_waiting

# Denials. What the one before denied, too, is no reason; what it allowed is.
CONFIRM=60
daemon_stop
daemon_start
policy_shop '{from: web, to: api}' '{from: web, to: db, ports: [sql]}' '{from: db, to: web, ports: [http]}'
check "another one waits" await 5 waiting
start "$WORK/denied" db1 "$PROBE" stream "${ADDRESS4[api1]}" 9999 udp 2.5
sleep 3
check "denials of flows that were denied before are no reason" waiting
answers 0 "it is confirmed" confirmed confirm
fifth=$(revision)
start "$WORK/stream" web1 "$PROBE" stream "${ADDRESS4[api1]}" 8080 udp 6
sleep 0.3
policy_shop '{from: web, to: db, ports: [sql]}' '{from: db, to: web, ports: [http]}'
began=$("$PROBE" now)
check "one that denies what runs is rolled back" await 5 status_has '"cause":"denials"'
note "after $((($("$PROBE" now) - began) / 1000000)) ms"
equal "to the one before" "$fifth" "$(revision)"
allowed web1 api1 8080 tcp "after that"
answers 1 "status tells why" "denied flows that were allowed before" "$RINGFENCE" status --socket "$SOCKET"

# Few tries of one client wait for the clock.
stop "$STARTED_PID"
serve 8080,5432,9999 api1 # the one before sends to the stream still
policy_shop '{from: web, to: db, ports: [sql]}' '{from: db, to: web, ports: [http]}' '{from: db, to: api}'
check "another one waits" await 5 waiting
denied web1 api1 8080 tcp "under a policy that waits"

check "one client that tries is not enough" waiting
daemon_stop
finish
