/* ringfence graph: a picture of who talks to whom. */
#include "compiler/cli/cli.h"
#include "compiler/report/graph_report.h"

#include <ringfence/diff.h>
#include <ringfence/graph.h>

#include <string.h>

static const struct {
	const char *format;
	void (*print)(FILE *stream, const void *report);
} formats[] = {
    {"html", graph_print_html}, /* the default */
    {"dot", graph_print_dot},
    {"mermaid", graph_print_mermaid},
    {"json", graph_print_json},
};

/* The words of the command line that name the policy, joined. */
static const char *title(struct arena *arena, const struct arguments *arguments)
{
	const char *text = arguments->words[0];
	for (size_t i = 1; i < arguments->word_count; i++)
		text = arena_printf(arena, "%s %s", text, arguments->words[i]);
	return text;
}

/* What a renderer of the form is known to refuse is said, since the text alone does not show it. */
static void warn(struct input *input, const struct graph *graph)
{
	if (graph->node_count == 0)
		diagnostics_warning(&input->diagnostics, (struct span){0},
				    "the policy defines no service and the inventory has no workload: nothing to draw");
	if (input->arguments->format != NULL && strcmp(input->arguments->format, "mermaid") == 0 &&
	    graph->edge_count > MERMAID_EDGES_MAX) {
		diagnostics_warning(&input->diagnostics, (struct span){0},
				    "mermaid refuses more than %d arrows by default, and this has %zu",
				    MERMAID_EDGES_MAX, graph->edge_count);
		diagnostics_help(&input->diagnostics,
				 "raise `maxEdges` where it is drawn, or use --format html or dot");
	}
}

/* What prints the form that --format names. */
static void (*form(const struct arguments *arguments))(FILE *stream, const void *report)
{
	for (size_t i = 1; i < sizeof formats / sizeof *formats; i++)
		if (arguments->format != NULL && strcmp(arguments->format, formats[i].format) == 0)
			return formats[i].print;
	return formats[0].print;
}

static int draw(struct input *input, struct input *before)
{
	const struct arguments *arguments = input->arguments;
	const struct world *old = before != NULL ? &before->world : NULL;
	bool workloads = arguments->workloads ||
			 (input->world.policy->service_count == 0 && (old == NULL || old->policy->service_count == 0));
	if (before != NULL)
		before->world.at = input->world.at; /* one moment, so that no expiry falls between the two */
	const struct graph graph = graph_make(input->arena, &input->world, old, workloads);
	struct diff diff = {0};
	if (old != NULL)
		diff = diff_compare(input->arena, old, &input->world);
	const struct graph_report report = {input->arena, &graph, old != NULL ? &diff : NULL,
					    title(input->arena, arguments), arguments->against};
	warn(input, &graph);
	if (input_report(input) != 0)
		return EXIT_PROBLEM;
	if (arguments->output == NULL) {
		form(arguments)(stdout, &report);
		return EXIT_YES;
	}
	const char *wrong = output_write(input->arena, arguments->output, form(arguments), &report);
	return wrong != NULL ? input_problem(input, "%s", wrong) : EXIT_YES;
}

int graph_run(const struct arguments *arguments)
{
	struct input before = {.takes_git = true}, input = {.takes_git = true};
	bool compares = arguments->against != NULL;
	int old_status = compares ? input_read(&before, arguments, &arguments->against, 1) : 0;
	int status = input_read(&input, arguments, arguments->words, arguments->word_count);
	if (status == 0 && old_status == 0)
		status = draw(&input, compares ? &before : NULL);
	if (compares)
		input_finish(&before);
	input_finish(&input);
	return old_status != 0 ? old_status : status;
}
