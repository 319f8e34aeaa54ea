/* ringfence observe: what the local daemon's rules deny, and what they log, as it happens. The daemon keeps the
 * history; following is asking again for what changed since. */
#include "compiler/cli/cli.h"
#include "compiler/report/control_client.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { POLL_MS = 200, LEFT_OUT_POLLS = 25 /* between two lines that tell how much was left out */ };

/* What was told so far. */
struct telling {
	const struct arguments *arguments;
	json_int_t left_out;
	unsigned polls; /* since that was told */
};

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print_text(const json_t *object, const char *key)
{
	const json_t *text = json_object_get(object, key);
	escape_print(stdout, json_is_string(text) ? json_string_value(text) : "", json_string_length(text));
}

static json_t *make_request(const struct arguments *arguments)
{
	json_t *request = json_pack("{s:s, s:I, s:b, s:b}", "command", "observe", "last", (json_int_t)arguments->last,
				    "denied", arguments->denied, "allowed", arguments->allowed);
	const struct {
		const char *key, *value;
	} texts[] = {{"from", arguments->from}, {"to", arguments->to}, {"port", arguments->port}};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].value != NULL)
			json_object_set_new(request, texts[i].key, json_string(texts[i].value));
	return request;
}

/* ---- what is printed ---- */

static void print_event(const struct arguments *arguments, const json_t *event)
{
	if (format_is(arguments, "json")) {
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
		return;
	}
	bool allowed = strcmp(json_string_value(json_object_get(event, "verdict")), "allow") == 0;
	bool color = use_color(arguments, stdout);
	json_int_t left_out = number_of(event, "left_out");
	if (left_out > 0)
		printf("... %lld more record%s left out\n", (long long)left_out, left_out == 1 ? " was" : "s were");
	print_text(event, "ts");
	fputs(!color ? "  " : allowed ? "  \x1b[32m" : "  \x1b[31m", stdout);
	print_text(event, "message");
	fputs(color ? "\x1b[0m\n" : "\n", stdout);
}

static json_int_t sum_of(const json_t *left_out)
{
	return number_of(left_out, "rate") + number_of(left_out, "lost") + number_of(left_out, "foreign");
}

/* Of all packets that the rules denied, and of all records since the daemon began, however few of the events were asked
 * for. */
static void print_left_out(struct telling *telling, const json_t *answer)
{
	const json_t *left_out = json_object_get(answer, "left_out"), *denied = json_object_get(answer, "denied");
	json_int_t of_records = sum_of(left_out), sum = of_records + number_of(denied, "left_out");
	if (sum == telling->left_out || (telling->polls++ < LEFT_OUT_POLLS && telling->left_out > 0))
		return;
	telling->left_out = sum;
	telling->polls = 0;
	if (format_is(telling->arguments, "json")) {
		json_t *line =
		    json_pack("{s:i, s:O, s:I, s:{s:I, s:I}}", "version", 1, "records",
			      json_object_get(answer, "records"), "left_out", of_records, "denied", "packets",
			      number_of(denied, "packets"), "left_out", number_of(denied, "left_out"));
		json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(line);
		return;
	}
	if (number_of(denied, "left_out") > 0)
		printf("left out of %lld denied packets: %lld, by the limits of rules\n",
		       (long long)number_of(denied, "packets"), (long long)number_of(denied, "left_out"));
	if (of_records > 0)
		printf("left out of %lld records: %lld (over the rate %lld, lost %lld, not understood %lld)\n",
		       (long long)number_of(answer, "records"), (long long)of_records,
		       (long long)number_of(left_out, "rate"), (long long)number_of(left_out, "lost"),
		       (long long)number_of(left_out, "foreign"));
}

/* Returns false for an answer that is none of ours. */
static bool print_answer(struct telling *telling, const json_t *answer)
{
	const json_t *events = json_object_get(answer, "events"), *event;
	size_t i;
	json_array_foreach(events, i, event)
	{
		if (!json_is_string(json_object_get(event, "verdict")))
			return false;
		print_event(telling->arguments, event);
	}
	print_left_out(telling, answer);
	return json_is_array(events);
}

/* ---- asking ---- */

static json_t *ask(const struct arguments *arguments, const json_t *request)
{
	char error[512] = "";
	json_t *answer = control_request(arguments->socket, request, error, sizeof error);
	if (answer == NULL)
		problem("%s", error);
	return answer;
}

/* Whether the daemon hears anything; says on standard error why not. */
static int listening(const json_t *answer)
{
	const char *why = json_string_value(json_object_get(answer, "problem"));
	return why != NULL ? problem("the daemon hears no denials: %s", why) : EXIT_YES;
}

/* Asks once, or while `follow`, again and again for what changed; ends with an answer that is none. */
static int tell(struct telling *telling, json_t *request)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	const struct arguments *arguments = telling->arguments;
	int status = EXIT_YES;
	for (bool first = true; first || arguments->follow; first = false) {
		json_t *answer = ask(arguments, request);
		if (answer == NULL)
			return EXIT_PROBLEM;
		if (first)
			status = listening(answer);
		if (!print_answer(telling, answer))
			status = problem("%s: the answer has no events", arguments->socket);
		json_object_set(request, "since", json_object_get(answer, "next"));
		json_object_del(request, "last");
		json_decref(answer);
		if (fflush(stdout) != 0)
			return problem("cannot write to standard output: %m");
		if (arguments->follow)
			nanosleep(&pause, NULL);
	}
	return status;
}

int observe_run(const struct arguments *arguments)
{
	if (arguments->word_count > 0)
		return problem("observe takes no arguments");
	struct telling telling = {.arguments = arguments};
	json_t *request = make_request(arguments);
	int status = tell(&telling, request);
	json_decref(request);
	return status;
}
