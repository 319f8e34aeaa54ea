/* ringfence replay: which recorded flows would a change cut, and which newly pass? */
#include "compiler/cli/cli.h"
#include "compiler/report/replay_report.h"

#include <errno.h>
#include <string.h>

enum { PROBLEMS_SHOWN = 20 };

/* The records that are being read. */
struct log {
	const char *name;
	FILE *stream;
	size_t problem_count, record_count;
	unsigned last_problem; /* its line */
};

static void log_open(struct log *log, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	log->name = is_stdin ? "standard input" : path;
	log->stream = is_stdin ? stdin : fopen(path, "re");
}

static void log_close(struct log *log)
{
	if (log->stream != NULL && log->stream != stdin)
		fclose(log->stream);
}

static struct span line_span(const struct log *log, unsigned line)
{
	return (struct span){log->name, line, 1, line, 1};
}

/* Every line that is wrong is one error, up to a number of them; the rest is counted. */
static void note(struct log *log, struct input *input, size_t line, const char *problem)
{
	log->last_problem = (unsigned)line;
	if (log->problem_count++ < PROBLEMS_SHOWN)
		diagnostics_error(&input->diagnostics, line_span(log, log->last_problem), "%s", problem);
}

static void read_log(struct log *log, struct input *input, struct replay *replay)
{
	struct flow_lines lines;
	struct flow_record record;
	const char *wrong;
	flow_lines_init(&lines, input->arena, log->stream);
	while (flow_lines_next(&lines, &record, &wrong)) {
		if (wrong == NULL)
			wrong = replay_add(replay, &record);
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
}

static int report(const struct arguments *arguments, const struct input *after, const struct replay_result *result)
{
	const struct replay_report told = {after->arena, result, &after->world, arguments->nearest,
					   use_color(arguments, stdout)};
	(format_is(arguments, "json") ? replay_print_json : replay_print_text)(&told);
	if (result->totals[FATE_UNKNOWN].flows > 0)
		return EXIT_PROBLEM;
	return result->totals[FATE_CUT].flows + result->totals[FATE_PASSES].flows > 0 ? EXIT_NO : EXIT_YES;
}

static int replay(const struct arguments *arguments, struct input *before, struct input *after)
{
	struct log log = {0};
	log_open(&log, arguments->words[0]);
	if (log.stream == NULL)
		return input_problem(after, "%s: %s", arguments->words[0], strerror(errno));
	before->world.at = after->world.at; /* one moment, so that no expiry falls between the two */
	struct replay *replay = replay_create(after->arena, &before->world, &after->world);
	read_log(&log, after, replay);
	const struct replay_result result = replay_finish(replay);
	log_close(&log);
	after->frontend.file_count++;
	int read = input_report(after);
	if (log.record_count == 0)
		return read != 0 ? read : input_problem(after, "%s: there is no flow in it", log.name);
	int status = report(arguments, after, &result);
	return read != 0 ? read : status;
}

int replay_run(const struct arguments *arguments)
{
	struct input before = {.takes_git = true}, after = {.takes_git = true};
	if (arguments->word_count != 3)
		return problem(
		    "replay takes FLOWS OLD NEW: a file of flows, and two policies; see `ringfence help replay`");
	int old_status = input_read(&before, arguments, &arguments->words[1], 1);
	int new_status = input_read(&after, arguments, &arguments->words[2], 1);
	int status = old_status != 0 || new_status != 0 ? EXIT_PROBLEM : replay(arguments, &before, &after);
	input_finish(&before);
	input_finish(&after);
	return status;
}
