/* Reads what a subcommand works on, and reports what is wrong with it. */
#include "compiler/cli/cli.h"
#include "compiler/report/diagnostics_report.h"

#include <ringfence/lint.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool use_color(const struct arguments *arguments, FILE *stream)
{
	if (arguments->color != NULL && strcmp(arguments->color, "auto") != 0)
		return strcmp(arguments->color, "always") == 0;
	const char *no_color = getenv("NO_COLOR");
	if (no_color != NULL && *no_color != 0)
		return false;
	return isatty(fileno(stream)) == 1;
}

bool format_is(const struct arguments *arguments, const char *format)
{
	return strcmp(arguments->format != NULL ? arguments->format : "text", format) == 0;
}

static void add_path(struct input *input, const char *path)
{
	const char *commit = NULL;
	if (input->takes_git && git_is_word(path))
		commit = git_add(&input->frontend, path);
	else
		frontend_add_path(&input->frontend, path);
	bool same = input->commit != NULL && commit != NULL && strcmp(input->commit, commit) == 0;
	input->commit = input->path_count++ == 0 || same ? commit : NULL;
}

int input_read(struct input *input, const struct arguments *arguments, const char *const *paths, size_t count)
{
	input->arguments = arguments;
	input->arena = arena_create();
	diagnostics_init(&input->diagnostics, input->arena);
	frontend_init(&input->frontend, input->arena, &input->diagnostics);
	input->world = (struct world){&input->frontend.policy, &input->frontend.inventory, (int64_t)time(NULL)};
	const char *wrong = arguments->at != NULL ? time_parse(&input->world.at, arguments->at) : NULL;
	if (wrong != NULL)
		return input_problem(input, "--at %s: %s", arguments->at, wrong);
	if (arguments->at != NULL && strlen(arguments->at) == strlen("2027-03-31"))
		input->world.at -=
		    24 * 3600; /* to its start: `time_parse` gives the end of a date, as `until` means it */
	if (count == 0)
		return input_problem(input, "name the policy: files or directories");
	for (size_t i = 0; i < count; i++)
		add_path(input, paths[i]);
	for (size_t i = 0; i < arguments->inventory_count; i++)
		add_path(input, arguments->inventories[i]);
	frontend_finish(&input->frontend);
	if (input->diagnostics.errors == 0 && !frontend_has_input(&input->frontend)) {
		diagnostics_error(&input->diagnostics, (struct span){0}, "no policy found in %s", paths[0]);
		diagnostics_rule(&input->diagnostics, DIAGNOSTIC_FILE);
		diagnostics_help(&input->diagnostics,
				 "a document in a .yaml, .yml or .json file starts with `ringfence: v1`");
	}
	return input_report(input);
}

bool input_speaks_text(const struct input *input)
{
	return input->arguments->diagnostics == NULL || strcmp(input->arguments->diagnostics, "text") == 0;
}

void input_show(struct input *input)
{
	struct diagnostics fresh = input->diagnostics;
	if (input_speaks_text(input) && fresh.count > input->reported) {
		fresh.items += input->reported;
		fresh.count -= input->reported;
		diagnostics_print(&fresh, stderr, use_color(input->arguments, stderr));
	}
	input->reported = input->diagnostics.count;
}

int input_report(struct input *input)
{
	if (input->reported == 0)
		diagnostics_sort(&input->diagnostics);
	input_show(input);
	if (input->diagnostics.errors == 0)
		return 0;
	if (input_speaks_text(input))
		fprintf(stderr, "ringfence: %zu error%s in %zu file%s\n", input->diagnostics.errors,
			input->diagnostics.errors == 1 ? "" : "s", input->frontend.file_count,
			input->frontend.file_count == 1 ? "" : "s");
	return EXIT_PROBLEM;
}

int input_prove(struct input *input, struct proof *proof)
{
	struct proof made = invariants_prove(input->arena, &input->world, true);
	if (proof != NULL)
		*proof = made;
	invariants_report(&input->diagnostics, &made);
	input_show(input);
	if (made.broken_count == 0)
		return made.cut ? EXIT_PROBLEM : 0;
	if (input_speaks_text(input))
		fprintf(stderr, "ringfence: %zu of %zu `never` rules %s broken\n", made.broken_count,
			input->frontend.policy.never_count, made.broken_count == 1 ? "is" : "are");
	return EXIT_NO;
}

void input_tell_audit(const struct input *input)
{
	const struct policy *policy = input->world.policy;
	size_t count = 0;
	for (size_t i = 0; i < policy->service_count; i++)
		count += policy->services[i]->mode == MODE_AUDIT;
	if (!input_speaks_text(input) || (!policy->audit && count == 0))
		return;
	if (policy->audit)
		fprintf(stderr, "ringfence: the mode is audit: what is denied is logged and let through\n");
	else
		fprintf(stderr,
			"ringfence: %zu service%s in audit mode: what only they deny is logged and let through\n",
			count, count == 1 ? " is" : "s are");
}

void input_lint(struct input *input)
{
	lint_run(&input->diagnostics, input->arena, &input->world);
	input_show(input);
}

int input_problem(struct input *input, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const char *text = arena_vprintf(input->arena, format, args);
	va_end(args);
	if (input_speaks_text(input))
		return problem("%s", text);
	diagnostics_error(&input->diagnostics, (struct span){0}, "%s", text);
	diagnostics_rule(&input->diagnostics, DIAGNOSTIC_COMMAND);
	return EXIT_PROBLEM;
}

void input_finish(struct input *input)
{
	static const struct {
		const char *form;
		void (*print)(const struct diagnostics *list, FILE *stream);
	} forms[] = {
	    {"json", diagnostics_print_json}, {"sarif", diagnostics_print_sarif}, {"github", diagnostics_print_github}};
	if (!input_speaks_text(input))
		diagnostics_sort(&input->diagnostics);
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (!input_speaks_text(input) && strcmp(input->arguments->diagnostics, forms[i].form) == 0)
			forms[i].print(&input->diagnostics, stderr);
	arena_free(input->arena);
}
