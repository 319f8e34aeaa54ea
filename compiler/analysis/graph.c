/* Reach of one policy, or of two side by side, to nodes and edges.
 *
 * The lines of both policies are sorted by their ends, and walked together. Before that, what the older policy calls
 * otherwise gets its new name. */
#include "compiler/analysis/comparing.h"
#include "compiler/analysis/renames.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>
#include <ringfence/graph.h>

#include <stdlib.h>
#include <string.h>

struct drawing {
	struct arena *arena;
	const struct world *worlds[VERSIONS]; /* the older may be NULL */
	bool workloads;
	struct reach reaches[VERSIONS];
	struct graph graph;
};

/* ---- nodes ---- */

static int compare_nodes(const void *left, const void *right)
{
	return strcmp(((const struct graph_node *)left)->id, ((const struct graph_node *)right)->id);
}

static struct graph_node *add_node(struct drawing *drawing, const char *id, enum graph_kind kind,
				   enum graph_change change)
{
	struct graph_node *node = arena_push(drawing->arena, drawing->graph.nodes, drawing->graph.node_count);
	*node = (struct graph_node){.id = id, .name = id, .kind = kind, .change = change};
	return node;
}

static void add_services(struct drawing *drawing, const struct policy *policy, const struct renames *renames,
			 enum graph_change change)
{
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct service *service = policy->services[i];
		const char *id = arena_printf(drawing->arena, "%s/%s", service->name_space, service->name);
		struct graph_node *node = add_node(drawing, renames_find(renames, id), GRAPH_SERVICE, change);
		node->name_space = service->name_space;
		node->name = service->name;
		node->service = service;
		node->span = service->span;
	}
}

static void add_workloads(struct drawing *drawing, const struct inventory *inventory, enum graph_change change)
{
	for (size_t i = 0; i < inventory->workload_count; i++) {
		const struct workload *workload = inventory->workloads[i];
		const char *id = arena_printf(drawing->arena, "%s/%s", workload->name_space, workload->name);
		struct graph_node *node = add_node(drawing, id, GRAPH_WORKLOAD, change);
		node->name_space = workload->name_space;
		node->name = workload->name;
		node->span = workload->span;
	}
}

static const struct network *find_network(const struct policy *policy, const char *id)
{
	const char *slash = strchr(id, '/');
	for (size_t i = 0; slash != NULL && i < policy->network_count; i++) {
		const struct network *network = policy->networks[i];
		size_t length = (size_t)(slash - id);
		if (strlen(network->name_space) == length && strncmp(network->name_space, id, length) == 0 &&
		    strcmp(network->name, slash + 1) == 0)
			return network;
	}
	return NULL;
}

/* An end that is no service and no workload: reach lists what statements name. */
static void add_outside(struct drawing *drawing, const struct policy *policy, const char *id, const char *old_id,
			enum graph_change change)
{
	static const struct {
		const char *id;
		enum graph_kind kind;
	} built_in[] = {{"any", GRAPH_ANY}, {"world", GRAPH_WORLD}, {"node", GRAPH_NODE}};
	struct graph_node *node = add_node(drawing, id, GRAPH_NETWORK, change);
	for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
		if (strcmp(built_in[i].id, id) == 0)
			node->kind = built_in[i].kind;
	node->network = find_network(policy, old_id);
	if (node->network == NULL)
		return;
	node->name_space = node->network->name_space;
	node->name = node->network->name;
	node->span = node->network->span;
}

/* Keeps of each id the first, which is the newer version's; one that both have is the same. */
static void sort_nodes(struct drawing *drawing)
{
	struct graph *graph = &drawing->graph;
	size_t kept = 0;
	if (graph->node_count > 1)
		qsort(graph->nodes, graph->node_count, sizeof *graph->nodes, compare_nodes);
	for (size_t i = 0; i < graph->node_count; i++) {
		const struct graph_node *node = &graph->nodes[i];
		struct graph_node *last = kept > 0 ? &graph->nodes[kept - 1] : NULL;
		if (last == NULL || strcmp(last->id, node->id) != 0) {
			graph->nodes[kept++] = *node;
			continue;
		}
		enum graph_change change = last->change == node->change ? last->change : GRAPH_SAME;
		if (last->change == GRAPH_REMOVED)
			*last = *node;
		last->change = change;
	}
	graph->node_count = kept;
}

static bool has_node(const struct graph *graph, size_t count, const char *id)
{
	const struct graph_node wanted = {.id = id};
	return count > 0 && bsearch(&wanted, graph->nodes, count, sizeof wanted, compare_nodes) != NULL;
}

/* What only one version has. */
static enum graph_change change_of(const struct drawing *drawing, int version)
{
	if (drawing->worlds[VERSION_OLD] == NULL)
		return GRAPH_SAME;
	return version == VERSION_NEW ? GRAPH_ADDED : GRAPH_REMOVED;
}

static void add_all_nodes(struct drawing *drawing, const struct renames *renames)
{
	const struct renames none = {0};
	for (int version = VERSION_NEW; version >= VERSION_OLD; version--) {
		const struct world *world = drawing->worlds[version];
		enum graph_change change = change_of(drawing, version);
		if (world == NULL)
			continue;
		if (drawing->workloads)
			add_workloads(drawing, world->inventory, change);
		else
			add_services(drawing, world->policy, version == VERSION_NEW ? &none : renames, change);
	}
	sort_nodes(drawing);
	size_t inside = drawing->graph.node_count;
	for (int version = VERSION_NEW; version >= VERSION_OLD; version--) {
		const struct reach *reach = &drawing->reaches[version];
		enum graph_change change = change_of(drawing, version);
		for (size_t i = 0; i < reach->count; i++) {
			const char *ends[] = {reach->items[i].from, reach->items[i].to};
			for (size_t j = 0; j < 2; j++) {
				const char *id = version == VERSION_NEW ? ends[j] : renames_find(renames, ends[j]);
				if (!has_node(&drawing->graph, inside, id))
					add_outside(drawing, drawing->worlds[version]->policy, id, ends[j], change);
			}
		}
	}
	sort_nodes(drawing);
}

static size_t find_node(const struct graph *graph, const char *id)
{
	const struct graph_node wanted = {.id = id};
	const struct graph_node *found =
	    bsearch(&wanted, graph->nodes, graph->node_count, sizeof wanted, compare_nodes);
	return (size_t)(found - graph->nodes);
}

static void count_workloads(struct drawing *drawing)
{
	const struct inventory *inventory = drawing->worlds[VERSION_NEW]->inventory;
	drawing->graph.has_inventory = inventory->workload_count > 0;
	for (size_t i = 0; i < drawing->graph.node_count; i++) {
		struct graph_node *node = &drawing->graph.nodes[i];
		for (size_t j = 0; node->service != NULL && j < inventory->workload_count; j++)
			if (strcmp(inventory->workloads[j]->name_space, node->name_space) == 0 &&
			    selector_matches(&node->service->workloads, &inventory->workloads[j]->labels))
				node->workload_count++;
	}
}

/* ---- edges ---- */

/* A line of reach with its ends as numbers of nodes. */
struct step {
	size_t from, to;
	struct port_range ports;
	const struct allow *allow;
};

struct steps {
	struct step *items;
	size_t count, at;
};

static int compare_pairs(const struct step *a, const struct step *b)
{
	int order = (a->from > b->from) - (a->from < b->from);
	return order != 0 ? order : (a->to > b->to) - (a->to < b->to);
}

static int compare_steps(const void *left, const void *right)
{
	const struct step *a = left, *b = right;
	int order = compare_pairs(a, b);
	if (order == 0)
		order = a->ports.protocol - b->ports.protocol;
	if (order == 0)
		order = a->ports.first - b->ports.first;
	return order != 0 ? order : a->ports.last - b->ports.last;
}

static struct steps find_steps(struct drawing *drawing, enum version version, const struct renames *renames)
{
	const struct reach *reach = &drawing->reaches[version];
	struct steps steps = {.count = reach->count};
	steps.items = arena_alloc(drawing->arena, (reach->count + 1) * sizeof *steps.items);
	for (size_t i = 0; i < reach->count; i++)
		steps.items[i] = (struct step){find_node(&drawing->graph, renames_find(renames, reach->items[i].from)),
					       find_node(&drawing->graph, renames_find(renames, reach->items[i].to)),
					       reach->items[i].ports, reach->items[i].allow};
	if (steps.count > 1)
		qsort(steps.items, steps.count, sizeof *steps.items, compare_steps);
	return steps;
}

/* The lines of the next pair. */
static struct steps next_pair(struct steps *steps, const struct step *pair)
{
	struct steps run = {.items = &steps->items[steps->at]};
	while (steps->at < steps->count && compare_pairs(&steps->items[steps->at], pair) == 0) {
		steps->at++;
		run.count++;
	}
	return run;
}

/* How far from `at` the ports of `line` are all open, or all closed, in `others`. No piece of reach holds port 0. */
static uint32_t piece_end(const struct port_range *line, uint32_t at, const struct steps *others, bool *open)
{
	uint32_t end = line->last, port = at == 0 ? 1 : at;
	*open = false;
	for (size_t i = 0; i < others->count && !*open; i++) {
		const struct port_range *other = &others->items[i].ports;
		bool all = other->protocol == PROTOCOL_ANY;
		if (!all && other->protocol != line->protocol)
			continue;
		if (all || (other->first <= port && port <= other->last)) {
			*open = true;
			end = all || other->last > line->last ? line->last : other->last;
		} else if (other->first > port && other->first <= end) {
			end = other->first - 1U;
		}
	}
	return end;
}

static void add_line(struct arena *arena, struct graph_edge *edge, const struct graph_line *line)
{
	struct graph_line *last = edge->line_count > 0 ? &edge->lines[edge->line_count - 1] : NULL;
	if (last != NULL && last->allow == line->allow && last->change == line->change &&
	    last->ports.protocol == line->ports.protocol && last->ports.last + 1 == line->ports.first)
		last->ports.last = line->ports.last;
	else
		*arena_push(arena, edge->lines, edge->line_count) = *line;
}

/* Whether ports are not to be cut: what is left of `any`, or of the requests of ICMP, has no good name. */
static bool is_whole(const struct port_range *ports)
{
	bool icmp = ports->protocol == PROTOCOL_ICMP || ports->protocol == PROTOCOL_ICMPV6;
	return ports->protocol == PROTOCOL_ANY || (icmp && ports->first == 0 && ports->last == 65535);
}

static bool is_part(const struct port_range *part, const struct port_range *whole)
{
	return whole->protocol == PROTOCOL_ANY || whole->protocol == part->protocol;
}

/* Whether `others` together open all that `whole` does. */
static bool is_covered(struct arena *arena, const struct port_range *whole, const struct steps *others)
{
	struct port_list ranges = {0};
	for (size_t i = 0; i < others->count; i++)
		*arena_push(arena, ranges.items, ranges.count) = others->items[i].ports;
	const struct port_list pieces = ports_cut(arena, ranges.items, ranges.count);
	for (size_t i = 0; i < pieces.count; i++) {
		const struct port_range *piece = &pieces.items[i];
		bool held = !is_part(piece, whole);
		for (size_t j = 0; j < ranges.count && !held; j++)
			held = port_range_holds(&ranges.items[j], piece->protocol, piece->first);
		if (!held)
			return false;
	}
	return true;
}

/* A line that is not to be cut: before it stands what `others` opened of it. */
static void add_whole(struct arena *arena, struct graph_edge *edge, const struct step *step, const struct steps *others,
		      enum graph_change change)
{
	bool open = is_covered(arena, &step->ports, others);
	if (open && change == GRAPH_REMOVED)
		return;
	for (size_t i = 0; i < others->count && !open && change == GRAPH_ADDED; i++)
		if (is_part(&others->items[i].ports, &step->ports))
			add_line(arena, edge, &(struct graph_line){others->items[i].ports, step->allow, GRAPH_SAME});
	add_line(arena, edge, &(struct graph_line){step->ports, step->allow, open ? GRAPH_SAME : change});
}

/* Adds what `lines` open: as `change` where `others` do not, and where they do as it is, or not at all. */
static void add_lines(struct arena *arena, struct graph_edge *edge, const struct steps *lines,
		      const struct steps *others, enum graph_change change)
{
	for (size_t i = 0; i < lines->count; i++) {
		const struct step *step = &lines->items[i];
		if (is_whole(&step->ports)) {
			add_whole(arena, edge, step, others, change);
			continue;
		}
		for (uint32_t at = step->ports.first; at <= step->ports.last;) {
			bool open;
			uint32_t end = piece_end(&step->ports, at, others, &open);
			if (!open || change != GRAPH_REMOVED)
				add_line(arena, edge,
					 &(struct graph_line){{step->ports.protocol, (uint16_t)at, (uint16_t)end},
							      step->allow,
							      open ? GRAPH_SAME : change});
			at = end + 1;
		}
	}
}

static enum graph_change edge_change(const struct graph_edge *edge)
{
	for (size_t i = 1; i < edge->line_count; i++)
		if (edge->lines[i].change != edge->lines[0].change)
			return GRAPH_CHANGED;
	return edge->lines[0].change;
}

static void add_edges(struct drawing *drawing, const struct renames *renames)
{
	const struct renames none = {0};
	struct steps now = find_steps(drawing, VERSION_NEW, &none), old = find_steps(drawing, VERSION_OLD, renames);
	bool compared = drawing->worlds[VERSION_OLD] != NULL;
	while (now.at < now.count || old.at < old.count) {
		const struct step *pair = now.at == now.count ? &old.items[old.at] : &now.items[now.at];
		if (now.at < now.count && old.at < old.count && compare_pairs(&old.items[old.at], pair) < 0)
			pair = &old.items[old.at];
		struct graph_edge *edge = arena_push(drawing->arena, drawing->graph.edges, drawing->graph.edge_count);
		edge->from = pair->from;
		edge->to = pair->to;
		const struct steps new_lines = next_pair(&now, pair), old_lines = next_pair(&old, pair);
		add_lines(drawing->arena, edge, &new_lines, &old_lines, compared ? GRAPH_ADDED : GRAPH_SAME);
		add_lines(drawing->arena, edge, &old_lines, &new_lines, GRAPH_REMOVED);
		edge->change = edge_change(edge);
	}
}

struct graph graph_make(struct arena *arena, const struct world *world, const struct world *before, bool workloads)
{
	struct drawing drawing = {.arena = arena, .worlds = {before, world}, .workloads = workloads};
	struct renames renames = {0};
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++)
		if (drawing.worlds[version] != NULL)
			drawing.reaches[version] = reach_list(arena, drawing.worlds[version], workloads, NULL, NULL);
	if (before != NULL)
		renames = renames_make(arena, before->policy, world->policy);
	add_all_nodes(&drawing, &renames);
	add_edges(&drawing, &renames);
	count_workloads(&drawing);
	return drawing.graph;
}
