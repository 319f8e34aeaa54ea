/* ringfence quarantine, release and panic: what an operator tells the local daemon in an incident. */
#include "compiler/cli/cli.h"
#include "compiler/report/control_client.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void print_text(const json_t *object, const char *key)
{
	const json_t *text = json_object_get(object, key);
	escape_print(stdout, json_is_string(text) ? json_string_value(text) : "", json_string_length(text));
}

/* Adds a text that is there to the request. Returns false after saying that it is no text. */
static bool set_text(json_t *request, const char *key, const char *text)
{
	if (text == NULL || json_object_set_new(request, key, json_string(text)) == 0)
		return true;
	problem("`%s` is no text in UTF-8", key);
	return false;
}

/* The daemon's answer to `request`, which is dropped; NULL after saying why there is none, or where the request is not
 * `whole`. In JSON it is printed. */
static json_t *ask(const struct arguments *arguments, json_t *request, bool whole)
{
	char error[1024] = "";
	json_t *answer = whole ? control_request(arguments->socket, request, error, sizeof error) : NULL, *item;
	const json_t *warnings = json_object_get(answer, "warnings");
	size_t i;
	json_decref(request);
	if (answer == NULL && whole)
		problem("%s", error);
	json_array_foreach(warnings, i, item)
	{
		if (json_is_string(item))
			problem("warning: %s", json_string_value(item));
	}
	if (answer != NULL && format_is(arguments, "json")) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
	}
	return answer;
}

static void print_until(const json_t *answer)
{
	if (json_is_string(json_object_get(answer, "until"))) {
		fputs(", until ", stdout);
		print_text(answer, "until");
	}
	putchar('\n');
}

static double ms_of(const json_t *answer)
{
	return json_number_value(json_object_get(answer, "ms"));
}

static long long number_of(const json_t *answer, const char *key)
{
	return (long long)json_integer_value(json_object_get(answer, key));
}

/* Whether there is one workload to speak of; says so if not. */
static bool has_workload(const struct arguments *arguments, const char *command)
{
	if (arguments->word_count != 1)
		problem("%s takes one workload, NAMESPACE/NAME", command);
	return arguments->word_count == 1;
}

int quarantine_run(const struct arguments *arguments)
{
	if (!has_workload(arguments, "quarantine"))
		return EXIT_PROBLEM;
	if (arguments->why == NULL)
		return problem("quarantine needs --why TEXT: those who find the workload closed will ask");
	json_t *request = json_pack("{s:s}", "command", "quarantine");
	bool whole = set_text(request, "workload", arguments->words[0]) && set_text(request, "why", arguments->why) &&
		     set_text(request, "until", arguments->until);
	json_t *answer = ask(arguments, request, whole);
	if (answer == NULL)
		return EXIT_PROBLEM;
	if (!format_is(arguments, "json")) {
		print_text(answer, "workload");
		if (json_is_true(json_object_get(answer, "local")))
			printf(" is isolated, after %.1f ms", ms_of(answer));
		else
			fputs(" is in quarantine on this node", stdout);
		print_until(answer);
	}
	json_decref(answer);
	return EXIT_YES;
}

int release_run(const struct arguments *arguments)
{
	if (!has_workload(arguments, "release"))
		return EXIT_PROBLEM;
	json_t *request = json_pack("{s:s}", "command", "release");
	bool whole = set_text(request, "workload", arguments->words[0]);
	json_t *answer = ask(arguments, request, whole);
	if (answer == NULL)
		return EXIT_PROBLEM;
	if (!format_is(arguments, "json")) {
		print_text(answer, "workload");
		printf(" is released, after %.1f ms\n", ms_of(answer));
	}
	json_decref(answer);
	return EXIT_YES;
}

static json_t *ask_panic(const struct arguments *arguments)
{
	json_t *request = json_pack("{s:s, s:b}", "command", "panic", "end", arguments->end), *list = json_array();
	bool whole = set_text(request, "why", arguments->why) && set_text(request, "until", arguments->until);
	for (size_t i = 0; i < arguments->except_count && whole; i++) {
		whole = json_array_append_new(list, json_string(arguments->excepts[i])) == 0;
		if (!whole)
			problem("`except` is no text in UTF-8");
	}
	json_object_set_new(request, "except", list);
	return ask(arguments, request, whole);
}

int panic_run(const struct arguments *arguments)
{
	if (arguments->word_count > 0)
		return problem("panic takes no arguments; --except WHO spares one, and is repeatable");
	if (arguments->end && (arguments->why != NULL || arguments->until != NULL || arguments->except_count > 0))
		return problem("panic --end takes no other options");
	if (!arguments->end && arguments->why == NULL)
		return problem("panic needs --why TEXT: those who find their workloads closed will ask");
	json_t *answer = ask_panic(arguments);
	if (answer == NULL)
		return EXIT_PROBLEM;
	if (!format_is(arguments, "json") && arguments->end) {
		printf("the panic is over, after %.1f ms; %lld of the node's workloads stay in quarantine\n",
		       ms_of(answer), number_of(answer, "isolated"));
	} else if (!format_is(arguments, "json")) {
		printf("%lld of the node's workloads are isolated and %lld are not, after %.1f ms",
		       number_of(answer, "isolated"), number_of(answer, "open"), ms_of(answer));
		print_until(answer);
	}
	json_decref(answer);
	return EXIT_YES;
}
