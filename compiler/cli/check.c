/* ringfence check: is this policy sound? */
#include "compiler/cli/cli.h"
#include "compiler/report/blast_report.h"
#include "compiler/report/diagnostics_report.h"

#include <ringfence/budget.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* What was found out. */
struct answers {
	struct proof proof;
	struct radii radii;
	struct ruleset_budget budget;
	struct ruleset_size *sizes; /* of each node */
	size_t size_count;
};

static bool is_over(const struct ruleset_budget *budget, const struct ruleset_size *size, enum measure measure)
{
	const struct limit *limit = budget_limit(budget, size->node, measure);
	return limit != NULL && size->amounts[measure] > limit->most;
}

static size_t network_policies(const struct frontend *frontend)
{
	return frontend->policy.isolation_count - frontend->policy.service_count;
}

/* The statements under `allow`: a rule of a NetworkPolicy counts on one side only. */
static size_t native_allows(const struct frontend *frontend)
{
	size_t count = 0;
	for (size_t i = 0; i < frontend->policy.allow_count; i++)
		count += frontend->policy.allows[i]->counts[EGRESS] && frontend->policy.allows[i]->counts[INGRESS];
	return count;
}

static void place_json(json_t *object, const char *file, const char *line, const struct span *span)
{
	if (span->file == NULL)
		return;
	json_object_set_new(object, file, text_json(span->file));
	json_object_set_new(object, line, json_integer(span->line));
}

static json_t *broken_json(const struct proof *proof)
{
	json_t *list = json_array();
	char port[48];
	for (size_t i = 0; i < proof->count; i++) {
		const struct broken *broken = &proof->items[i];
		json_t *object = json_object();
		place_json(object, "file", "line", &broken->never->span);
		json_object_set_new(object, "from", text_json(broken->from));
		json_object_set_new(object, "to", text_json(broken->to));
		json_object_set_new(object, "ports", json_string(port_range_format(&broken->ports, port)));
		json_object_set_new(object, "opened_by", text_json(broken->opened_by));
		place_json(object, "egress_file", "egress_line", &broken->openers[EGRESS]);
		place_json(object, "ingress_file", "ingress_line", &broken->openers[INGRESS]);
		json_object_set_new(object, "example", text_json(broken->example));
		if (broken->never->why != NULL)
			json_object_set_new(object, "why", text_json(broken->never->why));
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *warnings_json(const struct diagnostics *diagnostics)
{
	json_t *list = json_array();
	for (size_t i = 0; i < diagnostics->count; i++) {
		const struct diagnostic *d = &diagnostics->items[i];
		if (d->severity != SEVERITY_WARNING)
			continue;
		json_t *object = json_pack("{s:s}", "rule", diagnostics_rule_name(d->rule));
		place_json(object, "file", "line", &d->span);
		json_object_set_new(object, "message", text_json(d->message));
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *radii_json(struct arena *arena, const struct radii *radii)
{
	json_t *over = json_array();
	for (size_t i = 0; i < radii->count; i++) {
		const struct radius *radius = &radii->items[i];
		const char *name = arena_printf(arena, "%s/%s", radius->service->name_space, radius->service->name);
		json_t *object =
		    json_pack("{s:o, s:I, s:o}", "service", text_json(name), "services", (json_int_t)radius->services,
			      "path", text_json(path_text(arena, radius->furthest, false)));
		place_json(object, "file", "line", &radius->service->span);
		json_array_append_new(over, object);
	}
	return json_pack("{s:I, s:o}", "largest", (json_int_t)radii->largest, "over", over);
}

static json_t *sizes_json(const struct answers *answers)
{
	json_t *list = json_array();
	for (size_t i = 0; i < answers->size_count; i++) {
		const struct ruleset_size *size = &answers->sizes[i];
		json_t *over = json_array();
		for (int j = 0; j < MEASURES; j++)
			if (is_over(&answers->budget, size, (enum measure)j))
				json_array_append_new(over, json_string(measure_names[j]));
		json_t *object = json_pack("{s:o}", "over", over);
		json_object_set_new(object, "node", size->node != NULL ? text_json(size->node) : json_null());
		for (size_t j = 0; j < MEASURES; j++)
			json_object_set_new(object, measure_names[j], json_integer((json_int_t)size->amounts[j]));
		json_array_append_new(list, object);
	}
	return list;
}

static void print_json(const struct input *input, const struct answers *answers, bool ok)
{
	const struct frontend *f = &input->frontend;
	json_t *answer =
	    json_pack("{s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:s}", "version", 1, "ok", ok, "services",
		      (json_int_t)f->policy.service_count, "networks", (json_int_t)f->policy.network_count, "allows",
		      (json_int_t)native_allows(f), "network_policies", (json_int_t)network_policies(f), "nevers",
		      (json_int_t)f->policy.never_count, "workloads", (json_int_t)f->inventory.workload_count, "broken",
		      broken_json(&answers->proof), "warnings", warnings_json(f->diagnostics), "revision", f->revision);
	if (input->arguments->radius_text != NULL)
		json_object_set_new(answer, "blast_radius", radii_json(input->arena, &answers->radii));
	if (input->arguments->budget != NULL)
		json_object_set_new(answer, "nodes", sizes_json(answers));
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
}

static size_t audited_services(const struct frontend *f)
{
	size_t count = 0;
	for (size_t i = 0; i < f->policy.service_count; i++)
		count += f->policy.services[i]->mode == MODE_AUDIT;
	return count;
}

static void print_text(const struct frontend *f)
{
	printf("ok: %zu services, %zu networks, %zu allows, %zu NetworkPolicies, %zu workloads in %zu files",
	       f->policy.service_count, f->policy.network_count, native_allows(f), network_policies(f),
	       f->inventory.workload_count, f->file_count);
	if (f->policy.never_count > 0)
		printf("; %zu `never` rule%s proved%s", f->policy.never_count, f->policy.never_count == 1 ? "" : "s",
		       network_policies(f) > 0 ? ", of NetworkPolicies for the workloads at hand" : "");
	if (f->policy.audit)
		printf("; mode audit: denied flows are let through");
	else if (audited_services(f) > 0)
		printf("; %zu of the services in audit mode", audited_services(f));
	size_t warnings = f->diagnostics->count - f->diagnostics->errors;
	if (warnings > 0)
		printf("; %zu warning%s", warnings, warnings == 1 ? "" : "s");
	putchar('\n');
}

/* Services whose breach reaches more than --max-blast-radius says, each where it is defined. */
static int check_radius(struct input *input, struct radii *radii)
{
	size_t most = input->arguments->most_radius;
	*radii = radii_find(input->arena, &input->world, most);
	for (size_t i = 0; i < radii->count; i++) {
		const struct radius *radius = &radii->items[i];
		diagnostics_error(&input->diagnostics, radius->service->span,
				  "a breach of %s/%s reaches %zu service%s; at most %zu may be",
				  radius->service->name_space, radius->service->name, radius->services,
				  radius->services == 1 ? "" : "s", most);
		diagnostics_rule(&input->diagnostics, DIAGNOSTIC_RADIUS);
		diagnostics_help(&input->diagnostics, "a longest path: %s",
				 path_text(input->arena, radius->furthest, false));
	}
	return radii->count > 0 ? EXIT_NO : EXIT_YES;
}

/* The statements that make most of it, in one line. */
static const char *contributors_text(struct arena *arena, const struct ruleset_size *size, enum measure measure)
{
	const char *text = "most come from";
	for (size_t i = 0; i < CONTRIBUTORS_MOST && size->by[measure][i].name != NULL; i++)
		text = arena_printf(arena, "%s%s %s (%zu %s)", text, i > 0 ? "," : "", size->by[measure][i].name,
				    size->by[measure][i].amount, measure == MEASURE_RULES ? "rules" : "elements");
	return text;
}

static void report_over(struct input *input, const struct ruleset_budget *budget, const struct ruleset_size *size)
{
	for (int i = 0; i < MEASURES; i++) {
		if (!is_over(budget, size, (enum measure)i))
			continue;
		const struct limit *limit = budget_limit(budget, size->node, (enum measure)i);
		const char *who = size->node != NULL ? arena_printf(input->arena, "node %s", size->node)
						     : "with every workload local, the ruleset";
		diagnostics_error(&input->diagnostics, limit->span, "%s has %" PRIu64 " %s; its budget is %" PRIu64,
				  who, size->amounts[i], measure_names[i], limit->most);
		diagnostics_rule(&input->diagnostics, DIAGNOSTIC_BUDGET);
		diagnostics_help(&input->diagnostics, "%s", contributors_text(input->arena, size, (enum measure)i));
	}
}

/* Lowers for one node and counts. Returns 0, or EXIT_PROBLEM when there is no ruleset. */
static int measure_node(struct input *input, struct answers *answers, const char *node)
{
	struct arena *scratch = arena_create();
	const struct ruleset *ruleset = ruleset_lower(scratch, &input->world, node, 1, &input->diagnostics);
	if (ruleset != NULL) {
		struct ruleset_size *size = arena_push(input->arena, answers->sizes, answers->size_count);
		*size = ruleset_measure(scratch, ruleset);
		size->node = node;
		for (size_t i = 0; i < MEASURES; i++)
			for (size_t j = 0; j < CONTRIBUTORS_MOST && size->by[i][j].name != NULL; j++)
				size->by[i][j].name =
				    arena_copy(input->arena, size->by[i][j].name, strlen(size->by[i][j].name));
	}
	arena_free(scratch);
	return ruleset != NULL ? 0 : EXIT_PROBLEM;
}

static int check_budget(struct input *input, struct answers *answers)
{
	size_t count, errors;
	const char **nodes = inventory_node_names(&input->frontend.inventory, input->arena, &count);
	int status = EXIT_YES;
	if (count == 0)
		status = measure_node(input, answers, NULL);
	for (size_t i = 0; i < count && status == EXIT_YES; i++)
		status = measure_node(input, answers, nodes[i]);
	errors = input->diagnostics.errors;
	for (size_t i = 0; i < answers->size_count; i++)
		report_over(input, &answers->budget, &answers->sizes[i]);
	return status == EXIT_YES && input->diagnostics.errors > errors ? EXIT_NO : status;
}

static void print_sizes(const struct answers *answers)
{
	for (size_t i = 0; i < answers->size_count; i++) {
		const struct ruleset_size *size = &answers->sizes[i];
		const char *node = size->node != NULL ? size->node : "every workload local";
		escape_print(stdout, node, strlen(node));
		for (size_t j = 0; j < MEASURES; j++)
			printf("%s %" PRIu64 " %s", j > 0 ? "," : ":", size->amounts[j], measure_names[j]);
		putchar('\n');
	}
}

static int larger(int a, int b)
{
	return a > b ? a : b;
}

/* Asks everything that is asked for, so that one run tells all. */
static int check(struct input *input, struct answers *answers)
{
	int status = input_prove(input, &answers->proof);
	if (input->arguments->radius_text != NULL)
		status = larger(status, check_radius(input, &answers->radii));
	if (input->arguments->budget != NULL)
		status = larger(status, check_budget(input, answers));
	input_show(input);
	return status;
}

int check_run(const struct arguments *arguments)
{
	struct input input = {0};
	struct answers answers = {0};
	int status = input_read(&input, arguments, arguments->words, arguments->word_count);
	const struct frontend *f = &input.frontend;
	if (status == 0 && arguments->budget != NULL) {
		budget_read(&input.frontend, arguments->budget, &answers.budget);
		status = input_report(&input);
	}
	if (status == 0) {
		input_lint(&input);
		status = check(&input, &answers);
		if (format_is(arguments, "json"))
			print_json(&input, &answers, status == EXIT_YES);
		else if (status == 0)
			print_text(f);
		if (arguments->verbose && !format_is(arguments, "json"))
			print_sizes(&answers);
		if (arguments->verbose && f->skipped_count > 0 && input_speaks_text(&input))
			fprintf(stderr,
				"ringfence: passed over %zu Kubernetes objects that say nothing about the network\n",
				f->skipped_count);
	}
	input_finish(&input);
	return status;
}
