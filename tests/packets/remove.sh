#!/bin/bash
# Enforcement ends by one command, which asks twice, and by nothing less.
. "$(dirname "$0")/lib.sh"

shop
STATE=$WORK/state
daemon_start
check "the ruleset is saved" await 5 test -s "$STATE/ruleset"
table_text node >"$WORK/before"

removal() { on node "$RINGFENCED" --config "$WORK/ringfenced.yaml" --remove-enforcement; }
refused() { # EXIT_STATUS TEXT REGEX ANSWERS
	local code=0
	printf '%b' "$4" | removal >"$WORK/answer" 2>&1 || code=$?
	if [ "$code" -eq "$1" ] && grep -qE "$3" "$WORK/answer"; then ok "$2"; else
		not_ok "$2"
		note "status $code: $(cat "$WORK/answer")"
	fi
	table_text node >"$WORK/after"
	same_text "$2: the table is as it was" "$WORK/before" "$WORK/after"
	check "$2: what is saved is, too" test -s "$STATE/ruleset"
}

refused 2 "while the daemon runs it refuses" 'a daemon runs' 'node-a\nremove\n'
daemon_stop
refused 1 "no answer" 'nothing was changed' ''
refused 1 "yes and yes" 'nothing was changed' 'yes\nyes\n'
refused 1 "the name of another node" 'nothing was changed' 'node-b\nremove\n'
refused 1 "the name, and yes" 'nothing was changed' 'node-a\nyes\n'
refused 1 "the name alone" 'nothing was changed' 'node-a\n'
refused 1 "the second answer alone" 'nothing was changed' 'remove\nremove\n'
refused 1 "both in one line" 'nothing was changed' 'node-a remove\n'

# Without the capability nothing happens either.
code=0
printf 'node-a\nremove\n' | on node setpriv --bounding-set=-net_admin --inh-caps=-net_admin --no-new-privs \
	"$RINGFENCED" --config "$WORK/ringfenced.yaml" --remove-enforcement >"$WORK/answer" 2>&1 || code=$?
equal "without CAP_NET_ADMIN it fails" 2 "$code"
check "and says what is missing" grep -q 'CAP_NET_ADMIN' "$WORK/answer"
check "and what is saved still is" test -s "$STATE/ruleset"
denied web1 db1 5432 tcp "after all of these"

# On a terminal, as an administrator does it.
cat >"$WORK/type.py" <<'END'
import os, pty, sys, time
answers, command = sys.argv[1].split(","), sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
seen = b""
def await_text(text):
    global seen
    end = time.time() + 10
    while text not in seen and time.time() < end:
        try:
            seen += os.read(fd, 4096)
        except OSError:
            return
for prompt, answer in zip((b"name of the node", b"Type `remove`"), answers):
    await_text(prompt)
    seen = seen[seen.find(prompt) + len(prompt):] if prompt in seen else seen
    os.write(fd, answer.encode() + b"\n")
await_text(b"\0never")
print(seen.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
type_in() { on node python3 "$WORK/type.py" "$1" "$RINGFENCED" --config "$WORK/ringfenced.yaml" --remove-enforcement; }
code=0
type_in node-a,no >"$WORK/answer" 2>&1 || code=$?
equal "on a terminal, one wrong answer is enough" 1 "$code"
denied web1 db1 5432 tcp "after a wrong answer"
check "on a terminal, with both answers" type_in node-a,remove
check "the table is gone" sh -c "! nsenter --net=/run/netns/$PREFIX-node -- nft list table inet ringfence 2>/dev/null"
check "and what was saved" test ! -e "$STATE/ruleset"
allowed web1 db1 5432 tcp "after the removal"
code=0
on node "$RINGFENCED" --config "$WORK/ringfenced.yaml" --enforce-saved >"$WORK/answer" 2>&1 || code=$?
equal "the next boot does not bring it back" 1 "$code"
check "a second removal finds nothing, and is content" sh -c "printf 'node-a\nremove\n' | nsenter --net=/run/netns/$PREFIX-node -- '$RINGFENCED' --config '$WORK/ringfenced.yaml' --remove-enforcement"
daemon_start
denied web1 db1 5432 tcp "the daemon, when it is started, enforces the policy again"
daemon_stop
finish
