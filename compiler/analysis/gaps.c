/* Whether a test that passes could have failed: a flow proves something where an allow, or the lack of one, decides it,
 * and the ends and ports of the test are such that somebody could have them. */
#include "compiler/analysis/testing.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <string.h>

/* ---- denied ---- */

static const struct mentions *mentions_of(struct testing *testing)
{
	if (testing->mentions == NULL)
		testing->mentions = mentions_create(testing->arena, testing->world);
	return testing->mentions;
}

/* What an end by labels asks for that nobody else names: a label, or the namespace. */
static const char *unknown_end(struct testing *testing, struct arena *scratch, const struct asked *asked,
			       enum direction side)
{
	const struct test_end *end = asked->ends[side];
	const struct workload *workload = end->end.workload;
	if (!end->supposed || end->peer->kind != PEER_LABELS)
		return NULL;
	const struct mentions *mentions = mentions_of(testing);
	for (size_t i = 0; i < workload->labels.count; i++) {
		const struct label *label = &workload->labels.items[i];
		bool any_value = *label->value == 0; /* endpoint_of_service, for {exists: true} */
		if (any_value ? mentions_key(mentions, label->key) : mentions_label(mentions, label->key, label->value))
			continue;
		return arena_printf(scratch, "nobody has the label %s%s%s: no service, statement or workload names it",
				    label->key, any_value ? "" : "=", label->value);
	}
	if (strcmp(workload->name_space, asked->test->name_space) == 0 ||
	    mentions_space(mentions, workload->name_space))
		return NULL;
	return arena_printf(scratch, "nobody is in namespace %s: no service, statement or workload names it",
			    workload->name_space);
}

/* A side that is denied for a reason that no allow changes. */
static const char *closed_side(struct arena *scratch, const struct side *side)
{
	struct span span;
	if (side->allowed || side->reason == REASON_NO_ALLOW)
		return NULL;
	return arena_printf(scratch, "it is denied whatever the allows say: %s", side_text(side, &span));
}

static const char *denied_gap(struct testing *testing, struct arena *scratch, const struct asked *asked)
{
	const char *gap = NULL;
	for (int i = EGRESS; i <= INGRESS && gap == NULL; i++)
		gap = unknown_end(testing, scratch, asked, (enum direction)i);
	if (gap == NULL && asked->port_name != NULL && !mentions_port(mentions_of(testing), asked->port_name))
		gap = arena_printf(scratch, "nobody has a port `%s`: no service, statement or workload names it",
				   asked->port_name);
	if (gap == NULL)
		gap = closed_side(scratch, &asked->verdict->egress);
	return gap != NULL ? gap : closed_side(scratch, &asked->verdict->ingress);
}

/* ---- allowed ---- */

/* Whether a peer names somebody, where `any`, `world` and `cluster` mean everybody: a test of these is about just that.
 */
static bool is_specific(const struct peer *peer)
{
	return peer->kind == PEER_SERVICE || peer->kind == PEER_NETWORK || peer->kind == PEER_LABELS;
}

/* Whether an allow holds for `any` at an end at which the test names somebody: `side` is that end. */
static bool is_loose(const struct asked *asked, const struct allow *allow, enum direction *side)
{
	const struct flows *flows = &allow->flows;
	*side = EGRESS;
	for (size_t i = 0; i < flows->from_count && is_specific(asked->ends[EGRESS]->peer); i++)
		if (flows->from[i].kind == PEER_ANY)
			return true;
	*side = INGRESS;
	for (size_t i = 0; i < flows->to_count && is_specific(asked->ends[INGRESS]->peer); i++)
		if (flows->to[i].peer.kind == PEER_ANY)
			return true;
	return false;
}

/* What a verdict against loose allows alone is owed to. */
static const char *loose_text(struct arena *scratch, const struct asked *asked, const struct verdict *verdict)
{
	const struct side *side = verdict->egress.reason == REASON_ALLOW ? &verdict->egress : &verdict->ingress;
	enum direction end;
	if (side->reason == REASON_ALLOW && is_loose(asked, side->allow, &end))
		return arena_printf(scratch,
				    "the allow %s `any` at %s:%u opens it, so that no statement about `%s` is needed",
				    end == EGRESS ? "from" : "to", side->allow->span.file, side->allow->span.line,
				    asked->ends[end]->peer->name);
	if (verdict->egress.reason == REASON_NODE || verdict->ingress.reason == REASON_NODE)
		return "a pod and its own node always reach each other";
	return "nothing isolates either end, so that no allow is needed";
}

static const char *allowed_gap(struct arena *scratch, const struct asked *asked)
{
	struct policy policy = *asked->policy;
	const struct world world = {&policy, asked->world->inventory, asked->world->at};
	enum direction end;
	policy.allow_count = 0;
	policy.allows = arena_alloc(scratch, (asked->policy->allow_count + 1) * sizeof(struct allow *));
	for (size_t i = 0; i < asked->policy->allow_count; i++)
		if (is_loose(asked, asked->policy->allows[i], &end))
			policy.allows[policy.allow_count++] = asked->policy->allows[i];
	const struct verdict verdict = verdict_of(&world, asked->flow);
	return verdict.allowed ? loose_text(scratch, asked, &verdict) : NULL;
}

const char *asked_gap(struct testing *testing, struct arena *scratch, const struct asked *asked)
{
	return asked->verdict->allowed ? allowed_gap(scratch, asked) : denied_gap(testing, scratch, asked);
}
