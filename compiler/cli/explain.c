/* ringfence explain: is this flow allowed, and which statement decides? */
#include "compiler/cli/cli.h"

#include <ringfence/explain.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct question {
	const char *from, *to, *port;
	struct flow flow;
	struct verdict verdict;
};

/* Answers a question; NULL, or why it cannot be answered. */
static const char *answer(struct arena *arena, const struct world *world, struct question *question)
{
	struct endpoints from, to;
	const char *wrong = endpoints_find(arena, world, question->from, &from);
	if (wrong == NULL)
		wrong = endpoints_find(arena, world, question->to, &to);
	if (wrong == NULL)
		wrong = verdict_of_word(arena, world, &from, &to, question->port, &question->verdict, &question->flow);
	return wrong;
}

static void print_json(const struct question *question, bool audit)
{
	json_t *object =
	    json_pack("{s:i, s:s, s:s, s:s, s:s, s:o}", "version", 1, "from", question->from, "to", question->to,
		      "port", question->port, "verdict", question->verdict.allowed ? "allow" : "deny", "because",
		      verdict_because_json(&question->verdict));
	if (audit) /* and so a denial is not enforced */
		json_object_set_new(object, "mode", json_string("audit"));
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

/* A conflict or a quarantine denies in audit mode too. */
static bool is_closed(const struct side *side)
{
	return side->reason == REASON_CONFLICT || side->reason == REASON_QUARANTINE;
}

static void print_text(const struct arguments *arguments, struct input *input, const struct question *question)
{
	const struct policy *policy = input->world.policy;
	verdict_print(stdout, input->arena, &question->flow, &question->verdict, question->port, "",
		      use_color(arguments, stdout));
	if (!policy->audit || question->verdict.allowed || is_closed(&question->verdict.egress) ||
	    is_closed(&question->verdict.ingress))
		return;
	fputs("  but the mode is audit (", stdout);
	escape_print(stdout, policy->mode_span.file, strlen(policy->mode_span.file));
	printf(":%u): the flow is logged and let through\n", policy->mode_span.line);
}

/* FROM TO PORT lines in, JSON lines out. A line that cannot be answered is an answer too, and ends in status 2. */
static int stream(const struct input *input)
{
	char *line = NULL;
	size_t room = 0, number = 0;
	ssize_t length;
	int status = EXIT_YES;
	while ((length = getline(&line, &room, stdin)) >= 0) {
		number++;
		char *save = NULL, *from = strtok_r(line, " \t\r\n", &save), *to = strtok_r(NULL, " \t\r\n", &save);
		char *port = strtok_r(NULL, " \t\r\n", &save);
		if (from == NULL || from[0] == '#')
			continue;
		struct question question = {.from = from, .to = to, .port = port};
		struct arena *arena = arena_create();
		bool words = to != NULL && port != NULL && strtok_r(NULL, " \t\r\n", &save) == NULL;
		const char *wrong = words ? answer(arena, &input->world, &question) : "a line is FROM TO PORT";
		if (wrong == NULL)
			print_json(&question, input->world.policy->audit);
		else
			status = problem("standard input, line %zu: %s", number, wrong);
		fflush(stdout); /* whoever asks line by line waits for each answer */
		arena_free(arena);
	}
	free(line);
	return status;
}

int explain_run(const struct arguments *arguments)
{
	size_t count = arguments->word_count;
	bool from_stdin = count > 0 && strcmp(arguments->words[count - 1], "-") == 0;
	size_t asked = from_stdin ? 1 : 3;
	if (count < asked + 1)
		return problem("explain takes POLICY... FROM TO PORT, or POLICY... -; see `ringfence help explain`");
	struct input input = {0};
	int status = input_read(&input, arguments, arguments->words, count - asked);
	if (status == 0 && from_stdin) {
		status = stream(&input);
	} else if (status == 0) {
		struct question question = {.from = arguments->words[count - 3],
					    .to = arguments->words[count - 2],
					    .port = arguments->words[count - 1]};
		const char *wrong = answer(input.arena, &input.world, &question);
		if (wrong != NULL)
			status = problem("%s", wrong);
		else if (format_is(arguments, "json"))
			print_json(&question, input.world.policy->audit);
		else
			print_text(arguments, &input, &question);
		if (status == 0)
			status = question.verdict.allowed ? EXIT_YES : EXIT_NO;
	}
	input_finish(&input);
	return status;
}
