/* A stage's documents to a world, as the programs read them; and the verdict as far as one node makes it true: a node
 * judges its own workloads and its own unused addresses, at both ends of a flow, and guards their interfaces. */
#include "tests/agreement/stage.h"
#include "tests/agreement/text.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void stage_read(struct stage *stage, const json_t *description)
{
	const char *name;
	json_t *documents;
	*stage =
	    (struct stage){.arena = arena_create(), .node = json_string_value(json_object_get(description, "node"))};
	diagnostics_init(&stage->diagnostics, stage->arena);
	frontend_init(&stage->frontend, stage->arena, &stage->diagnostics);
	json_object_foreach(json_object_get(description, "files"), name, documents)
	{
		char *text = documents_text(name, documents);
		const char *copy = arena_copy(stage->arena, text, strlen(text));
		free(text);
		frontend_add_text(&stage->frontend, arena_copy(stage->arena, name, strlen(name)), copy, strlen(copy));
	}
	frontend_finish(&stage->frontend);
	stage->world = (struct world){&stage->frontend.policy, &stage->frontend.inventory, time(NULL)};
}

void stage_finish(struct stage *stage)
{
	arena_free(stage->arena);
}

static struct endpoint endpoint_at(const struct world *world, const struct address *address)
{
	return (struct endpoint){
	    .workload = inventory_at(world->inventory, address), .has_address = true, .address = *address};
}

static bool runs_here(const struct stage *stage, const struct workload *workload)
{
	return stage->node == NULL || (workload->node != NULL && strcmp(workload->node, stage->node) == 0);
}

/* Whether the stage's node judges this end. */
static bool is_local(const struct stage *stage, const struct endpoint *end)
{
	if (end->workload != NULL || stage->node == NULL)
		return end->workload == NULL || runs_here(stage, end->workload);
	const struct node *node = inventory_node(stage->world.inventory, stage->node);
	for (size_t i = 0; node != NULL && i < node->pool_count; i++)
		if (prefix_contains(&node->pools[i], &end->address))
			return true;
	return false;
}

bool stage_guards(const struct stage *stage, size_t place, const struct address *source)
{
	const struct inventory *inventory = stage->world.inventory;
	char interface[32];
	snprintf(interface, sizeof interface, "v%zu", place); /* the lab's name for the router's end */
	for (size_t i = 0; i < inventory->workload_count; i++) {
		const struct workload *workload = inventory->workloads[i];
		if (workload->interface_count > 0 && strcmp(workload->interfaces[0], interface) == 0 &&
		    runs_here(stage, workload))
			return inventory_at(inventory, source) != workload;
	}
	return false;
}

/* Whether a half of a flow passes here: it is another node's to judge, it is allowed, or in audit. */
static bool passes(const struct stage *stage, const struct endpoint *end, const struct side *side)
{
	return !is_local(stage, end) || side->allowed || side->denied == DENIED_AUDIT;
}

struct expectation stage_expect(const struct stage *stage, const struct lab_probe *probe, bool again)
{
	struct expectation expect = {.flow = {endpoint_at(&stage->world, &probe->source),
					      endpoint_at(&stage->world, &probe->destination), probe->protocol,
					      probe->port}};
	expect.verdict = verdict_of(&stage->world, &expect.flow);
	verdict_tell_denied(&stage->world, &expect.flow, &expect.verdict);
	bool guards = stranger_denied(stage->world.policy) != DENIED_AUDIT;
	expect.spoofed = stage_guards(stage, probe->from, &probe->source);
	bool allowed = passes(stage, &expect.flow.from, &expect.verdict.egress) &&
		       passes(stage, &expect.flow.to, &expect.verdict.ingress);
	expect.request = allowed && !(guards && expect.spoofed);
	expect.answer =
	    (again ? allowed : expect.request) && !(guards && stage_guards(stage, probe->to, &probe->destination));
	return expect;
}
