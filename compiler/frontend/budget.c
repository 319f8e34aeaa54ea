/* A budget (`ringfence-budget: v1`) by its table of keys. It is no part of the policy: it limits what comes of one. */
#include "compiler/frontend/native.h"

#include <ringfence/arena.h>
#include <ringfence/budget.h>

#include <stdlib.h>
#include <string.h>

const char *const measure_names[MEASURES] = {
    [MEASURE_ELEMENTS] = "elements",
    [MEASURE_RULES] = "rules",
    [MEASURE_BYTES] = "netlink-bytes",
};

/* ---- amounts ---- */

/* A whole number, and of bytes a unit behind it. Returns whether it is one; no more than 15 digits. */
static bool parse_amount(const char *text, bool bytes, uint64_t *amount)
{
	static const struct {
		const char *name;
		uint64_t factor;
	} units[] = {{"", 1}, {"B", 1}, {"kB", 1000}, {"MB", 1000000}, {"KiB", 1 << 10}, {"MiB", 1 << 20}};
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits + strspn(text + digits, " ");
	if (digits == 0 || digits > 15)
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (strcmp(unit, units[i].name) == 0 && (bytes || text[digits] == 0)) {
			*amount = strtoull(text, NULL, 10) * units[i].factor;
			return true;
		}
	return false;
}

static void read_limit(struct frontend *frontend, const struct yaml_node *node, void *object, enum measure measure)
{
	struct node_budget *budget = object;
	const char *text = node->kind == YAML_SCALAR && node->plain ? node->text : "";
	uint64_t amount = 0;
	if (!parse_amount(text, measure == MEASURE_BYTES, &amount)) {
		diagnostics_error(frontend->diagnostics, node->span, "`%s` must be a whole number%s",
				  measure_names[measure], measure == MEASURE_BYTES ? ", or one with a unit" : "");
		diagnostics_help(frontend->diagnostics,
				 measure == MEASURE_BYTES ? "such as 2000000, 2MB or 512KiB" : "such as 20000");
		return;
	}
	budget->limits[measure] = (struct limit){amount, node->span};
}

static void elements_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	read_limit(frontend, node, object, MEASURE_ELEMENTS);
}

static void rules_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	read_limit(frontend, node, object, MEASURE_RULES);
}

static void bytes_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	read_limit(frontend, node, object, MEASURE_BYTES);
}

static const struct key limit_keys[] = {
    UNTYPED_KEY("elements", false, elements_read),
    UNTYPED_KEY("rules", false, rules_read),
    UNTYPED_KEY("netlink-bytes", false, bytes_read),
};

static void limits_read(struct frontend *frontend, const struct yaml_node *node, const char *what,
			struct node_budget *budget)
{
	KEYS_READ(frontend, node, limit_keys, what, budget);
	if (node->kind == YAML_MAPPING && node->count == 0)
		diagnostics_error(frontend->diagnostics, node->span, "%s names no limit", what);
}

/* ---- the document ---- */

static void every_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct ruleset_budget *budget = object;
	limits_read(frontend, node, "`every-node`", &budget->every);
}

static bool is_name(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void nodes_budget_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct ruleset_budget *budget = object;
	size_t count;
	const char **names = inventory_node_names(&frontend->inventory, frontend->arena, &count);
	if (node->kind != YAML_MAPPING || node->count == 0) {
		diagnostics_error(frontend->diagnostics, node->span,
				  "`nodes` must be a mapping of nodes to limits, such as {node-a: {rules: 500}}");
		return;
	}
	for (size_t i = 0; i + 1 < node->count; i += 2) {
		const char *name = node->items[i].text;
		struct node_budget one = {.node = name, .span = node->items[i].span};
		if (!is_name(names, count, name)) {
			diagnostics_error(frontend->diagnostics, one.span, "no node `%s` in the inventory", name);
			if (!diagnostics_suggest(frontend->diagnostics, name, names, count) && count == 0)
				diagnostics_help(frontend->diagnostics, "it names no node: `every-node` holds then");
		}
		limits_read(frontend, &node->items[i + 1], "the budget of a node", &one);
		*arena_push(frontend->arena, budget->nodes, budget->node_count) = one;
	}
}

static void version_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	(void)object;
	if (node->kind != YAML_SCALAR || strcmp(node->text, "v1") != 0)
		diagnostics_error(frontend->diagnostics, node->span, "only version v1 of a budget is known");
}

static const struct key budget_keys[] = {
    UNTYPED_KEY(BUDGET_KEY, true, version_read),
    UNTYPED_KEY("every-node", false, every_read),
    UNTYPED_KEY("nodes", false, nodes_budget_read),
};

void budget_read(struct frontend *frontend, const char *path, struct ruleset_budget *budget)
{
	*budget = (struct ruleset_budget){0};
	size_t errors = frontend->diagnostics->errors, count = 0;
	const struct source *source = file_read(frontend, path);
	if (source == NULL)
		return;
	struct yaml_node **roots = yaml_read(frontend->arena, source, frontend->diagnostics, &count);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			diagnostics_error(frontend->diagnostics, roots[i]->span, "a budget is one document");
		else
			KEYS_READ(frontend, roots[i], budget_keys, "a budget", budget);
	}
	bool is_empty = budget->node_count == 0;
	for (size_t i = 0; i < MEASURES; i++)
		is_empty = is_empty && budget->every.limits[i].span.file == NULL;
	if (is_empty && frontend->diagnostics->errors == errors) {
		diagnostics_error(frontend->diagnostics,
				  (struct span){.file = path, .line = 1, .column = 1, .end_line = 1, .end_column = 2},
				  "a budget without any limit");
		diagnostics_help(frontend->diagnostics,
				 "write ringfence-budget: v1, and every-node: {elements: 20000}");
	}
}

const struct limit *budget_limit(const struct ruleset_budget *budget, const char *node, enum measure measure)
{
	const struct limit *limit = &budget->every.limits[measure];
	for (size_t i = 0; node != NULL && i < budget->node_count; i++)
		if (strcmp(budget->nodes[i].node, node) == 0 && budget->nodes[i].limits[measure].span.file != NULL)
			limit = &budget->nodes[i].limits[measure];
	return limit->span.file != NULL ? limit : NULL;
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

const char **inventory_node_names(const struct inventory *inventory, struct arena *arena, size_t *count)
{
	const char **names = NULL;
	size_t all = 0, kept = 0;
	for (size_t i = 0; i < inventory->node_count; i++)
		*arena_push(arena, names, all) = inventory->nodes[i]->name;
	for (size_t i = 0; i < inventory->workload_count; i++)
		if (inventory->workloads[i]->node != NULL)
			*arena_push(arena, names, all) = inventory->workloads[i]->node;
	if (all > 1)
		qsort(names, all, sizeof *names, compare_names);
	for (size_t i = 0; i < all; i++)
		if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
			names[kept++] = names[i];
	*count = kept;
	return names;
}
