/* A blast radius as text and as JSON: each end with a shortest path to it. */
#include "compiler/report/blast_report.h"
#include "compiler/report/verdict_report.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* ---- text ---- */

static void write_ports(FILE *stream, const struct hop *hop)
{
	enum { MOST = 3 };
	char port[48];
	for (size_t i = 0; i < hop->port_count && i < MOST; i++)
		fprintf(stream, "%s%s", i > 0 ? ", " : " ", port_range_format(&hop->ports[i], port));
	if (hop->port_count > MOST)
		fprintf(stream, " and %zu more", hop->port_count - MOST);
}

static void write_places(FILE *stream, const struct hop *hop)
{
	enum { MOST = 2 };
	fputs(hop->statement_count == 0 ? " (nothing closes it" : " (", stream);
	for (size_t i = 0; i < hop->statement_count && i < MOST; i++)
		fprintf(stream, "%s%s:%u", i > 0 ? ", " : "", hop->statements[i].file, hop->statements[i].line);
	if (hop->statement_count > MOST)
		fprintf(stream, " and %zu more", hop->statement_count - MOST);
	fputc(')', stream);
}

const char *path_text(struct arena *arena, const struct reached *reached, bool places)
{
	enum { MOST = 12, KEPT = 5 }; /* of the hops of a longer path, those at either end are kept */
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	for (size_t i = 0; i < reached->hop_count; i++) {
		const struct hop *hop = reached->path[i];
		if (reached->hop_count > MOST && i == KEPT) {
			i = reached->hop_count - KEPT;
			fprintf(stream, " -> (%zu more)", i - KEPT);
			hop = reached->path[i];
		}
		fprintf(stream, "%s -> %s", i == 0 ? hop->from : "", hop->to);
		write_ports(stream, hop);
		if (places)
			write_places(stream, hop);
	}
	if (fclose(stream) != 0)
		abort();
	const char *copy = arena_copy(arena, text, size);
	free(text);
	return copy;
}

static void print_summary(FILE *stream, const struct blast *blast, const char *name, bool has_inventory)
{
	const struct {
		bool told;
		size_t count;
		const char *one, *more;
	} parts[] = {
	    {!blast->by_workloads, blast->services, "service", "services"},
	    {has_inventory, blast->workloads, "workload", "workloads"},
	    {blast->others > 0, blast->others, "end that is no workload", "ends that are no workloads"},
	};
	bool first = true;
	fputs("blast radius of ", stream);
	escape_print(stream, name, strlen(name));
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (!parts[i].told)
			continue;
		fprintf(stream, "%s %zu %s", first ? ":" : ",", parts[i].count,
			parts[i].count == 1 ? parts[i].one : parts[i].more);
		if (first && blast->count > 0)
			fprintf(stream, " in at most %zu hop%s", blast->depth, blast->depth == 1 ? "" : "s");
		first = false;
	}
	fputc('\n', stream);
}

void blast_print(FILE *stream, struct arena *arena, const struct blast *blast, const char *name, bool has_inventory)
{
	for (size_t i = 0; i < blast->count; i++) {
		const struct reached *reached = &blast->items[i];
		const char *path = reached->hop_count > 0
				       ? path_text(arena, reached, true)
				       : arena_printf(arena, "has a workload in common with %s", name);
		fprintf(stream, "%3zu  ", reached->hop_count);
		escape_print(stream, reached->name, strlen(reached->name));
		fprintf(stream, "%*s  ", (int)(strlen(reached->name) < 28 ? 28 - strlen(reached->name) : 0), "");
		escape_print(stream, path, strlen(path));
		fputc('\n', stream);
	}
	print_summary(stream, blast, name, has_inventory);
}

/* ---- JSON ---- */

static json_t *hop_json(const struct hop *hop)
{
	json_t *ports = json_array(), *statements = json_array();
	char port[48];
	for (size_t i = 0; i < hop->port_count; i++)
		json_array_append_new(ports, json_string(port_range_format(&hop->ports[i], port)));
	for (size_t i = 0; i < hop->statement_count; i++)
		json_array_append_new(statements, json_pack("{s:o, s:I}", "file", text_json(hop->statements[i].file),
							    "line", (json_int_t)hop->statements[i].line));
	return json_pack("{s:o, s:o, s:o, s:o}", "from", text_json(hop->from), "to", text_json(hop->to), "ports", ports,
			 "statements", statements);
}

static json_t *reached_json(const struct reached *reached, bool has_inventory)
{
	static const char *const kinds[] = {
	    [REACHED_SERVICE] = "service", [REACHED_WORKLOAD] = "workload", [REACHED_OUTSIDE] = "outside"};
	json_t *path = json_array();
	for (size_t i = 0; i < reached->hop_count; i++)
		json_array_append_new(path, hop_json(reached->path[i]));
	json_t *object = json_pack("{s:o, s:s, s:I, s:o}", "to", text_json(reached->name), "kind", kinds[reached->kind],
				   "hops", (json_int_t)reached->hop_count, "path", path);
	if (has_inventory && reached->kind != REACHED_OUTSIDE)
		json_object_set_new(object, "workloads", json_integer((json_int_t)reached->workloads));
	return object;
}

void blast_print_json(FILE *stream, const struct blast *blast, const char *name, bool has_inventory)
{
	json_t *list = json_array();
	for (size_t i = 0; i < blast->count; i++)
		json_array_append_new(list, reached_json(&blast->items[i], has_inventory));
	json_t *root = json_pack("{s:i, s:o, s:I, s:I, s:I, s:o}", "version", 1, "from", text_json(name), "services",
				 (json_int_t)blast->services, "others", (json_int_t)blast->others, "hops",
				 (json_int_t)blast->depth, "reached", list);
	if (has_inventory)
		json_object_set_new(root, "workloads", json_integer((json_int_t)blast->workloads));
	json_dumpf(root, stream, JSON_COMPACT);
	fputc('\n', stream);
	json_decref(root);
}
