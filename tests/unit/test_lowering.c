/* Following workloads against lowering anew: after each random change of a random world, what the plan makes of the
 * table must be what the world says, and no packet may meet half of it.
 *
 * A packet here is slow: any of its look-ups may meet a transaction that the one before did not. */
#include "tests/unit/follow.h"
#include "tests/unit/interpret.h"
#include "tests/unit/kernel_model.h"
#include "tests/unit/reading.h"
#include "tests/unit/worlds.h"

#include <ringfence/lowering.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <malloc.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TRIALS = 500, CHANGES = 12, FLOWS = 40, SAMPLES = 8, STATES_MAX = PLAN_TRANSACTIONS + 1 };
#define SEED 20261126u

/* ---- who is running ---- */

/* In the order of age. */
struct fleet {
	struct workload *items[WORKLOADS];
	size_t count;
};

struct trial {
	struct arena *arena;
	char *text;
	struct reading readings[SAMPLES]; /* the first with the policy */
	const char *node;
	struct fleet fleet;
	struct inventory inventory; /* that the lowering knows */
	struct lowering *lowering;
	const struct ruleset *table; /* as the kernel has it */
	struct arena *now;	     /* of the table, and of the inventory */
};

static const struct workload *sample(const struct trial *trial, unsigned number)
{
	char name[8];
	const struct inventory *inventory = &trial->readings[roll(SAMPLES)].frontend.inventory;
	snprintf(name, sizeof name, "w%u", number);
	for (size_t i = 0; i < inventory->workload_count; i++)
		if (strcmp(inventory->workloads[i]->name, name) == 0)
			return inventory->workloads[i];
	fail_msg("no sample of %s", name);
	return NULL;
}

static bool is_in(const struct fleet *fleet, const struct workload *workload)
{
	for (size_t i = 0; i < fleet->count; i++)
		if (fleet->items[i] == workload)
			return true;
	return false;
}

/* The workload at a place, to be changed: a copy of it where it is one of the fleet before. */
static struct workload *touch(const struct trial *trial, struct fleet *fleet, size_t place)
{
	struct workload *copy = fleet->items[place];
	if (!is_in(&trial->fleet, copy))
		return copy;
	copy = malloc(sizeof *copy);
	assert_non_null(copy);
	*copy = *fleet->items[place];
	return fleet->items[place] = copy;
}

static void drop(const struct trial *trial, struct fleet *fleet, size_t place)
{
	if (!is_in(&trial->fleet, fleet->items[place]))
		free(fleet->items[place]);
	fleet->count--;
	for (; place < fleet->count; place++)
		fleet->items[place] = fleet->items[place + 1];
}

/* Makes a workload the youngest. */
static void renew(struct fleet *fleet, size_t place)
{
	struct workload *workload = fleet->items[place];
	for (; place + 1 < fleet->count; place++)
		fleet->items[place] = fleet->items[place + 1];
	fleet->items[place] = workload;
}

static bool has_name(const struct fleet *fleet, const char *name)
{
	for (size_t i = 0; i < fleet->count; i++)
		if (strcmp(fleet->items[i]->name, name) == 0)
			return true;
	return false;
}

enum kind { ADD, REMOVE, RELABEL, MOVE, SHIFT, WIRE, SERVE, SWAP, TAKE, ISOLATE, KINDS };
static const char *const kind_names[KINDS] = {"add",	   "remove", "relabel", "move to another node", "move",
					      "interface", "ports",  "swap",	"take an address",	"quarantine"};

/* Of two operators, which are one to the kernel. */
static const struct quarantine operators[2];

static bool add_one(const struct trial *trial, struct fleet *fleet)
{
	const struct workload *from = sample(trial, roll(WORKLOADS));
	if (has_name(fleet, from->name))
		return false;
	struct workload *workload = malloc(sizeof *workload);
	assert_non_null(workload);
	*workload = *from;
	fleet->items[fleet->count++] = workload;
	return true;
}

/* Changes a fleet in one way; returns false where it cannot. */
static bool vary(const struct trial *trial, struct fleet *fleet, enum kind kind)
{
	if (kind == ADD)
		return add_one(trial, fleet);
	if (fleet->count < 2)
		return false;
	size_t place = roll((unsigned)fleet->count), other = (place + 1) % fleet->count;
	const struct workload *from = sample(trial, (unsigned)roll(WORKLOADS));
	if (kind == REMOVE) {
		drop(trial, fleet, place);
		return true;
	}
	struct workload *workload = touch(trial, fleet, place);
	if (kind == RELABEL) {
		workload->labels = from->labels;
	} else if (kind == MOVE || kind == SHIFT) {
		workload->addresses = from->addresses;
		workload->address_count = from->address_count;
		workload->node = kind == MOVE ? from->node : workload->node;
		renew(fleet, place);
	} else if (kind == WIRE) {
		workload->interfaces = from->interfaces;
		workload->interface_count = from->interface_count;
	} else if (kind == SERVE) {
		workload->ports = from->ports;
		workload->port_count = from->port_count;
	} else if (kind == ISOLATE) {
		workload->quarantine = workload->quarantine == NULL ? &operators[roll(2)]
				       : roll(4) == 0		    ? &operators[roll(2)]
								    : NULL;
	} else if (kind == SWAP) {
		struct workload *second = touch(trial, fleet, other);
		struct labels labels = second->labels;
		second->labels = workload->labels;
		workload->labels = labels;
	} else {
		workload->addresses = fleet->items[other]->addresses;
		workload->address_count = fleet->items[other]->address_count;
		if (roll(2))
			drop(trial, fleet, other);
		else if (roll(2))
			renew(fleet, place);
	}
	return true;
}

static bool share(const struct workload *a, const struct workload *b)
{
	for (size_t i = 0; i < a->address_count; i++)
		for (size_t j = 0; j < b->address_count; j++)
			if (address_compare(&a->addresses[i], &b->addresses[j]) == 0)
				return true;
	return false;
}

/* Marks who is in conflict, as the daemon does (enforcer/desired/state.c). */
static void mark_conflicts(const struct trial *trial, struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->count; i++) {
		const struct workload *workload = fleet->items[i];
		bool conflict = false;
		for (size_t j = 0; j < i && !conflict; j++)
			conflict = share(workload, fleet->items[j]);
		for (size_t j = 0; j < workload->address_count && !conflict; j++)
			conflict = inventory_node_at(&trial->inventory, &workload->addresses[j]) != NULL;
		if (conflict != workload->conflict)
			touch(trial, fleet, i)->conflict = conflict;
	}
}

static struct inventory place_fleet(const struct inventory *like, struct arena *arena, const struct fleet *fleet)
{
	struct inventory inventory = *like;
	inventory.workloads = arena_alloc(arena, sizeof fleet->items);
	memcpy(inventory.workloads, fleet->items, sizeof fleet->items);
	inventory.workload_count = fleet->count;
	inventory_index(&inventory, arena);
	return inventory;
}

/* Whether a workload in conflict gets or loses one of its addresses. */
static bool is_displaced(const struct inventory *before, const struct inventory *after, const struct workload *workload)
{
	for (size_t i = 0; i < workload->address_count; i++) {
		const struct address *address = &workload->addresses[i];
		if ((inventory_at(before, address) == workload) != (inventory_at(after, address) == workload))
			return true;
	}
	return false;
}

/* ---- a change ---- */

struct change {
	struct fleet fleet; /* after it */
	struct inventory before;
	const struct workload *left[WORKLOADS], *entered[WORKLOADS];
	size_t left_count, entered_count;
	char kinds[128];
};

static void append(char *text, size_t size, const char *more)
{
	size_t length = strlen(text);
	snprintf(text + length, size - length, "%s%s", length > 0 ? ", " : "", more);
}

/* One thing as a rule, now and then several at once. */
static void choose(const struct trial *trial, struct change *change)
{
	*change = (struct change){.fleet = trial->fleet};
	for (unsigned i = 0, count = roll(4) == 0 ? 2 + roll(2) : 1; i < count; i++) {
		enum kind kind = (enum kind)roll(KINDS);
		if (vary(trial, &change->fleet, kind))
			append(change->kinds, sizeof change->kinds, kind_names[kind]);
	}
	mark_conflicts(trial, &change->fleet);
}

/* Who leaves and who enters, the inventory being `after` then. */
static void compare_fleets(const struct trial *trial, const struct inventory *after, struct change *change)
{
	for (size_t i = 0; i < trial->fleet.count; i++) {
		const struct workload *workload = trial->fleet.items[i];
		if (!is_in(&change->fleet, workload) || is_displaced(&trial->inventory, after, workload))
			change->left[change->left_count++] = workload;
	}
	for (size_t i = 0; i < change->fleet.count; i++) {
		const struct workload *workload = change->fleet.items[i];
		if (!is_in(&trial->fleet, workload) || is_displaced(&trial->inventory, after, workload))
			change->entered[change->entered_count++] = workload;
	}
}

/* Makes the change, and returns the plan, in `arena`. */
static struct plan *follow(struct trial *trial, struct change *change, struct arena *arena)
{
	struct inventory after = place_fleet(&trial->inventory, arena, &change->fleet);
	compare_fleets(trial, &after, change);
	for (size_t i = 0; i < change->left_count; i++)
		lowering_leave(trial->lowering, change->left[i]);
	change->before = trial->inventory;
	trial->inventory = after;
	for (size_t i = 0; i < change->entered_count; i++)
		lowering_enter(trial->lowering, change->entered[i]);
	return lowering_finish(trial->lowering, arena);
}

/* Frees who is gone. */
static void settle(struct trial *trial, const struct change *change)
{
	for (size_t i = 0; i < trial->fleet.count; i++)
		if (!is_in(&change->fleet, trial->fleet.items[i]))
			free(trial->fleet.items[i]);
	trial->fleet = change->fleet;
}

/* ---- trials ---- */

static struct world world_of(const struct trial *trial)
{
	return (struct world){&trial->readings[0].frontend.policy, &trial->inventory, NOW};
}

static void begin(struct trial *trial, uint64_t seed)
{
	size_t size = 0;
	sow(seed);
	*trial = (struct trial){.now = arena_create(), .node = roll(3) == 0 ? NULL : "n0"};
	struct making making = {.services = roll(8) != 0, .audit = true, .pools = roll(POOL_FORMS)};
	making.network_policies = roll(3) == 0;
	for (size_t i = 0; i < SAMPLES; i++) {
		char *text = NULL;
		making.out = open_memstream(&text, &size);
		assert_non_null(making.out);
		if (i == 0)
			write_policy(&making);
		else
			fputs("ringfence: v1\n", making.out);
		write_inventory(&making);
		fclose(making.out);
		read_policy(&trial->readings[i], "world.yaml", text);
		if (i == 0)
			trial->text = text;
		else
			free(text);
	}
	struct fleet fleet = {0};
	trial->inventory = trial->readings[0].frontend.inventory;
	for (unsigned i = 0; i < WORKLOADS; i++)
		vary(trial, &fleet, ADD);
	mark_conflicts(trial, &fleet);
	trial->inventory = place_fleet(&trial->inventory, trial->now, &fleet);
	trial->fleet = fleet;
	struct world world = world_of(trial);
	trial->lowering = lowering_create(&world, trial->node, 1, NULL, NULL);
	assert_non_null(trial->lowering);
	trial->table = lowering_ruleset(trial->lowering, trial->now, true);
}

static void end(struct trial *trial)
{
	lowering_destroy(trial->lowering);
	for (size_t i = 0; i < trial->fleet.count; i++)
		free(trial->fleet.items[i]);
	for (size_t i = 0; i < SAMPLES; i++)
		arena_free(trial->readings[i].arena);
	arena_free(trial->now);
	free(trial->text);
}

static void print_fleet(const struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->workload_count; i++) {
		const struct workload *w = inventory->workloads[i];
		char text[ADDRESS_TEXT_SIZE];
		fprintf(stderr, "  %s/%s on %s, %u interfaces%s%s,", w->name_space, w->name,
			w->node != NULL ? w->node : "no node", w->interface_count, w->conflict ? ", in conflict" : "",
			w->quarantine != NULL ? ", in quarantine" : "");
		for (size_t j = 0; j < w->labels.count; j++)
			fprintf(stderr, " %s=%s", w->labels.items[j].key, w->labels.items[j].value);
		for (size_t j = 0; j < w->port_count; j++)
			fprintf(stderr, " %s:%u/%u", w->ports[j].name, w->ports[j].port.first,
				w->ports[j].port.protocol);
		for (size_t j = 0; j < w->address_count; j++)
			fprintf(stderr, " %s", address_format(&w->addresses[j], text));
		fputs("\n", stderr);
	}
}

static void complain(const struct trial *trial, const struct change *change, const struct plan *plan)
{
	fprintf(stderr, "%s\non %s, before:\n", trial->text, trial->node != NULL ? trial->node : "all nodes");
	print_fleet(&change->before);
	fprintf(stderr, "after %s:\n", change->kinds);
	print_fleet(&trial->inventory);
	model_print_plan(plan);
}

/* ---- no packet meets half of a change ---- */

/* An address that a workload of the change has, or had. */
static bool pick_changed(const struct change *change, uint8_t family, struct address *address)
{
	size_t count = change->left_count + change->entered_count;
	if (count == 0)
		return false;
	size_t place = roll((unsigned)count);
	const struct workload *workload =
	    place < change->left_count ? change->left[place] : change->entered[place - change->left_count];
	const struct address *picked = &workload->addresses[roll((unsigned)workload->address_count)];
	if (picked->family == family)
		*address = *picked;
	return picked->family == family;
}

static void put_interface(struct packet *packet, const struct inventory *inventory)
{
	const struct workload *sender = inventory_at(inventory, &packet->source);
	const char *name = sender != NULL && sender->interface_count > 0
			       ? sender->interfaces[packet->port % sender->interface_count]
			       : "eth0";
	memcpy(packet->interface, name, strnlen(name, sizeof packet->interface - 1));
}

/* What was tried. `outlasted`: packets that would meet a third verdict if they could outlast two transactions. */
struct count {
	size_t changes, plans, transactions, sweeps, packets, alike, outlasted;
	size_t made[KINDS], refused[KINDS]; /* changes of one workload, where allows hold for both ends */
};

static void judge(const struct trial *trial, const struct change *change, const struct plan *plan,
		  const struct ruleset *const *states, size_t count, const struct packet *packet, struct count *sum)
{
	struct fate all = packet_fate(states, count, packet);
	size_t place = 0;
	enum mixture mixture = packet_mixture(states, count, packet, &place);
	sum->packets++;
	if (mixture == MIXTURE_DIFFERS)
		return;
	sum->alike++;
	sum->outlasted += all.passes && all.drops;
	if (mixture == MIXTURE_NONE)
		return;
	char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];
	complain(trial, change, plan);
	fail_msg("%s -> %s protocol %u port %u on `%s` is %s before and after, not at transaction %zu",
		 address_format(&packet->source, from), address_format(&packet->destination, to), packet->protocol,
		 packet->port, packet->interface, packet_fate(states, 1, packet).passes ? "allowed" : "denied", place);
}

static void send_packets(const struct trial *trial, const struct change *change, const struct plan *plan,
			 const struct ruleset *const *states, size_t count, struct count *sum)
{
	for (unsigned i = 0; i < FLOWS; i++) {
		struct tuple tuple = random_tuple();
		uint8_t family = tuple.source.family;
		if (roll(2))
			pick_changed(change, family, &tuple.source);
		if (roll(2))
			pick_changed(change, family, &tuple.destination);
		struct packet packets[4];
		packets[0] = packets[1] = packet_request(&tuple.source, &tuple.destination, tuple.protocol, tuple.port);
		packets[2] = packets[3] = packet_reply(&packets[0]);
		for (size_t j = 0; j < 4; j++) {
			put_interface(&packets[j], j % 2 == 0 ? &change->before : &trial->inventory);
			judge(trial, change, plan, states, count, &packets[j], sum);
		}
	}
}

static void renew_lowering(struct trial *trial)
{
	struct world world = world_of(trial);
	lowering_destroy(trial->lowering);
	trial->lowering = lowering_create(&world, trial->node, 1, NULL, NULL);
	assert_non_null(trial->lowering);
}

static void note_kind(const struct trial *trial, const struct change *change, bool planned, struct count *sum)
{
	bool one_sided = strstr(trial->text, "NetworkPolicy") != NULL;
	for (size_t i = 0; i < KINDS && !one_sided; i++)
		if (strcmp(change->kinds, kind_names[i]) == 0 && change->left_count <= 1 &&
		    change->entered_count <= 1) {
			sum->made[i]++;
			sum->refused[i] += !planned;
		}
}

/* Whether the lowering is that of its world, and as the table: it may have more, of classes without workloads. */
static const char *compare_anew(const struct trial *trial, const struct ruleset *followed, bool swept)
{
	struct arena *arena = arena_create();
	struct world world = world_of(trial);
	struct lowering *anew = lowering_create(&world, trial->node, 1, followed, NULL);
	const struct ruleset *wanted = lowering_ruleset(anew, arena, true);
	const char *lacks = model_lacks(followed, wanted);
	if (lacks == NULL && swept)
		lacks = model_lacks(wanted, followed);
	lowering_leave_to(anew, arena);
	arena_free(arena);
	return lacks;
}

/* A timer deletes what has had no workload for a while. */
static void sweep(struct trial *trial, bool twice, struct count *sum)
{
	struct arena *arena = arena_create();
	const struct ruleset *states[STATES_MAX];
	const char *refused = NULL;
	for (unsigned i = 0; i <= twice; i++) {
		struct plan *plan = lowering_sweep(trial->lowering, arena);
		sum->sweeps += plan->count;
		size_t count = model_apply(arena, model_copy(arena, trial->table), plan, states, &refused);
		if (count == 0)
			fail_msg("the sweep is refused: %s", refused);
		trial->table = states[count - 1];
	}
	const struct ruleset *followed = lowering_ruleset(trial->lowering, arena, true);
	const char *differs = model_difference(followed, trial->table);
	differs = differs != NULL ? differs : compare_anew(trial, followed, twice);
	if (differs != NULL)
		fail_msg("swept, it is not that of the world: %s", differs);
	trial->table = followed;
	arena_pass(trial->now, arena); /* the inventory is there */
	trial->now = arena;
}

static void change_once(struct trial *trial, struct count *sum)
{
	struct arena *arena = arena_create();
	struct change change;
	const struct ruleset *states[STATES_MAX] = {model_copy(arena, trial->table)};
	choose(trial, &change);
	struct plan *plan = follow(trial, &change, arena);
	const struct ruleset *followed = lowering_ruleset(trial->lowering, arena, true);
	const char *differs = compare_anew(trial, followed, false);
	if (differs != NULL) {
		complain(trial, &change, plan);
		fail_msg("the lowering is not that of the world: %s", differs);
	}
	sum->changes++;
	note_kind(trial, &change, plan != NULL, sum);
	if (plan != NULL) {
		const char *refused = NULL;
		size_t count = model_apply(arena, states[0], plan, states, &refused);
		differs = count > 0 ? model_difference(followed, states[count - 1]) : refused;
		if (differs != NULL) {
			complain(trial, &change, plan);
			if (count > 0) {
				model_print_set("wanted", ruleset_set(followed, differs));
				model_print_set("got", ruleset_set(states[count - 1], differs));
			}
			fail_msg("the plan does not lead there: %s", differs);
		}
		sum->plans++;
		sum->transactions += plan->count;
		if (count > 1)
			send_packets(trial, &change, plan, states, count, sum);
		trial->table = states[count - 1];
	} else {
		renew_lowering(trial);
		trial->table = lowering_ruleset(trial->lowering, arena, true);
	}
	arena_free(trial->now);
	trial->now = arena;
	settle(trial, &change);
}

static void following_is_lowering_anew(void **state)
{
	(void)state;
	struct count sum = {0};
	for (unsigned i = 0; i < TRIALS; i++) {
		struct trial trial;
		begin(&trial, SEED + i);
		for (unsigned j = 0; j < CHANGES; j++) {
			change_once(&trial, &sum);
			if (j + 1 == CHANGES || roll(4) == 0)
				sweep(&trial, j + 1 == CHANGES, &sum);
		}
		end(&trial);
	}
	print_message("# seed %u: %zu changes, %zu plans of %zu transactions; %zu packets, %zu judged alike, %zu of "
		      "these otherwise if they outlasted two transactions\n",
		      SEED, sum.changes, sum.plans, sum.transactions, sum.packets, sum.alike, sum.outlasted);
	for (size_t i = 0; i < KINDS; i++)
		print_message("# %s: %zu of %zu need another generation\n", kind_names[i], sum.refused[i], sum.made[i]);
	static const enum kind kinds[] = {ADD, REMOVE, RELABEL, WIRE, SERVE, ISOLATE};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		assert_true(sum.made[kinds[i]] > TRIALS / 10);
		assert_in_range(sum.refused[kinds[i]], 0, sum.made[kinds[i]] / 20);
	}
}

/* ---- pools and the world ---- */

#define POOLED                                                                                                     \
	"ringfence: v1\nnamespace: one\nnodes: {n0: {addresses: [192.0.2.1], workload_networks: [10.0.0.0/24]}}\n" \
	"services: {d: {workloads: {app: d}}, s: {workloads: {app: s}}}\n"                                         \
	"allow: [{from: world, to: d, ports: [1/tcp]}, {from: s, to: world, ports: [1/tcp]}]\n"                    \
	"workloads:\n"                                                                                             \
	"  - {name: d, labels: {app: d}, node: n0, addresses: [10.0.0.1, 10.0.1.1]}\n"                             \
	"  - {name: s, labels: {app: s}, node: n0, addresses: [10.0.0.2, 10.0.1.2]}\n"                             \
	"  - {name: w, labels: {app: w}, node: n0, addresses: [10.0.0.3, 10.0.1.3]}\n"

/* Takes `w` from one inventory to the other, and asks all packets between the three. */
static void pass_over(const struct world *from, const struct inventory *to)
{
	struct arena *arena = arena_create();
	const struct ruleset *states[STATES_MAX];
	const char *refused = NULL;
	struct inventory live = *from->inventory;
	const struct inventory *both[] = {from->inventory, to};
	const struct world world = {from->policy, &live, from->at};
	struct lowering *lowering = lowering_create(&world, "n0", 1, NULL, NULL);
	const struct ruleset *table = model_copy(arena, lowering_ruleset(lowering, arena, true));
	struct plan *plan = follow_inventory(lowering, &live, to, arena);
	assert_non_null(plan);
	size_t count = model_apply(arena, table, plan, states, &refused);
	assert_null(refused);
	for (size_t i = 1; i <= 3; i++)
		for (size_t j = 1; j <= 3; j++)
			for (unsigned pool = 0; pool < 4; pool++) {
				struct address source = {4, {10, 0, pool % 2, (uint8_t)i}},
					       destination = {4, {10, 0, (uint8_t)(pool / 2), (uint8_t)j}};
				const struct packet request = packet_request(&source, &destination, IPPROTO_TCP, 1),
						    reply = packet_reply(&request);
				size_t place = 0;
				if (packet_mixture(states, count, &request, &place) == MIXTURE_HALF ||
				    packet_mixture(states, count, &reply, &place) == MIXTURE_HALF) {
					model_print_plan(plan);
					fail_msg("%zu -> %zu of pool %u: half of it at transaction %zu, %s", i, j, pool,
						 place, both[0]->workload_count < 3 ? "it comes" : "it goes");
				}
			}
	lowering_destroy(lowering);
	arena_free(arena);
}

/* A workload at an address for workloads is unknown before it comes and when it is gone, and never a part of the world
 * in between: where a rule counts on one side only, and where none isolates it. */
static void who_comes_into_a_pool_is_never_of_the_world(void **state)
{
	static const char *const texts[] = {
	    POOLED "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: w, namespace: one}\n"
		   "spec: {podSelector: {matchLabels: {app: w}}, policyTypes: [Ingress, Egress], ingress: [{}], "
		   "egress: [{}]}\n",
	    POOLED "settings: {unmatched: allow}\n"};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct reading reading;
		const struct world with = read_policy(&reading, "pooled.yaml", texts[i]);
		struct inventory without = *with.inventory;
		without.workload_count = 2;
		inventory_index(&without, reading.arena);
		assert_string_equal(with.inventory->workloads[2]->name, "w");
		pass_over(&with, &without);
		pass_over(&(struct world){with.policy, &without, with.at}, with.inventory);
		arena_free(reading.arena);
	}
}

/* ---- room ---- */

/* Of a set that is full: what goes has its place until it is gone, so there is none for what comes. */
static void a_full_set_takes_nothing_beside_what_goes(void **state)
{
	(void)state;
	enum { FULL = 64, MOST = FULL + 2 };
	struct address addresses[MOST];
	struct label label = {"app", "web"};
	struct workload workloads[MOST], *all[MOST];
	struct reading reading;
	struct world world = read_policy(&reading, "world.yaml",
					 "ringfence: v1\nnamespace: one\n"
					 "services: {db: {workloads: {app: db}}, web: {workloads: {app: web}}}\n"
					 "allow: [{from: web, to: db, ports: [1/tcp]}]\n"
					 "---\nringfence: v1\nworkloads:\n"
					 "  - {name: db, namespace: one, labels: {app: db}, node: n0, "
					 "addresses: [10.1.0.1]}\n");
	struct lowering *lowering = lowering_create(&world, "n0", 1, NULL, NULL);
	struct inventory *inventory = &reading.frontend.inventory;
	all[0] = inventory->workloads[0];
	inventory->workloads = all;
	for (unsigned i = 1; i < MOST; i++) {
		struct arena *arena = arena_create();
		char text[ADDRESS_TEXT_SIZE];
		snprintf(text, sizeof text, "10.0.0.%u", i);
		assert_null(address_parse(&addresses[i], text));
		workloads[i] = (struct workload){.name_space = "one", .name = "web", .labels = {&label, 1}};
		workloads[i].addresses = &addresses[i];
		workloads[i].address_count = 1;
		all[i] = &workloads[i];
		if (i > FULL)
			lowering_leave(lowering, &workloads[1]);
		inventory->workload_count = i + 1;
		inventory_index(inventory, reading.arena);
		lowering_enter(lowering, &workloads[i]);
		const struct plan *plan = lowering_finish(lowering, arena);
		arena_free(arena);
		assert_int_equal(plan != NULL, i <= FULL);
	}
	lowering_destroy(lowering);
	arena_free(reading.arena);
}

/* Both labels have the same hash where they are named as peers of ranges of ports. */
static void no_two_peers_have_one_set(void **state)
{
	static const char text[] =
	    "ringfence: v1\nnamespace: one\nallow:\n"
	    "  - {from: {labels: {app: a}}, to: {labels: {app: v}}, ports: [1000-2000/tcp]}\n"
	    "---\nringfence: v1\nnamespace: two\nallow:\n"
	    "  - {from: {labels: {app: fduglpaa}}, to: {labels: {app: m}}, ports: [1000-2000/tcp]}\n"
	    "settings: {unmatched: deny}\nworkloads:\n"
	    "  - {name: v, namespace: one, labels: {app: v}, addresses: [10.0.0.1]}\n"
	    "  - {name: m, namespace: two, labels: {app: m}, addresses: [10.0.0.2]}\n";
	struct reading reading;
	const struct world world = read_policy(&reading, "peers.yaml", text);
	const struct ruleset *ruleset = ruleset_lower(reading.arena, &world, NULL, 1, &reading.diagnostics);
	(void)state;
	assert_non_null(ruleset);
	assert_non_null(ruleset_set(ruleset, "g1_peers_52b9d1a3.4"));
	for (size_t i = 0; i < ruleset->set_count; i++)
		assert_ptr_equal(ruleset_set(ruleset, ruleset->sets[i]->name), ruleset->sets[i]);
	arena_free(reading.arena);
}

/* ---- many that are alike ---- */

static double cpu_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What it takes that a fifth of `count` workloads leaves that are one identity. */
static double seconds_of_leaving(const struct policy *policy, size_t count)
{
	struct arena *arena = arena_create();
	struct label label = {"app", "web"};
	struct inventory inventory = {0};
	for (size_t i = 0; i < count; i++) {
		struct workload *workload = arena_alloc(arena, sizeof *workload);
		*workload = (struct workload){.name_space = "one", .name = arena_printf(arena, "w%zu", i)};
		workload->labels = (struct labels){&label, 1};
		*arena_push(arena, inventory.workloads, inventory.workload_count) = workload;
	}
	inventory_index(&inventory, arena);
	const struct world world = {policy, &inventory, NOW};
	struct lowering *lowering = lowering_create(&world, "n0", 1, NULL, NULL);
	double start = cpu_seconds();
	for (size_t i = 0; i < count / 5; i++)
		lowering_leave(lowering, inventory.workloads[i]);
	double seconds = cpu_seconds() - start;
	lowering_finish(lowering, arena);
	lowering_destroy(lowering);
	arena_free(arena);
	return seconds;
}

/* Who leaves is found at once: eight times as many take about eight times as long, not sixty-four. */
static void many_that_are_alike_leave_one_by_one(void **state)
{
	(void)state;
	struct reading reading;
	struct world world = read_policy(&reading, "world.yaml",
					 "ringfence: v1\nnamespace: one\n"
					 "services: {db: {workloads: {app: db}}, web: {workloads: {app: web}}}\n"
					 "allow: [{from: web, to: db, ports: [1/tcp]}]\n");
	double few = seconds_of_leaving(world.policy, 10000), many = seconds_of_leaving(world.policy, 80000);
	print_message("# 2000 of 10000: %.4f s, 16000 of 80000: %.4f s\n", few, many);
	assert_true(many < 24 * (few > 0.001 ? few : 0.001));
	arena_free(reading.arena);
}

/* ---- memory ---- */

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* By the sanitizer, which has an allocator of its own, or by libc. */
static size_t bytes_in_use(void)
{
	return __sanitizer_get_current_allocated_bytes != NULL ? __sanitizer_get_current_allocated_bytes()
							       : mallinfo2().uordblks;
}

static void restore(const struct workload *first, size_t count, struct fleet *fleet)
{
	*fleet = (struct fleet){.count = count};
	for (size_t i = 0; i < count; i++) {
		fleet->items[i] = malloc(sizeof *first);
		assert_non_null(fleet->items[i]);
		*fleet->items[i] = first[i];
	}
}

/* The world of a trial goes back to what it was, and so must the memory in use, but for the room that tables keep: that
 * varies by a tenth and does not add up, so the least of later times is compared with the most of earlier ones. */
static void following_does_not_grow(void **state)
{
	(void)state;
	struct trial trial;
	enum { PERIODS = 8, EACH = 2500 };
	size_t most = 0, least = SIZE_MAX;
	begin(&trial, SEED);
	struct workload first[WORKLOADS];
	size_t count = trial.fleet.count;
	for (size_t i = 0; i < count; i++)
		first[i] = *trial.fleet.items[i];
	for (unsigned round = 0; round < PERIODS; round++) {
		for (unsigned i = 0; i < EACH; i++) {
			struct arena *arena = arena_create();
			struct change change = {.fleet = trial.fleet};
			if (i + 1 < EACH)
				choose(&trial, &change);
			else
				restore(first, count, &change.fleet);
			follow(&trial, &change, arena);
			arena_free(trial.now);
			trial.now = arena;
			settle(&trial, &change);
		}
		for (unsigned i = 0; i < 2; i++)
			lowering_sweep(trial.lowering, trial.now);
		size_t used = bytes_in_use();
		assert_true(used > 0);
		if (round < PERIODS / 2)
			most = used > most ? used : most;
		else
			least = used < least ? used : least;
	}
	end(&trial);
	print_message("# at most %zu bytes in use in the first half of %d changes, at least %zu in the second\n", most,
		      PERIODS * EACH, least);
	assert_in_range(least, 0, most);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_comes_into_a_pool_is_never_of_the_world), cmocka_unit_test(following_is_lowering_anew),
	    cmocka_unit_test(a_full_set_takes_nothing_beside_what_goes),   cmocka_unit_test(no_two_peers_have_one_set),
	    cmocka_unit_test(many_that_are_alike_leave_one_by_one),	   cmocka_unit_test(following_does_not_grow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
