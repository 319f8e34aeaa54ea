# shellcheck shell=bash
# What the tests of the command share. Sourced; results are TAP, and `finish` ends them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

case ${RINGFENCE_BUILD:-build} in
/*) RINGFENCE=$RINGFENCE_BUILD/ringfence ;;
*) RINGFENCE=$PWD/${RINGFENCE_BUILD:-build}/ringfence ;;
esac
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
SHOP=examples/shop
COUNT=0 FAILED=0

result() { # TEXT STATUS
	COUNT=$((COUNT + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $COUNT - $1"
	else
		echo "not ok $COUNT - $1"
		cut -c 1-300 "$WORK/out" "$WORK/err" | sed 's/^/# /'
		FAILED=$((FAILED + 1))
	fi
}

# Runs the command; its status, standard output and errors are then looked at.
expect() { # TEXT STATUS OUT_PATTERN ERR_PATTERN ARGUMENTS...; an empty pattern means that nothing is written
	local text=$1 want=$2 out=$3 err=$4 status=0 good=1
	shift 4
	"$RINGFENCE" "$@" >"$WORK/out" 2>"$WORK/err" <"${INPUT:-/dev/null}" || status=$?
	if [ "$status" -eq "$want" ] && matches "$out" "$WORK/out" && matches "$err" "$WORK/err"; then good=0; fi
	result "$text" "$good"
}

matches() { # PATTERN FILE
	if [ -z "$1" ]; then [ ! -s "$2" ]; else grep -qE -- "$1" "$2"; fi
}

holds() { # TEXT COMMAND...; the command's status is the result
	local text=$1 status=0
	shift
	"$@" || status=1
	result "$text" "$status"
}

lacks() { # PATTERN FILE
	! grep -qE -- "$1" "$2"
}

# Whether a file is what it says: one JSON document, a JSON document on each of its lines, or XML.
parses() { # json|lines|xml FILE
	/usr/bin/python3 -c '
import json, sys, xml.dom.minidom
form, file = sys.argv[1:]
if form == "json":
    json.load(open(file))
elif form == "lines":
    [json.loads(line) for line in open(file)] or sys.exit(1)
else:
    xml.dom.minidom.parse(file)' "$@" 2>>"$WORK/err"
}

finish() {
	echo "1..$COUNT"
	[ "$FAILED" -eq 0 ]
}
