#!/bin/bash
# What the daemon tells Prometheus is true, and well formed; who asks slowly, much or wrongly is in nobody's way.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/store.sh"

for program in curl promtool jq etcd; do command -v "$program" >/dev/null || skip_all "$program is not installed"; done
METRICS=127.0.0.1:9478

ask() { on node curl -sS --noproxy '*' -m 10 "$@"; } # CURL_ARGUMENTS...
get() { ask "http://$METRICS$1"; }                   # PATH
code() { ask -o /dev/null -w '%{http_code}' "$@"; }  # CURL_ARGUMENTS...
answer() { ask -w ' %{http_code}' "http://$METRICS$1" | tr '\n' ' '; }
# The value of a sample, by its name and labels as they stand.
value() { get /metrics | awk -v want="$1" '{ name = $0; sub(/ [^ ]*$/, "", name) } name == want { print $NF }'; } # SAMPLE
has() { [ "$(value "$1")" = "$2" ]; }                                                                          # SAMPLE VALUE
above() { awk -v value="$(value "$1")" -v least="$2" 'BEGIN { exit !(value + 0 > least) }'; }                    # SAMPLE NUMBER
recent() { awk -v value="$(value "$1")" -v now="$(date +%s)" 'BEGIN { exit !(value <= now + 1 && value > now - 60) }'; } # SAMPLE
well_formed() { get /metrics | promtool check metrics; }

shop
daemon_start

# ---- the text ----

well_formed >"$WORK/lint" 2>&1 || true
equal "promtool has nothing to say of the metrics" "" "$(cat "$WORK/lint")"
get /metrics >"$WORK/metrics"
equal "every metric has HELP and TYPE" "$(sed -n 's/^# HELP \([^ ]*\) .*/\1/p' "$WORK/metrics")" \
	"$(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$WORK/metrics")"
equal "its type is that of the text format" "text/plain; version=0.0.4; charset=utf-8" \
	"$(ask -o /dev/null -w '%{content_type}' "http://$METRICS/metrics")"
size=$(ask -I "http://$METRICS/metrics" | tr -d '\r' | awk 'tolower($1) == "content-length:" { print $2 }')
check "HEAD tells a size and sends no body (${size:-none})" test "${size:-0}" -gt 1000

# ---- alerts and the dashboard ask only for what there is ----

sed -n 's/^# TYPE \([^ ]*\) histogram$/\1_bucket\n\1_sum\n\1_count/p; s/^# TYPE \([^ ]*\) .*/\1/p' "$WORK/metrics" | sort >"$WORK/names"
asked_for() { grep -oE '\b(ringfence|process)_[a-z_]+' | sort -u >"$WORK/asked"; }
jq -r '.. | .expr? // empty' "$ROOT/deploy/grafana/ringfence.json" | asked_for
check "the dashboard asks for metrics" test "$(wc -l <"$WORK/asked")" -gt 10
equal "the dashboard asks for no others" "" "$(comm -13 "$WORK/names" "$WORK/asked")"
grep -v '^ *#' "$ROOT/deploy/prometheus/alerts.yaml" | sed -n '/expr:/,/for:/p' | asked_for
check "the alerts ask for metrics" test "$(wc -l <"$WORK/asked")" -gt 5
equal "the alerts ask for no others" "" "$(comm -13 "$WORK/names" "$WORK/asked")"

# ---- the values ----

status >"$WORK/status"
of_status() { jq -r "$1" "$WORK/status"; } # FILTER
equal "the version" 1 "$(value "ringfence_build_info{version=\"$("$RINGFENCED" --version | cut -d' ' -f2)\"}")"
equal "ready" 1 "$(value ringfence_ready)"
equal "the generation" "$(of_status .generation)" "$(value ringfence_generation)"
equal "the revision" 1 "$(value "ringfence_policy_info{revision=\"$(of_status .revision)\"}")"
equal "since when" "$(date -d "$(of_status .since)" +%s)" "$(value ringfence_policy_since_timestamp_seconds)"
equal "the policy is in force" 1 "$(value ringfence_policy_ok)"
equal "no policy was refused" 0 "$(value ringfence_policy_last_refused_timestamp_seconds)"
equal "workloads" 3 "$(value ringfence_workloads)"
equal "conflicts" 0 "$(value ringfence_workload_conflicts)"
equal "files with errors" 0 "$(value ringfence_workload_files_with_errors)"
equal "the table is whole" 0 "$(value ringfence_table_differs)"
equal "one generation was made" 1 "$(value ringfence_generations_total)"
equal "one policy came by a generation" 1 "$(value 'ringfence_policy_changes_total{result="generation"}')"
equal "netlink bytes" "$(status | jq .netlink_bytes)" "$(value ringfence_netlink_sent_bytes_total)"
check "a check was done" above 'ringfence_checks_total{result="whole"}' 0
check "it was just now" recent ringfence_last_check_timestamp_seconds
check "it took time" above ringfence_last_check_duration_seconds 0
started=$(($(value process_start_time_seconds | cut -d. -f1) - $(date -d "$(ps -o lstart= -p "$DAEMON_PID")" +%s)))
check "the process's start, within a second" test "$started" -ge -1 -a "$started" -le 1
equal "its descriptors but that of the asking" "$(ls "/proc/$DAEMON_PID/fd" | wc -l)" "$(($(value process_open_fds) - 1))"
check "its memory" above process_resident_memory_bytes 1000000

before=$(value ringfence_table_elements)
change workload_file web1 shop 'app: retired'
equal "a change of a workload" 1 "$(value ringfence_workload_changes_total)"
equal "its duration is in the histogram" 1 "$(value 'ringfence_apply_duration_seconds_count{kind="workloads"}')"
equal "the largest bucket holds all" 1 "$(value 'ringfence_apply_duration_seconds_bucket{kind="workloads",le="+Inf"}')"
check "elements are others" test "$before" != "$(value ringfence_table_elements)"
change workload_file web1 shop 'app: web'
equal "elements are as many as before" "$before" "$(value ringfence_table_elements)"
workload_file other shop 'app: web' "${ADDRESS4[web1]}"
check "a conflict" await 5 has ringfence_workload_conflicts 1
echo 'ringfence: [v1' >"$WORKLOADS/other.yaml"
check "a file with an error" await 5 has ringfence_workload_files_with_errors 1
rm "$WORKLOADS/other.yaml"
check "no file with an error any more" await 5 has ringfence_workload_files_with_errors 0
check "no conflict any more" await 5 has ringfence_workload_conflicts 0

equal "alive" "ok  200" "$(answer /healthz)"
equal "ready" "ok  200" "$(answer /readyz)"
equal "nothing else is there" "not found  404" "$(answer /)"
equal "nor below it" 404 "$(code "http://$METRICS/metrics/")"
equal "nor above it" 404 "$(code --path-as-is "http://$METRICS/../../etc/passwd")"

policy_shop '{from: web, to: api, ports: [http]}'
check "a policy in place" await 5 has 'ringfence_policy_changes_total{result="in_place"}' 1
policy_shop '{from: web, to: nobody}'
check "a refused policy" await 5 has 'ringfence_policy_changes_total{result="refused"}' 1
equal "the policy is not in force" 0 "$(value ringfence_policy_ok)"
check "refused just now" recent ringfence_policy_last_refused_timestamp_seconds
check "not ready, with the reason in a line" grep -qE '^the policy is refused: [^ ]*shop\.yaml:[0-9]+:[0-9]+: .*nobody.*  503$' <<<"$(answer /readyz)"
equal "alive with a refused policy" "ok  200" "$(answer /healthz)"
policy_shop
check "a policy that is taken" await 5 has ringfence_policy_ok 1
equal "ready again" "ok  200" "$(answer /readyz)"

on node nft flush chain inet ringfence forward
check "drift is repaired" await 5 has ringfence_drift_repaired_total 1
equal "drift is counted" 1 "$(value ringfence_drift_events_total)"
equal "the check found it" 1 "$(value 'ringfence_checks_total{result="differs"}')"
equal "the repair is in the histogram" 1 "$(value 'ringfence_apply_duration_seconds_count{kind="repair"}')"
equal "the table is whole again" 0 "$(value ringfence_table_differs)"
equal "no apply failed" 0 "$(get /metrics | awk '/^ringfence_apply_errors_total/ { sum += $2 } END { print sum }')"

# ---- hostile clients ----

equal "POST" "only GET and HEAD  405" "$(ask -w ' %{http_code}' -d 'a=b' "http://$METRICS/metrics" | tr '\n' ' ')"
check "what is allowed is told" grep -qi '^allow: GET, HEAD' <<<"$(ask -i -X DELETE "http://$METRICS/metrics" | tr -d '\r')"
head -c 20000000 /dev/zero >"$WORK/body"
# Its answer may be lost to the reset that closing with unread bytes is.
sent=$(code -H 'Expect:' --data-binary "@$WORK/body" "http://$METRICS/metrics" 2>/dev/null || true)
check "a body of 20 MB is not waited for ($sent)" test "$sent" = 405 -o "$sent" = 000
head -c 1000000 /dev/zero | tr '\0' a >"$WORK/long"
raw() { on node timeout 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9478; cat >&3; head -n 1 <&3' 2>/dev/null | tr -d '\r'; }
memory=$(value process_resident_memory_bytes)
line=$({ printf 'GET /metrics HTTP/1.1\r\nHost: a\r\nX: ' && cat "$WORK/long" && printf '\r\n\r\n'; } | raw || true)
check "a header of 1 MB is refused (${line:-closed})" grep -qE '^(|HTTP/1.1 4(00|13|31) .*)$' <<<"$line"
line=$({ printf 'GET /' && cat "$WORK/long" && printf ' HTTP/1.1\r\nHost: a\r\n\r\n'; } | raw || true)
check "so is a path of 1 MB (${line:-closed})" grep -qE '^(|HTTP/1.1 4(00|14|31) .*)$' <<<"$line"
line=$(head -c 100000 /dev/urandom | raw | head -c 100 | tr -cd '[:print:]' || true)
equal "alive after noise" "ok  200" "$(answer /healthz)"
line=$(printf 'GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\n\r\n' | raw || true)
equal "a GET that promises a body is answered without it" "HTTP/1.1 200 OK" "$line"

hold() { # FILE COUNT TEXT; opens so many connections that say no more than TEXT, and keeps them
	start "$1" node bash -c 'for ((i = 0; i < '"$2"'; i++)); do
			exec {fd}<>/dev/tcp/127.0.0.1/9478
			printf "'"$3"'" >&$fd
		done 2>/dev/null
		echo held
		exec sleep 60'
	await 10 grep -q held "$1"
}
connections() { on node ss -Htn state established '( sport = :9478 )' | wc -l; }
quick() { # TEXT COMMAND...; that it does not take two seconds
	local text=$1 begin=${EPOCHREALTIME/./} code=0
	shift
	"$@" >/dev/null || code=$?
	local ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
	check "$text ($ms ms)" test "$code" -eq 0 -a "$ms" -lt 2000
}
follows() { # a change of a workload is enforced while others hold connections
	change workload_file web1 shop 'app: retired'
	denied web1 api1 8080 tcp "$1"
	change workload_file web1 shop 'app: web'
	allowed web1 api1 8080 tcp "$1"
}
hold "$WORK/idle" 200 ''
idle=$STARTED_PID
quick "metrics while 200 connections are idle" get /metrics
quick "health while 200 connections are idle" get /healthz
follows "while 200 connections are idle"
check "not all of them are kept: $(connections)" test "$(connections)" -le 32
closed() { [ "$(connections)" -eq 0 ]; }
check "none of them lives long" await 10 closed
stop "$idle" KILL
hold "$WORK/half" 40 'GET /metrics HTTP/1.1\r\nHost: a\r\nX: '
half=$STARTED_PID
quick "metrics while 40 requests are half" get /metrics
follows "while 40 requests are half"
stop "$half" KILL
hold "$WORK/deaf" 40 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'
deaf=$STARTED_PID
quick "metrics while 40 do not read their answer" get /metrics
follows "while 40 do not read their answer"
stop "$deaf" KILL
# One byte now and then is no life for ever.
start "$WORK/drip" node bash -c 'exec 3<>/dev/tcp/127.0.0.1/9478; while printf a >&3; do sleep 0.2; done; echo closed'
drip=$STARTED_PID
ended() { ! kill -0 "$drip" 2>/dev/null; }
check "who sends a byte now and then is closed" await 10 ended
# And many who come and go at once.
for _ in {1..8}; do
	start "$WORK/flood" node bash -c 'for ((i = 0; i < 200; i++)); do exec 3<>/dev/tcp/127.0.0.1/9478; exec 3>&-; done 2>/dev/null'
	flood+=("$STARTED_PID")
done
quick "metrics while many come and go" get /metrics
follows "while many come and go"
for pid in "${flood[@]}"; do wait "$pid" 2>/dev/null || true; done
check "none is left" await 10 closed
quick "metrics after them" get /metrics
equal "descriptors are as many as before" "$(ls "/proc/$DAEMON_PID/fd" | wc -l)" "$(($(value process_open_fds) - 1))"
grown=$((($(value process_resident_memory_bytes) - memory) / 1000000))
[ "$BUILD" != "$ROOT/build" ] || check "memory has grown by $grown MB" test "$grown" -lt 8
ticks() { awk '{ print $14 + $15 }' "/proc/$DAEMON_PID/stat"; }
before=$(ticks)
sleep 2
spent=$(($(ticks) - before))
check "the daemon is at rest ($spent ticks in 2 s)" test "$spent" -lt 20

# ---- where it listens ----

refused() { # TEXT PATTERN LISTEN; by the check of a configuration
	METRICS=$3 daemon_config repair
	local status=0
	"$RINGFENCED" --check --config "$WORK/ringfenced.yaml" >"$WORK/said" 2>&1 || status=$?
	if [ "$status" -eq 2 ] && grep -qE "$2" "$WORK/said"; then ok "$1"; else
		not_ok "$1"
		note "$status: $(cat "$WORK/said")"
	fi
}
refused "every address is refused" 'only a loopback address' 0.0.0.0:9478
refused "an address of the node is refused" 'only a loopback address' 192.0.2.1:9478
refused "every IPv6 address is refused" 'only a loopback address' '[::]:9478'
refused "a name is refused" 'names are not looked up' localhost:9478
refused "a port alone is refused" 'expected' :9478
second() { # TEXT PATTERN; a daemon that cannot start
	daemon_config repair
	local status=0
	sed -i "s|control.sock|second.sock|" "$WORK/ringfenced.yaml"
	on node timeout 20 "$RINGFENCED" --config "$WORK/ringfenced.yaml" >"$WORK/said" 2>&1 || status=$?
	if [ "$status" -eq 2 ] && grep -qE "$2" "$WORK/said"; then ok "$1"; else
		not_ok "$1"
		note "$status: $(cat "$WORK/said")"
	fi
}
second "a port that is taken ends the start" "cannot listen for metrics at 127.0.0.1:9478: Address already in use"
daemon_stop

METRICS='[::1]:9478'
daemon_start
equal "on IPv6" "ok  200" "$(answer /readyz)"
daemon_stop

METRICS=$WORK/metrics.sock
daemon_start
equal "on a Unix socket" "ok 200" "$(ask -w '%{http_code}' --unix-socket "$METRICS" http://localhost/readyz | tr '\n' ' ')"
equal "which is for its owner and group" 660 "$(stat -c %a "$METRICS")"
METRICS=$METRICS second "a socket that is taken ends the start" 'cannot listen for metrics at .*/metrics.sock: Address already in use'
check "and stays where it is" test -S "$METRICS"
daemon_kill
daemon_start
equal "after a crash" "ok 200" "$(ask -w '%{http_code}' --unix-socket "$METRICS" http://localhost/readyz | tr '\n' ' ')"
daemon_stop
check "it is gone with the daemon" test ! -e "$METRICS"

# ---- a node of a fleet, whose policy comes in bundles ----

METRICS=127.0.0.1:9478
STATE=$WORK/state
install -d -o "$DAEMON_USER" -m 700 "$STATE"
"$RINGFENCE" keygen "$WORK/sign.key" >/dev/null
POLICY_FROM="bundle: $WORK/policy.bundle, keys: [$WORK/sign.key.pub]"
sign() { # REVISION [OPTION]
	"$RINGFENCE" sign "$POLICY" -o "$WORK/$1.bundle" --key "$WORK/sign.key" --revision "$@" >/dev/null 2>&1
	mv "$WORK/$1.bundle" "$WORK/policy.bundle"
}
bundle_info() { get /metrics | grep '^ringfence_bundle_info'; }
unpublished() { above ringfence_fleet_unpublished_since_timestamp_seconds 0; }
store_start
SOURCES=$(store_source 127.0.0.1)
equal "a policy of a directory is no bundle" "" "$(grep '^ringfence_bundle_info' "$WORK/metrics")"
sign 1
daemon_start
equal "the bundle, and the key that signed it" \
	"ringfence_bundle_info{revision=\"1\",key=\"$(cut -d: -f2 "$WORK/sign.key.pub")\"} 1" "$(bundle_info)"
equal "none waits" 0 "$(value ringfence_bundle_waiting)"
equal "the fleet is told of the node" 0 "$(value ringfence_fleet_unpublished_since_timestamp_seconds)"
equal "promtool has nothing to say of those" "" "$(well_formed 2>&1)"
sign 2 --staged
check "one waits" await 10 has ringfence_bundle_waiting 1
check "and is not the one that was taken" grep -q 'revision="1"' <<<"$(bundle_info)"
sign 3
check "none waits any more" await 10 has ringfence_bundle_waiting 0
check "the next was taken" grep -q 'revision="3"' <<<"$(bundle_info)"
store_stop KILL
change workload_file web1 shop 'app: retired'
check "without its store the fleet is told of nothing" await 10 unpublished
check "since just now" recent ringfence_fleet_unpublished_since_timestamp_seconds
check "nor is it heard" await 10 above 'ringfence_source_stale_since_timestamp_seconds{source="etcd"}' 0
store_start
check "it is told again" await 20 has ringfence_fleet_unpublished_since_timestamp_seconds 0
check "and heard again" await 20 has 'ringfence_source_stale_since_timestamp_seconds{source="etcd"}' 0
daemon_stop
store_stop
POLICY_FROM= SOURCES= STATE=

METRICS=
daemon_start
equal "nothing listens where nothing is said" "" "$(on node ss -Htln)"
daemon_stop
finish
