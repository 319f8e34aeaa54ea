/* ringfence reach: who may reach whom, on which ports. */
#include "compiler/cli/cli.h"

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

int reach_run(const struct arguments *arguments)
{
	struct input input = {0};
	int status = input_read(&input, arguments, arguments->words, arguments->word_count);
	if (status == 0) {
		struct reach reach = reach_list(input.arena, &input.world, arguments->workloads);
		if (format_is(arguments, "json"))
			print_json(&reach);
		else
			print_text(&reach);
	}
	input_finish(&input);
	return status;
}
