#!/bin/bash
# What the daemon's two processes hold, and that enforcement outlives whichever of them ends.
. "$(dirname "$0")/lib.sh"
shop

keeper_of() { pgrep -P "$DAEMON_PID"; }
field() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | tr '\t' ' ' | sed 's/ *$//'; } # PID NAME
nobody=$(id -u nobody)
group=$(id -g nobody)

daemon_start
keeper=$(keeper_of)

# ---- what each holds ----

for process in "planner $DAEMON_PID 0000000000000000" "keeper $keeper 0000000000001000"; do
	read -r name pid capabilities <<<"$process"
	equal "$name: an ordinary user" "$nobody $nobody $nobody $nobody" "$(field "$pid" Uid)"
	equal "$name: an ordinary group" "$group $group $group $group" "$(field "$pid" Gid)"
	for set in CapPrm CapEff; do
		equal "$name: $set" "$capabilities" "$(field "$pid" $set)"
	done
	for set in CapInh CapAmb; do
		equal "$name: $set" 0000000000000000 "$(field "$pid" $set)"
	done
	equal "$name: a new program could get" 0000000000001000 "$(field "$pid" CapBnd)"
	equal "$name: no new privileges" 1 "$(field "$pid" NoNewPrivs)"
	equal "$name: system calls are filtered" 2 "$(field "$pid" Seccomp)"
done
equal "keeper: no groups" "" "$(field "$keeper" Groups)"
others() { find "/proc/$keeper/fd" -mindepth 1 -printf '%f %l\n' | awk '$1 > 2 && $2 !~ /^socket:/'; }
equal "keeper: has no file open" "" "$(others)"
note "memory of the keeper: $(field "$keeper" VmRSS), of the planner: $(field "$DAEMON_PID" VmRSS)"

allowed web1 api1 8080 tcp
denied web1 db1 5432 tcp

# ---- what is behind a link, and what is out of reach ----

# As programs do that check a repository out: a link that is turned.
mkdir "$WORK/first" "$WORK/second"
cp "$POLICY"/* "$WORK/first"
mv "$POLICY" "$WORK/policy.kept"
ln -s first "$POLICY"
check "a link in the place of the directory is followed" await 10 status_has '"ok":true'
POLICY=$WORK/second policy_shop '{from: web, to: db}'
POLICY=$WORK/second policy_node
revision=$(status | jq -r .revision)
ln -s second "$WORK/turned"
mv -T "$WORK/turned" "$POLICY"
other_revision() { [ "$(status | jq -r .revision)" != "$1" ]; }
check "a link that is turned is followed" await 10 other_revision "$revision"
allowed web1 db1 5432 tcp "under the policy behind the link"
rm "$POLICY"
mv "$WORK/policy.kept" "$POLICY"
revision=$(status | jq -r .revision)
check "and the directory in its place" await 10 other_revision "$revision"
denied web1 db1 5432 tcp "under the policy of the directory"

hidden=$(mktemp -d)
chmod 755 "$hidden"
cp "$POLICY"/* "$hidden"
before=$(status | jq -r .revision)
mv "$POLICY" "$WORK/policy.kept"
ln -s "$hidden" "$POLICY"
check "a policy that is out of reach is refused" await 10 status_has '"ok":false'
equal "and the one in force stays" "$before" "$(status | jq -r .revision)"
denied web1 db1 5432 tcp "with a policy that cannot be read"
rm "$POLICY"
rm -r "$hidden"
mv "$WORK/policy.kept" "$POLICY"
check "a directory that comes back is read" await 10 status_has '"ok":true'

# ---- one of them ends ----

kill -KILL "$keeper"
code=0
wait "$DAEMON_PID" || code=$?
equal "the daemon ends when its keeper is gone, so that both are started again" 1 "$code"
check "and says so" grep -q 'the keeper has ended' "$WORK/daemon.log"
denied web1 db1 5432 tcp "with neither"
allowed web1 api1 8080 tcp "with neither"

daemon_start
keeper=$(keeper_of)
daemon_kill
check "the keeper ends when the daemon is killed" await 5 test ! -e "/proc/$keeper"
denied web1 db1 5432 tcp "after kill -9"
allowed web1 api1 8080 tcp "after kill -9"

# ---- starts that cannot be ----

fails() { # TEXT REGEX COMMAND...
	local text=$1 regex=$2 code=0
	shift 2
	"$@" >"$WORK/said" 2>&1 || code=$?
	equal "$text: ends with 2" 2 "$code"
	check "$text: says why" grep -qE "$regex" "$WORK/said" || note "$(cat "$WORK/said")"
}
sed 's/^user: .*/user: no-such-user/' "$WORK/ringfenced.yaml" >"$WORK/wrong.yaml"
fails "a user that is not there" 'no-such-user: there is none; make it' on node "$RINGFENCED" --config "$WORK/wrong.yaml"
fails "no capability" 'CAP_NET_ADMIN is needed' \
	on node setpriv --reuid=nobody --regid="$group" --clear-groups "$RINGFENCED" --config "$WORK/ringfenced.yaml"
sed 's/^user: .*/user: root/' "$WORK/ringfenced.yaml" >"$WORK/wrong.yaml"
fails "another user without being root" 'only root can become another user' \
	on node setpriv --reuid=nobody --regid="$group" --clear-groups "$RINGFENCED" --config "$WORK/wrong.yaml"

# Under systemd an ordinary user gets just the capability.
become node setpriv --reuid=nobody --regid="$group" --clear-groups --inh-caps=+net_admin --ambient-caps=+net_admin \
	--bounding-set=-all,+net_admin "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
DAEMON_PID=$!
STARTED+=("$DAEMON_PID")
check "an ordinary user with CAP_NET_ADMIN is enough" await 10 ready
equal "whose planner has nothing of it" 0000000000000000 "$(field "$DAEMON_PID" CapPrm)"
allowed web1 api1 8080 tcp "under an ordinary user"
denied web1 db1 5432 tcp "under an ordinary user"
daemon_stop
finish
