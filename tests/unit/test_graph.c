/* Nodes and edges: a table of policies with what is drawn of them, and random pairs of policies of which every port
 * between two services is asked of verdict_of in both. */
#include "tests/unit/reading.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>
#include <ringfence/graph.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a table ---- */

static const char marks[] = {[GRAPH_SAME] = ' ', [GRAPH_ADDED] = '+', [GRAPH_REMOVED] = '-', [GRAPH_CHANGED] = '~'};

/* `NODE NODE;MARK FROM>TO MARK PORT...;`, a blank mark left out. */
static char *told(const struct graph *graph)
{
	char *text = NULL, port[48];
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	for (size_t i = 0; i < graph->node_count; i++)
		fprintf(stream, "%s%.*s%s", i > 0 ? " " : "", graph->nodes[i].change != GRAPH_SAME,
			&marks[graph->nodes[i].change], graph->nodes[i].id);
	fputc(';', stream);
	for (size_t i = 0; i < graph->edge_count; i++) {
		const struct graph_edge *edge = &graph->edges[i];
		fprintf(stream, "%.*s%s>%s", edge->change != GRAPH_SAME, &marks[edge->change],
			graph->nodes[edge->from].id, graph->nodes[edge->to].id);
		for (size_t j = 0; j < edge->line_count; j++)
			fprintf(stream, " %.*s%s", edge->lines[j].change != GRAPH_SAME, &marks[edge->lines[j].change],
				port_range_format(&edge->lines[j].ports, port));
		fputc(';', stream);
	}
	assert_int_equal(fclose(stream), 0);
	return text;
}

#define HEAD "ringfence: v1\nnamespace: s\n"
#define AB "services: {a: {workloads: {app: a}}, b: {workloads: {app: b}, ports: {http: 80/tcp}}}\n"
#define NETWORK "networks: {out: [192.0.2.0/24]}\n"

static const struct {
	const char *what, *before, *after, *want; /* before NULL: compared with nothing */
} drawings[] = {
    {"services without a flow are nodes", NULL, HEAD AB, "s/a s/b;"},
    {"an allow is an edge", NULL, HEAD AB "allow: [{from: a, to: b}]\n", "s/a s/b;s/a>s/b 80/tcp;"},
    {"an expired one is none", NULL, HEAD AB "allow: [{from: a, to: b, until: 2027-01-01}]\n", "s/a s/b;"},
    {"a network that nothing names is no node", NULL, HEAD AB NETWORK, "s/a s/b;"},
    {"peers outside are nodes", NULL,
     HEAD AB NETWORK "allow: [{from: a, to: out, ports: [443/tcp]}, {from: a, to: {cidr: 198.51.100.0/24}, ports: "
		     "[1/tcp]}, {from: node, to: b}]\n",
     "cidr 198.51.100.0/24 node s/a s/b s/out;node>s/b 80/tcp;s/a>cidr 198.51.100.0/24 1/tcp;s/a>s/out 443/tcp;"},
    {"the same twice has no mark", HEAD AB "allow: [{from: a, to: b}]\n", HEAD AB "allow: [{from: a, to: b}]\n",
     "s/a s/b;s/a>s/b 80/tcp;"},
    {"a new edge", HEAD AB, HEAD AB "allow: [{from: a, to: b}]\n", "s/a s/b;+s/a>s/b +80/tcp;"},
    {"an old edge", HEAD AB "allow: [{from: a, to: b}]\n", HEAD AB, "s/a s/b;-s/a>s/b -80/tcp;"},
    {"other ports", HEAD AB "allow: [{from: a, to: b, ports: [80-89/tcp]}]\n",
     HEAD AB "allow: [{from: a, to: b, ports: [85-95/tcp, 1/udp]}]\n",
     "s/a s/b;~s/a>s/b 85-89/tcp +90-95/tcp +1/udp -80-84/tcp;"},
    {"every port, where some were", HEAD AB "allow: [{from: a, to: b}]\n",
     HEAD AB "allow: [{from: a, to: b, ports: [any]}]\n", "s/a s/b;~s/a>s/b 80/tcp +any;"},
    {"some ports, where every was", HEAD AB "allow: [{from: a, to: b, ports: [any]}]\n",
     HEAD AB "allow: [{from: a, to: b}]\n", "s/a s/b;~s/a>s/b 80/tcp -any;"},
    {"every port, however it is said",
     HEAD AB "allow: [{from: a, to: b, ports: [80/tcp]}, {from: a, to: b, ports: [any], why: else}]\n",
     HEAD AB "allow: [{from: a, to: b, ports: [any]}]\n", "s/a s/b;s/a>s/b any;"},
    {"every port of TCP, however it is said",
     HEAD AB "allow: [{from: a, to: b, ports: [80/tcp]}, {from: a, to: b, ports: [1-65535/tcp], why: else}]\n",
     HEAD AB "allow: [{from: a, to: b, ports: [1-65535/tcp]}]\n", "s/a s/b;s/a>s/b 1-65535/tcp;"},
    {"every request of ICMP, where one was", HEAD AB "allow: [{from: a, to: b, ports: [icmp/echo-request]}]\n",
     HEAD AB "allow: [{from: a, to: b, ports: [icmp]}]\n", "s/a s/b;~s/a>s/b icmp/echo-request +icmp;"},
    {"nodes that came and went",
     HEAD "services: {a: {workloads: {app: a}}, c: {workloads: {app: c}}}\n" NETWORK
	  "allow: [{from: a, to: out, ports: [1/tcp]}]\n",
     HEAD AB "allow: [{from: world, to: b}]\n", "s/a +s/b -s/c -s/out +world;-s/a>s/out -1/tcp;+world>s/b +80/tcp;"},
    {"another name is no change", HEAD AB NETWORK "allow: [{from: a, to: out, ports: [1/tcp]}, {from: a, to: b}]\n",
     HEAD "services: {z: {workloads: {app: [a]}}, b: {workloads: {app: b}, ports: {http: 80/tcp}}}\n"
	  "networks: {far: [192.0.2.0/24]}\nallow: [{from: z, to: far, ports: [1/tcp]}, {from: z, to: b}]\n",
     "s/b s/far s/z;s/z>s/b 80/tcp;s/z>s/far 1/tcp;"},
    {"nor are names that are exchanged", HEAD AB "allow: [{from: a, to: b}]\n",
     HEAD "services: {b: {workloads: {app: a}}, a: {workloads: {app: b}, ports: {http: 80/tcp}}}\n"
	  "allow: [{from: b, to: a}]\n",
     "s/a s/b;s/b>s/a 80/tcp;"},
    {"a name with another meaning is the same node", HEAD AB "allow: [{from: a, to: b}]\n",
     HEAD "services: {a: {workloads: {app: x}}, b: {workloads: {app: b}, ports: {http: 80/tcp}}}\n"
	  "allow: [{from: a, to: b}]\n",
     "s/a s/b;s/a>s/b 80/tcp;"},
};

static void test_drawings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof drawings / sizeof *drawings; i++) {
		struct reading before = {0}, after = {0};
		struct world old = {0}, now = read_policy(&after, "p", drawings[i].after);
		if (drawings[i].before != NULL)
			old = read_policy(&before, "p", drawings[i].before);
		const struct graph graph =
		    graph_make(after.arena, &now, drawings[i].before != NULL ? &old : NULL, false);
		char *text = told(&graph);
		if (strcmp(text, drawings[i].want) != 0)
			print_error("%s:\n", drawings[i].what);
		assert_string_equal(text, drawings[i].want);
		free(text);
		arena_free(after.arena);
		if (before.arena != NULL)
			arena_free(before.arena);
	}
}

static void test_workloads(void **state)
{
	(void)state;
	struct reading reading;
	const struct world world = read_policy(&reading, "p",
					       HEAD AB "allow: [{from: a, to: b}]\n---\nringfence: v1\nworkloads:\n"
						       "- {name: a1, namespace: s, labels: {app: a}}\n"
						       "- {name: b1, namespace: s, labels: {app: b}}\n"
						       "- {name: b2, namespace: s, labels: {app: b}}\n");
	const struct graph services = graph_make(reading.arena, &world, NULL, false);
	assert_true(services.has_inventory);
	assert_int_equal(services.nodes[0].workload_count, 1);
	assert_int_equal(services.nodes[1].workload_count, 2);
	const struct graph workloads = graph_make(reading.arena, &world, NULL, true);
	char *text = told(&workloads);
	assert_string_equal(text, "s/a1 s/b1 s/b2;s/a1>s/b1 80/tcp;s/a1>s/b2 80/tcp;");
	free(text);
	arena_free(reading.arena);
}

/* ---- random policies ---- */

enum { SERVICES = 4, PORTS = 6, ROUNDS = 400 };

static uint32_t seed = 1;

static unsigned below(unsigned limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 16) % limit;
}

static char *random_policy(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	fputs(HEAD "services:\n", stream);
	for (int i = 0; i < SERVICES; i++)
		fprintf(stream, "  s%d: {workloads: {app: s%d}}\n", i, i);
	fputs("allow:\n", stream);
	for (unsigned count = 1 + below(5); count > 0; count--) {
		unsigned from = below(SERVICES + 1), to = below(SERVICES), first = 1 + below(PORTS);
		unsigned last = first + below(PORTS + 1 - first);
		char source[16] = "any", ports[32] = "any";
		if (from < SERVICES)
			snprintf(source, sizeof source, "s%u", from);
		if (below(8) != 0)
			snprintf(ports, sizeof ports, "%u-%u/tcp", first, last);
		fprintf(stream, "- {from: %s, to: s%u, ports: [%s]}\n", source, to, ports);
	}
	assert_int_equal(fclose(stream), 0);
	return text;
}

/* Whether the graph says that a port was open, or is, between two services. */
static bool drawn_open(const struct graph *graph, const char *from, const char *to, uint16_t port, bool was)
{
	for (size_t i = 0; i < graph->edge_count; i++) {
		const struct graph_edge *edge = &graph->edges[i];
		if (strcmp(graph->nodes[edge->from].id, from) != 0 || strcmp(graph->nodes[edge->to].id, to) != 0)
			continue;
		for (size_t j = 0; j < edge->line_count; j++) {
			enum graph_change other = was ? GRAPH_ADDED : GRAPH_REMOVED;
			if (edge->lines[j].change != other &&
			    port_range_holds(&edge->lines[j].ports, PROTOCOL_TCP, port))
				return true;
		}
	}
	return false;
}

static bool is_open(struct arena *arena, const struct world *world, size_t from, size_t to, uint16_t port)
{
	const struct flow flow = {endpoint_of_service(arena, world->policy->services[from]),
				  endpoint_of_service(arena, world->policy->services[to]), PROTOCOL_TCP, port};
	return verdict_of(world, &flow).allowed;
}

static void check_pair(struct arena *arena, const struct graph *graph, const struct world worlds[2], size_t from,
		       size_t to)
{
	char names[2][16];
	snprintf(names[0], sizeof names[0], "s/s%zu", from);
	snprintf(names[1], sizeof names[1], "s/s%zu", to);
	for (uint16_t port = 1; port <= PORTS + 1; port++) {
		bool all = drawn_open(graph, names[0], names[1], port, true);
		assert_int_equal(all, is_open(arena, &worlds[0], from, to, port));
		assert_int_equal(drawn_open(graph, names[0], names[1], port, false),
				 is_open(arena, &worlds[1], from, to, port));
	}
}

static void test_random(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		char *texts[2] = {random_policy(), random_policy()};
		struct reading readings[2];
		struct world worlds[2];
		for (int i = 0; i < 2; i++)
			worlds[i] = read_policy(&readings[i], "p", texts[i]);
		const struct graph graph = graph_make(readings[1].arena, &worlds[1], &worlds[0], false);
		for (size_t i = 0; i < SERVICES; i++)
			for (size_t j = 0; j < SERVICES; j++)
				check_pair(readings[1].arena, &graph, worlds, i, j);
		for (int i = 0; i < 2; i++) {
			arena_free(readings[i].arena);
			free(texts[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_drawings),
	    cmocka_unit_test(test_workloads),
	    cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
