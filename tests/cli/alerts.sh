#!/bin/bash
# deploy/prometheus: the alerts parse, and fire when they should and not before. That they ask for metrics which there are,
# tests/packets/metrics.sh shows. TAP.
. "$(dirname "$0")/lib.sh"

if ! command -v promtool >/dev/null; then
	echo "1..0 # skip promtool is not installed"
	exit
fi
promtool_says() { promtool "$@" >"$WORK/out" 2>"$WORK/err"; }
every_alert_is_tested() {
	sed -n 's/.*- alert: //p' deploy/prometheus/alerts.yaml | sort >"$WORK/alerts"
	grep -B1 'exp_alerts:' deploy/prometheus/alerts.test.yaml | sed -n 's/.*alertname: //p' | sort >"$WORK/out"
	diff "$WORK/alerts" "$WORK/out" >"$WORK/err"
}
holds "the rules are well formed" promtool_says check rules deploy/prometheus/alerts.yaml
holds "each fires when it should" promtool_says test rules deploy/prometheus/alerts.test.yaml
holds "each is tested" every_alert_is_tested
finish
