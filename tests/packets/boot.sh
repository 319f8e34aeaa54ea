#!/bin/bash
# Starts closed, stays closed: what was last in force is in force again before anything else, after a boot (here: the table is
# gone, and so is the daemon), under a policy directory that is broken, and never by a file that is damaged.
. "$(dirname "$0")/lib.sh"

shop
STATE=$WORK/state
saved() { [ -s "$STATE/ruleset" ]; }
boot() { # the table and the daemon are gone
	on node nft delete table inet ringfence 2>/dev/null || true
}
enforce_saved() { # EXIT_STATUS TEXT
	local code=0
	on node "$RINGFENCED" --config "$WORK/ringfenced.yaml" --enforce-saved >"$WORK/boot.log" 2>&1 || code=$?
	equal "--enforce-saved ends with $1: $2" "$1" "$code"
}
said() { # TEXT REGEX
	if grep -qE "$2" "$WORK/boot.log"; then ok "$1"; else
		not_ok "$1"
		note "$(cat "$WORK/boot.log")"
	fi
}

daemon_config repair
enforce_saved 2 "before the daemon ever ran"
install -d -m 700 -o "$DAEMON_USER" "$STATE"
enforce_saved 1 "nothing is saved"
said "it says so" 'nothing is saved'

# A crash: what is saved by then is what is in force.
daemon_start
check "the ruleset is saved soon after it is in force" await 5 saved
table_text node >"$WORK/before"
daemon_kill
boot
allowed web1 db1 5432 tcp "no table is there: this is what the boot unit is for"
enforce_saved 0 "after a boot"
table_text node >"$WORK/booted"
same_text "the table is exactly what it was" "$WORK/before" "$WORK/booted"
denied web1 db1 5432 tcp "after a boot, without a daemon"
denied web1 api1 9999 tcp "after a boot, without a daemon"
denied world db1 5432 tcp "after a boot, without a daemon"
allowed web1 api1 8080 tcp "after a boot, without a daemon"
workload new1 10.0.1.14 fd00:1::14
serve 8080 new1
denied new1 api1 8080 tcp "a workload that nobody knows, without a daemon"
denied web1 new1 8080 tcp "a workload that nobody knows, without a daemon"
enforce_saved 0 "a second time"
said "a table that is there stays" 'in force already'

# The boot unit runs as the user that keeps the state, with one capability; root may do it for him, too.
chmod 755 "$WORK"
chown -R 12345:12345 "$STATE"
boot
check "as an ordinary user with CAP_NET_ADMIN" on node setpriv --reuid=12345 --regid=12345 --clear-groups \
	--inh-caps=+net_admin --ambient-caps=+net_admin --bounding-set=-all,+net_admin --no-new-privs \
	"$RINGFENCED" --config "$WORK/ringfenced.yaml" --enforce-saved
table_text node >"$WORK/booted"
same_text "the table is exactly what it was, for an ordinary user" "$WORK/before" "$WORK/booted"
boot
enforce_saved 0 "as root, of an ordinary user's state"
chown -R "$DAEMON_USER" "$STATE"

# Rules of the hooks flushed are no enforcement.
on node nft flush chain inet ringfence forward
allowed web1 db1 5432 tcp "while the hook is empty"
enforce_saved 0 "the hook was flushed"
table_text node >"$WORK/booted"
same_text "the table is exactly what it was, after the hook was flushed" "$WORK/before" "$WORK/booted"

# The daemon does the same by itself before it reads anything, and what expired meanwhile stays away.
boot
mv "$POLICY" "$WORK/policy.away"
become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
DAEMON_PID=$!
STARTED+=("$DAEMON_PID")
check "ready under the policy that was kept, without its directory" await 10 ready
check "and status says that there is none" status_has '"ok":false'
table_text node >"$WORK/booted"
same_text "the daemon restores the table" "$WORK/before" "$WORK/booted"
workload_file new1 shop 'app: web'
check "a workload that comes is followed" await 5 status_has '"workloads":4[,}]'
allowed new1 api1 8080 tcp "under the policy that was kept"
denied new1 db1 5432 tcp "under the policy that was kept"
mkdir "$POLICY"
echo 'ringfence: v1 {' >"$POLICY/broken.yaml"
check "a broken policy is refused" await 10 status_has 'broken.yaml'
denied new1 db1 5432 tcp "under the policy that was kept, with a broken one in the directory"
rm -r "$POLICY"
mv "$WORK/policy.away" "$POLICY"
check "the directory's policy takes over when it is good" await 10 status_has '"ok":true'
generation=$(status | jq .generation)
daemon_stop
daemon_start
equal "a restart under the same policy makes no other generation" "$generation" "$(status | jq .generation)"
daemon_stop
equal "one policy was in force all the time" 1 "$(ls "$STATE" | grep -c '^policy-')"

# What expired is over after a boot, too, whatever the file says.
policy_shop '{from: web, to: api}' "{from: web, to: db, until: $(date -u -d '+6 seconds' +%FT%TZ)}"
daemon_start
allowed web1 db1 5432 tcp "until a moment ahead"
daemon_kill_after_save() { await 8 sh -c "[ '$STATE/ruleset' -nt '$POLICY/shop.yaml' ]" && daemon_kill; }
daemon_kill_after_save
boot
sleep 6
enforce_saved 0 "after an until has come"
denied web1 db1 5432 tcp "its until came while the machine was off"
allowed web1 api1 8080 tcp "what has no end"
daemon_start
check "saved again" await 8 sh -c "[ '$STATE/ruleset' -nt '$WORK/boot.log' ]"
daemon_stop

# A damaged file, and one of another version, are told and open nothing more than there is.
boot
cp "$STATE/ruleset" "$WORK/ruleset"
printf '\x01' | dd of="$STATE/ruleset" bs=1 seek=8 conv=notrunc status=none
enforce_saved 2 "the file is of another version"
said "it says so" 'ruleset: a ruleset of format 1'
cp "$WORK/ruleset" "$STATE/ruleset"
truncate -s -1 "$STATE/ruleset"
enforce_saved 2 "the file is cut"
said "it says so" 'ruleset: damaged'
cp "$WORK/ruleset" "$STATE/ruleset"
chown 12345 "$STATE/ruleset"
enforce_saved 2 "the file is a stranger's"
rm "$STATE/ruleset"
mkfifo "$STATE/ruleset"
enforce_saved 2 "the file is a pipe"
rm "$STATE/ruleset"
printf garbage >"$STATE/ruleset"
newest=$(ls "$STATE" | grep '^policy-' | tail -n 1)
printf garbage >"$STATE/$newest"
daemon_start
check "the daemon starts under the directory's policy all the same" status_has '"ok":true'
check "and has said what is damaged" grep -q 'ruleset: damaged' "$WORK/daemon.log"
check "of the policy, too" grep -q "$newest: damaged" "$WORK/daemon.log"
denied web1 db1 5432 tcp "with damaged files"
check "a good ruleset is saved in its place" await 8 sh -c "head -c 7 '$STATE/ruleset' | grep -q RFSTATE"
check "and status has nothing more to say but of the policy that is damaged" \
	await 8 status_has "\"problems\":\\[\"[^\"]*$newest:[^\"]*\"\\]"

daemon_stop
finish
