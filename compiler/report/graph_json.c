/* A graph as JSON: nodes, edges, and the statements that edges point to by their number. */
#include "compiler/report/diff_report.h"
#include "compiler/report/graph_report.h"
#include "compiler/report/verdict_report.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

static const char *const kind_words[] = {
    [GRAPH_SERVICE] = "service", [GRAPH_WORKLOAD] = "workload", [GRAPH_NETWORK] = "network",
    [GRAPH_ANY] = "any",	 [GRAPH_WORLD] = "world",	[GRAPH_NODE] = "node",
};

static const char *const change_words[] = {
    [GRAPH_SAME] = NULL, [GRAPH_ADDED] = "added", [GRAPH_REMOVED] = "removed", [GRAPH_CHANGED] = "changed"};

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text != NULL)
		json_object_set_new(object, key, text_json(text));
}

static void set_span(json_t *object, const struct span *span)
{
	if (span->file == NULL)
		return;
	json_object_set_new(object, "file", text_json(span->file));
	json_object_set_new(object, "line", json_integer(span->line));
}

static json_t *prefixes_json(const struct prefix *prefixes, size_t count)
{
	json_t *list = json_array();
	char text[ADDRESS_TEXT_SIZE];
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(prefix_format(&prefixes[i], text)));
	return list;
}

static json_t *ports_json(const struct service *service)
{
	json_t *list = json_array();
	char port[48];
	for (size_t i = 0; i < service->port_count; i++)
		json_array_append_new(list, json_pack("{s:o, s:s}", "name", text_json(service->ports[i].name), "port",
						      port_range_format(&service->ports[i].port, port)));
	return list;
}

static json_t *node_json(const struct graph *graph, const struct graph_node *node)
{
	json_t *object = json_pack("{s:o, s:s, s:o}", "id", text_json(node->id), "kind", kind_words[node->kind], "name",
				   text_json(node->name));
	set_text(object, "namespace", node->name_space);
	set_text(object, "change", change_words[node->change]);
	set_span(object, &node->span);
	if (node->service != NULL && node->service->port_count > 0)
		json_object_set_new(object, "ports", ports_json(node->service));
	if (node->service != NULL && graph->has_inventory)
		json_object_set_new(object, "workloads", json_integer((json_int_t)node->workload_count));
	if (node->network != NULL)
		json_object_set_new(object, "cidrs", prefixes_json(node->network->cidrs, node->network->cidr_count));
	if (node->network != NULL && node->network->except_count > 0)
		json_object_set_new(object, "except",
				    prefixes_json(node->network->except, node->network->except_count));
	return object;
}

static json_t *statement_json(const struct allow *allow)
{
	json_t *object = json_object();
	char text[48];
	set_span(object, &allow->span);
	set_text(object, "why", allow->why);
	set_text(object, "owner", allow->owner);
	if (allow->until != 0)
		json_object_set_new(object, "until", json_string(time_print(allow->until, text)));
	if (allow->rate.count > 0)
		json_object_set_new(object, "rate", json_string(rate_format(&allow->rate, text)));
	if (allow->log)
		json_object_set_new(object, "log", json_true());
	return object;
}

/* The allows of all lines, each once, in the order of files and lines. */
struct statements {
	const struct allow **items;
	size_t count;
};

static int compare_allows(const void *left, const void *right)
{
	const struct allow *a = *(const struct allow *const *)left, *b = *(const struct allow *const *)right;
	int order = compare_spans(&a->span, &b->span);
	if (order == 0)
		order = strcmp(a->key, b->key);
	return order != 0 ? order : (a > b) - (a < b);
}

static struct statements find_statements(const struct graph_report *report)
{
	const struct graph *graph = report->graph;
	struct statements statements = {0};
	size_t kept = 0;
	for (size_t i = 0; i < graph->edge_count; i++)
		for (size_t j = 0; j < graph->edges[i].line_count; j++)
			if (graph->edges[i].lines[j].allow != NULL)
				*arena_push(report->arena, statements.items, statements.count) =
				    graph->edges[i].lines[j].allow;
	if (statements.count > 1)
		qsort(statements.items, statements.count, sizeof(struct allow *), compare_allows);
	for (size_t i = 0; i < statements.count; i++)
		if (kept == 0 || statements.items[kept - 1] != statements.items[i])
			statements.items[kept++] = statements.items[i];
	statements.count = kept;
	return statements;
}

static json_t *line_json(const struct statements *statements, const struct graph_line *line)
{
	char port[48];
	json_t *object = json_pack("{s:s}", "ports", port_range_format(&line->ports, port));
	set_text(object, "change", change_words[line->change]);
	if (line->allow == NULL)
		return object;
	const struct allow **found =
	    bsearch(&line->allow, statements->items, statements->count, sizeof(struct allow *), compare_allows);
	json_object_set_new(object, "by", json_integer(found - statements->items));
	return object;
}

static json_t *edge_json(const struct graph *graph, const struct statements *statements, const struct graph_edge *edge)
{
	json_t *lines = json_array();
	for (size_t i = 0; i < edge->line_count; i++)
		json_array_append_new(lines, line_json(statements, &edge->lines[i]));
	json_t *object = json_pack("{s:o, s:o, s:o}", "from", text_json(graph->nodes[edge->from].id), "to",
				   text_json(graph->nodes[edge->to].id), "open", lines);
	set_text(object, "change", change_words[edge->change]);
	return object;
}

json_t *graph_json(const struct graph_report *report)
{
	const struct graph *graph = report->graph;
	const struct statements statements = find_statements(report);
	json_t *nodes = json_array(), *edges = json_array(), *list = json_array();
	for (size_t i = 0; i < graph->node_count; i++)
		json_array_append_new(nodes, node_json(graph, &graph->nodes[i]));
	for (size_t i = 0; i < graph->edge_count; i++)
		json_array_append_new(edges, edge_json(graph, &statements, &graph->edges[i]));
	for (size_t i = 0; i < statements.count; i++)
		json_array_append_new(list, statement_json(statements.items[i]));
	json_t *root = json_pack("{s:i, s:o, s:o, s:o, s:o}", "version", 1, "policy", text_json(report->policy),
				 "nodes", nodes, "edges", edges, "statements", list);
	set_text(root, "against", report->against);
	if (report->diff != NULL) {
		json_t *diff =
		    diff_json(&(struct diff_report){.arena = report->arena, .diff = report->diff, .color = false});
		json_object_del(diff, "version");
		json_object_set_new(root, "diff", diff);
	}
	return root;
}

void graph_print_json(FILE *stream, const void *report)
{
	json_t *root = graph_json(report);
	json_dumpf(root, stream, JSON_COMPACT);
	putc('\n', stream);
	json_decref(root);
}
