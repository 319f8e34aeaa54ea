/* ringfence suggest: the allows that recorded flows would need. */
#include "compiler/cli/flow_log.h"
#include "compiler/report/suggest_report.h"

#include <string.h>

static const char *add(void *suggest, const struct flow_record *record)
{
	return suggest_add(suggest, record);
}

/* Says on standard error what whoever sends the document to a file does not see. */
static void tell(const struct input *input, const struct suggestion *suggestion)
{
	if (!input_speaks_text(input))
		return;
	if (suggestion->uncovered.flows > 0)
		fprintf(stderr, "ringfence: %zu flow%s not covered; the document says which, and why\n",
			suggestion->uncovered.flows, suggestion->uncovered.flows == 1 ? " is" : "s are");
	else if (suggestion->allow_count == 0)
		fprintf(stderr, "ringfence: nothing is needed: the policy allows all that was seen\n");
}

static int print(struct input *input, const struct suggest_report *report)
{
	const struct arguments *arguments = input->arguments;
	void (*write)(FILE * stream, const void *object) =
	    format_is(arguments, "json") ? suggest_print_json : suggest_print_document;
	const char *wrong = NULL;
	if (arguments->output == NULL)
		write(stdout, report);
	else
		wrong = output_write(input->arena, arguments->output, write, report);
	if (wrong != NULL)
		return input_problem(input, "%s", wrong);
	tell(input, report->suggestion);
	return report->suggestion->uncovered.flows > 0 ? EXIT_NO : EXIT_YES;
}

static int suggest(struct input *input, int64_t since)
{
	struct flow_log log;
	if (flow_log_open(&log, input, input->arguments->words[0]) != 0)
		return EXIT_PROBLEM;
	struct suggest *suggest = suggest_create(input->arena, &input->world, since, input->arguments->min_count);
	int read = flow_log_read(&log, input, add, suggest);
	const struct suggestion suggestion = suggest_finish(suggest);
	if (log.record_count == 0)
		return read;
	const struct suggest_report report = {input->arena, log.name, log.problem_count, &suggestion};
	int status = print(input, &report);
	return read != 0 ? read : status;
}

/* A date is its start here: `time_parse` gives its end, as `until` means it. */
static const char *read_since(const char *text, int64_t *since)
{
	*since = 0;
	const char *wrong = text != NULL ? time_parse(since, text) : NULL;
	if (wrong == NULL && text != NULL && strlen(text) == strlen("2027-03-31"))
		*since -= 24 * 3600;
	return wrong;
}

int suggest_run(const struct arguments *arguments)
{
	struct input input = {.takes_git = true};
	int64_t since;
	if (arguments->word_count < 2)
		return problem(
		    "suggest takes FLOWS POLICY...: a file of flows, and a policy; see `ringfence help suggest`");
	const char *wrong = read_since(arguments->since, &since);
	if (wrong != NULL)
		return problem("--since %s: %s", arguments->since, wrong);
	int status = input_read(&input, arguments, &arguments->words[1], arguments->word_count - 1);
	if (status == 0)
		status = suggest(&input, since);
	input_finish(&input);
	return status;
}
