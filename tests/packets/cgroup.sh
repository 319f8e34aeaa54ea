#!/bin/bash
# Services of the node itself, told by their cgroups: both ways, both families, over the loopback, through a restart and
# while an allow is revoked. Units are directories that the script makes in a cgroup2 mount of its own; systemd is not asked.
if [ "$(id -u)" -eq 0 ] && [ -z "${RINGFENCE_CGROUP_TEST:-}" ]; then
	RINGFENCE_CGROUP_TEST=1 exec unshare --mount --propagation private -- "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"

SLICE=$PREFIX.slice
ROOT2=

remove_cgroups() {
	local pid try
	set +e
	trap '' INT TERM
	exec 2>/dev/null
	for pid in ${STARTED[@]+"${STARTED[@]}"}; do kill -KILL "$pid" 2>/dev/null; done
	wait 2>/dev/null
	for try in 1 2 3 4 5 6 7 8 9; do
		find "$ROOT2/$SLICE" -depth -type d -exec rmdir {} \; 2>/dev/null
		[ -d "$ROOT2/$SLICE" ] || break
		sleep 0.1
	done
	umount "$ROOT2" 2>/dev/null
	cleanup
}

unit() { echo "$ROOT2/$SLICE/${2:-}$PREFIX-$1.service"; } # NAME [SLICE/]
unit_make() { mkdir -p "$(unit "$@")"; }

# Runs a command in the router's namespace, as the unit or (NAME `-`) as some process of the node.
in_unit() { # NAME COMMAND...
	local name=$1
	shift
	[ "$name" = - ] || echo "$BASHPID" >"$(unit "$name")/cgroup.procs"
	become node "$@"
}

unit_start() { # FILE NAME COMMAND...
	local file=$1
	shift
	in_unit "$@" >"$file" 2>"$file.err" &
	STARTED_PID=$!
	STARTED+=("$STARTED_PID")
}

HERE4=192.0.2.1 HERE6=2001:db8:ff::1

unit_serve() { # NAME PORT; on all addresses of the node
	local file=$WORK/serve-unit-$1-$2.log
	unit_start "$file" "$1" "$PROBE" serve "$HERE4,$HERE6,127.0.0.1,::1" "$2" both
	SERVER[$1-$2]=$STARTED_PID
	await 10 grep -q ready "$file" || note "no server: $(cat "$file.err")"
}

# Asks for both families and protocols at once. A packet that the output hook drops may be told to its sender.
unit_expect() { # WANT WORD NAME TO PORT [TEXT]; TO: a name, `here` or `loopback`
	local want=$1 word=$2 name=$3 to=$4 port=$5 text=${6:-} addresses address protocol code i=0 jobs=()
	case $to in
	here) addresses="$HERE4 $HERE6" ;;
	loopback) addresses="127.0.0.1 ::1" ;;
	*) addresses=$(addresses_of "$to") ;;
	esac
	for address in $addresses; do
		for protocol in tcp udp; do
			in_unit "$name" "$PROBE" try - "$address" "$port" "$protocol" "${TRY_MS:-250}" 5 \
				>"$WORK/unit-${#jobs[@]}" 2>&1 &
			jobs+=("$!")
		done
	done
	for address in $addresses; do
		for protocol in tcp udp; do
			code=0
			wait "${jobs[$i]}" || code=$?
			if [ "$code" -eq 2 ] && grep -q 'send: Operation not permitted' "$WORK/unit-$i"; then code=1; fi
			equal "$word: ${name/-/any process} to $to $port/$protocol over $(family_of "$address")${text:+, $text}" \
				"$want" "$code"
			i=$((i + 1))
		done
	done
}
unit_allowed() { TRY_MS=2000 unit_expect 0 allowed "$@"; }
unit_denied() { unit_expect 1 denied "$@"; }

policy_units() { # ALLOW...
	policy units <<-END
		ringfence: v1
		namespace: systemd
		services:
		  front: {workloads: {unit: $PREFIX-front.service}, ports: {http: 7000/tcp, echo: 7000/udp}}
		  store: {workloads: {unit: $PREFIX-store.service}, ports: {sql: 7100/tcp, echo: 7100/udp}}
		networks:
		  payments: [203.0.113.0/24, "2001:db8:10::/64"]
		allow:
		  - {from: payments, to: front}
		  - {from: shop/web, to: front}
		$(printf '  - %s\n' "$@")
	END
}
OUT='{from: front, to: payments, ports: [9000/tcp, 9000/udp]}'

shop
ROOT2=$WORK/cgroup
mkdir "$ROOT2"
mount -t cgroup2 none "$ROOT2" 2>/dev/null || skip_all "cgroup2 cannot be mounted here"
trap remove_cgroups EXIT
unit_make front
unit_make store
mkdir -p "$(unit store)/$(printf 'd/%.0s' {1..40})" # as deep as a service likes: nobody follows it there
policy_units "$OUT"
daemon_config repair
eval "$(declare -f daemon_config | sed 's/^daemon_config/daemon_config_files/')"
daemon_config() {
	daemon_config_files "$@"
	sed -i "s|^workloads:|&\n  - {source: systemd, units: [\"$PREFIX-*.service\"], cgroup: $ROOT2}|" "$WORK/ringfenced.yaml"
}
daemon_start
serve 9000 payments world
unit_serve front 7000
unit_serve store 7100
unit_serve - 7001

# Out of the node.
unit_allowed front payments 9000
unit_denied front world 9000
unit_denied store payments 9000
unit_allowed - world 9000 "which is no workload"
# Into the node.
allowed payments node 7000 tcp
allowed payments node 7000 udp
denied world node 7000 tcp
denied world node 7000 udp
denied payments node 7100 tcp
allowed world node 7001 tcp "a server of no unit"
allowed payments node 7000 tcp "64 KiB" 65536
# A routed workload has to allow the node, too.
denied web1 node 7000 tcp "while web allows the node nothing"
change policy_shop '{from: web, to: node, ports: [7000/tcp, 7100/tcp]}'
allowed web1 node 7000 tcp
denied web1 node 7100 tcp "which store does not allow"

# The loopback, and the node's own addresses, are the node.
unit_denied store loopback 7000
unit_denied - loopback 7000 "which front does not allow"
unit_denied front loopback 7001 "which front may not call"
change policy_units "$OUT" '{from: node, to: front}'
unit_allowed - loopback 7000
unit_allowed - here 7000
unit_denied store loopback 7000 "which store may not call"
unit_denied store here 7000
change policy_units "$OUT" '{from: node, to: front}' '{from: store, to: node, ports: [7000/tcp, 7000/udp]}'
unit_allowed store loopback 7000
unit_allowed store here 7000
change policy_units "$OUT"

# A restart: another directory, another number, in one transaction.
# How many elements have the number; nft itself shows the path of any directory that has it, in whatever hierarchy.
numbers() { # NUMBER
	local map
	map=$(on node nft list maps | grep -o 'g[0-9]*_cgroup_out2')
	on node nft --debug=netlink list map inet ringfence "$map" |
		grep -c "element $(printf '%08x %08x' $(($1 & 0xffffffff)) $(($1 >> 32)))"
}
restart() {
	stop "${SERVER[front-7000]}"
	await 3 rmdir "$(unit front)" || true
	unit_make front
}
id=$(stat -c %i "$(unit front)")
before=$(commits)
change restart
note "a restart: $(($(commits) - before)) transactions"
check "the unit has another number" test "$id" -ne "$(stat -c %i "$(unit front)")"
check "one or two transactions" test $(($(commits) - before)) -le 2
unit_serve front 7000
unit_allowed front payments 9000 "restarted"
unit_denied front world 9000 "restarted"
allowed payments node 7000 tcp "restarted"
denied world node 7000 tcp "restarted"
equal "the old number is gone" 0 "$(numbers "$id" || true)"
equal "the new one is there" 1 "$(numbers "$(stat -c %i "$(unit front)")" || true)"
fresh_table "$WORK/fresh.txt"
table_text node >"$WORK/node.txt"
same_text "the table is what a fresh daemon makes" "$WORK/node.txt" "$WORK/fresh.txt"

# A unit of another level comes; names that only look like units do not count.
change unit_make front "$PREFIX-in.slice/"
mkdir -p "$ROOT2/$SLICE/x.scope/$PREFIX-y.service" "$ROOT2/$SLICE/$PREFIX-of.slice"
chown nobody "$ROOT2/$SLICE/$PREFIX-of.slice"
mkdir "$ROOT2/$SLICE/$PREFIX-of.slice/$PREFIX-z.service"
sleep 0.3
equal "workloads" 6 "$(status | tr -d ' \n' | grep -o '"workloads":[0-9]*' | head -n 1 | cut -d: -f2)"
unit_allowed front payments 9000 "with another level"

# What cannot be read now is read when it can, without another unit that starts or stops.
chmod 000 "$ROOT2/$SLICE"
unit_make late
check "units that cannot be read are told" await 5 grep -q "$ROOT2 cannot be read" "$WORK/daemon.log"
chmod 755 "$ROOT2/$SLICE"
knows_late() { "$RINGFENCE" status "systemd/$PREFIX-late" --socket "$SOCKET"; }
check "they are read when they can be" await 5 knows_late
equal "that was told once" 1 "$(grep -c "$ROOT2 cannot be read" "$WORK/daemon.log")"
rmdir "$(unit late)"

# A revoked allow stops the next packet of what runs.
for flow in tcp-IPv4 tcp-IPv6 udp-IPv4 udp-IPv6; do
	to=${ADDRESS4[payments]}
	[ "${flow#*-}" = IPv4 ] || to=${ADDRESS6[payments]}
	unit_start "$WORK/stream-$flow" front "$PROBE" stream "$to" 9000 "${flow%-*}" 2
done
sleep 0.7
before=$(commits)
policy_units '{from: store, to: payments, ports: [1/tcp]}'
sleep 1.8
settle "$before"
time=$(commit_time "$before")
count() { awk -v p="$2" -v a="$3" -v w="$4" -v t="$time" '$1 == "in" && $2 == p && index($3, a) == 1 && (w == "after" ? $5 > t : $5 <= t) { n++ } END { print n + 0 }' "$1"; }
for flow in tcp-IPv4 tcp-IPv6 udp-IPv4 udp-IPv6; do
	from=169.254.1.1 to=${ADDRESS4[payments]}
	[ "${flow#*-}" = IPv4 ] || from=$HERE6 to=${ADDRESS6[payments]}
	for seen in "to $WORK/serve-payments.log $from" "back $WORK/stream-$flow $to"; do
		set -- $seen
		check "revoked: $flow $1 ran before ($(count "$2" "${flow%-*}" "$3" before))" \
			test "$(count "$2" "${flow%-*}" "$3" before)" -gt 100
		equal "revoked: $flow $1, messages after the commit" 0 "$(count "$2" "${flow%-*}" "$3" after)"
	done
done
unit_denied front payments 9000 "revoked"
daemon_stop

# A restart that cannot read them opens nothing: the table stays as it is.
chmod 000 "$(unit front)"
become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
DAEMON_PID=$!
STARTED+=("$DAEMON_PID")
check "a daemon that cannot read the units is not ready" await 10 status_has '"ready":false'
sleep 2.5
check "nor a moment later" status_has '"ready":false'
unit_denied front payments 9000 "while units cannot be read"
chmod 755 "$(unit front)"
check "it is ready when it can" await 10 ready
unit_denied front payments 9000 "and after that"
daemon_stop
finish
