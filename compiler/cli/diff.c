/* ringfence diff: what does a change open and close? */
#include "compiler/cli/cli.h"
#include "compiler/report/diff_report.h"

#include <ringfence/diff.h>

static const struct {
	const char *format;
	void (*print)(const struct diff_report *report);
} formats[] = {
    {"text", diff_print_text},
    {"json", diff_print_json},
    {"markdown", diff_print_markdown},
};

static int compare(const struct arguments *arguments, struct input *before, struct input *after)
{
	before->world.at = after->world.at; /* one moment, so that no expiry falls between the two */
	const struct diff diff = diff_compare(after->arena, &before->world, &after->world);
	const struct diff_report report = {after->arena, &diff, use_color(arguments, stdout)};
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (format_is(arguments, formats[i].format))
			formats[i].print(&report);
	return diff.change_count + diff.widening_count == 0 ? EXIT_YES : EXIT_NO;
}

int diff_run(const struct arguments *arguments)
{
	struct input before = {.takes_git = true}, after = {.takes_git = true};
	if (arguments->word_count != 2)
		return problem("diff takes two policies, OLD and NEW: files, directories or git:REV[:PATH]");
	int old_status = input_read(&before, arguments, &arguments->words[0], 1);
	int new_status = input_read(&after, arguments, &arguments->words[1], 1);
	int status = old_status != 0 || new_status != 0 ? EXIT_PROBLEM : compare(arguments, &before, &after);
	input_finish(&before);
	input_finish(&after);
	return status;
}
