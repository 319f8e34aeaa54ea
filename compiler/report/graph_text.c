/* A graph as text that other programs draw: DOT for graphviz, Mermaid for Markdown.
 *
 * Names come from input. Each form gets its own way of writing what would mean something there. What changed is marked
 * by the line and by a sign, so that it does not need colours. */
#include "compiler/report/graph_report.h"
#include "compiler/report/verdict_report.h"

#include <ringfence/arena.h>

#include <string.h>

const char *graph_ports(const struct graph_report *report, const struct graph_edge *edge)
{
	static const char *const signs[] = {
	    [GRAPH_SAME] = "", [GRAPH_ADDED] = "+ ", [GRAPH_REMOVED] = "- ", [GRAPH_CHANGED] = ""};
	const char *text = "";
	char port[48];
	for (size_t i = 0; i < edge->line_count; i++)
		text = arena_printf(report->arena, "%s%s%s%s", text, i > 0 ? ", " : "", signs[edge->lines[i].change],
				    port_range_format(&edge->lines[i].ports, port));
	return text;
}

static bool is_inside(const struct graph_node *node)
{
	return node->kind == GRAPH_SERVICE || node->kind == GRAPH_WORKLOAD;
}

/* How a form writes a group of nodes, and a node. `name_space` NULL: what is outside. */
struct form {
	void (*open)(FILE *stream, const struct graph_report *report, size_t number, const char *name_space);
	void (*node)(FILE *stream, const struct graph_report *report, size_t number);
	void (*close)(FILE *stream);
};

/* Nodes are sorted by id, which begins with the namespace. */
static void print_groups(FILE *stream, const struct graph_report *report, const struct form *form)
{
	const struct graph *graph = report->graph;
	const char *name_space = NULL;
	size_t groups = 0;
	for (size_t i = 0; i < graph->node_count; i++) {
		const struct graph_node *node = &graph->nodes[i];
		if (!is_inside(node))
			continue;
		if (name_space == NULL || strcmp(name_space, node->name_space) != 0) {
			if (name_space != NULL)
				form->close(stream);
			name_space = node->name_space;
			form->open(stream, report, groups++, name_space);
		}
		form->node(stream, report, i);
	}
	if (name_space != NULL)
		form->close(stream);
	for (size_t i = 0; i < graph->node_count; i++)
		if (!is_inside(&graph->nodes[i]))
			form->node(stream, report, i);
}

/* ---- DOT ---- */

/* A quoted string of DOT: a backslash begins an escape there, and `&` an HTML entity. */
static void print_quoted(FILE *stream, const struct graph_report *report, const char *input)
{
	putc('"', stream);
	for (const char *at = text_escaped(report->arena, input); *at != 0; at++) {
		if (*at == '"' || *at == '\\')
			putc('\\', stream);
		if (*at == '&')
			fputs("&amp;", stream);
		else
			putc(*at, stream);
	}
	putc('"', stream);
}

static void dot_open(FILE *stream, const struct graph_report *report, size_t number, const char *name_space)
{
	fprintf(stream, "  subgraph cluster_%zu {\n    label=", number);
	print_quoted(stream, report, name_space);
	fputs("; style=rounded; color=\"#b8c0cc\"; fontcolor=\"#59636e\";\n", stream);
}

static void dot_node(FILE *stream, const struct graph_report *report, size_t number)
{
	static const char *const styles[] = {
	    [GRAPH_SAME] = "",
	    [GRAPH_ADDED] = ", color=\"#1a7f37\", penwidth=2",
	    [GRAPH_REMOVED] = ", color=\"#cf222e\", style=\"rounded,dashed\"",
	    [GRAPH_CHANGED] = "",
	};
	const struct graph_node *node = &report->graph->nodes[number];
	fputs("    ", stream);
	print_quoted(stream, report, node->id);
	fputs(" [label=", stream);
	print_quoted(stream, report, is_inside(node) ? node->name : node->id);
	fprintf(stream, "%s%s];\n", is_inside(node) ? "" : ", shape=ellipse", styles[node->change]);
}

static void dot_close(FILE *stream)
{
	fputs("  }\n", stream);
}

/* Where the statements of an edge stand and why they are there. */
static const char *reasons(const struct graph_report *report, const struct graph_edge *edge)
{
	const char *text = "";
	for (size_t i = 0; i < edge->line_count; i++) {
		const struct allow *allow = edge->lines[i].allow;
		if (allow == NULL || (i > 0 && edge->lines[i - 1].allow == allow))
			continue;
		text =
		    arena_printf(report->arena, "%s%s%s:%u%s%s", text, *text != 0 ? "; " : "", allow->span.file,
				 allow->span.line, allow->why != NULL ? " " : "", allow->why != NULL ? allow->why : "");
	}
	return text;
}

static void dot_edge(FILE *stream, const struct graph_report *report, const struct graph_edge *edge)
{
	static const char *const styles[] = {
	    [GRAPH_SAME] = "",
	    [GRAPH_ADDED] = ", color=\"#1a7f37\", fontcolor=\"#1a7f37\", penwidth=2",
	    [GRAPH_REMOVED] = ", color=\"#cf222e\", fontcolor=\"#cf222e\", style=dashed",
	    [GRAPH_CHANGED] = ", color=\"#9a6700\", fontcolor=\"#9a6700\", penwidth=2, style=dotted",
	};
	fputs("  ", stream);
	print_quoted(stream, report, report->graph->nodes[edge->from].id);
	fputs(" -> ", stream);
	print_quoted(stream, report, report->graph->nodes[edge->to].id);
	fputs(" [label=", stream);
	print_quoted(stream, report, graph_ports(report, edge));
	fputs(", tooltip=", stream);
	print_quoted(stream, report, reasons(report, edge));
	fprintf(stream, "%s];\n", styles[edge->change]);
}

void graph_print_dot(FILE *stream, const void *report)
{
	static const struct form form = {dot_open, dot_node, dot_close};
	const struct graph *graph = ((const struct graph_report *)report)->graph;
	fputs("digraph ringfence {\n"
	      "  rankdir=LR; nodesep=0.3; ranksep=0.9;\n"
	      "  node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=11];\n"
	      "  edge [fontname=\"sans-serif\", fontsize=9, color=\"#6e7781\", fontcolor=\"#59636e\"];\n",
	      stream);
	print_groups(stream, report, &form);
	for (size_t i = 0; i < graph->edge_count; i++)
		dot_edge(stream, report, &graph->edges[i]);
	fputs("}\n", stream);
}

/* ---- Mermaid ---- */

/* A quoted label of Mermaid, where #NNN; is a character: whatever is no plain one becomes that, so that neither
 * Markdown, HTML nor the syntax of the diagram comes of it. */
static void print_label(FILE *stream, const struct graph_report *report, const char *input)
{
	putc('"', stream);
	for (const char *at = text_escaped(report->arena, input); *at != 0; at++) {
		unsigned char byte = (unsigned char)*at;
		if (byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
		    (byte >= 'a' && byte <= 'z') || strchr(" -./:,+", byte) != NULL)
			putc(byte, stream);
		else
			fprintf(stream, "#%u;", byte);
	}
	putc('"', stream);
}

static void mermaid_open(FILE *stream, const struct graph_report *report, size_t number, const char *name_space)
{
	fprintf(stream, "  subgraph g%zu[", number);
	print_label(stream, report, name_space);
	fputs("]\n", stream);
}

static void mermaid_node(FILE *stream, const struct graph_report *report, size_t number)
{
	static const char *const classes[] = {
	    [GRAPH_SAME] = "", [GRAPH_ADDED] = ":::added", [GRAPH_REMOVED] = ":::removed", [GRAPH_CHANGED] = ""};
	const struct graph_node *node = &report->graph->nodes[number];
	fprintf(stream, "    n%zu%s", number, is_inside(node) ? "[" : "([");
	print_label(stream, report, is_inside(node) ? node->name : node->id);
	fprintf(stream, "%s%s\n", is_inside(node) ? "]" : "])", classes[node->change]);
}

static void mermaid_close(FILE *stream)
{
	fputs("  end\n", stream);
}

static void mermaid_edge(FILE *stream, const struct graph_report *report, const struct graph_edge *edge)
{
	static const char *const arrows[] = {
	    [GRAPH_SAME] = "-->", [GRAPH_ADDED] = "==>", [GRAPH_REMOVED] = "-.->", [GRAPH_CHANGED] = "==>"};
	fprintf(stream, "  n%zu %s|", edge->from, arrows[edge->change]);
	print_label(stream, report, graph_ports(report, edge));
	fprintf(stream, "| n%zu\n", edge->to);
}

static void mermaid_colors(FILE *stream, const struct graph *graph)
{
	static const char *const strokes[] = {
	    [GRAPH_SAME] = NULL, [GRAPH_ADDED] = "#1a7f37", [GRAPH_REMOVED] = "#cf222e", [GRAPH_CHANGED] = "#9a6700"};
	for (size_t i = 0; i < graph->edge_count; i++)
		if (strokes[graph->edges[i].change] != NULL)
			fprintf(stream, "  linkStyle %zu stroke:%s\n", i, strokes[graph->edges[i].change]);
	fputs("  classDef added stroke:#1a7f37,stroke-width:3px\n"
	      "  classDef removed stroke:#cf222e,stroke-dasharray:4\n",
	      stream);
}

void graph_print_mermaid(FILE *stream, const void *report)
{
	static const struct form form = {mermaid_open, mermaid_node, mermaid_close};
	const struct graph_report *graph_report = report;
	fputs("flowchart LR\n", stream);
	print_groups(stream, report, &form);
	for (size_t i = 0; i < graph_report->graph->edge_count; i++)
		mermaid_edge(stream, report, &graph_report->graph->edges[i]);
	if (graph_report->diff != NULL)
		mermaid_colors(stream, graph_report->graph);
}
