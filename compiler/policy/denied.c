/* What becomes of a packet that a policy denies: silence, an answer, or in audit mode a record and the way through.
 *
 * It changes no verdict. Who says it nearest to the workload counts: its services, then its node, then the settings; of
 * a node in audit mode nobody is asked. */
#include <ringfence/verdict.h>

#include <string.h>

static enum deny node_deny(const struct world *world, const struct workload *workload)
{
	const struct node *node = workload->node != NULL ? inventory_node(world->inventory, workload->node) : NULL;
	return node != NULL && node->deny != DENY_UNSAID ? node->deny : world->policy->deny;
}

enum denied stranger_denied(const struct policy *policy)
{
	return policy->audit || policy->node_audit ? DENIED_AUDIT : DENIED_DROP;
}

enum denied workload_denied(const struct world *world, const struct workload *workload, enum direction direction)
{
	const struct policy *policy = world->policy;
	const enum deny otherwise = node_deny(world, workload);
	bool isolated = false, audit = true, reject = true;
	for (size_t i = 0; i < policy->isolation_count; i++) {
		const struct isolation *isolation = policy->isolations[i];
		const struct service *service = isolation->service;
		if (!isolation->directions[direction] || strcmp(isolation->name_space, workload->name_space) != 0 ||
		    !selector_matches(&isolation->workloads, &workload->labels))
			continue;
		enum mode mode = service != NULL ? service->mode : MODE_UNSAID;
		enum deny deny = service != NULL ? service->deny : DENY_UNSAID;
		isolated = true;
		audit = audit && (mode != MODE_UNSAID ? mode == MODE_AUDIT : policy->audit);
		reject = reject && (deny != DENY_UNSAID ? deny : otherwise) == DENY_REJECT;
	}
	if (!isolated) {
		audit = policy->audit;
		reject = otherwise == DENY_REJECT;
	}
	return audit || policy->node_audit ? DENIED_AUDIT : reject ? DENIED_REJECT : DENIED_DROP;
}

bool world_denies_by(const struct world *world, enum denied denied)
{
	const struct policy *policy = world->policy;
	const bool audit = denied == DENIED_AUDIT;
	bool does =
	    denied == DENIED_DROP || (audit ? policy->audit || policy->node_audit : policy->deny == DENY_REJECT);
	for (size_t i = 0; i < policy->service_count && !does; i++)
		does = audit ? policy->services[i]->mode == MODE_AUDIT : policy->services[i]->deny == DENY_REJECT;
	for (size_t i = 0; i < world->inventory->node_count && !does && !audit; i++)
		does = world->inventory->nodes[i]->deny == DENY_REJECT;
	return does;
}

static void tell(const struct world *world, const struct endpoint *end, struct side *side, enum direction direction)
{
	side->denied = DENIED_DROP;
	if (side->reason == REASON_NO_ALLOW && end->workload != NULL)
		side->denied = workload_denied(world, end->workload, direction);
	else if (side->reason == REASON_UNKNOWN)
		side->denied = stranger_denied(world->policy);
}

void verdict_tell_denied(const struct world *world, const struct flow *flow, struct verdict *verdict)
{
	const struct side *const sides[] = {&verdict->egress, &verdict->ingress};
	tell(world, &flow->from, &verdict->egress, EGRESS);
	tell(world, &flow->to, &verdict->ingress, INGRESS);
	verdict->denied = DENIED_AUDIT; /* the source's end is asked first; in audit, the other is asked as well */
	for (size_t i = 0; i < 2 && verdict->denied == DENIED_AUDIT; i++)
		if (!sides[i]->allowed)
			verdict->denied = sides[i]->denied;
}
