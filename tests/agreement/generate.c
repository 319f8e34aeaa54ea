/* Cases: which features a case has, its workloads, its documents, and how one stage follows from the one before. */
#include "tests/agreement/generate.h"
#include "tests/agreement/parts.h"

#include <stdio.h>
#include <string.h>

const char *const feature_names[FEATURE_COUNT] = {
    [FEATURE_NATIVE] = "native",
    [FEATURE_KUBERNETES] = "kubernetes",
    [FEATURE_PODS] = "pods",
    [FEATURE_CIDR] = "cidr",
    [FEATURE_BUILT_IN] = "built-in",
    [FEATURE_WORLD] = "world",
    [FEATURE_NODE] = "node",
    [FEATURE_NAMED_PORTS] = "named-ports",
    [FEATURE_RANGES] = "ranges",
    [FEATURE_ICMP] = "icmp",
    [FEATURE_SCTP] = "sctp",
    [FEATURE_UNTIL] = "until",
    [FEATURE_LOG] = "log",
    [FEATURE_RATE] = "rate",
    [FEATURE_QUARANTINE] = "quarantine",
    [FEATURE_SETTINGS] = "settings",
    [FEATURE_AUDIT] = "audit",
    [FEATURE_AUDITED] = "audited",
    [FEATURE_POOLS] = "pools",
    [FEATURE_NODES] = "nodes",
    [FEATURE_GUARD] = "guard",
    [FEATURE_ODD_PODS] = "odd-pods",
    [FEATURE_STAGES] = "stages",
};

/* In how many cases of 12 a feature is there. */
static const unsigned feature_shares[FEATURE_COUNT] = {
    [FEATURE_NATIVE] = 8,   [FEATURE_KUBERNETES] = 6, [FEATURE_PODS] = 6,	[FEATURE_CIDR] = 8,
    [FEATURE_BUILT_IN] = 8, [FEATURE_WORLD] = 5,      [FEATURE_NODE] = 6,	[FEATURE_NAMED_PORTS] = 8,
    [FEATURE_RANGES] = 8,   [FEATURE_ICMP] = 6,	      [FEATURE_SCTP] = 6,	[FEATURE_UNTIL] = 4,
    [FEATURE_LOG] = 4,	    [FEATURE_RATE] = 4,	      [FEATURE_QUARANTINE] = 4, [FEATURE_SETTINGS] = 4,
    [FEATURE_AUDIT] = 1,    [FEATURE_AUDITED] = 2,    [FEATURE_POOLS] = 5,	[FEATURE_NODES] = 8,
    [FEATURE_GUARD] = 5,    [FEATURE_ODD_PODS] = 4,   [FEATURE_STAGES] = 5,
};

static void draw_features(struct generator *g, uint32_t without)
{
	for (unsigned i = 0; i < FEATURE_COUNT; i++)
		if (roll(&g->random, 12) < feature_shares[i])
			g->features |= 1U << i;
	g->features &= ~without;
	const uint32_t policies = 1U << FEATURE_NATIVE | 1U << FEATURE_KUBERNETES;
	if ((g->features & policies) == 0)
		g->features |= (without & 1U << FEATURE_NATIVE) != 0 ? 1U << FEATURE_KUBERNETES : 1U << FEATURE_NATIVE;
}

/* ---- workloads ---- */

static void draw_labels(struct generator *g, struct made_workload *workload)
{
	workload->labels[0] = PICK(&g->random, ((const char *[]){"a", "b", "c"}));
	workload->labels[1] = PICK(&g->random, ((const char *[]){NULL, "x", "y"}));
	workload->labels[2] = PICK(&g->random, ((const char *[]){NULL, NULL, "p"}));
}

static void draw_workload(struct generator *g, struct made_workload *workload, unsigned *numbers, unsigned *left)
{
	workload->space = space_names[roll(&g->random, SPACES)];
	draw_labels(g, workload);
	workload->node = NODE_NAME;
	if (has(g, FEATURE_NODES) && one_in(&g->random, 3))
		workload->node = one_in(&g->random, 2) ? OTHER_NODE_NAME : NULL;
	for (unsigned i = 0, count = *left > 6 && one_in(&g->random, 4) ? 2 : 1; i < count; i++) {
		unsigned taken = roll(&g->random, *left), families = roll(&g->random, 6);
		workload->numbers[workload->number_count] = numbers[taken];
		numbers[taken] = numbers[--*left];
		workload->families[workload->number_count][0] = families != 0;
		workload->families[workload->number_count++][1] = families != 1;
	}
	for (unsigned i = 0; i < 2; i++)
		if (one_in(&g->random, 2))
			workload->ports[i] = make_port(g);
	workload->port_more = has(g, FEATURE_RANGES) && one_in(&g->random, 3) ? 1 + roll(&g->random, 2) : 0;
	workload->guarded = has(g, FEATURE_GUARD) && workload->number_count == 1 && one_in(&g->random, 2);
	workload->protocol = one_in(&g->random, 4) ? make_protocol(g) : "tcp";
}

/* What selectors see of another workload: only ports and addresses tell the two apart. */
static void make_twin(struct made_workload *workload, const struct made_workload *of)
{
	workload->space = of->space;
	workload->node = of->node;
	memcpy(workload->labels, of->labels, sizeof workload->labels);
}

static void draw_workloads(struct generator *g)
{
	unsigned numbers[NUMBERS], left = 0;
	for (unsigned i = 0; i < NUMBERS; i++)
		if (i != NODE_NUMBER && i != OTHER_NODE_NUMBER)
			numbers[left++] = i;
	g->workload_count = WORKLOADS_LEAST + roll(&g->random, WORKLOADS_MOST - WORKLOADS_LEAST + 1);
	for (size_t i = 0; i < g->workload_count; i++) {
		snprintf(g->workloads[i].name, sizeof g->workloads[i].name, "w%zu", i);
		draw_workload(g, &g->workloads[i], numbers, &left);
		if (i > 0 && one_in(&g->random, 4))
			make_twin(&g->workloads[i], &g->workloads[i - 1]);
	}
	/* The last one may come later. */
	g->workloads[g->workload_count - 1].away = has(g, FEATURE_STAGES) && one_in(&g->random, 3);
}

static const char *const teams[] = {NULL, "red", "blue"};

static void draw_world(struct generator *g)
{
	draw_workloads(g);
	for (unsigned i = 0; i < SPACES; i++)
		g->space_teams[i] = PICK(&g->random, teams);
	g->declared_spaces = !one_in(&g->random, 5);
	g->pools = has(g, FEATURE_POOLS) ? 1 + roll(&g->random, 3) : 0;
	g->nodes_by_pods = has(g, FEATURE_PODS) && g->pools == 0 && one_in(&g->random, 3);
	g->node_families[0] = !one_in(&g->random, 8);
	g->node_families[1] = !one_in(&g->random, 8);
	for (unsigned i = 0; i < SPACES && has(g, FEATURE_NATIVE); i++) {
		for (unsigned j = 0; j < SERVICES_MOST; j++) {
			struct made_service *service = &g->services[i][j];
			service->there = one_in(&g->random, 2);
			service->has_ports[0] = !one_in(&g->random, 3);
			service->has_ports[1] = one_in(&g->random, 3);
		}
	}
}

/* ---- stages ---- */

static void put_settings(struct generator *g, json_t *document)
{
	json_t *settings = made(json_object());
	if (has(g, FEATURE_SETTINGS))
		json_object_set_new(settings, "unmatched", made_text(one_in(&g->random, 2) ? "deny" : "allow"));
	if (has(g, FEATURE_AUDIT))
		json_object_set_new(settings, "mode", made_text("audit"));
	if (json_object_size(settings) > 0)
		json_object_set(document, "settings", settings);
	json_decref(settings);
}

static void put_policies(struct generator *g, json_t *files)
{
	json_t *natives = made(json_array()), *manifests = made(json_array());
	for (unsigned i = 0; i < SPACES && has(g, FEATURE_NATIVE); i++)
		json_array_append_new(natives, make_native_policy(g, i));
	if (json_array_size(natives) == 0)
		json_array_append_new(natives, made(json_pack("{s:s}", "ringfence", "v1")));
	put_settings(g, json_array_get(natives, 0));
	json_object_set_new(files, "policy.yaml", natives);
	for (unsigned i = 0, count = 1 + roll(&g->random, 5); i < count && has(g, FEATURE_KUBERNETES); i++)
		json_array_append_new(manifests, make_network_policy(g));
	json_object_set_new(files, one_in(&g->random, 2) ? "manifests.json" : "manifests.yaml", manifests);
}

static json_t *first_stage(struct generator *g)
{
	json_t *files = made(json_object());
	json_t *stage = made(json_pack("{s:o}", "files", files));
	draw_world(g);
	put_policies(g, files);
	put_inventory(g, files);
	if (has(g, FEATURE_NODES) && !one_in(&g->random, 5))
		json_object_set_new(stage, "node", made_text(NODE_NAME));
	if (one_in(&g->random, 2))
		json_object_set_new(stage, "reads", made(json_true()));
	return stage;
}

/* ---- changes ---- */

/* One workload comes, goes, or has other labels. */
static void change_workload(struct generator *g)
{
	struct made_workload *workload = &g->workloads[roll(&g->random, (unsigned)g->workload_count)];
	if (g->workloads[g->workload_count - 1].away)
		g->workloads[g->workload_count - 1].away = false;
	else if (one_in(&g->random, 3))
		workload->away = true;
	else
		draw_labels(g, workload);
}

static void change_space(struct generator *g)
{
	const char **team = &g->space_teams[roll(&g->random, SPACES)];
	*team = PICK(&g->random, teams);
}

static void remove_one(struct generator *g, json_t *list)
{
	if (json_array_size(list) > 0)
		json_array_remove(list, roll(&g->random, (unsigned)json_array_size(list)));
}

/* A statement comes or goes. */
static void change_policy(struct generator *g, json_t *files)
{
	unsigned space = roll(&g->random, SPACES);
	json_t *document = json_array_get(json_object_get(files, "policy.yaml"), has(g, FEATURE_NATIVE) ? space : 0);
	json_t *allows = json_object_get(document, "allow"), *manifests = json_object_get(files, "manifests.json");
	if (manifests == NULL)
		manifests = json_object_get(files, "manifests.yaml");
	if (has(g, FEATURE_KUBERNETES) && (allows == NULL || one_in(&g->random, 2))) {
		if (one_in(&g->random, 2))
			remove_one(g, manifests);
		else
			json_array_append_new(manifests, make_network_policy(g));
	} else if (has(g, FEATURE_QUARANTINE) && one_in(&g->random, 3)) {
		json_object_set_new(document, "quarantine", made(json_pack("[o]", make_quarantine(g))));
	} else if (one_in(&g->random, 2)) {
		remove_one(g, allows);
	} else {
		json_array_append_new(allows, make_allow(g, space));
	}
}

/* A world that follows from the one before. */
static json_t *next_stage(struct generator *g, const json_t *before)
{
	json_t *stage = made(json_deep_copy(before));
	json_t *files = json_object_get(stage, "files");
	bool workload = !one_in(&g->random, 3);
	if (workload)
		change_workload(g);
	else if (one_in(&g->random, 4))
		change_space(g);
	else
		change_policy(g, files);
	put_inventory(g, files);
	json_object_set_new(stage, "change",
			    made_text(one_in(&g->random, 5) ? "repair"
				      : workload	    ? "workload"
							    : "any"));
	if (one_in(&g->random, 2))
		json_object_set_new(stage, "reads", made(json_true()));
	return stage;
}

json_t *case_generate(uint64_t seed, uint32_t without)
{
	struct generator g = {.random = {seed * 0x2545f4914f6cdd1d + 0x632be59bd9b4e019}};
	json_t *stages = made(json_array());
	draw_features(&g, without);
	if (has(&g, FEATURE_STAGES) && one_in(&g.random, 4)) { /* something else was there before */
		struct generator other = {.random = {random_next(&g.random)}, .features = g.features};
		json_array_append_new(stages, first_stage(&other));
	}
	json_array_append_new(stages, first_stage(&g));
	for (unsigned i = 0, count = 1 + roll(&g.random, 3); i < count && has(&g, FEATURE_STAGES); i++)
		json_array_append_new(stages, next_stage(&g, json_array_get(stages, json_array_size(stages) - 1)));
	return made(json_pack("{s:o}", "stages", stages));
}
