/* ringfence status and drift: what the local daemon says. */
#include "compiler/cli/cli.h"
#include "compiler/report/control_client.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Prints a text of the daemon's, which may hold input from others. */
static void print(const char *text)
{
	for (const char *line = text; *line != 0;) {
		size_t length = strcspn(line, "\n");
		escape_print(stdout, line, length);
		line += length;
		if (*line == '\n') {
			putchar('\n');
			line++;
		}
	}
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

static void print_list(const char *what, const json_t *list, const char *name, const char *value)
{
	size_t i;
	json_t *item;
	json_array_foreach(list, i, item)
	{
		printf("%s ", what);
		if (json_is_string(item)) {
			print(json_string_value(item));
		} else {
			print(text_of(item, name));
			printf("\n");
			print(text_of(item, value));
		}
		printf("\n");
	}
}

/* On one line, whatever is in it. */
static void print_line(const char *text)
{
	escape_print(stdout, text, strlen(text));
}

/* Quarantines of operators and the panic; of an older daemon there are none. */
static void print_incident(const char *what, const json_t *incident)
{
	const char *workload = text_of(incident, "workload"), *until = text_of(incident, "until");
	const json_t *spared = json_object_get(incident, "except"), *item;
	size_t i;
	printf("%s", what);
	print_line(workload[0] != 0 ? workload : "every workload of the node");
	json_array_foreach(spared, i, item)
	{
		fputs(i == 0 ? " but " : ", ", stdout);
		print_line(json_is_string(item) ? json_string_value(item) : "");
	}
	printf(" is isolated since ");
	print_line(text_of(incident, "since"));
	printf(until[0] != 0 ? " until " : "");
	print_line(until);
	printf(" by ");
	print_line(text_of(incident, "by"));
	printf(": ");
	print_line(text_of(incident, "why"));
	printf("\n");
}

static void print_incidents(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "quarantines"), *item;
	size_t i;
	json_array_foreach(list, i, item) print_incident("quarantine  ", item);
	if (json_is_object(json_object_get(answer, "panic")))
		print_incident("panic       ", json_object_get(answer, "panic"));
}

static json_t *ask(const struct arguments *arguments, const char *command)
{
	char error[512] = "";
	if (arguments->word_count > 0) {
		problem("%s takes no arguments", command);
		return NULL;
	}
	json_t *answer = control_ask(arguments->socket, command, error, sizeof error);
	if (answer == NULL)
		problem("%s: %s", arguments->socket, error);
	return answer;
}

static bool print_json(const struct arguments *arguments, const json_t *answer)
{
	if (!format_is(arguments, "json"))
		return false;
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	return true;
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static void print_observe(const json_t *observe)
{
	const json_t *left_out = json_object_get(observe, "left_out");
	const char *why = json_string_value(json_object_get(observe, "problem"));
	printf("observed    %lld events of %lld records, %lld left out", number_of(observe, "events"),
	       number_of(observe, "records"),
	       number_of(left_out, "rate") + number_of(left_out, "lost") + number_of(left_out, "foreign"));
	if (why != NULL) {
		printf("; nothing is heard: ");
		print(why);
	}
	putchar('\n');
}

int status_run(const struct arguments *arguments)
{
	json_t *answer = ask(arguments, "status");
	if (answer == NULL)
		return EXIT_PROBLEM;
	const json_t *policy = json_object_get(answer, "policy"), *drift = json_object_get(answer, "drift");
	bool policy_ok = json_is_true(json_object_get(policy, "ok")),
	     differs = json_is_true(json_object_get(drift, "differs"));
	bool ready = json_is_true(json_object_get(answer, "ready"));
	bool fine = ready && policy_ok && !differs && json_is_null(json_object_get(answer, "error"));
	if (!print_json(arguments, answer)) {
		printf("node        %s\n", text_of(answer, "node"));
		printf("in force    %s\n", !ready ? "no" : fine ? "yes" : "the last that could be");
		printf("policy      %s%s\n", text_of(answer, "revision"),
		       policy_ok ? "" : " (a newer one was refused)");
		printf("generation  %lld since %s\n",
		       (long long)json_integer_value(json_object_get(answer, "generation")), text_of(answer, "since"));
		printf("workloads   %lld\n", (long long)json_integer_value(json_object_get(answer, "workloads")));
		printf("drift       %s; %lld changes by others, %lld repaired (%s)\n",
		       differs ? "the table differs" : "none",
		       (long long)json_integer_value(json_object_get(drift, "events")),
		       (long long)json_integer_value(json_object_get(drift, "repaired")), text_of(drift, "mode"));
		print_observe(json_object_get(answer, "observe"));
		print_incidents(answer);
		print_list("conflict   ", json_object_get(answer, "conflicts"), NULL, NULL);
		print_list("bad file   ", json_object_get(answer, "workload_files"), "file", "error");
		print_list("refused    ", json_object_get(policy, "errors"), NULL, NULL);
		if (!json_is_null(json_object_get(answer, "error"))) {
			printf("error       ");
			print(text_of(answer, "error"));
			printf("\n");
		}
	}
	json_decref(answer);
	return fine ? EXIT_YES : EXIT_NO;
}

int drift_run(const struct arguments *arguments)
{
	json_t *answer = ask(arguments, "drift"), *event;
	if (answer == NULL)
		return EXIT_PROBLEM;
	bool differs = json_is_true(json_object_get(answer, "drift"));
	const json_t *events = json_object_get(answer, "events");
	size_t i;
	if (!print_json(arguments, answer)) {
		json_array_foreach(events, i, event)
		{
			printf("%s  ", text_of(event, "time"));
			print(text_of(event, "process"));
			printf(" (pid %lld) made %lld change%s",
			       (long long)json_integer_value(json_object_get(event, "pid")),
			       (long long)json_integer_value(json_object_get(event, "count")),
			       json_integer_value(json_object_get(event, "count")) == 1 ? "" : "s");
			const json_t *repair = json_object_get(event, "repair_ms");
			if (repair != NULL)
				printf(", repaired after %.1f ms", json_real_value(repair));
			putchar('\n');
			print_list("   ", json_object_get(event, "changes"), NULL, NULL);
		}
		if (differs)
			puts("the table differs from the policy now; applying it would change:");
		else
			puts("no drift: the table is as the policy says");
		print(text_of(answer, "difference"));
	}
	json_decref(answer);
	return differs ? EXIT_NO : EXIT_YES;
}
