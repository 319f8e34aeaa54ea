/* ringfence reach: who may reach whom, on which ports, and what a breach reaches. */
#include "compiler/cli/cli.h"
#include "compiler/report/blast_report.h"

#include <ringfence/explain.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void print_json(const struct reach *reach)
{
	json_t *list = json_array();
	char port[48];
	for (size_t i = 0; i < reach->count; i++) {
		const struct reachable *item = &reach->items[i];
		json_t *object = json_pack("{s:s, s:s, s:s}", "from", item->from, "to", item->to, "ports",
					   port_range_format(&item->ports, port));
		if (item->allow != NULL) {
			json_object_set_new(object, "file", text_json(item->allow->span.file));
			json_object_set_new(object, "line", json_integer(item->allow->span.line));
		}
		json_array_append_new(list, object);
	}
	json_t *root = json_pack("{s:i, s:o}", "version", 1, "reach", list);
	json_dumpf(root, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(root);
}

static void print_text(const struct reach *reach)
{
	char port[48];
	for (size_t i = 0; i < reach->count; i++) {
		const struct reachable *item = &reach->items[i];
		printf("%-28s -> %-28s %-12s", item->from, item->to, port_range_format(&item->ports, port));
		if (item->allow != NULL) {
			putchar(' ');
			escape_print(stdout, item->allow->span.file, strlen(item->allow->span.file));
			printf(":%u", item->allow->span.line);
		}
		putchar('\n');
	}
}

static int blast(struct input *input, const struct arguments *arguments, const struct endpoints *from)
{
	bool has_inventory = input->frontend.inventory.workload_count > 0;
	if (arguments->workloads && !has_inventory)
		return input_problem(input, "--workloads: there is no workload in the inventory");
	if (arguments->workloads && from->service != NULL &&
	    inventory_workload(&input->frontend.inventory, from->items[0].workload->name_space,
			       from->items[0].workload->name) == NULL)
		return input_problem(input, "--workloads: no workload of the inventory is of service %s",
				     arguments->from);
	struct blast found = blast_find(input->arena, &input->world, from, arguments->from, arguments->workloads);
	if (format_is(arguments, "json"))
		blast_print_json(stdout, &found, arguments->from, has_inventory);
	else
		blast_print(stdout, input->arena, &found, arguments->from, has_inventory);
	return EXIT_YES;
}

static int list(struct input *input, const struct arguments *arguments, const struct endpoints *from)
{
	struct reach reach = reach_list(input->arena, &input->world, arguments->workloads, from, arguments->from);
	if (format_is(arguments, "json"))
		print_json(&reach);
	else
		print_text(&reach);
	return EXIT_YES;
}

int reach_run(const struct arguments *arguments)
{
	struct input input = {0};
	struct endpoints from;
	if (arguments->transitive && arguments->from == NULL)
		return problem("--transitive needs --from: whose breach?");
	int status = input_read(&input, arguments, arguments->words, arguments->word_count);
	if (status == 0 && arguments->from != NULL) {
		const char *wrong = endpoints_find(input.arena, &input.world, arguments->from, &from);
		status = wrong != NULL ? input_problem(&input, "--from: %s", wrong) : 0;
	}
	if (status == 0)
		status = arguments->transitive ? blast(&input, arguments, &from)
					       : list(&input, arguments, arguments->from != NULL ? &from : NULL);
	if (status != EXIT_PROBLEM)
		input_tell_audit(&input);
	input_finish(&input);
	return status;
}
