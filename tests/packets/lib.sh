# shellcheck shell=bash
# A node made of network namespaces, and expectations on its packets. Sourced by the scenarios in this directory.
#
#   outside --- uplink [ router: forwards, runs ringfenced ] veth-web1 --- web1 (eth0)
#                                                            veth-api1 --- api1 (eth0) ...
#
# Every workload has a /32 and a /128, so all traffic between two of them crosses the router's forward hook. Nothing here has
# a way out of these namespaces. All are named rfPID-NAME and go away with the script, whatever ends it.
# Results are TAP: "ok N - text" and "not ok N - text"; `finish` prints the plan and sets the exit status.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$ROOT/build
case ${RINGFENCE_BUILD:-} in
'') ;;
/*) BUILD=$RINGFENCE_BUILD ;;
*) BUILD=$ROOT/$RINGFENCE_BUILD ;;
esac
RINGFENCE=$BUILD/ringfence
RINGFENCED=$BUILD/ringfenced
PROBE=$BUILD/tests/packets/probe
ASK=$BUILD/tests/packets/ask

TAP_COUNT=0
TAP_FAILED=0
PREFIX=rf$$
ROUTER=
MAC=02:00:00:00:00:01 # of every interface of the router
DAEMON_PID=
DAEMON_USER=daemon # any ordinary one that each Debian has
CONTROL= # more keys of `control`, each with a comma before it
SOURCES= # more entries of `workloads`, a line each
STATE=   # the daemon's directory of what outlives it; empty: none
METRICS= # where the daemon listens for HTTP; empty: nowhere
POLICY_FROM= # `bundle: FILE, keys: [...]`; empty: the directory of the policy
CONFIRM= # seconds in which another policy is to be confirmed; empty: it need not be
STARTED=()
NAMESPACES=()
declare -A ADDRESS4 ADDRESS6 SERVER

# ---- results ----

ok() { # TEXT
	TAP_COUNT=$((TAP_COUNT + 1))
	echo "ok $TAP_COUNT - $1"
}

not_ok() { # TEXT
	TAP_COUNT=$((TAP_COUNT + 1))
	TAP_FAILED=$((TAP_FAILED + 1))
	echo "not ok $TAP_COUNT - $1"
}

note() { sed 's/^/# /' <<<"$*"; }

# Runs a command; its exit status is the result.
check() { # TEXT COMMAND...
	local text=$1
	shift
	if "$@"; then ok "$text"; else not_ok "$text"; fi
}

equal() { # TEXT WANT GOT
	if [ "$2" = "$3" ]; then ok "$1"; else
		not_ok "$1"
		note "want: $2"$'\n'"got:  $3"
	fi
}

skip_all() { # WHY
	echo "1..0 # SKIP $1"
	exit 0
}

finish() {
	echo "1..$TAP_COUNT"
	if [ "$TAP_FAILED" -gt 0 ] && [ -s "$WORK/daemon.log" ]; then
		note "the daemon said:"$'\n'"$(tail -n 30 "$WORK/daemon.log")"
	fi
	[ "$TAP_FAILED" -eq 0 ]
}

# Polls a command until it succeeds.
await() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -le "$end" ] || return 1
		sleep 0.02
	done
}

# ---- namespaces ----

# Becomes a command in a namespace. In the background, `$!` is then the command and not a shell that waits for it.
become() { # NAME COMMAND...
	local name=$PREFIX-$1
	shift
	exec nsenter --net="/run/netns/$name" -- "$@"
}

start() { # FILE NAME COMMAND...; runs in the background with its output in FILE; its pid is in $STARTED_PID
	local file=$1
	shift
	become "$@" >"$file" 2>"$file.err" &
	STARTED_PID=$!
	STARTED+=("$STARTED_PID")
}

stop() { # PID [SIGNAL]
	kill -"${2:-TERM}" "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

cleanup() {
	local pid name
	set +e
	trap '' INT TERM
	exec 2>/dev/null # bash would tell of every process that it ends here
	for pid in ${STARTED[@]+"${STARTED[@]}"}; do kill -KILL "$pid" 2>/dev/null; done
	wait 2>/dev/null
	for name in ${NAMESPACES[@]+"${NAMESPACES[@]}"}; do ip netns del "$name" 2>/dev/null; done
	rm -rf "$WORK" ${STORE_DIR:+"$STORE_DIR"}
}

# As `ip -n` and `ip netns exec`, which want to remount / and so fail in a chroot.
ip_in() { # NAMESPACE ARGUMENTS...
	local name=$1
	shift
	nsenter --net="/run/netns/$name" -- ip "$@"
}

namespace() { # NAME; makes rfPID-NAME with lo up
	local name=$PREFIX-$1
	ip netns add "$name"
	NAMESPACES+=("$name")
	ip_in "$name" link set lo up
	# One write each: absent keys (a kernel without IPv6 privacy, say) must not stop the rest.
	nsenter --net="/run/netns/$name" -- sh -c '
		for key in ipv4/conf/all/rp_filter ipv4/conf/default/rp_filter ipv6/conf/default/accept_dad \
			ipv6/conf/default/dad_transmits ipv6/conf/default/accept_ra; do
			echo 0 >/proc/sys/net/$key
		done' 2>/dev/null || true
}

on() { # NAME COMMAND...; runs in a namespace
	local name=$PREFIX-$1
	shift
	nsenter --net="/run/netns/$name" -- "$@"
}

link() { # NAME INTERFACE ROUTER_INTERFACE; from namespace NAME to the router
	ip_in "$ROUTER" link add "$3" address "$MAC" type veth peer name "$2" netns "$PREFIX-$1"
	ip_in "$ROUTER" addr add 169.254.1.1/32 dev "$3"
	ip_in "$ROUTER" addr add fe80::1/64 dev "$3" nodad
	ip_in "$ROUTER" link set "$3" up
	ip_in "$PREFIX-$1" link set "$2" up
	ip_in "$PREFIX-$1" route add 169.254.1.1 dev "$2"
}

# Gives the namespace of a workload an address of each family, and the router the way there.
address_add() { # NAME ADDRESS4 ADDRESS6
	ADDRESS4[$1]=$2
	ADDRESS6[$1]=$3
	ip_in "$PREFIX-$1" addr add "$2/32" dev eth0
	ip_in "$PREFIX-$1" addr add "$3/128" dev eth0 nodad
	ip_in "$PREFIX-$1" route replace default via 169.254.1.1 dev eth0 src "$2"
	ip_in "$PREFIX-$1" -6 route replace default via fe80::1 dev eth0 src "$3"
	ip_in "$ROUTER" route replace "$2" dev "veth-$1"
	ip_in "$ROUTER" -6 route replace "$3" dev "veth-$1"
}

workload() { # NAME ADDRESS4 ADDRESS6
	namespace "$1"
	link "$1" eth0 "veth-$1"
	address_add "$1" "$2" "$3"
}

workload_remove() { # NAME
	ip netns del "$PREFIX-$1"
	unset "ADDRESS4[$1]" "ADDRESS6[$1]"
}

# Makes the router, the outside, and the directories of the daemon. Outside are two networks: payments
# (203.0.113.10, 2001:db8:10::10) and the rest of the world (198.51.100.10, 2001:db8:20::10).
node() {
	[ "$(id -u)" -eq 0 ] || skip_all "needs root to make network namespaces"
	local program
	for program in ip nft; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
	for program in "$RINGFENCE" "$RINGFENCED" "$PROBE" "$ASK"; do
		[ -x "$program" ] || {
			echo "Bail out! $program is not built" >&2
			exit 1
		}
	done
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/ringfence.XXXXXX")
	trap cleanup EXIT
	trap 'exit 130' INT TERM
	POLICY=$WORK/policy
	WORKLOADS=$WORK/workloads
	SOCKET=$WORK/control.sock
	mkdir -p "$POLICY" "$WORKLOADS"
	chown "$DAEMON_USER" "$WORK" # the daemon's user, who makes its socket here
	namespace node
	ROUTER=$PREFIX-node
	on node sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	namespace outside
	link outside eth0 uplink
	ip_in "$ROUTER" addr add 192.0.2.1/24 dev uplink
	ip_in "$ROUTER" addr add 2001:db8:ff::1/64 dev uplink nodad
	ADDRESS4[node]=192.0.2.1 ADDRESS6[node]=2001:db8:ff::1
	ADDRESS4[payments]=203.0.113.10 ADDRESS6[payments]=2001:db8:10::10
	ADDRESS4[world]=198.51.100.10 ADDRESS6[world]=2001:db8:20::10
	local name
	for name in payments world; do
		ip_in "$PREFIX-outside" addr add "${ADDRESS4[$name]}/32" dev eth0
		ip_in "$PREFIX-outside" addr add "${ADDRESS6[$name]}/128" dev eth0 nodad
		ip_in "$ROUTER" route add "${ADDRESS4[$name]}" dev uplink
		ip_in "$ROUTER" -6 route add "${ADDRESS6[$name]}" dev uplink
	done
	ip_in "$PREFIX-outside" route add default via 169.254.1.1 dev eth0 src "${ADDRESS4[world]}"
	ip_in "$PREFIX-outside" -6 route add default via fe80::1 dev eth0 src "${ADDRESS6[world]}"
}

place_of() { # NAME; the namespace where an end lives
	case $1 in payments | world) echo outside ;; *) echo "$1" ;; esac
}

# Starts an echo server on both addresses and both protocols for every end given, in place of the one it had.
serve() { # PORT[,PORT...] NAME...
	local ports=$1 name
	shift
	for name in "$@"; do
		[ -z "${SERVER[$name]:-}" ] || stop "${SERVER[$name]}"
		start "$WORK/serve-$name.log" "$(place_of "$name")" "$PROBE" serve \
			"${ADDRESS4[$name]},${ADDRESS6[$name]}" "$ports" both
		SERVER[$name]=$STARTED_PID
	done
	for name in "$@"; do
		await 10 grep -q ready "$WORK/serve-$name.log" || {
			note "no server in $name: $(cat "$WORK/serve-$name.log.err")"
			return 1
		}
	done
}

# ---- the policy and the workloads, written as people and programs should: complete, then renamed ----

policy() { # NAME; from stdin
	cat >"$WORK/.new"
	mv "$WORK/.new" "$POLICY/$1.yaml"
}

# A node's inventory: which addresses are for workloads.
policy_node() {
	policy inventory <<-END
		ringfence: v1
		nodes:
		  node-a: {addresses: [192.0.2.1, "2001:db8:ff::1"], workload_networks: [10.0.1.0/24, "fd00:1::/64"]}
	END
}

workload_file() { # NAME NAMESPACE LABELS [ADDRESSES [INTERFACE]]
	local addresses=${4:-"${ADDRESS4[$1]}, \"${ADDRESS6[$1]}\""} interface=${5-veth-$1}
	{
		echo "ringfence: v1"
		echo "workloads:"
		echo "  - {name: $1, namespace: $2, node: node-a, labels: {$3}, addresses: [$addresses]${interface:+, interface: $interface}}"
	} >"$WORK/.new"
	mv "$WORK/.new" "$WORKLOADS/$1.yaml"
}

# ---- the daemon ----

status() { "$ASK" "$SOCKET" status; }
status_has() { grep -qE "$1" <<<"$(status 2>/dev/null | tr -d ' \n\t')"; } # REGEX on the JSON without blanks
ready() { status_has '"ready":true'; }

daemon_config() { # DRIFT
	cat >"$WORK/ringfenced.yaml" <<-END
		node: node-a
		policy: {${POLICY_FROM:-directory: $POLICY}${CONFIRM:+, confirm: $CONFIRM}}
		workloads:
		  - {source: files, directory: $WORKLOADS}
		$SOURCES
		user: $DAEMON_USER
		drift: $1
		control: {socket: $WORK/control.sock$CONTROL}
		$([ -z "$METRICS" ] || echo "metrics: {listen: \"$METRICS\"}")
		$([ -z "$STATE" ] || echo "state: $STATE")
	END
}

daemon_start() { # [repair|report]
	daemon_config "${1:-repair}"
	become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
	DAEMON_PID=$!
	STARTED+=("$DAEMON_PID")
	await 10 ready || {
		not_ok "the daemon becomes ready"
		finish || exit 1
	}
}

# Runs a command of the daemon; and one whose exit status is to be WANT. Its output is in $WORK/out and $WORK/err.
tell() { "$RINGFENCE" "$@" --socket "$SOCKET"; }
code_of() { # WANT TEXT COMMAND...
	local want=$1 text=$2 code=0
	shift 2
	"$@" >"$WORK/out" 2>"$WORK/err" || code=$?
	equal "$text" "$want" "$code"
	[ "$code" -eq "$want" ] || note "$(cat "$WORK/err")"
}
said() { check "$1" grep -qF -- "$2" "$WORK/err"; } # TEXT WORDS
printed() { check "$1" grep -qE -- "$2" "$WORK/out"; }

# Ends the daemon as systemd does; a daemon that fails or that a sanitizer stops is a failed test.
daemon_stop() {
	local code=0
	kill -TERM "$DAEMON_PID" 2>/dev/null || true
	wait "$DAEMON_PID" 2>/dev/null || code=$?
	equal "the daemon ends well on SIGTERM" 0 "$code"
	check "no sanitizer spoke" no_sanitizer
}

no_sanitizer() { ! grep -E 'Sanitizer|runtime error' "$WORK/daemon.log"; }

daemon_kill() { stop "$DAEMON_PID" KILL; }

# Starts to log every transaction of the router's nftables.
watch() {
	start "$WORK/commits" node "$PROBE" watch
	await 5 grep -q ready "$WORK/commits"
}

commits() { grep -c '^commit .*process=ringfenced ' "$WORK/commits" || true; }
commits_over() { [ "$(commits)" -gt "$1" ]; }

# Waits until the daemon has committed more than COUNT transactions, then until it is quiet.
settle() { # COUNT
	local seen=$1
	await 5 commits_over "$seen" || {
		note "no commit came"
		return 1
	}
	while commits_over "$seen"; do
		seen=$(commits)
		sleep 0.1
	done
}

# Runs a command that makes the daemon commit, and waits for that.
change() { # COMMAND...
	local before
	before=$(commits)
	"$@"
	settle "$before" || true
}

# The time from which the last change was in force: when the last transaction that changed a rule of a chain that
# stays (the jump that a generation flips) or, if none did, the last that deletes no chains, was announced.
commit_time() { # COUNT: commits before the change
	grep '^commit .*process=ringfenced ' "$WORK/commits" | tail -n +$(($1 + 1)) | awk '
		/ deletes=0 / { last = $2 }
		{ chains = $0; sub(/.*chains=/, "", chains) }
		("," chains ",") ~ /,dispatch,/ { flip = $2 }
		END { print flip ? flip : last }'
}

# ---- expectations ----

addresses_of() { # NAME|ADDRESS
	case $1 in *[.:]*) echo "$1" ;; *) echo "${ADDRESS4[$1]} ${ADDRESS6[$1]}" ;; esac
}

# Asks for both families at once. WANT is the exit status of `probe try`.
expect() { # WANT WORD FROM TO PORT PROTOCOL [TEXT [BYTES]]
	local want=$1 word=$2 from=$3 to=$4 port=$5 protocol=$6 text=${7:-} bytes=${8:-5}
	local address code jobs=()
	for address in $(addresses_of "$to"); do
		become "$(place_of "$from")" "$PROBE" try "$(source_for "$from" "$address")" "$address" "$port" "$protocol" \
			"${TRY_MS:-300}" "$bytes" >"$WORK/try-${#jobs[@]}" 2>&1 &
		jobs+=("$!")
	done
	local i=0
	for address in $(addresses_of "$to"); do
		code=0
		wait "${jobs[$i]}" || code=$?
		local line
		line="$word: $from to $to $port/$protocol over $(family_of "$address")${text:+, $text}"
		if [ "$code" -eq "$want" ]; then ok "$line"; else
			not_ok "$line"
			note "probe answered $code: $(cat "$WORK/try-$i")"
		fi
		i=$((i + 1))
	done
}

source_for() { # NAME ADDRESS: the address of NAME in the family of ADDRESS; "-" where it has none
	case $2 in *:*) echo "${ADDRESS6[$1]:--}" ;; *) echo "${ADDRESS4[$1]:--}" ;; esac
}

family_of() { case $1 in *:*) echo IPv6 ;; *) echo IPv4 ;; esac; }

allowed() { TRY_MS=2000 expect 0 allowed "$@"; } # FROM TO PORT PROTOCOL [TEXT [BYTES]]
denied() { expect 1 denied "$@"; }

# ---- streams that were logged ----

# Datagrams of a namespace that came and found no room in their socket.
no_room() { # NAME
	on "$1" awk '$1 == "Udp:" && $6 ~ /[0-9]/ { sum += $6 } $1 == "Udp6RcvbufErrors" { sum += $2 } END { print sum + 0 }' \
		/proc/self/net/snmp /proc/self/net/snmp6
}

gaps() { # FILE ADDRESS; messages from there that are missing between those that came
	awk -v address="$2" '
		$1 != "in" || $3 != address { next }
		seen && $4 > last + 1 { lost += $4 - last - 1 }
		{ last = $4; seen = 1 }
		END { print lost + 0 }' "$1"
}

arrived() { grep -c "^in udp $2 " "$1" || true; } # FILE ADDRESS

# ---- the kernel's table ----

# The table as nft lists it, without what depends on the moment: counters, the rest of a timeout, the number of the
# generation, and the order of elements (that of a hash with a random seed for some kinds of set) and of sets and chains
# (that in which they were made).
table_text() { # NAMESPACE
	on "$1" nft -s list table inet ringfence | sed -E 's/\bg[0-9]+(_|\b)/g\1/g; s/ (timeout|expires) [0-9a-z]+/ \1/g; s/ expires//g' | awk '
		/elements = \{/ { inside = 1; text = ""; sub(/.*elements = \{/, "") }
		inside {
			text = text " " $0
			if ($0 !~ /\}/) next
			inside = 0
			sub(/\}.*/, "", text)
			gsub(/[ \t]+/, " ", text)
			count = split(text, parts, ",")
			for (i = 1; i <= count; i++) {
				gsub(/^ | $/, "", parts[i])
				for (j = i; j > 1 && parts[j - 1] > parts[j]; j--) {
					swap = parts[j]; parts[j] = parts[j - 1]; parts[j - 1] = swap
				}
			}
			print "\t\telements:"
			for (i = 1; i <= count; i++) print "\t\t\t" parts[i]
			next
		}
		{ print }' | sed '1d;$d' | awk 'BEGIN { RS = "" } { printf "%s\n%c", $0, 0 }' | sort -z | tr '\0' '\n'
}

# Writes the table that a daemon makes of the same files on another node, which never had one.
fresh_table() { # FILE
	namespace fresh
	sed -e "s|control.sock|fresh.sock|" "$WORK/ringfenced.yaml" >"$WORK/fresh.yaml"
	start "$WORK/fresh.log" fresh "$RINGFENCED" --config "$WORK/fresh.yaml"
	await 30 fresh_ready || note "$(cat "$WORK/fresh.log" "$WORK/fresh.log.err")"
	table_text fresh >"$1"
	stop "$STARTED_PID"
}

fresh_ready() { grep -q '"ready":true' <<<"$("$ASK" "$WORK/fresh.sock" status | tr -d ' \n')"; }

same_text() { # TEXT FILE FILE
	if diff -u "$2" "$3" >"$WORK/diff"; then ok "$1"; else
		not_ok "$1"
		note "$(head -n 60 "$WORK/diff")"
	fi
}

# ---- drift and metrics, as the daemon tells them ----

drift_json() { "$RINGFENCE" drift --socket "$SOCKET" --format json || [ $? -eq 1 ]; }
drift_text() { "$RINGFENCE" drift --socket "$SOCKET" || [ $? -eq 1 ]; }
drift_has() { [ "$(drift_json | jq -r "$1")" = "$2" ]; } # FILTER VALUE
kinds() { drift_json | jq -r '.kinds | join(" ")'; }
no_drift() { "$RINGFENCE" drift --socket "$SOCKET" >/dev/null; }

exit_of() { # COMMAND...; prints its exit status
	local code=0
	"$@" >/dev/null 2>&1 || code=$?
	echo "$code"
}

# The value of a sample of the daemon at METRICS, by its name and labels as they stand.
value() { # SAMPLE
	on node curl -sS --noproxy '*' -m 10 "http://$METRICS/metrics" |
		awk -v want="$1" '{ name = $0; sub(/ [^ ]*$/, "", name) } name == want { print $NF }'
}
has() { [ "$(value "$1")" = "$2" ]; } # SAMPLE VALUE
recent() { [ $(($(date +%s) - $(date -d "$1" +%s))) -le 30 ]; } # TIME

# Runs a command in the router; its pid is in PID.
run() { # COMMAND...
	become node "$@" &
	PID=$!
	wait "$PID"
}

# ---- the node that most scenarios start from ----

# The policy of the shop, with the allows given in place of the one from web to api.
policy_shop() {
	policy shop <<-END
		ringfence: v1
		namespace: shop
		services:
		  web:
		    workloads: {app: web}
		    ports: {http: 8080/tcp, echo: 8080/udp}
		  api:
		    workloads: {app: api}
		    ports: {http: 8080/tcp, echo: 8080/udp}
		  db:
		    workloads: {app: postgres}
		    ports: {sql: 5432/tcp, echo: 5432/udp}
		networks:
		  payments: [203.0.113.0/24, "2001:db8:10::/64"]
		allow:
		  - {from: api, to: db}
		$(if [ $# -eq 0 ]; then echo "  - {from: web, to: api}"; else printf '  - %s\n' "$@"; fi)
	END
}

# Makes a node with web1, api1 and db1, each with a server on 8080, 5432 and 9999, and writes policy and workloads.
shop() {
	node
	workload web1 10.0.1.11 fd00:1::11
	workload api1 10.0.1.12 fd00:1::12
	workload db1 10.0.1.13 fd00:1::13
	policy_node
	policy_shop
	workload_file web1 shop 'app: web'
	workload_file api1 shop 'app: api'
	workload_file db1 shop 'app: postgres'
	serve 8080,5432,9999 web1 api1 db1
	watch
}
