/* Recorded flows under two policies.
 *
 * Who sent and who received is found once for each name, and is the same in both: a service that selects others now, or
 * a workload that only one inventory has, does not become somebody else. Each flow is judged once, against the
 * statements that may speak of its ends. */
#include "compiler/analysis/comparing.h"
#include "compiler/analysis/narrowing.h"

#include <ringfence/arena.h>
#include <ringfence/replay.h>

#include <stdlib.h>
#include <string.h>

#define HASH_FUNCTION HASH_OAT /* the default falls through cases, of which clang warns */
#include <uthash.h>

/* A port that the end declares, by its name. */
struct known_port {
	const char *name;
	uint16_t protocol, port;
};

/* Whom a record names as source or destination. */
struct recorded_end {
	const char *name;    /* as recorded, with what it stands for */
	const char *group;   /* its service, else the workload, a network, or what else it is */
	const char *problem; /* who it is cannot be said; the rest is empty */
	bool by_address;
	struct endpoints at[VERSIONS];
	const struct scope *scopes[VERSIONS];
	struct known_port *ports;
	size_t port_count;
	UT_hash_handle hh;
};

/* What tells one flow from another; bytes between the fields are 0. */
struct flow_key {
	struct recorded_end *from, *to;
	uint16_t protocol, port;
	bool both_icmp; /* an echo request of the version that the ends have */
};

struct replayed {
	struct flow_key key;
	size_t records;
	uint64_t times, sequence, newest; /* newest: the count of the event `sequence` */
	int64_t first, last;
	bool denied;
	enum fate fate;
	uint32_t reasons; /* of the verdicts */
	UT_hash_handle hh;
};

struct replay {
	struct arena *arena;
	const struct world *worlds[VERSIONS];
	struct narrowing *narrowings[VERSIONS];
	struct recorded_end *ends;
	struct replayed *flows;
	size_t flow_count;
	struct arena *scratch; /* the newest problem */
};

struct replay *replay_create(struct arena *arena, const struct world *before, const struct world *after)
{
	struct replay *replay = arena_alloc(arena, sizeof *replay);
	*replay = (struct replay){.arena = arena, .worlds = {before, after}};
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++)
		replay->narrowings[version] = narrowing_create(arena, replay->worlds[version]);
	return replay;
}

/* ---- who is meant ---- */

/* A workload as the inventory of a version has it, else as the other one does. */
static const struct workload *workload_in(const struct replay *replay, int version, const struct workload *workload)
{
	const struct workload *there =
	    inventory_workload(replay->worlds[version]->inventory, workload->name_space, workload->name);
	return there != NULL ? there : workload;
}

/* An address is the workload's that has it, in the old inventory before the new one, but where it is a node's. */
static void find_address(struct replay *replay, struct recorded_end *end, const struct address *address)
{
	const struct workload *workload = NULL;
	bool closed = true, is_node[VERSIONS];
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
		const struct inventory *inventory = replay->worlds[version]->inventory;
		is_node[version] = inventory_node_at(inventory, address) != NULL;
		if (workload == NULL)
			workload = inventory_at(inventory, address);
		closed = closed && !is_node[version] && inventory_in_pool(inventory, address);
	}
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
		struct endpoint endpoint = {.has_address = true, .address = *address};
		if (workload != NULL && !is_node[version])
			endpoint.workload = workload_in(replay, version, workload);
		*arena_push(replay->arena, end->at[version].items, end->at[version].count) = endpoint;
	}
	if (workload == NULL && closed)
		end->problem = arena_printf(replay->arena, "no workload is known at `%s`, an address for workloads",
					    endpoint_name(replay->arena, &end->at[VERSION_NEW].items[0]));
}

/* The same workloads in the other version. A built-in peer is what it is there. */
static void find_elsewhere(struct replay *replay, struct recorded_end *end, const char *word, int found)
{
	const struct endpoints *here = &end->at[found];
	struct endpoints *there = &end->at[1 - found];
	if (here->items[0].workload == NULL) {
		endpoints_find(replay->arena, replay->worlds[1 - found], word, there);
		return;
	}
	*there = (struct endpoints){.service = here->service};
	for (size_t i = 0; i < here->count; i++)
		if (i == 0 || here->items[i].workload != here->items[i - 1].workload)
			endpoints_add_workload(replay->arena, replay->worlds[1 - found]->inventory, there,
					       workload_in(replay, 1 - found, here->items[i].workload));
}

static void find_end(struct replay *replay, struct recorded_end *end, const struct flow_record *record,
		     enum direction direction)
{
	struct arena *arena = replay->arena;
	const char *word = record->words[direction];
	const struct address *recorded = &record->addresses[direction];
	struct address address;
	end->name = arena_copy(arena, word, strlen(word));
	if (address_parse(&address, word) == NULL) {
		find_address(replay, end, &address);
		end->name = endpoint_name(arena, &end->at[VERSION_OLD].items[0]);
		return;
	}
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
		const char *wrong =
		    flow_record_find(arena, replay->worlds[version], record, direction, &end->at[version]);
		if (wrong == NULL) {
			find_elsewhere(replay, end, word, version);
			flow_record_narrow(record, direction, &end->at[VERSION_OLD]);
			flow_record_narrow(record, direction, &end->at[VERSION_NEW]);
			end->problem = NULL;
			return;
		}
		end->problem = version == VERSION_OLD ? wrong : end->problem;
	}
	if (recorded->family == 0)
		return;
	char text[ADDRESS_TEXT_SIZE];
	const char *unknown = end->problem;
	end->problem = NULL;
	end->by_address = true;
	end->name = arena_printf(arena, "%s (%s)", word, address_format(recorded, text));
	find_address(replay, end, recorded);
	if (end->problem != NULL)
		end->problem = arena_printf(arena, "%s; %s", unknown, end->problem);
}

/* An address that is no workload's: a network that holds it, a node or the world. */
static const char *stranger_group(const struct replay *replay, const struct address *address)
{
	for (int version = VERSION_NEW; version >= VERSION_OLD; version--) {
		const struct world *world = replay->worlds[version];
		if (inventory_node_at(world->inventory, address) != NULL)
			return "node";
		for (size_t i = 0; i < world->policy->network_count; i++)
			if (network_contains(world->policy->networks[i], address))
				return arena_printf(replay->arena, "%s/%s", world->policy->networks[i]->name_space,
						    world->policy->networks[i]->name);
	}
	return "world";
}

static const char *group_of(const struct replay *replay, const struct recorded_end *end)
{
	const struct endpoint *first = &end->at[VERSION_OLD].items[0];
	const struct service *service = end->at[VERSION_OLD].service;
	for (int version = VERSION_OLD; version <= VERSION_NEW && service == NULL; version++)
		service = narrowing_service(replay->narrowings[version], end->scopes[version]);
	if (service != NULL)
		return arena_printf(replay->arena, "%s/%s", service->name_space, service->name);
	if (first->workload == NULL && first->has_address)
		return stranger_group(replay, &first->address);
	return first->workload == NULL
		   ? end->name
		   : arena_printf(replay->arena, "%s/%s", first->workload->name_space, first->workload->name);
}

static struct recorded_end *end_of(struct replay *replay, const struct flow_record *record, enum direction direction)
{
	char key[2 + sizeof(struct address) + FLOW_WORD_SIZE] = {(char)('0' + record->observed)};
	size_t length = strlen(record->words[direction]), size = 1 + sizeof(struct address) + length;
	struct recorded_end *end;
	memcpy(key + 1, &record->addresses[direction], sizeof(struct address));
	memcpy(key + 1 + sizeof(struct address), record->words[direction], length);
	HASH_FIND(hh, replay->ends, key, size, end);
	if (end != NULL)
		return end;
	end = arena_alloc(replay->arena, sizeof *end);
	find_end(replay, end, record, direction);
	for (int version = VERSION_OLD; version <= VERSION_NEW && end->problem == NULL; version++)
		end->scopes[version] = narrowing_scope(replay->narrowings[version], &end->at[version]);
	end->group = end->problem == NULL ? group_of(replay, end) : end->name;
	HASH_ADD_KEYPTR(hh, replay->ends, arena_copy(replay->arena, key, size), size, end);
	return end;
}

/* ---- counting ---- */

/* Room for one problem: a log may hold a million lines that are wrong. */
static struct arena *problem_room(struct replay *replay)
{
	arena_free(replay->scratch);
	return replay->scratch = arena_create();
}

/* A port by its name, in the old policy before the new one. */
static const char *find_port_name(struct replay *replay, struct flow_key *key, const char *name)
{
	struct recorded_end *to = key->to;
	struct arena *room = NULL;
	const char *wrong = NULL;
	for (size_t i = 0; i < to->port_count; i++)
		if (strcmp(to->ports[i].name, name) == 0) {
			key->protocol = to->ports[i].protocol;
			key->port = to->ports[i].port;
			return NULL;
		}
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
		if (room == NULL)
			room = problem_room(replay);
		wrong =
		    flow_port_find(room, replay->worlds[version], &to->at[version], name, &key->protocol, &key->port);
		if (wrong != NULL)
			continue;
		*arena_push(replay->arena, to->ports, to->port_count) =
		    (struct known_port){arena_copy(replay->arena, name, strlen(name)), key->protocol, key->port};
		break;
	}
	return wrong;
}

static const char *find_port(struct replay *replay, struct flow_key *key, const struct flow_record *record)
{
	struct port_range range;
	key->both_icmp = !record->observed && strcmp(record->port_word, "icmp") == 0;
	key->protocol = record->protocol;
	key->port = record->port;
	if (record->observed || key->from->problem != NULL || key->to->problem != NULL)
		return NULL;
	if (port_range_parse(&range, record->port_word) != NULL || range.first != range.last)
		return find_port_name(replay, key, record->port_word);
	key->protocol = range.protocol;
	key->port = range.first;
	return NULL;
}

/* How often the flow of a record was seen anew: a later line of an event has its whole count again. */
static uint64_t times_of(struct replayed *flow, const struct flow_record *record)
{
	bool again = record->sequence != 0 && record->sequence == flow->sequence;
	uint64_t known = again ? flow->newest : 0, times = record->count > known ? record->count - known : 0;
	flow->sequence = record->sequence;
	flow->newest = known + times;
	return times;
}

static void count(struct replayed *flow, const struct flow_record *record)
{
	flow->records++;
	if (__builtin_add_overflow(flow->times, times_of(flow, record), &flow->times))
		flow->times = UINT64_MAX;
	flow->denied = flow->denied || record->recorded == RECORDED_DENY;
	if (record->time > flow->last)
		flow->last = record->time;
	if (record->time != 0 && (flow->first == 0 || record->time < flow->first))
		flow->first = record->time;
}

const char *replay_add(struct replay *replay, const struct flow_record *record)
{
	struct flow_key key;
	struct replayed *flow;
	if (replay->flow_count == REPLAY_FLOWS_MOST || HASH_COUNT(replay->ends) >= 2 * REPLAY_FLOWS_MOST)
		return arena_printf(problem_room(replay), "the log holds more than %d flows that differ",
				    REPLAY_FLOWS_MOST);
	memset(&key, 0, sizeof key);
	key.from = end_of(replay, record, EGRESS);
	key.to = end_of(replay, record, INGRESS);
	const char *wrong = find_port(replay, &key, record);
	if (wrong != NULL)
		return wrong;
	HASH_FIND(hh, replay->flows, &key, sizeof key, flow);
	if (flow == NULL) {
		flow = arena_alloc(replay->arena, sizeof *flow);
		flow->key = key;
		HASH_ADD(hh, replay->flows, key, sizeof key, flow);
		replay->flow_count++;
	}
	count(flow, record);
	return NULL;
}

/* ---- judging ---- */

static struct verdict verdict_in(struct replay *replay, const struct flow_key *key, int version, struct flow *flow)
{
	const struct recorded_end *from = key->from, *to = key->to;
	const struct world *world =
	    narrowing_world(replay->narrowings[version], from->scopes[version], to->scopes[version]);
	struct verdict verdict = {0};
	if (key->both_icmp)
		verdict_of_word(replay->arena, world, &from->at[version], &to->at[version], "icmp", &verdict, flow);
	else
		verdict =
		    verdict_of_endpoints(world, &from->at[version], &to->at[version], key->protocol, key->port, flow);
	if (!verdict.allowed)
		verdict_tell_denied(world, flow, &verdict);
	return verdict;
}

static const char *problem_of(const struct replayed *flow)
{
	return flow->key.from->problem != NULL ? flow->key.from->problem : flow->key.to->problem;
}

static void judge(struct replay *replay, struct replayed *flow)
{
	bool allowed[VERSIONS];
	if (problem_of(flow) != NULL) {
		flow->fate = FATE_UNKNOWN;
		return;
	}
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
		struct flow asked;
		const struct verdict verdict = verdict_in(replay, &flow->key, version, &asked);
		allowed[version] = verdict.allowed;
		flow->reasons = flow->reasons << 8 | (uint32_t)verdict.egress.reason << 4 | verdict.ingress.reason;
	}
	flow->fate = allowed[VERSION_OLD] == allowed[VERSION_NEW] ? FATE_SAME
		     : allowed[VERSION_OLD]			  ? FATE_CUT
								  : FATE_PASSES;
}

void replay_each(struct replay *replay, void (*take)(void *context, const struct counted_flow *flow), void *context)
{
	for (const struct replayed *flow = replay->flows; flow != NULL; flow = flow->hh.next) {
		const struct flow_key *key = &flow->key;
		struct counted_flow counted = {
		    .ends = {&key->from->at[VERSION_NEW], &key->to->at[VERSION_NEW]},
		    .names = {key->from->name, key->to->name},
		    .groups = {key->from->group, key->to->group},
		    .protocol = key->protocol,
		    .port = key->port,
		    .both_icmp = key->both_icmp,
		    .records = flow->records,
		    .times = flow->times,
		    .first = flow->first,
		    .last = flow->last,
		    .denied = flow->denied,
		    .problem = problem_of(flow),
		};
		struct flow asked;
		if (counted.problem == NULL)
			counted.verdict = verdict_in(replay, key, VERSION_NEW, &asked);
		take(context, &counted);
	}
}

/* ---- lines ---- */

static int compare_numbers(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

/* What stands in one line is equal. */
static int compare_flows(const struct replayed *a, const struct replayed *b)
{
	int order = (int)a->fate - (int)b->fate;
	if (order != 0 || a->fate == FATE_UNKNOWN)
		return order != 0 ? order : strcmp(problem_of(a), problem_of(b));
	order = strcmp(a->key.from->group, b->key.from->group);
	if (order == 0)
		order = strcmp(a->key.to->group, b->key.to->group);
	if (order == 0)
		order = compare_numbers(a->key.protocol, b->key.protocol);
	if (order == 0)
		order = compare_numbers(a->key.port, b->key.port);
	if (order == 0)
		order = compare_numbers(a->key.both_icmp, b->key.both_icmp);
	return order != 0 ? order : compare_numbers(a->reasons, b->reasons);
}

/* And then by the ends, so that the example is always the same. */
static int compare_all(const void *left, const void *right)
{
	const struct replayed *a = *(struct replayed *const *)left, *b = *(struct replayed *const *)right;
	int order = compare_flows(a, b);
	if (order == 0)
		order = strcmp(a->key.from->name, b->key.from->name);
	return order != 0 ? order : strcmp(a->key.to->name, b->key.to->name);
}

static const char *port_text(const struct replay *replay, const struct flow_key *key)
{
	const struct port_range range = {key->protocol, key->port, key->port};
	char text[48];
	return key->both_icmp ? "icmp" : arena_printf(replay->arena, "%s", port_range_format(&range, text));
}

static void add_line(struct replay *replay, struct replay_result *result, struct replayed *const *flows, size_t count)
{
	const struct replayed *first = flows[0];
	struct replay_line *line = arena_push(replay->arena, result->lines, result->line_count);
	bool one_from = true, one_to = true;
	line->fate = first->fate;
	line->problem = problem_of(first);
	line->port = port_text(replay, &first->key);
	for (size_t i = 0; i < count; i++) {
		one_from = one_from && flows[i]->key.from == first->key.from;
		one_to = one_to && flows[i]->key.to == first->key.to;
		line->total.flows++;
		line->total.records += flows[i]->records;
		if (flows[i]->last > line->last)
			line->last = flows[i]->last;
	}
	line->from = one_from ? first->key.from->name : first->key.from->group;
	line->to = one_to ? first->key.to->name : first->key.to->group;
	for (int version = VERSION_OLD; version <= VERSION_NEW && line->problem == NULL; version++)
		line->verdicts[version] = verdict_in(replay, &first->key, version, &line->flows[version]);
}

static void add_to(struct flow_total *total, const struct replayed *flow)
{
	total->flows++;
	total->records += flow->records;
}

void replay_end(struct replay *replay)
{
	HASH_CLEAR(hh, replay->flows);
	HASH_CLEAR(hh, replay->ends);
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++)
		narrowing_finish(replay->narrowings[version]);
	arena_free(replay->scratch);
}

struct replay_result replay_finish(struct replay *replay)
{
	struct replay_result result = {0};
	struct replayed **told = NULL;
	size_t count = 0;
	for (struct replayed *flow = replay->flows; flow != NULL; flow = flow->hh.next) {
		judge(replay, flow);
		add_to(&result.totals[flow->fate], flow);
		if (flow->fate != FATE_UNKNOWN && (flow->key.from->by_address || flow->key.to->by_address))
			add_to(&result.by_address, flow);
		if (flow->fate != FATE_SAME)
			*arena_push(replay->arena, told, count) = flow;
	}
	if (count > 1)
		qsort(told, count, sizeof(struct replayed *), compare_all);
	for (size_t i = 0, next; i < count; i = next) {
		for (next = i + 1; next < count && compare_flows(told[i], told[next]) == 0;)
			next++;
		add_line(replay, &result, told + i, next - i);
	}
	replay_end(replay);
	return result;
}
