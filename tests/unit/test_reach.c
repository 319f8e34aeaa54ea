/* What reach lists where there are host workloads: a table, and random policies of which everything is asked. */
#include "tests/unit/random_policy.h"
#include "tests/unit/reading.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a table ---- */

#define SERVICES                                                                                                      \
	"ringfence: v1\nservices:\n  nginx: {workloads: {unit: nginx}, ports: {http: 80/tcp}}\n"                      \
	"  pg: {workloads: {unit: pg}, ports: {sql: 5432/tcp}}\n  web: {workloads: {app: web}, ports: {w: 80/tcp}}\n" \
	"allow:\n"
#define INVENTORY                                                                                               \
	"---\nringfence: v1\nnodes: {n0: {addresses: [192.0.2.1]}, n1: {addresses: [192.0.2.2]}}\nworkloads:\n" \
	"- {name: nginx-0, node: n0, labels: {unit: nginx}, cgroup: nginx.service}\n"                           \
	"- {name: pg-0, node: n0, labels: {unit: pg}, cgroup: pg.service}\n"                                    \
	"- {name: pg-1, node: n1, labels: {unit: pg}, cgroup: pg.service}\n"                                    \
	"- {name: web-0, node: n0, labels: {app: web}, addresses: [10.0.0.1]}\n"                                \
	"- {name: web-1, node: n1, labels: {app: web}, addresses: [10.0.0.2, \"fd00::2\"]}\n"

static const struct {
	const char *true_is, *policy;
	bool workloads;
	const char *told; /* FROM>TO PORTS; but those from or to what is no workload */
} cases[] = {
    {"two services of one node, by an allow to it and one from it",
     SERVICES "- {from: nginx, to: node, ports: [5432/tcp]}\n- {from: node, to: pg}\n" INVENTORY, true,
     "default/nginx-0>default/pg-0 5432/tcp;"},
    {"as services, where the inventory has such a pair",
     SERVICES "- {from: nginx, to: node, ports: [5432/tcp]}\n- {from: node, to: pg}\n" INVENTORY, false,
     "default/nginx>default/pg 5432/tcp;"},
    {"and where it has none, no more than what the node reaches",
     SERVICES "- {from: nginx, to: node, ports: [5432/tcp]}\n- {from: node, to: pg}\n", false, ""},
    {"an allow by name opens one side alone", SERVICES "- {from: nginx, to: [web, pg], ports: [80/tcp]}\n" INVENTORY,
     true, ""},
    {"the node's address may be in a network",
     SERVICES "- {from: nginx, to: web}\n- {from: {cidr: 192.0.2.1/32}, to: web}\n" INVENTORY, true,
     "default/nginx-0>default/web-0 80/tcp;default/nginx-0>default/web-1 80/tcp;"},
    {"from a workload to a service of its node",
     SERVICES "- {from: web, to: node, ports: [5432/tcp]}\n- {from: web, to: pg}\n" INVENTORY, true,
     "default/web-0>default/pg-0 5432/tcp;default/web-1>default/pg-1 5432/tcp;"},
};

/* What is listed between workloads or services. */
static char *told(const struct reach *reach)
{
	char *text = NULL, port[48];
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	for (size_t i = 0; i < reach->count; i++)
		if (strncmp(reach->items[i].from, "default/", 8) == 0 &&
		    strncmp(reach->items[i].to, "default/", 8) == 0)
			fprintf(stream, "%s>%s %s;", reach->items[i].from, reach->items[i].to,
				port_range_format(&reach->items[i].ports, port));
	assert_int_equal(fclose(stream), 0);
	return text;
}

static void each_pair_is_listed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading reading;
		struct world world = read_policy(&reading, "p", cases[i].policy);
		const struct reach reach = reach_list(reading.arena, &world, cases[i].workloads, NULL, NULL);
		char *text = told(&reach);
		if (strcmp(text, cases[i].told) != 0)
			fail_msg("%s: %s", cases[i].true_is, text);
		free(text);
		arena_free(reading.arena);
	}
}

/* ---- random policies ---- */

static bool lists(const struct reach *reach, const char *from, const char *to, const struct port_range *port)
{
	for (size_t i = 0; i < reach->count; i++)
		if (strcmp(reach->items[i].from, from) == 0 && strcmp(reach->items[i].to, to) == 0 &&
		    port_range_holds(&reach->items[i].ports, port->protocol, port->first))
			return true;
	return false;
}

static const char *name_of(struct arena *arena, const struct workload *workload)
{
	return arena_printf(arena, "%s/%s", workload->name_space, workload->name);
}

/* The services of a policy that select a workload are listed as it is. */
static void services_list(const struct reading *reading, const struct reach *reach, const struct workload *from,
			  const struct workload *to, const struct port_range *port, const char *text)
{
	const struct policy *policy = reading->world.policy;
	for (size_t i = 0; i < policy->service_count * policy->service_count; i++) {
		const struct service *a = policy->services[i / policy->service_count];
		const struct service *b = policy->services[i % policy->service_count];
		if (strcmp(a->name_space, from->name_space) != 0 || !selector_matches(&a->workloads, &from->labels) ||
		    strcmp(b->name_space, to->name_space) != 0 || !selector_matches(&b->workloads, &to->labels))
			continue;
		const char *source = arena_printf(reading->arena, "%s/%s", a->name_space, a->name);
		const char *destination = arena_printf(reading->arena, "%s/%s", b->name_space, b->name);
		if (!lists(reach, source, destination, port))
			fail_msg("%s -> %s %u is open from %s to %s and not listed:\n%s", source, destination,
				 port->first, from->name, to->name, text);
	}
}

static size_t compare(struct reading *reading, const char *text)
{
	const struct world *world = &reading->world;
	const struct reach workloads = reach_list(reading->arena, world, true, NULL, NULL);
	const struct reach services = reach_list(reading->arena, world, false, NULL, NULL);
	size_t open = 0;
	for (size_t i = 0; i < RANDOM_WORKLOADS * RANDOM_WORKLOADS * RANDOM_PORTS; i++) {
		const struct port_range *port = &random_ports[i % RANDOM_PORTS];
		size_t from = i / RANDOM_PORTS / RANDOM_WORKLOADS, to = i / RANDOM_PORTS % RANDOM_WORKLOADS;
		const struct workload *source = random_end(world, 2 * from).workload;
		const struct workload *destination = random_end(world, 2 * to).workload;
		if (from == to || (source->cgroup == NULL && destination->cgroup == NULL))
			continue;
		bool is = random_any_allowed(world, 2 * from, 2 * to, port);
		if (is !=
		    lists(&workloads, name_of(reading->arena, source), name_of(reading->arena, destination), port))
			fail_msg("%s -> %s %u/%u is %s, and the list says otherwise:\n%s", source->name,
				 destination->name, port->protocol, port->first, is ? "open" : "closed", text);
		open += is;
		if (is)
			services_list(reading, &services, source, destination, port, text);
	}
	return open;
}

static void what_is_open_is_listed(void **state)
{
	enum { POLICIES = 150 };
	size_t open = 0;
	(void)state;
	for (uint32_t round = 1; round <= POLICIES; round++) {
		uint32_t parts[RANDOM_PARTS], after[RANDOM_PARTS];
		struct reading reading;
		random_change(round * 104729, parts, after);
		char *text = random_policy(parts);
		read_policy(&reading, "p", text);
		open += compare(&reading, text);
		arena_free(reading.arena);
		free(text);
	}
	assert_true(open > 1000);
	print_message("# %d policies, %zu flows with a host workload are open\n", POLICIES, open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_pair_is_listed),
	    cmocka_unit_test(what_is_open_is_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
