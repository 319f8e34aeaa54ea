/* ringfence replay: which recorded flows would a change cut, and which newly pass? */
#include "compiler/cli/flow_log.h"
#include "compiler/report/replay_report.h"

static const char *add(void *replay, const struct flow_record *record)
{
	return replay_add(replay, record);
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
	struct flow_log log;
	if (flow_log_open(&log, after, arguments->words[0]) != 0)
		return EXIT_PROBLEM;
	before->world.at = after->world.at; /* one moment, so that no expiry falls between the two */
	struct replay *replay = replay_create(after->arena, &before->world, &after->world);
	int read = flow_log_read(&log, after, add, replay);
	const struct replay_result result = replay_finish(replay);
	if (log.record_count == 0)
		return read;
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
