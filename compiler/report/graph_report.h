/* A graph in the forms that people and programs draw: a page, DOT, Mermaid and JSON. */
#ifndef COMPILER_REPORT_GRAPH_REPORT_H
#define COMPILER_REPORT_GRAPH_REPORT_H

#include <ringfence/diff.h>
#include <ringfence/graph.h>

#include <jansson.h>
#include <stdio.h>

struct arena;

enum { MERMAID_EDGES_MAX = 500 }; /* what Mermaid draws unless it is told otherwise */

struct graph_report {
	struct arena *arena;
	const struct graph *graph;
	const struct diff *diff;      /* NULL: the graph is compared with nothing */
	const char *policy, *against; /* what they are called: words of the command line */
};

/* Each prints a struct graph_report. Text from input is escaped as the form asks for it. */
void graph_print_html(FILE *stream, const void *report);
void graph_print_dot(FILE *stream, const void *report);
void graph_print_mermaid(FILE *stream, const void *report);
void graph_print_json(FILE *stream, const void *report);

/* What graph_print_json prints, and what the page reads; the caller owns it. */
json_t *graph_json(const struct graph_report *report);

/* The ports of an edge in one line, those that were opened with +, those that were closed with -. In the arena. */
const char *graph_ports(const struct graph_report *report, const struct graph_edge *edge);

#endif
