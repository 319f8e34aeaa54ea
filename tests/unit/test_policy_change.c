/* A policy that changes while workloads stay: what the plan makes of the table must be what the new policy says, and no
 * packet may meet half of it, whether it goes class by class or by another generation.
 *
 * A packet here is slow: any of its look-ups may meet a transaction that the one before did not. */
#include "enforcer/desired/state.h"

#include "tests/unit/interpret.h"
#include "tests/unit/kernel_model.h"
#include "tests/unit/reading.h"
#include "tests/unit/worlds.h"

#include <ringfence/reconcile.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRIALS = 100, CHANGES = 8, FLOWS = 60, LINES = 64, STATES_MAX = PLAN_TRANSACTIONS + 1 };
#define SEED 20261127u

/* ---- policies that differ in a line ---- */

/* The lines of a policy, and those of another that may take their places. */
struct text {
	char *lines[LINES];
	size_t count;
};

static void read_lines(struct text *text, const char *from)
{
	*text = (struct text){0};
	for (size_t length; *from != 0; from += length) {
		length = strcspn(from, "\n") + 1;
		assert_true(text->count < LINES);
		text->lines[text->count++] = strndup(from, length);
	}
}

static void free_lines(struct text *text)
{
	for (size_t i = 0; i < text->count; i++)
		free(text->lines[i]);
}

static void write_text(struct text *text, const struct making *like)
{
	struct making making = *like;
	char *written = NULL;
	size_t size = 0;
	making.out = open_memstream(&written, &size);
	assert_non_null(making.out);
	write_policy(&making);
	fclose(making.out);
	read_lines(text, written);
	free(written);
}

/* What a line is about, by how it begins: an allow, a service, a network ... */
static size_t kind_length(const char *line)
{
	return strcspn(line, line[0] == ' ' && line[2] == '-' ? "{" : ":");
}

static bool is_statement(const char *line)
{
	return strchr(line, '{') != NULL && strncmp(line, "metadata", 8) != 0;
}

static bool is_allow(const char *line)
{
	return strncmp(line, "  - {from", 9) == 0;
}

/* Takes a line from `other` for one of the same kind, or repeats an allow elsewhere. */
static void vary(struct text *text, const struct text *other)
{
	for (size_t tries = 0; tries < 1000; tries++) {
		size_t place = roll((unsigned)text->count), from = roll((unsigned)other->count);
		const char *line = text->lines[place], *new = other->lines[from];
		if (!is_statement(line) || kind_length(line) != kind_length(new) ||
		    strncmp(line, new, kind_length(line)) != 0 || strcmp(line, new) == 0)
			continue;
		if (is_allow(line) && text->count < LINES && roll(3) == 0) { /* one more */
			for (size_t i = text->count++; i > place; i--)
				text->lines[i] = text->lines[i - 1];
			text->lines[place] = strdup(new);
		} else if (is_allow(line) && place > 0 && is_allow(text->lines[place - 1]) && roll(3) == 0) {
			free(text->lines[place]); /* one less */
			for (size_t i = place; i + 1 < text->count; i++)
				text->lines[i] = text->lines[i + 1];
			text->count--;
		} else {
			free(text->lines[place]);
			text->lines[place] = strdup(new);
		}
		return;
	}
}

static char *join(const struct text *text)
{
	char *joined = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&joined, &size);
	assert_non_null(stream);
	for (size_t i = 0; i < text->count; i++)
		fputs(text->lines[i], stream);
	fclose(stream);
	return joined;
}

/* ---- trials ---- */

/* A policy, in force. */
struct stage {
	struct reading reading;
	struct world world;
	char *text;
	struct arena *arena; /* of the table */
	struct lowering *lowering;
	const struct ruleset *table; /* as the kernel has it */
};

struct trial {
	const char *node;
	struct inventory *inventory; /* that of the first stage, for all */
	struct stage stage;
};

/* What was tried: changes, those made class by class, and their elements. `one_sided`: of policies with rules that
 * count on one side. */
struct count {
	size_t changes, in_place, packets, alike;
	size_t one_sided, one_sided_in_place;
};

static void end_stage(struct stage *stage)
{
	lowering_destroy(stage->lowering);
	arena_free(stage->arena);
	arena_free(stage->reading.arena);
	free(stage->text);
}

static void complain(const struct stage *before, const struct stage *after, const struct plan *plan)
{
	fprintf(stderr, "before:\n%s\nafter:\n%s\n", before->text, after->text);
	model_print_plan(plan);
}

static void send_packets(const struct inventory *inventory, const struct stage *before, const struct stage *after,
			 const struct plan *plan, const struct ruleset *const *states, size_t count, struct count *sum)
{
	for (size_t i = 0; i < FLOWS; i++) {
		struct tuple tuple = random_tuple();
		struct packet packets[2];
		packets[0] = packet_request(&tuple.source, &tuple.destination, tuple.protocol, tuple.port);
		packets[1] = packet_reply(&packets[0]);
		for (size_t j = 0; j < 2; j++) {
			size_t mixed_at = 0;
			const struct workload *sender = inventory_at(inventory, &packets[j].source);
			const char *interface =
			    sender != NULL && sender->interface_count > 0 ? sender->interfaces[0] : "eth0";
			memcpy(packets[j].interface, interface, strlen(interface));
			enum mixture mixture = packet_mixture(states, count, &packets[j], &mixed_at);
			sum->packets++;
			sum->alike += mixture != MIXTURE_DIFFERS;
			if (mixture != MIXTURE_HALF)
				continue;
			char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];
			complain(before, after, plan);
			fail_msg("%s -> %s protocol %u port %u meets half of transaction %zu",
				 address_format(&tuple.source, from), address_format(&tuple.destination, to),
				 tuple.protocol, tuple.port, mixed_at);
		}
	}
}

/* From one policy to the next, in place where that can be; returns the plan, in the arena of `after`. */
static struct plan *go_on(const struct trial *trial, struct stage *after, bool *in_place)
{
	const struct stage *before = &trial->stage;
	struct plan *plan = NULL;
	struct diagnostics diagnostics;
	diagnostics_init(&diagnostics, after->arena);
	after->lowering = reconcile_policy(after->arena, before->lowering, &after->world, trial->node, &plan);
	*in_place = after->lowering != NULL;
	if (after->lowering == NULL)
		after->lowering = reconcile_lowering(after->arena, &after->world, trial->node, before->table,
						     CHANGE_GENERATION, &plan, &diagnostics);
	assert_non_null(after->lowering);
	return plan;
}

static void change(struct trial *trial, const char *policy, struct count *sum)
{
	struct stage before = trial->stage, after = {0};
	const struct ruleset *states[STATES_MAX];
	const char *refused = NULL;
	bool in_place = false;
	after.text = strdup(policy);
	struct world world = read_policy(&after.reading, "policy.yaml", after.text);
	after.world = (struct world){world.policy, trial->inventory, NOW};
	after.arena = arena_create();
	struct plan *plan = go_on(trial, &after, &in_place);
	size_t count = model_apply(after.arena, model_copy(after.arena, before.table), plan, states, &refused);
	if (count == 0) {
		complain(&before, &after, plan);
		fail_msg("the plan is refused: %s", refused);
	}
	struct lowering *anew = lowering_create(&after.world, trial->node, lowering_generation(after.lowering),
						states[count - 1], &after.reading.diagnostics);
	const struct ruleset *wanted = lowering_ruleset(anew, after.arena, true);
	struct ruleset *got = model_copy(after.arena, states[count - 1]);
	ruleset_sort(got);
	const struct plan *left = plan_make(after.arena, got, wanted); /* knows which elements have expired */
	lowering_leave_to(anew, after.arena);
	if (left->count > 0) {
		complain(&before, &after, plan);
		fprintf(stderr, "left to do:\n");
		model_print_plan(left);
		fail_msg("the plan does not lead there");
	}
	bool one_sided = strstr(before.text, "NetworkPolicy") != NULL;
	sum->changes++;
	sum->in_place += in_place;
	sum->one_sided += one_sided;
	sum->one_sided_in_place += one_sided && in_place;
	if (count > 1)
		send_packets(trial->inventory, &before, &after, plan, states, count, sum);
	after.table = lowering_ruleset(after.lowering, after.arena, true); /* of rules that live on */
	end_stage(&before);
	trial->stage = after;
}

/* The first policy of a trial, and its workloads. */
static void begin(struct trial *trial, struct reading *first, const char *policy, const char *workloads)
{
	struct stage *stage = &trial->stage;
	char *both = NULL;
	assert_true(asprintf(&both, "%s%s", policy, workloads) > 0);
	read_policy(first, "world.yaml", both);
	free(both);
	trial->inventory = &first->frontend.inventory;
	stage->text = strdup(policy);
	struct world world = read_policy(&stage->reading, "policy.yaml", stage->text);
	stage->world = (struct world){world.policy, trial->inventory, NOW};
	stage->arena = arena_create();
	stage->lowering = lowering_create(&stage->world, trial->node, 1, NULL, &stage->reading.diagnostics);
	assert_non_null(stage->lowering);
	stage->table = lowering_ruleset(stage->lowering, stage->arena, true);
}

static void run_trial(uint64_t seed, struct count *sum)
{
	struct trial trial = {0};
	struct text text, other;
	struct reading first;
	char *workloads = NULL;
	size_t size = 0;
	sow(seed);
	trial.node = roll(3) == 0 ? NULL : "n0";
	struct making making = {.services = roll(8) != 0, .audit = true, .pools = roll(POOL_FORMS)};
	making.network_policies = roll(3) == 0;
	write_text(&text, &making);
	write_text(&other, &making);
	making.out = open_memstream(&workloads, &size);
	assert_non_null(making.out);
	write_inventory(&making);
	fclose(making.out);
	char *policy = join(&text);
	begin(&trial, &first, policy, workloads);
	free(policy);
	for (size_t i = 0; i < CHANGES; i++) {
		for (unsigned j = 0, lines = roll(4) == 0 ? 2 : 1; j < lines; j++)
			vary(&text, &other);
		policy = join(&text);
		change(&trial, policy, sum);
		free(policy);
	}
	end_stage(&trial.stage);
	free_lines(&text);
	free_lines(&other);
	free(workloads);
	arena_free(first.arena);
}

static void no_packet_meets_half_of_a_policy(void **state)
{
	(void)state;
	struct count sum = {0};
	for (unsigned i = 0; i < TRIALS; i++)
		run_trial(SEED + i, &sum);
	print_message("# seed %u: %zu changes, %zu class by class; %zu of policies with one-sided rules, %zu class by "
		      "class; %zu packets, %zu judged alike\n",
		      SEED, sum.changes, sum.in_place, sum.one_sided, sum.one_sided_in_place, sum.packets, sum.alike);
	assert_true(sum.in_place > sum.changes / 4);
	assert_true(sum.one_sided_in_place > 0);
}

/* ---- what goes class by class ---- */

#define SERVICES                                                                                             \
	"ringfence: v1\nnamespace: one\nservices:\n  a: {workloads: {app: a}}\n  b: {workloads: {app: b}}\n" \
	"  c: {workloads: {app: c}}\n"
#define ALLOWS                                                                                          \
	"allow:\n  - {from: a, to: b, ports: [1/tcp]}\n  - {from: c, to: any, ports: [2/tcp, 3/tcp]}\n" \
	"  - {from: any, to: c, ports: [2/tcp, 3/tcp, 4-9/udp]}\n"
#define NETWORK_POLICY(name, app, spec)                                                                            \
	"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " name ", namespace: one}\n" \
	"spec:\n  podSelector: {matchLabels: {app: " app "}}\n" spec
#define SENDS(app, to)                     \
	NETWORK_POLICY("egress-" app, app, \
		       "  policyTypes: [Egress]\n  egress: [{to: [{podSelector: {matchLabels: {app: " to "}}}]}]\n")
#define RECEIVES(app, from)                                                                                    \
	NETWORK_POLICY("ingress-" app, app,                                                                    \
		       "  policyTypes: [Ingress]\n  ingress: [{from: [{podSelector: {matchLabels: {app: " from \
		       "}}}]}]\n")

static const struct {
	const char *what, *before, *after;
	bool in_place;
} cases[] = {
    {"an allow gets a port", SERVICES ALLOWS, SERVICES ALLOWS "  - {from: a, to: b, ports: [5/tcp]}\n", true},
    {"lines move", SERVICES ALLOWS, "# a comment\n" SERVICES ALLOWS "  - {from: a, to: b, ports: [5/tcp]}\n", true},
    {"a service selects others", SERVICES ALLOWS,
     "ringfence: v1\nnamespace: one\nservices:\n  a: {workloads: {app: a, tier: x}}\n  b: {workloads: {app: b}}\n"
     "  c: {workloads: {app: c}}\n" ALLOWS,
     true},
    {"somebody is put into quarantine", SERVICES ALLOWS, SERVICES ALLOWS "quarantine: [{workload: one/a0}]\n", true},
    {"the quarantine is another's", SERVICES ALLOWS "quarantine: [{workload: one/a0}]\n",
     SERVICES ALLOWS "quarantine: [{workload: one/b0}]\n", false},
    {"a rule of egress is another", SENDS("a", "b") RECEIVES("b", "a"), SENDS("a", "c") RECEIVES("b", "a"), true},
    {"a rule of egress and one of ingress are others", SENDS("a", "b") RECEIVES("b", "c"),
     SENDS("a", "c") RECEIVES("b", "a"), false},
    {"who nobody speaks of is not isolated any more", SERVICES ALLOWS, SERVICES ALLOWS "settings: {unmatched: allow}\n",
     false},
    {"audit", SERVICES ALLOWS, SERVICES ALLOWS "settings: {mode: audit}\n", false},
};

static char *write_workloads(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	fputs("---\nringfence: v1\nworkloads:\n", out);
	for (unsigned i = 0; i < 15; i++)
		fprintf(out,
			"  - {name: %c%u, namespace: one, node: n0, labels: {app: %c%s}, addresses: [10.0.0.%u, "
			"\"fd00::%x\"]}\n",
			"abcde"[i % 5], i / 5, "abcde"[i % 5], i < 5 ? ", tier: x" : "", i, i);
	fclose(out);
	return text;
}

static void a_policy_changes_class_by_class_where_no_packet_can_meet_half_of_it(void **state)
{
	(void)state;
	char *workloads = write_workloads();
	sow(SEED);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct trial trial = {.node = "n0"};
		struct reading first;
		struct count sum = {0};
		begin(&trial, &first, cases[i].before, workloads);
		change(&trial, cases[i].after, &sum);
		if (sum.in_place != cases[i].in_place)
			fail_msg("%s: %sin place", cases[i].what, sum.in_place ? "" : "not ");
		end_stage(&trial.stage);
		arena_free(first.arena);
	}
	free(workloads);
}

/* ---- a policy that is read while another is in force ---- */

static void put_file(const char *path, const char *text, const char *more)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "%s%s", text, more);
	assert_int_equal(fclose(file), 0);
}

/* Who is named by a network is asked for once more, by the policy that is in force and not by the one just read. */
static void what_is_in_force_is_told_by_its_own_policy(void **state)
{
	static const char policy[] =
	    SERVICES "networks: {net: [10.0.0.0/24]}\n" ALLOWS "  - {from: net, to: any, ports: [7/tcp]}\n";
	char root[] = "/tmp/ringfence-policy-XXXXXX", policies[64], workloads[64], *text = write_workloads();
	struct state *live = state_create("n0");
	struct changes changes;
	struct plan *plan = NULL;
	const struct ruleset *states[STATES_MAX];
	const char *refused = NULL;
	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(policies, sizeof policies, "%s/policy.yaml", root);
	snprintf(workloads, sizeof workloads, "%s/workloads.yaml", root);
	put_file(workloads, text, "");
	assert_int_equal(state_read_workloads(live, workloads, &changes), 0);
	unlink(workloads);
	put_file(policies, policy, "quarantine: [{workload: one/a0}]\n");
	assert_int_equal(state_read_policy(live, root, &changes), 1);
	struct arena *arena = arena_create();
	struct diagnostics diagnostics;
	diagnostics_init(&diagnostics, arena);
	struct world world = state_world(live, NOW);
	struct lowering *before = lowering_create(&world, "n0", 1, NULL, &diagnostics);
	const struct ruleset *table = lowering_ruleset(before, arena, true);
	state_keep_policy(live);
	put_file(policies, policy, "");
	assert_int_equal(state_read_policy(live, root, &changes), 1);
	assert_null(model_difference(table, lowering_ruleset(before, arena, true)));
	world = state_world(live, NOW);
	struct lowering *after = reconcile_policy(arena, before, &world, "n0", &plan);
	assert_non_null(after);
	size_t count = model_apply(arena, model_copy(arena, table), plan, states, &refused);
	if (count == 0)
		fail_msg("the plan is refused: %s", refused);
	assert_null(model_difference(states[count - 1], lowering_ruleset(after, arena, true)));
	lowering_destroy(after);
	lowering_destroy(before);
	arena_free(arena);
	state_destroy(live);
	unlink(policies);
	rmdir(root);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_in_force_is_told_by_its_own_policy),
	    cmocka_unit_test(a_policy_changes_class_by_class_where_no_packet_can_meet_half_of_it),
	    cmocka_unit_test(no_packet_meets_half_of_a_policy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
