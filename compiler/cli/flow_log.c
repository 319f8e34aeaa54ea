/* Reads a flow log and reports what is wrong in it. */
#include "compiler/cli/flow_log.h"

#include <errno.h>
#include <string.h>

enum { PROBLEMS_SHOWN = 20 };

int flow_log_open(struct flow_log *log, struct input *input, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	*log = (struct flow_log){.name = is_stdin ? "standard input" : path};
	log->stream = is_stdin ? stdin : fopen(path, "re");
	return log->stream != NULL ? 0 : input_problem(input, "%s: %s", path, strerror(errno));
}

static struct span line_span(const struct flow_log *log, unsigned line)
{
	return (struct span){log->name, line, 1, line, 1};
}

/* Every line that is wrong is one error, up to a number of them; the rest is counted. */
static void note(struct flow_log *log, struct input *input, size_t line, const char *problem)
{
	log->last_problem = (unsigned)line;
	if (log->problem_count++ < PROBLEMS_SHOWN)
		diagnostics_error(&input->diagnostics, line_span(log, log->last_problem), "%s", problem);
}

int flow_log_read(struct flow_log *log, struct input *input,
		  const char *(*add)(void *context, const struct flow_record *record), void *context)
{
	struct flow_lines lines;
	struct flow_record record;
	const char *wrong;
	flow_lines_init(&lines, input->arena, log->stream);
	while (flow_lines_next(&lines, &record, &wrong)) {
		if (wrong == NULL)
			wrong = add(context, &record);
		if (wrong != NULL)
			note(log, input, lines.number, wrong);
		else
			log->record_count++;
	}
	if (ferror(log->stream))
		note(log, input, lines.number + 1, strerror(errno));
	if (log->problem_count > PROBLEMS_SHOWN)
		diagnostics_error(&input->diagnostics, line_span(log, log->last_problem),
				  "%zu more lines are wrong, this is the last of them",
				  log->problem_count - PROBLEMS_SHOWN);
	if (log->stream != stdin)
		fclose(log->stream);
	input->frontend.file_count++;
	int status = input_report(input);
	if (log->record_count == 0 && status == 0)
		status = input_problem(input, "%s: there is no flow in it", log->name);
	return status;
}
