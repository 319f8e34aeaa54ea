/* ringfence explain: is this flow allowed, and which statement decides? */
#include "compiler/cli/cli.h"

#include <ringfence/flow_record.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct question {
	struct flow_record record;
	size_t most;	    /* near allows for each side */
	bool by_address[2]; /* by direction: the name is not known, the address recorded with it is meant */
	struct flow flow;
	struct verdict verdict;
	struct nearest nearest;
};

static const char *find_end(struct arena *arena, const struct world *world, struct question *question,
			    enum direction end, struct endpoints *endpoints)
{
	const struct flow_record *record = &question->record;
	char address[ADDRESS_TEXT_SIZE];
	const char *wrong = flow_record_find(arena, world, record, end, endpoints);
	question->by_address[end] = wrong != NULL && record->addresses[end].family != 0;
	if (question->by_address[end])
		return endpoints_find(arena, world, address_format(&record->addresses[end], address), endpoints);
	if (wrong == NULL)
		flow_record_narrow(record, end, endpoints);
	return wrong;
}

/* Answers a question; NULL, or why it cannot be answered. */
static const char *answer(struct arena *arena, const struct world *world, struct question *question)
{
	const struct flow_record *record = &question->record;
	struct endpoints from, to;
	const char *wrong = find_end(arena, world, question, EGRESS, &from);
	if (wrong == NULL)
		wrong = find_end(arena, world, question, INGRESS, &to);
	if (wrong == NULL && record->observed)
		question->verdict =
		    verdict_of_endpoints(world, &from, &to, record->protocol, record->port, &question->flow);
	else if (wrong == NULL)
		wrong =
		    verdict_of_word(arena, world, &from, &to, record->port_word, &question->verdict, &question->flow);
	if (wrong == NULL)
		verdict_tell_denied(world, &question->flow, &question->verdict);
	if (wrong == NULL)
		question->nearest = nearest_find(arena, world, &question->flow, &question->verdict, question->most);
	return wrong;
}

static const char *const verdict_words[] = {[RECORDED_ALLOW] = "allow", [RECORDED_DENY] = "deny"};

static void print_json(const struct question *question, const struct policy *policy)
{
	static const char *const address_keys[] = {[EGRESS] = "from_address", [INGRESS] = "to_address"};
	const struct flow_record *record = &question->record;
	char address[ADDRESS_TEXT_SIZE];
	json_t *object = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:o}", "version", 1, "revision", policy->revision,
				   "from", record->words[EGRESS], "to", record->words[INGRESS], "port",
				   record->port_word, "verdict", question->verdict.allowed ? "allow" : "deny",
				   "because", verdict_because_json(&question->verdict));
	if (!question->verdict.allowed)
		json_object_set_new(object, "how", json_string(denied_word(question->verdict.denied)));
	if (!question->verdict.allowed && question->most > 0)
		nearest_add_json(object, &question->nearest);
	for (int end = EGRESS; end <= INGRESS; end++)
		if (question->by_address[end])
			json_object_set_new(object, address_keys[end],
					    json_string(address_format(&record->addresses[end], address)));
	if (record->recorded != RECORDED_NOTHING)
		json_object_set_new(object, "recorded", json_string(verdict_words[record->recorded]));
	if (policy->audit || (!question->verdict.allowed && question->verdict.denied == DENIED_AUDIT))
		json_object_set_new(object, "mode", json_string("audit"));
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

/* What of the record is not as the policy has it. */
static void print_recorded(const struct question *question)
{
	const struct flow_record *record = &question->record;
	char text[ADDRESS_TEXT_SIZE];
	for (int end = EGRESS; end <= INGRESS; end++) {
		if (!question->by_address[end])
			continue;
		fputs("  no inventory has ", stdout);
		escape_print(stdout, record->words[end], strlen(record->words[end]));
		printf(": judged by its recorded address %s\n", address_format(&record->addresses[end], text));
	}
	if (record->recorded == RECORDED_NOTHING || (record->recorded == RECORDED_ALLOW) == question->verdict.allowed)
		return;
	printf("  but the record says %s", verdict_words[record->recorded]);
	if (record->time != 0)
		printf(", at %s", time_print(record->time, text));
	putchar('\n');
}

static void print_text(const struct arguments *arguments, struct input *input, const struct question *question)
{
	const struct policy *policy = input->world.policy;
	verdict_print(stdout, input->arena, &question->flow, &question->verdict, question->record.port_word, "",
		      use_color(arguments, stdout));
	printf("  %-8s %s\n", "policy", policy->revision);
	nearest_print(stdout, &question->nearest, "");
	print_recorded(question);
	if (!question->verdict.allowed && question->verdict.denied == DENIED_AUDIT) {
		fputs("  but the mode is audit", stdout);
		if (policy->audit) {
			fputs(" (", stdout);
			escape_print(stdout, policy->mode_span.file, strlen(policy->mode_span.file));
			printf(":%u)", policy->mode_span.line);
		}
		puts(": the flow is logged and let through");
	}
}

/* FROM TO PORT lines and records in, JSON lines out. A line that cannot be answered is an answer too, and ends in
 * status 2. */
static int stream(struct input *input, size_t most)
{
	struct flow_lines lines;
	struct question question = {.most = most};
	const char *wrong;
	int status = EXIT_YES;
	flow_lines_init(&lines, input->arena, stdin);
	while (flow_lines_next(&lines, &question.record, &wrong)) {
		struct arena *arena = arena_create();
		if (wrong == NULL)
			wrong = answer(arena, &input->world, &question);
		if (wrong == NULL)
			print_json(&question, input->world.policy);
		else
			status = input_problem(input, "standard input, line %zu: %s", lines.number, wrong);
		fflush(stdout); /* whoever asks line by line waits for each answer */
		arena_free(arena);
	}
	return ferror(stdin) ? input_problem(input, "standard input: %m") : status;
}

/* Reads the question from the last words: FROM TO PORT, or one that is a record. Returns NULL, or why it is none. */
static const char *read_question(struct flow_record *record, const char *const *words, size_t asked)
{
	char *rooms[] = {record->words[EGRESS], record->words[INGRESS], record->port_word};
	if (asked == 1)
		return flow_record_read(record, words[0], strlen(words[0]));
	for (size_t i = 0; i < asked; i++) {
		if (strlen(words[i]) >= FLOW_WORD_SIZE)
			return "FROM, TO and PORT have at most 255 bytes";
		strcpy(rooms[i], words[i]);
	}
	return NULL;
}

static int ask(const struct arguments *arguments, struct input *input, const char *const *words, size_t asked)
{
	struct question question = {.most = arguments->nearest};
	const char *wrong = read_question(&question.record, words, asked);
	if (wrong == NULL)
		wrong = answer(input->arena, &input->world, &question);
	if (wrong != NULL)
		return input_problem(input, "%s", wrong);
	if (format_is(arguments, "json"))
		print_json(&question, input->world.policy);
	else
		print_text(arguments, input, &question);
	return question.verdict.allowed ? EXIT_YES : EXIT_NO;
}

int explain_run(const struct arguments *arguments)
{
	size_t count = arguments->word_count;
	const char *last = count > 0 ? arguments->words[count - 1] : "";
	bool from_stdin = strcmp(last, "-") == 0;
	size_t asked = from_stdin || last[0] == '{' ? 1 : 3;
	if (count < asked + 1)
		return problem(
		    "explain takes POLICY... FROM TO PORT, POLICY... LINE, or POLICY... -; see `ringfence help "
		    "explain`");
	struct input input = {0};
	int status = input_read(&input, arguments, arguments->words, count - asked);
	if (status == 0)
		status = from_stdin ? stream(&input, arguments->nearest)
				    : ask(arguments, &input, &arguments->words[count - asked], asked);
	input_finish(&input);
	return status;
}
