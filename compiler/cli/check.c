/* ringfence check: is this policy sound? */
#include "compiler/cli/cli.h"

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

int check_run(const struct arguments *arguments)
{
	struct input input = {0};
	int status = input_read(&input, arguments, arguments->words, arguments->word_count);
	const struct frontend *f = &input.frontend;
	if (status == 0 && format_is(arguments, "json")) {
		json_t *answer = json_pack("{s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:s}", "version", 1, "ok", 1,
					   "services", (json_int_t)f->policy.service_count, "networks",
					   (json_int_t)f->policy.network_count, "allows", (json_int_t)native_allows(f),
					   "network_policies", (json_int_t)network_policies(f), "workloads",
					   (json_int_t)f->inventory.workload_count, "revision", f->revision);
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(answer);
	} else if (status == 0) {
		printf("ok: %zu services, %zu networks, %zu allows, %zu NetworkPolicies, %zu workloads in %zu files\n",
		       f->policy.service_count, f->policy.network_count, native_allows(f), network_policies(f),
		       f->inventory.workload_count, f->file_count);
	}
	if (status == 0 && arguments->verbose && f->skipped_count > 0)
		fprintf(stderr, "ringfence: passed over %zu Kubernetes objects that say nothing about the network\n",
			f->skipped_count);
	input_finish(&input);
	return status;
}
