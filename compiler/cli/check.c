/* ringfence check: is this policy sound? */
#include "compiler/cli/cli.h"
#include "compiler/report/diagnostics_report.h"

#include <jansson.h>
#include <stdio.h>

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

static void print_json(const struct frontend *f, const struct proof *proof)
{
	json_t *answer =
	    json_pack("{s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:s}", "version", 1, "ok",
		      proof->broken_count == 0 && !proof->cut, "services", (json_int_t)f->policy.service_count,
		      "networks", (json_int_t)f->policy.network_count, "allows", (json_int_t)native_allows(f),
		      "network_policies", (json_int_t)network_policies(f), "nevers", (json_int_t)f->policy.never_count,
		      "workloads", (json_int_t)f->inventory.workload_count, "broken", broken_json(proof), "warnings",
		      warnings_json(f->diagnostics), "revision", f->revision);
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
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
	size_t warnings = f->diagnostics->count - f->diagnostics->errors;
	if (warnings > 0)
		printf("; %zu warning%s", warnings, warnings == 1 ? "" : "s");
	putchar('\n');
}

int check_run(const struct arguments *arguments)
{
	struct input input = {0};
	struct proof proof;
	int status = input_read(&input, arguments, arguments->words, arguments->word_count);
	const struct frontend *f = &input.frontend;
	if (status == 0) {
		input_lint(&input);
		status = input_prove(&input, &proof);
		if (format_is(arguments, "json"))
			print_json(f, &proof);
		else if (status == 0)
			print_text(f);
		if (arguments->verbose && f->skipped_count > 0 && input_speaks_text(&input))
			fprintf(stderr,
				"ringfence: passed over %zu Kubernetes objects that say nothing about the network\n",
				f->skipped_count);
	}
	input_finish(&input);
	return status;
}
