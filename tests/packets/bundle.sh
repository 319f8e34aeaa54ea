#!/bin/bash
# A store of policies that is taken over can at most stop updates: here it is, and tries. Bundles are signed with real keys,
# offered to a real daemon as a file, and what is enforced is asked of packets and read from the kernel.
. "$(dirname "$0")/lib.sh"

shop
STATE=$WORK/state
STORE=$WORK/store # where the bundle lies that the daemon takes
TRUSTED=$WORK/trusted
SIGNED=$WORK/signed
mkdir "$STORE" "$TRUSTED" "$SIGNED"
for key in first second attacker; do "$RINGFENCE" keygen "$WORK/$key" >/dev/null; done
cp "$WORK/first.pub" "$TRUSTED/a"
POLICY_FROM="bundle: $STORE/policy.bundle, keys: [$TRUSTED/a]"

sign() { # NAME KEY REVISION [OPTION...]; what the policy directory says now
	local name=$1 key=$2 revision=$3
	shift 3
	"$RINGFENCE" sign "$POLICY" -o "$SIGNED/$name" --key "$WORK/$key" --revision "$revision" "$@" >/dev/null 2>"$WORK/sign.err" || {
		note "cannot sign $name: $(cat "$WORK/sign.err")"
		return 1
	}
}
put() { # FILE; whole
	cat "$1" >"$STORE/.new"
	mv "$STORE/.new" "$STORE/policy.bundle"
}
remake() { # COMMAND; that makes something which gives no event
	"$1" "$STORE/policy.bundle"
	chmod 755 "$STORE/policy.bundle"
	kill -HUP "$DAEMON_PID"
}
answer() { status || true; }
bundle_is() { [ "$(answer | jq -r .bundle.revision)" = "$1" ]; }
told() { answer | jq -r '.policy.errors[0] // ""'; }
told_is() { grep -qE -- "$1" <<<"$(told)"; }
refusals() { grep -c 'the policy is refused' "$WORK/daemon.log" || true; }
refused_over() { [ "$(refusals)" -gt "$1" ]; }
# Has the daemon read what lies in the store, which is refused for this reason; what is enforced stays as it is.
refuses() { # TEXT REGEX COMMAND...
	local text=$1 regex=$2 before
	shift 2
	before=$(refusals)
	"$@"
	if await 10 refused_over "$before" && await 5 told_is "$regex"; then ok "$text: refused"; else
		not_ok "$text: refused"
		note "told: $(told)"
	fi
	same_rules "$text: the rules stay as they are"
}
keep_rules() { on node nft -s list table inet ringfence >"$WORK/rules"; }
same_rules() {
	on node nft -s list table inet ringfence >"$WORK/rules.now"
	same_text "$1" "$WORK/rules" "$WORK/rules.now"
}

# ---- the way it should be ----

sign one first 1
policy_shop '{from: web, to: api}' '{from: web, to: db}'
sign two first 2
policy_shop '{from: any, to: [web, api, db], ports: [any]}'
sign open attacker 100
sign late first 3
policy_shop
sign one_again first 2
put "$SIGNED/one"
daemon_start
allowed web1 api1 8080 tcp "by the first bundle"
denied web1 db1 5432 tcp "by the first bundle"
check "status tells its revision" bundle_is 1
check "and that it is in force" status_has '"in_force":true'
equal "the policy's revision is the one that was signed" "$("$RINGFENCE" bundle "$SIGNED/one" --trust "$WORK/first.pub" --format json | jq -r .policy)" \
	"$(answer | jq -r .revision)"
equal "status tells the key" "$(cut -d: -f2 "$WORK/first.pub")" "$(answer | jq -r .bundle.key)"
check "and in words" grep -qE '^bundle +1, signed at 20..-.*Z with the key [0-9a-f]{16}$' <("$RINGFENCE" status --socket "$SOCKET")
put "$SIGNED/two"
check "a newer bundle is taken" await 10 bundle_is 2
allowed web1 db1 5432 tcp "by the second bundle"
denied world db1 5432 tcp "by the second bundle"
keep_rules

# ---- the store is in other hands ----

refuses "a bundle of the attacker's own" 'signed by the key [0-9a-f]{16}, which is not trusted' put "$SIGNED/open"
denied world db1 5432 tcp "what the attacker wants to open"
allowed web1 db1 5432 tcp "and what was in force still is"
check "the policy counts as stale" status_has '"ok":false'
check "drift tells, too" grep -q 'not trusted' <(drift_text)
refuses "an older bundle" 'revision 1 is older than 2, which was here already' put "$SIGNED/one"
allowed web1 db1 5432 tcp "what the older one would close"
refuses "another bundle of the same revision" 'revision 2 was here already with another content' put "$SIGNED/one_again"
head -c 400 "$SIGNED/late" >"$WORK/cut"
refuses "a cut file" 'does not end with a signature' put "$WORK/cut"
refuses "an empty file" 'does not begin with' put /dev/null
refuses "a deleted file" 'No such file' rm "$STORE/policy.bundle"
refuses "a directory" 'not a regular file' remake mkdir
rmdir "$STORE/policy.bundle"
refuses "a pipe" 'not a regular file' remake mkfifo
rm "$STORE/policy.bundle"
truncate -s 1G "$WORK/large"
refuses "a file without end" 'larger than 16 MiB' ln "$WORK/large" "$STORE/policy.bundle"
refuses "the attacker's id in place of the signer's" 'not one of the key' \
	put <(sed "s/^signed [0-9a-f]*/signed $(cut -d: -f2 "$WORK/first.pub")/" "$SIGNED/open")
refuses "a policy of the attacker's under the signature of another" 'not one of the key' \
	put <(head -c -113 "$SIGNED/open"; tail -c 113 "$SIGNED/late")
refuses "a larger revision written into an older bundle" 'not one of the key' put <(sed 's/"revision":"1"/"revision":"9"/' "$SIGNED/one")
refuses "the bundle of a file that is left out" 'not one of the key' put <(grep -v 'workload_networks' "$SIGNED/late")

# Any byte of the next bundle, which is fine as it was signed: fifty of them, changed one by one.
size=$(stat -c %s "$SIGNED/late")
before=$(refusals)
tries=0
while [ "$tries" -lt 50 ]; do
	tries=$((tries + 1))
	cp "$SIGNED/late" "$WORK/changed"
	at=$((RANDOM % size))
	old=$(dd if="$WORK/changed" bs=1 skip=$at count=1 2>/dev/null | od -An -tu1 | tr -d ' ')
	printf '%b' "$(printf '\\x%02x' $((old ^ (1 << RANDOM % 8))))" | dd of="$WORK/changed" bs=1 seek=$at conv=notrunc 2>/dev/null
	seen=$(refusals)
	put "$WORK/changed"
	kill -HUP "$DAEMON_PID"
	await 10 refused_over "$seen" || note "byte $at was not refused"
done
check "fifty changed bytes: fifty refusals" [ "$(refusals)" -ge $((before + 50)) ]
check "none of them counts as the newest" bundle_is 2
same_rules "fifty changed bytes: the rules stay as they are"

# Over a restart, too, and a crash.
put "$SIGNED/one"
daemon_kill
daemon_start
check "after a restart the older bundle is refused as before" await 10 told_is 'revision 1 is older than 2'
check "the newest revision is known" bundle_is 2
allowed web1 db1 5432 tcp "after a restart with an older bundle"
denied world db1 5432 tcp "after a restart with an older bundle"
put "$SIGNED/open"
daemon_kill
on node nft delete table inet ringfence
daemon_start
check "nor is the attacker's taken where the kernel has no table" await 10 told_is 'not trusted'
allowed web1 db1 5432 tcp "after a restart without a table"
denied world db1 5432 tcp "after a restart without a table"
rm "$STORE/policy.bundle"
daemon_kill
daemon_start
allowed web1 db1 5432 tcp "after a restart without a bundle"
denied world db1 5432 tcp "after a restart without a bundle"
put "$SIGNED/two"
check "the same bundle is taken again" await 10 status_has '"ok":true'
check "and is in force" status_has '"in_force":true'

# ---- updates go on ----

policy_shop '{from: web, to: api, ports: [http]}' '{from: web, to: db, ports: [echo]}'
sign four first 4
put "$SIGNED/four"
check "a newer bundle is taken after all that" await 10 bundle_is 4
denied web1 db1 5432 tcp "by the newer bundle"
allowed web1 db1 5432 udp "by the newer bundle"
keep_rules
refuses "what was held back for too long" 'revision 3 is older than 4' put "$SIGNED/late"
put "$SIGNED/four"
check "what is in force is no error" await 10 status_has '"ok":true'

# A staged bundle waits for its release.
policy_shop
sign staged first 5 --staged
put "$SIGNED/staged"
check "a staged bundle waits" await 10 status_has '"waits":"revision5:itisstaged'
check "which is no error" status_has '"ok":true'
check "and is told" grep -q '^bundle  *waits, revision 5: it is staged, and there is no release$' <("$RINGFENCE" status --socket "$SOCKET")
same_rules "a staged bundle: the rules stay as they are"
check "it does not count as the newest" bundle_is 4

# ---- the keys are changed ----

policy_shop '{from: web, to: api}' '{from: web, to: db}'
sign by_second second 6
keep_rules
refuses "the next key, before it is trusted" 'not trusted' put "$SIGNED/by_second"
daemon_stop
POLICY_FROM="bundle: $STORE/policy.bundle, keys: [$TRUSTED/a, $(cat "$WORK/second.pub")]"
daemon_start
check "with two keys the next one's is taken" await 10 bundle_is 6
allowed web1 db1 5432 tcp "by the second key"
sign by_first first 7
put "$SIGNED/by_first"
check "and the former's is, too" await 10 bundle_is 7
cp "$WORK/second.pub" "$TRUSTED/.a"
mv "$TRUSTED/.a" "$TRUSTED/a" # the former key is trusted no more
policy_shop '{from: any, to: db, ports: [any]}'
sign late_first first 8
keep_rules
refuses "the former key, after it is taken away" 'not trusted' put "$SIGNED/late_first"
sign again second 7
refuses "an older revision by the new key" 'revision 7 was here already' put "$SIGNED/again"
rm "$TRUSTED/a"
refuses "a key that is not there" 'the keys that are trusted cannot be read: .*trusted/a: No such file' kill -HUP "$DAEMON_PID"
cp "$WORK/second.pub" "$TRUSTED/a"
chmod 666 "$TRUSTED/a"
refuses "a key that everybody can change" 'others, can write to it' kill -HUP "$DAEMON_PID"
chmod 644 "$TRUSTED/a"
policy_shop
sign nine second 9
put "$SIGNED/nine"
check "the new key's bundles are taken" await 10 bundle_is 9
denied web1 db1 5432 tcp "by the new key"

# ---- rollback, and what is lost ----

policy_shop '{from: web, to: api}' '{from: web, to: db}'
sign ten second 10
put "$SIGNED/ten"
check "a bundle to go back from" await 10 bundle_is 10
code_of 0 "rolls back" tell rollback previous
denied web1 db1 5432 tcp "after a rollback"
check "status tells that the newest is not in force" status_has '"in_force":false'
kill -HUP "$DAEMON_PID"
sleep 0.5
denied web1 db1 5432 tcp "after a rollback, when the bundle was read again"
daemon_kill
daemon_start
denied web1 db1 5432 tcp "after a rollback and a restart"
policy_shop '{from: web, to: api}' '{from: web, to: db}' '{from: db, to: api}'
sign eleven second 11
put "$SIGNED/eleven"
check "the next bundle ends it" await 10 bundle_is 11
allowed web1 db1 5432 tcp "by the next bundle"
daemon_stop
CONFIRM=8
daemon_start
policy_shop
sign twelve second 12
put "$SIGNED/twelve"
check "another bundle waits to be confirmed" await 10 status_has '"confirm":\{"revision"'
denied web1 db1 5432 tcp "while it waits"
check "and is rolled back" await 15 status_has '"cause":"unconfirmed"'
allowed web1 db1 5432 tcp "since nobody confirmed it"
daemon_stop
CONFIRM=
printf x >>"$STATE/bundle"
daemon_start
keep_rules
check "what was here cannot be known: nothing is taken" await 10 told_is 'cannot be known whether it is an older one: .*damaged'
allowed web1 db1 5432 tcp "what is in force stays"
rm "$STATE/bundle"
daemon_stop

# ---- what the configuration has to say ----

STATE=
daemon_config repair
code_of 2 "without state there is no bundle" "$RINGFENCED" --check --config "$WORK/ringfenced.yaml"
said "it says why" 'a policy of bundles needs `state`'
STATE=$WORK/state
wrong() { # TEXT POLICY_FROM WORDS
	POLICY_FROM=$2
	daemon_config repair
	code_of 2 "$1" "$RINGFENCED" --check --config "$WORK/ringfenced.yaml"
	said "$1: it says so" "$3"
}
wrong "no keys" "bundle: $STORE/policy.bundle" '`bundle` needs `keys`'
wrong "a directory and a bundle" "directory: $POLICY, bundle: $STORE/policy.bundle, keys: [$TRUSTED/a]" 'a `directory`, a `bundle` or `etcd`, and one of them'
wrong "keys of a directory" "directory: $POLICY, keys: [$TRUSTED/a]" 'a directory is not signed'
wrong "a mistyped key" "bundle: $STORE/policy.bundle, keys: [$(tr 'A-M' 'N-Z' <"$WORK/first.pub")]" 'ringfence keygen'
wrong "a private key" "bundle: $STORE/policy.bundle, keys: [$(cat "$WORK/first")]" 'this is a private key'
wrong "neither" "confirm: 5" 'a `directory`, a `bundle` or `etcd`, and one of them'
finish
