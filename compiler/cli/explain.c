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
	uint16_t protocol, port;
	const char *wrong = endpoints_find(arena, world, question->from, &from);
	if (wrong == NULL)
		wrong = endpoints_find(arena, world, question->to, &to);
	if (wrong == NULL)
		wrong = flow_port_find(arena, world, &to, question->port, &protocol, &port);
	if (wrong == NULL)
		question->verdict = verdict_of_endpoints(world, &from, &to, protocol, port, &question->flow);
	return wrong;
}

static json_t *side_json(const char *name, const struct side *side)
{
	struct span span;
	const char *text = side_text(side, &span);
	json_t *object = json_pack("{s:s, s:s, s:o?, s:s}", "side", name, "verdict", side->allowed ? "allow" : "deny",
				   "file", span.file != NULL ? text_json(span.file) : NULL, "rule", text);
	if (span.file != NULL)
		json_object_set_new(object, "line", json_integer(span.line));
	if (side->reason == REASON_ALLOW && side->allow->why != NULL)
		json_object_set_new(object, "why", json_string(side->allow->why));
	return object;
}

static void print_json(const struct question *question)
{
	json_t *object =
	    json_pack("{s:i, s:s, s:s, s:s, s:s, s:[o, o]}", "version", 1, "from", question->from, "to", question->to,
		      "port", question->port, "verdict", question->verdict.allowed ? "allow" : "deny", "because",
		      side_json("egress", &question->verdict.egress), side_json("ingress", &question->verdict.ingress));
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

static void print_side(const char *name, const struct side *side)
{
	struct span span;
	const char *text = side_text(side, &span);
	printf("  %-8s %-6s ", name, side->allowed ? "allow" : "deny");
	if (span.file != NULL) {
		escape_print(stdout, span.file, strlen(span.file));
		printf(":%u:%u  ", span.line, span.column);
	}
	fputs(text, stdout);
	if (side->reason == REASON_ALLOW && side->allow->why != NULL) {
		fputs(": ", stdout);
		escape_print(stdout, side->allow->why, strlen(side->allow->why));
	}
	putchar('\n');
}

static void print_text(struct arena *arena, const struct question *question, bool color)
{
	const struct verdict *verdict = &question->verdict;
	const char *mark = !color ? "" : verdict->allowed ? "\x1b[1;32m" : "\x1b[1;31m";
	printf("%s%s%s  %s -> %s %s\n", mark, verdict->allowed ? "ALLOW" : "DENY", color ? "\x1b[0m" : "",
	       endpoint_name(arena, &question->flow.from), endpoint_name(arena, &question->flow.to), question->port);
	print_side("egress", &verdict->egress);
	print_side("ingress", &verdict->ingress);
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
			print_json(&question);
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
			print_json(&question);
		else
			print_text(input.arena, &question, use_color(arguments, stdout));
		if (status == 0)
			status = question.verdict.allowed ? EXIT_YES : EXIT_NO;
	}
	input_finish(&input);
	return status;
}
