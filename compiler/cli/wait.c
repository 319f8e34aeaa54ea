/* ringfence wait: asks the daemon again and again whether a workload's rules are in the kernel, also while it does not
 * run yet. A gate that fails to open says why. */
#include "compiler/cli/cli.h"
#include "compiler/report/control_client.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { POLL_MS = 50, CLOSED_MOST = 40 /* connections closed one after the other: the daemon does not know us */ };

/* What the last answer, or the want of one, means. */
enum state { GATE_OPEN, GATE_SHUT, GATE_PROBLEM };

struct waiting {
	const struct arguments *arguments;
	json_t *request;
	json_t *answer;	  /* the last, or NULL */
	unsigned closed;  /* connections in a row */
	char reason[512]; /* why it is not open */
};

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* No daemon, one that just ends, or one that is busy, may be another in a moment. */
static enum state judge_error(struct waiting *waiting, int error)
{
	snprintf(waiting->reason, sizeof waiting->reason, "%s: %s", waiting->arguments->socket, control_error(error));
	bool closed = error == -ECONNRESET || error == -EPIPE;
	waiting->closed = closed ? waiting->closed + 1 : 0;
	if (waiting->closed > CLOSED_MOST)
		return GATE_PROBLEM;
	return closed || error == -ENOENT || error == -ECONNREFUSED || error == -ETIMEDOUT ? GATE_SHUT : GATE_PROBLEM;
}

static enum state ask(struct waiting *waiting)
{
	json_decref(waiting->answer);
	int error = control_try(waiting->arguments->socket, waiting->request, &waiting->answer);
	if (error != 0)
		return judge_error(waiting, error);
	waiting->closed = 0;
	const char *refusal = control_refusal_text(waiting->answer);
	const char *reason = json_string_value(json_object_get(waiting->answer, "reason"));
	snprintf(waiting->reason, sizeof waiting->reason, "%s",
		 refusal != NULL  ? refusal
		 : reason != NULL ? reason
				  : "");
	if (refusal != NULL)
		return GATE_PROBLEM;
	return json_is_true(json_object_get(waiting->answer, "open")) ? GATE_OPEN : GATE_SHUT;
}

static enum state wait_until(struct waiting *waiting, double end)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	enum state state = ask(waiting);
	while (state == GATE_SHUT && seconds_now() < end) {
		nanosleep(&pause, NULL);
		state = ask(waiting);
	}
	return state;
}

int wait_run(const struct arguments *arguments)
{
	if (arguments->word_count != 1)
		return problem("wait takes one workload or service, NAMESPACE/NAME");
	struct waiting waiting = {.arguments = arguments};
	waiting.request = json_pack("{s:s, s:s}", "command", "wait", "for", arguments->words[0]);
	if (waiting.request == NULL)
		return problem("`%s` is no NAMESPACE/NAME", arguments->words[0]);
	double begun = seconds_now();
	enum state state = wait_until(&waiting, begun + (double)arguments->timeout);
	if (waiting.answer != NULL && state != GATE_PROBLEM && format_is(arguments, "json")) {
		json_dumpf(waiting.answer, stdout, JSON_COMPACT);
		putchar('\n');
	}
	if (state == GATE_SHUT)
		problem("%s is not ready after %.0f s: %s", arguments->words[0], seconds_now() - begun, waiting.reason);
	if (state == GATE_PROBLEM)
		problem("%s", waiting.reason);
	json_decref(waiting.answer);
	json_decref(waiting.request);
	return state == GATE_OPEN ? EXIT_YES : state == GATE_SHUT ? EXIT_NO : EXIT_PROBLEM;
}
