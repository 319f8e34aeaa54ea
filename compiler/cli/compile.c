/* ringfence compile: a node's ruleset as text, or as JSON of the intermediate form. */
#include "compiler/cli/cli.h"
#include "compiler/report/ruleset_json.h"

#include <ringfence/lowering.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct compiled {
	const struct arguments *arguments;
	const struct input *input;
	const struct ruleset *ruleset;
	const struct choice *choices;
	size_t choice_count;
};

static void print(FILE *stream, const void *object)
{
	const struct compiled *compiled = object;
	if (format_is(compiled->arguments, "json"))
		ruleset_print_json(stream, compiled->ruleset, compiled->choices, compiled->choice_count);
	else
		ruleset_print(stream, compiled->ruleset, compiled->input->world.at);
}

/* Lowers for `node` and prints to `path`, or to standard output when it is NULL. */
static int compile(const char *path, const struct arguments *arguments, struct input *input, const char *node)
{
	struct lowering *lowering = lowering_create(&input->world, node, 1, NULL, &input->diagnostics);
	if (lowering == NULL)
		return input_report(input);
	struct compiled compiled = {arguments, input, lowering_ruleset(lowering, input->arena, true), NULL, 0};
	if (format_is(arguments, "json"))
		compiled.choices = lowering_choices(lowering, input->arena, &compiled.choice_count);
	lowering_leave_to(lowering, input->arena);
	if (path != NULL) {
		const char *wrong = output_write(input->arena, path, print, &compiled);
		return wrong != NULL ? input_problem(input, "%s", wrong) : EXIT_YES;
	}
	print(stdout, &compiled);
	return EXIT_YES;
}

static int all_nodes(const struct arguments *arguments, struct input *input)
{
	if (arguments->output == NULL)
		return input_problem(input, "--all-nodes needs -o DIR");
	if (mkdir(arguments->output, 0777) != 0 && errno != EEXIST)
		return input_problem(input, "%s: %s", arguments->output, strerror(errno));
	int status = EXIT_YES;
	const struct inventory *inventory = &input->frontend.inventory;
	for (size_t i = 0; i < inventory->node_count && status == EXIT_YES; i++) {
		const char *name = inventory->nodes[i]->name;
		if (strchr(name, '/') != NULL || name[0] == '.')
			return input_problem(input, "node `%s` cannot be a file name", name);
		char *path = arena_printf(input->arena, "%s/%s.%s", arguments->output, name,
					  format_is(arguments, "json") ? "json" : "nft");
		status = compile(path, arguments, input, name);
	}
	return status;
}

int node_check(struct input *input, const char *node)
{
	const struct inventory *inventory = &input->frontend.inventory;
	bool known = node == NULL || inventory_node(inventory, node) != NULL;
	for (size_t i = 0; i < inventory->workload_count && !known; i++)
		known = inventory->workloads[i]->node != NULL && strcmp(inventory->workloads[i]->node, node) == 0;
	return known ? 0 : input_problem(input, "no node `%s` in the inventory", node);
}

int compile_run(const struct arguments *arguments)
{
	struct input input = {0};
	int status = input_read(&input, arguments, arguments->words, arguments->word_count);
	if (status == 0)
		status = node_check(&input, arguments->node);
	if (status == 0)
		status = input_prove(&input, NULL);
	if (status == 0 && arguments->all_nodes)
		status = all_nodes(arguments, &input);
	else if (status == 0)
		status = compile(arguments->output, arguments, &input, arguments->node);
	input_finish(&input);
	return status;
}
