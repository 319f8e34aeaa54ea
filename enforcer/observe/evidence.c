/* Whether a flow would have been denied is asked of verdict_of, once for each flow: what it said is kept until the
 * policy or the workloads change. */
#include "enforcer/observe/evidence.h"

#include "enforcer/observe/evidence_parts.h"

#include <ringfence/allowances.h>
#include <ringfence/arena.h>
#include <ringfence/table.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keyed, since whoever opens connections chooses what they are told by. */
#define HASH_FUNCTION(key, length, value) ((value) = table_hash(0, (key), (length)))
#include <uthash.h>

enum { JUDGED_MOST = 16384 };

/* What tells a flow; bytes between the fields are 0. */
struct flow_key {
	struct address source, destination;
	uint16_t protocol, port;
};

struct judged {
	struct flow_key key;
	bool denies[2]; /* by direction: that end would deny it, and no other does already */
	UT_hash_handle hh;
};

/* An address of a local workload that is watched, for one service of it. */
struct watched_address {
	struct address address;
	size_t service, workload;
};

struct evidence {
	const char *node;
	struct evidence_service *services; /* by name */
	size_t count, rows;
	struct watched_address *places; /* by address */
	size_t place_count;
	struct judged *judged;
};

struct evidence *evidence_create(const char *node)
{
	struct evidence *evidence = calloc(1, sizeof *evidence);
	if (evidence == NULL)
		abort();
	evidence->node = node;
	return evidence;
}

size_t evidence_count(const struct evidence *evidence)
{
	return evidence->count;
}

const struct evidence_service *evidence_at(const struct evidence *evidence, size_t number)
{
	return &evidence->services[number];
}

void *evidence_grow(void *items, size_t count, size_t size)
{
	void *grown = reallocarray(items, count + 1, size);
	if (grown == NULL)
		abort();
	memset((char *)grown + count * size, 0, size);
	return grown;
}

static char *copy(const char *text)
{
	char *made = strdup(text);
	if (made == NULL)
		abort();
	return made;
}

/* ---- services ---- */

static void forget_found(struct evidence *evidence)
{
	struct judged *judged, *next;
	HASH_ITER(hh, evidence->judged, judged, next)
	{
		HASH_DEL(evidence->judged, judged);
		free(judged);
	}
	free(evidence->places);
	evidence->places = NULL;
	evidence->place_count = 0;
}

static void drop_rows(struct evidence *evidence, struct evidence_service *service)
{
	for (size_t i = 0; i < service->row_count; i++) {
		free(service->rows[i].own);
		free(service->rows[i].peer);
	}
	free(service->rows);
	evidence->rows -= service->row_count;
	service->rows = NULL;
	service->row_count = 0;
}

static void drop_workloads(struct evidence_service *service)
{
	for (size_t i = 0; i < service->workload_count; i++)
		free(service->workloads[i].name);
	free(service->workloads);
	service->workloads = NULL;
	service->workload_count = 0;
}

void evidence_clear(struct evidence *evidence)
{
	forget_found(evidence);
	for (size_t i = 0; i < evidence->count; i++) {
		struct evidence_service *service = &evidence->services[i];
		drop_rows(evidence, service);
		drop_workloads(service);
		free(service->allows);
		free(service->name);
	}
	free(evidence->services);
	evidence->services = NULL;
	evidence->count = 0;
}

void evidence_destroy(struct evidence *evidence)
{
	if (evidence == NULL)
		return;
	evidence_clear(evidence);
	free(evidence);
}

/* The service with a name, or where it belongs. */
static size_t find(const struct evidence *evidence, const char *name, bool *found)
{
	size_t low = 0, high = evidence->count;
	*found = false;
	while (low < high && !*found) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(evidence->services[middle].name, name);
		*found = order == 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return *found ? high : low;
}

struct evidence_service *evidence_add(struct evidence *evidence, const char *name)
{
	bool found;
	size_t place = find(evidence, name, &found);
	if (found || evidence->count == EVIDENCE_SERVICES_MOST)
		return NULL;
	evidence->services = evidence_grow(evidence->services, evidence->count, sizeof *evidence->services);
	struct evidence_service *service = &evidence->services[place];
	memmove(service + 1, service, (evidence->count - place) * sizeof *service);
	*service = (struct evidence_service){.name = copy(name)};
	evidence->count++;
	return service;
}

/* Notes that the policy has `name` in audit, with what is allowed now. */
static void follow(struct evidence *evidence, const char *name, const struct allowances *mine,
		   const struct allowances *all, int64_t now)
{
	bool known;
	size_t place = find(evidence, name, &known);
	struct evidence_service *service = known ? &evidence->services[place] : evidence_add(evidence, name);
	if (service == NULL)
		return;
	const struct allowances before = {service->selector, service->allows, service->allow_count};
	bool same = before.count == mine->count &&
		    (before.count == 0 || memcmp(before.items, mine->items, before.count * sizeof *mine->items) == 0);
	bool keeps = known && before.selector == mine->selector && (same || allowances_hold(all, &before));
	if (!keeps) {
		drop_rows(evidence, service);
		drop_workloads(service);
		service->since = now;
		service->watched = service->moment = 0;
		service->gaps = service->left_out = 0;
	}
	if (known && !keeps)
		fprintf(stderr,
			"ringfenced: audit of %s is watched anew: the policy allows it less, or selects others\n",
			name[0] != 0 ? name : "what no service selects");
	free(service->allows);
	service->selector = mine->selector;
	service->allow_count = mine->count;
	service->allows = NULL;
	for (size_t i = 0; i < mine->count; i++) {
		if (i == 0)
			service->allows = calloc(mine->count, sizeof *service->allows);
		if (service->allows == NULL)
			abort();
		service->allows[i] = mine->items[i];
	}
	service->there = true;
}

static bool is_audited(const struct policy *policy, const struct service *service)
{
	return policy->node_audit || (service->mode != MODE_UNSAID ? service->mode == MODE_AUDIT : policy->audit);
}

static void remove_gone(struct evidence *evidence)
{
	size_t kept = 0;
	for (size_t i = 0; i < evidence->count; i++) {
		struct evidence_service *service = &evidence->services[i];
		bool there = service->there;
		service->there = false;
		if (there) {
			evidence->services[kept++] = *service;
			continue;
		}
		drop_rows(evidence, service);
		drop_workloads(service);
		free(service->allows);
		free(service->name);
	}
	evidence->count = kept;
}

void evidence_follow(struct evidence *evidence, const struct world *world, int64_t now)
{
	const struct policy *policy = world->policy;
	char name[EVIDENCE_NAME_SIZE];
	if (evidence->count == 0 && !world_denies_by(world, DENIED_AUDIT))
		return;
	struct arena *arena = arena_create();
	const struct allowances all = allowances_of(arena, world, NULL), none = {0};
	forget_found(evidence);
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct service *service = policy->services[i];
		if (!is_audited(policy, service) ||
		    snprintf(name, sizeof name, "%s/%s", service->name_space, service->name) >= (int)sizeof name)
			continue;
		const struct allowances mine = allowances_of(arena, world, service);
		follow(evidence, name, &mine, &all, now);
	}
	if (policy->audit || policy->node_audit)
		follow(evidence, "", &none, &all, now);
	remove_gone(evidence);
	arena_free(arena);
}

/* ---- a look ---- */

static int compare_places(const void *left, const void *right)
{
	const struct watched_address *a = left, *b = right;
	int order = address_compare(&a->address, &b->address);
	return order != 0 ? order : (a->service > b->service) - (a->service < b->service);
}

static bool runs_here(const struct evidence *evidence, const struct workload *workload)
{
	return workload->node != NULL && strcmp(workload->node, evidence->node) == 0 && workload->cgroup == NULL;
}

/* The workload of a service by its name; EVIDENCE_WORKLOADS_MOST: there is no room. They are few, or come in the order
 * in which they are kept. */
static size_t find_workload(struct evidence_service *service, const char *name, size_t guess)
{
	if (guess < service->workload_count && strcmp(service->workloads[guess].name, name) == 0)
		return guess;
	for (size_t i = 0; i < service->workload_count; i++)
		if (strcmp(service->workloads[i].name, name) == 0)
			return i;
	if (service->workload_count == EVIDENCE_WORKLOADS_MOST)
		return EVIDENCE_WORKLOADS_MOST;
	service->workloads = evidence_grow(service->workloads, service->workload_count, sizeof *service->workloads);
	service->workloads[service->workload_count].name = copy(name);
	return service->workload_count++;
}

static void watch(struct evidence *evidence, size_t number, const struct workload *workload, size_t *guess)
{
	struct evidence_service *service = &evidence->services[number];
	char name[EVIDENCE_NAME_SIZE];
	if (snprintf(name, sizeof name, "%s/%s", workload->name_space, workload->name) >= (int)sizeof name)
		return;
	size_t place = find_workload(service, name, *guess);
	if (place == EVIDENCE_WORKLOADS_MOST) {
		service->workloads_left_out++;
		return;
	}
	*guess = place + 1;
	service->workloads[place].there = true;
	for (size_t i = 0; i < workload->address_count; i++) {
		evidence->places = evidence_grow(evidence->places, evidence->place_count, sizeof *evidence->places);
		evidence->places[evidence->place_count++] =
		    (struct watched_address){workload->addresses[i], number, place};
	}
}

/* Those that are gone are no workloads of it any more. */
static void forget_workloads(struct evidence_service *service, size_t *moved)
{
	size_t kept = 0;
	for (size_t i = 0; i < service->workload_count; i++) {
		struct evidence_workload *workload = &service->workloads[i];
		moved[i] = kept;
		if (workload->there)
			service->workloads[kept++] = (struct evidence_workload){workload->name, workload->last, false};
		else
			free(workload->name);
	}
	service->workload_count = kept;
}

static bool is_selected(const struct policy *policy, const struct workload *workload)
{
	bool selected = false;
	for (size_t i = 0; i < policy->service_count && !selected; i++)
		selected = strcmp(policy->services[i]->name_space, workload->name_space) == 0 &&
			   selector_matches(&policy->services[i]->workloads, &workload->labels);
	return selected;
}

static const struct service *service_named(const struct policy *policy, const char *name)
{
	size_t length = strcspn(name, "/");
	for (size_t i = 0; i < policy->service_count; i++)
		if (strncmp(policy->services[i]->name_space, name, length) == 0 &&
		    policy->services[i]->name_space[length] == 0 && name[length] == '/' &&
		    strcmp(policy->services[i]->name, name + length + 1) == 0)
			return policy->services[i];
	return NULL;
}

static void watch_all(struct evidence *evidence, const struct world *world, size_t number)
{
	struct evidence_service *watched = &evidence->services[number];
	const struct service *service = service_named(world->policy, watched->name);
	size_t guess = 0, first = evidence->place_count, moved[EVIDENCE_WORKLOADS_MOST];
	watched->workloads_left_out = 0;
	for (size_t i = 0; i < world->inventory->workload_count; i++) {
		const struct workload *workload = world->inventory->workloads[i];
		bool mine = service != NULL ? strcmp(service->name_space, workload->name_space) == 0 &&
						  selector_matches(&service->workloads, &workload->labels)
					    : watched->name[0] == 0 && !is_selected(world->policy, workload);
		if (mine && runs_here(evidence, workload))
			watch(evidence, number, workload, &guess);
	}
	forget_workloads(watched, moved);
	for (size_t i = first; i < evidence->place_count; i++)
		evidence->places[i].workload = moved[evidence->places[i].workload];
}

void evidence_begin(struct evidence *evidence, const struct world *world)
{
	forget_found(evidence);
	for (size_t i = 0; i < evidence->count; i++)
		watch_all(evidence, world, i);
	if (evidence->place_count > 1)
		qsort(evidence->places, evidence->place_count, sizeof *evidence->places, compare_places);
}

/* The first of the places with an address; `place_count` when it has none. */
static size_t first_place(const struct evidence *evidence, const struct address *address)
{
	size_t low = 0, high = evidence->place_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (address_compare(&evidence->places[middle].address, address) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct evidence *evidence, size_t place, const struct address *address)
{
	return place < evidence->place_count && address_compare(&evidence->places[place].address, address) == 0;
}

static void see_end(struct evidence *evidence, const struct address *address, int64_t now)
{
	for (size_t i = first_place(evidence, address); is_at(evidence, i, address); i++) {
		const struct watched_address *place = &evidence->places[i];
		evidence->services[place->service].workloads[place->workload].last = now;
	}
}

/* ---- what would have been denied ---- */

static void name_workload(const struct workload *workload, const char *kind, char name[EVIDENCE_NAME_SIZE])
{
	snprintf(name, EVIDENCE_NAME_SIZE, "%s%s/%s", kind, workload->name_space, workload->name);
}

/* The other end in a word of the command line. */
static void name_peer(const struct world *world, const struct endpoint *end, char name[EVIDENCE_NAME_SIZE])
{
	const struct workload *workload = end->workload;
	if (workload == NULL) {
		address_format(&end->address, name);
		return;
	}
	name_workload(workload, "workload:", name);
	for (size_t i = 0; i < world->policy->service_count; i++) {
		const struct service *service = world->policy->services[i];
		if (strcmp(service->name_space, workload->name_space) == 0 &&
		    selector_matches(&service->workloads, &workload->labels)) {
			snprintf(name, EVIDENCE_NAME_SIZE, "service:%s/%s", service->name_space, service->name);
			return;
		}
	}
}

bool evidence_add_row(struct evidence *evidence, struct evidence_service *service, const struct evidence_row *row)
{
	if (service->row_count == EVIDENCE_ROWS_MOST || evidence->rows == EVIDENCE_ALL_ROWS_MOST)
		return false;
	service->rows = evidence_grow(service->rows, service->row_count, sizeof *service->rows);
	service->rows[service->row_count] = *row;
	service->rows[service->row_count].own = copy(row->own);
	service->rows[service->row_count].peer = copy(row->peer);
	service->row_count++;
	evidence->rows++;
	return true;
}

static void note(struct evidence *evidence, struct evidence_service *service, const struct evidence_row *row,
		 int64_t now)
{
	for (size_t i = 0; i < service->row_count; i++) {
		struct evidence_row *known = &service->rows[i];
		if (known->direction != row->direction || known->protocol != row->protocol ||
		    known->port != row->port || known->cause != row->cause || strcmp(known->peer, row->peer) != 0)
			continue;
		known->count++;
		known->last = now;
		return;
	}
	service->left_out += !evidence_add_row(evidence, service, row);
}

/* What no service selects comes first: its name is empty. */
static bool watches_strangers(const struct evidence *evidence)
{
	return evidence->count > 0 && evidence->services[0].name[0] == 0;
}

static void note_denial(struct evidence *evidence, const struct world *world, const struct flow *flow,
			enum direction direction, int64_t now)
{
	char own[EVIDENCE_NAME_SIZE], peer[EVIDENCE_NAME_SIZE];
	const struct endpoint *end = direction == EGRESS ? &flow->from : &flow->to;
	const struct endpoint *other = direction == EGRESS ? &flow->to : &flow->from;
	size_t place = first_place(evidence, &end->address), noted = 0;
	const struct evidence_row row = {.direction = direction,
					 .own = own,
					 .peer = peer,
					 .protocol = flow->protocol,
					 .port = flow->port,
					 .count = 1,
					 .first = now,
					 .last = now};
	name_peer(world, other, peer);
	if (end->workload != NULL)
		name_workload(end->workload, "workload:", own);
	else
		address_format(&end->address, own);
	for (; is_at(evidence, place, &end->address); place++, noted++)
		note(evidence, &evidence->services[evidence->places[place].service], &row, now);
	if (noted == 0 && end->workload == NULL && watches_strangers(evidence))
		note(evidence, &evidence->services[0], &row, now);
}

void evidence_hear(struct evidence *evidence, const struct event *event, int64_t now)
{
	const struct packet *packet = &event->key.packet;
	const enum cause cause = event->reason.cause;
	char own[ADDRESS_TEXT_SIZE], peer[ADDRESS_TEXT_SIZE];
	if (event->reason.logged != LOGGED_AUDIT || (cause != CAUSE_SPOOF && cause != CAUSE_INVALID) ||
	    !watches_strangers(evidence))
		return;
	const struct evidence_row row = {.direction = EGRESS,
					 .own = address_format(&packet->source, own),
					 .peer = address_format(&packet->destination, peer),
					 .protocol = packet->protocol,
					 .port = packet->port,
					 .cause = cause_word(cause),
					 .count = 1,
					 .first = now,
					 .last = now};
	note(evidence, &evidence->services[0], &row, now);
}

/* What an end makes of a flow: only what enforcing it would change is of interest. */
static void judge(struct judged *judged, const struct world *world, const struct flow *flow)
{
	struct verdict verdict = verdict_of(world, flow);
	const struct side *const sides[] = {&verdict.egress, &verdict.ingress};
	verdict_tell_denied(world, flow, &verdict);
	for (size_t i = 0; i < 2; i++) {
		bool other = sides[1 - i]->allowed || sides[1 - i]->denied == DENIED_AUDIT;
		judged->denies[i] = !sides[i]->allowed && sides[i]->denied == DENIED_AUDIT && other;
	}
}

static const struct judged *find_judged(struct evidence *evidence, const struct world *world, const struct flow *flow)
{
	struct judged *judged;
	struct flow_key key;
	memset(&key, 0, sizeof key);
	key.source = flow->from.address;
	key.destination = flow->to.address;
	key.protocol = flow->protocol;
	key.port = flow->port;
	HASH_FIND(hh, evidence->judged, &key, sizeof key, judged);
	if (judged != NULL)
		return judged;
	if (HASH_COUNT(evidence->judged) >= JUDGED_MOST) {
		HASH_DEL(evidence->judged, judged = evidence->judged); /* the oldest */
		free(judged);
	}
	judged = calloc(1, sizeof *judged);
	if (judged == NULL)
		abort();
	judged->key = key;
	judge(judged, world, flow);
	HASH_ADD(hh, evidence->judged, key, sizeof key, judged);
	return judged;
}

static void take_flow(struct evidence *evidence, const struct world *world, const struct flow *flow, int64_t now)
{
	const struct judged *judged = find_judged(evidence, world, flow);
	for (int direction = EGRESS; direction <= INGRESS; direction++)
		if (judged->denies[direction])
			note_denial(evidence, world, flow, (enum direction)direction, now);
}

static struct endpoint endpoint_at(const struct world *world, const struct address *address)
{
	return (struct endpoint){
	    .workload = inventory_at(world->inventory, address), .has_address = true, .address = *address};
}

void evidence_see(struct evidence *evidence, const struct world *world, const struct connection *connection,
		  int64_t now)
{
	bool watched[] = {is_at(evidence, first_place(evidence, &connection->source), &connection->source),
			  is_at(evidence, first_place(evidence, &connection->destination), &connection->destination)};
	if (!watched[EGRESS] && !watched[INGRESS] && !watches_strangers(evidence))
		return;
	see_end(evidence, &connection->source, now);
	if (connection->stage != CONNECTION_UNANSWERED)
		see_end(evidence, &connection->destination, now);
	const struct flow flow = {endpoint_at(world, &connection->source), endpoint_at(world, &connection->destination),
				  connection->protocol, connection->port};
	take_flow(evidence, world, &flow, now);
}

void evidence_end(struct evidence *evidence, double moment)
{
	for (size_t i = 0; i < evidence->count; i++) {
		struct evidence_service *service = &evidence->services[i];
		double since = moment - service->moment;
		if (service->moment > 0 && since <= EVIDENCE_GAP_MOST)
			service->watched += since;
		else if (service->watched > 0)
			service->gaps++;
		service->moment = moment;
	}
}
