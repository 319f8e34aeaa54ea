/* The table of lints, what they report to, and those that look at one allow at a time.
 *
 * Whatever a lint says must be true for the statements as they are read; what it leaves out is nobody's harm. */
#include "compiler/analysis/linting.h"
#include "compiler/analysis/within.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* ---- findings ---- */

static int compare_switches(const void *left, const void *right)
{
	return compare_spans(&((const struct lint_switch *)left)->document,
			     &((const struct lint_switch *)right)->document);
}

static bool is_behind(const struct span *span, const struct span *document)
{
	return span->line > document->end_line ||
	       (span->line == document->end_line && span->column >= document->end_column);
}

/* Documents of a file lie one behind the other: only the last that begins before `span` can hold it. */
bool linting_is_off(const struct linting *linting, const struct span *span)
{
	size_t low = 0, high = linting->world->policy->lint_switch_count;
	while (span->file != NULL && low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_spans(&linting->switches[middle].document, span) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return false;
	const struct lint_switch *nearest = &linting->switches[low - 1];
	return strcmp(nearest->document.file, span->file) == 0 && !is_behind(span, &nearest->document) &&
	       (nearest->off >> (linting->rule - DIAGNOSTIC_LINTS) & 1) != 0;
}

void linting_add(struct linting *linting, struct span span, const char *help, const char *format, ...)
{
	if (linting_is_off(linting, &span))
		return;
	va_list args;
	va_start(args, format);
	const char *message = arena_vprintf(linting->arena, format, args);
	va_end(args);
	*arena_push(linting->arena, linting->findings, linting->finding_count) =
	    (struct finding){linting->rule, span, message, help};
}

bool linting_step(struct linting *linting)
{
	if (linting->steps == 0)
		return false;
	linting->steps--;
	return true;
}

static int compare_findings(const void *left, const void *right)
{
	const struct finding *a = left, *b = right;
	int order = compare_spans(&a->span, &b->span);
	if (order == 0)
		order = a->rule < b->rule ? -1 : a->rule > b->rule;
	return order != 0 ? order : strcmp(a->message, b->message);
}

bool allow_is_native(const struct allow *allow)
{
	return allow->counts[EGRESS] && allow->counts[INGRESS];
}

/* ---- allows one by one ---- */

/* Calls `look` for every native allow that is not over. */
static void each_allow(struct linting *linting, void (*look)(struct linting *linting, const struct allow *allow))
{
	const struct policy *policy = linting->world->policy;
	for (size_t i = 0; i < policy->allow_count; i++)
		if (allow_is_native(policy->allows[i]) && is_alive(linting->world, policy->allows[i]->until))
			look(linting, policy->allows[i]);
}

static void look_for_why(struct linting *linting, const struct allow *allow)
{
	if (allow->why == NULL)
		linting_add(linting, allow->span, "add `why`: a ticket, or what needs it", "this allow has no `why`");
}

static void lint_allow_without_why(struct linting *linting)
{
	each_allow(linting, look_for_why);
}

/* Whether a peer is `any`, or every workload there is by an empty selector. */
static bool is_anything(const struct peer *peer)
{
	bool everywhere =
	    peer->scope == NAMESPACES_ANY || (peer->scope == NAMESPACES_LABELS && peer->namespace_labels.count == 0);
	return peer->kind == PEER_ANY || (peer->kind == PEER_LABELS && peer->labels.count == 0 && everywhere);
}

static void look_for_any(struct linting *linting, const struct peer *peer, const char *preposition)
{
	if (!is_anything(peer))
		return;
	bool any = peer->kind == PEER_ANY;
	linting_add(linting, peer->span,
		    any ? "name services or networks; `cluster` is every workload, `world` every other address"
			: "name services or labels; where every workload is meant, `cluster` says so",
		    "this allow is %s %s", preposition,
		    any ? "`any`: every workload, node and address"
			: "an empty selector in any namespace: every workload");
}

static void look_at_ends(struct linting *linting, const struct allow *allow)
{
	for (size_t i = 0; i < allow->flows.from_count; i++)
		look_for_any(linting, &allow->flows.from[i], "from");
	for (size_t i = 0; i < allow->flows.to_count; i++)
		look_for_any(linting, &allow->flows.to[i].peer, "to");
}

static void lint_allow_to_any(struct linting *linting)
{
	each_allow(linting, look_at_ends);
}

/* A prefix that is no network of anyone's but the better part of a family. fc00::/7 is what private networks have. */
const struct prefix *network_widest(const struct network *network)
{
	for (size_t i = 0; i < network->cidr_count; i++)
		if (network->cidrs[i].length <= (network->cidrs[i].address.family == 4 ? 7 : 6))
			return &network->cidrs[i];
	return NULL;
}

static void look_at_egress(struct linting *linting, const struct allow *allow)
{
	static const char help[] = "name the networks that are called under `networks`";
	char text[ADDRESS_TEXT_SIZE];
	for (size_t i = 0; i < allow->flows.to_count; i++) {
		const struct peer *peer = &allow->flows.to[i].peer;
		const struct prefix *wide = peer->kind == PEER_NETWORK ? network_widest(peer->network) : NULL;
		if (peer->kind == PEER_WORLD)
			linting_add(linting, peer->span, help,
				    "this allow is to `world`: every address that is no workload and no node");
		else if (wide != NULL)
			linting_add(linting, peer->span, help, "this allow is to a whole network: %s",
				    prefix_format(wide, text));
	}
}

static void lint_whole_network_egress(struct linting *linting)
{
	each_allow(linting, look_at_egress);
}

/* "5432/tcp, 9187/tcp", as far as there is room. */
static const char *declared_text(struct arena *arena, const struct service *service)
{
	enum { SHOWN = 4 };
	char port[48];
	const char *text = "";
	for (size_t i = 0; i < service->port_count && i <= SHOWN; i++)
		text = arena_printf(arena, "%s%s%s", text, i > 0 ? ", " : "",
				    i < SHOWN ? port_range_format(&service->ports[i].port, port) : "...");
	return text;
}

static void look_at_target(struct linting *linting, const struct target *target)
{
	const struct service *service = target->peer.service;
	struct port_range *declared = NULL;
	size_t count = 0;
	char port[48];
	for (size_t i = 0; i < service->port_count; i++)
		*arena_push(linting->arena, declared, count) = service->ports[i].port;
	for (size_t i = 0; i < target->port_count && linting_step(linting); i++) {
		const struct port_range *range = &target->ports[i];
		/* Nobody declares ping. */
		if (range->protocol == PROTOCOL_ICMP || range->protocol == PROTOCOL_ICMPV6 ||
		    ports_within(range, declared, count))
			continue;
		linting_add(linting, target->peer.span,
			    "allow a port that it declares, or declare this one under the service's `ports`",
			    "`%s` does not declare %s: it declares %s", target->peer.name,
			    range->protocol == PROTOCOL_ANY ? "every port" : port_range_format(range, port),
			    declared_text(linting->arena, service));
	}
}

static void look_at_ports(struct linting *linting, const struct allow *allow)
{
	for (size_t i = 0; i < allow->flows.to_count; i++) {
		const struct target *target = &allow->flows.to[i];
		if (target->peer.kind == PEER_SERVICE && target->peer.service->port_count > 0)
			look_at_target(linting, target);
	}
}

static void lint_undeclared_port(struct linting *linting)
{
	each_allow(linting, look_at_ports);
}

static void look_at_until(struct linting *linting, const struct allow *allow)
{
	char text[32];
	if (allow->until != 0 && allow->until - linting->world->at <= LINT_EXPIRES_DAYS * 24 * 3600)
		linting_add(linting, allow->span, "move `until`, or let it end and remove the allow then",
			    "this allow ends at %s, in %d days or less", time_print(allow->until, text),
			    (int)((allow->until - linting->world->at + 24 * 3600 - 1) / (24 * 3600)));
}

static void lint_expires_soon(struct linting *linting)
{
	each_allow(linting, look_at_until);
}

static void lint_expired(struct linting *linting)
{
	const struct policy *policy = linting->world->policy;
	char text[32];
	for (size_t i = 0; i < policy->allow_count; i++)
		if (!is_alive(linting->world, policy->allows[i]->until))
			linting_add(linting, policy->allows[i]->span, "remove it, or move `until`",
				    "this allow is over since %s", time_print(policy->allows[i]->until, text));
	for (size_t i = 0; i < policy->quarantine_count; i++)
		if (!is_alive(linting->world, policy->quarantines[i]->until))
			linting_add(linting, policy->quarantines[i]->span, "remove it, or move `until`",
				    "this quarantine is over since %s",
				    time_print(policy->quarantines[i]->until, text));
}

/* ---- all of them ---- */

/* They look at what native documents say; no-workload looks at the podSelector of a NetworkPolicy too, since one that
 * selects nobody protects nobody. */
#define RULE(name) [DIAGNOSTIC_##name - DIAGNOSTIC_LINTS]
const struct lint lints[LINTS] = {
    RULE(UNUSED_SERVICE) = {"unused-service", "No allow names this service, or its workloads by label.",
			    lint_unused_services},
    RULE(OVERLAPPING_SERVICES) = {"overlapping-services", "Two services select a common workload.",
				  lint_overlapping_services},
    RULE(NO_WORKLOAD) = {"no-workload", "A selector matches no workload of the inventory.", lint_no_workload},
    RULE(COVERED_ALLOW) = {"covered-allow", "Another allow holds every flow of this one, for as long.",
			   lint_covered_allows},
    RULE(ALLOW_WITHOUT_WHY) = {"allow-without-why", "An allow has no `why`.", lint_allow_without_why},
    RULE(ALLOW_TO_ANY) = {"allow-to-any", "An allow is from or to `any`, or an empty selector in any namespace.",
			  lint_allow_to_any},
    RULE(WHOLE_NETWORK_EGRESS) = {"whole-network-egress",
				  "An allow is to `world`, or to a prefix of nearly everything.",
				  lint_whole_network_egress},
    RULE(UNDECLARED_PORT) = {"undeclared-port", "An allow opens a port that the destination does not declare.",
			     lint_undeclared_port},
    RULE(EXPIRES_SOON) = {"expires-soon", "An allow ends within 14 days.", lint_expires_soon},
    RULE(EXPIRED) = {"expired", "An allow or a quarantine is over.", lint_expired},
};
_Static_assert(LINTS <= 32, "a document's switches are the bits of 32");

void lint_run(struct diagnostics *list, struct arena *arena, const struct world *world)
{
	struct linting linting = {.arena = arena, .world = world};
	size_t count = world->policy->lint_switch_count;
	linting.switches = arena_alloc(arena, (count + 1) * sizeof *linting.switches);
	for (size_t i = 0; i < count; i++)
		linting.switches[i] = world->policy->lint_switches[i];
	qsort(linting.switches, count, sizeof *linting.switches, compare_switches);
	for (size_t i = 0; i < LINTS; i++) {
		linting.rule = (enum diagnostic_rule)(DIAGNOSTIC_LINTS + i);
		linting.steps = LINT_STEPS_MOST;
		lints[i].run(&linting);
	}
	if (linting.finding_count > 1)
		qsort(linting.findings, linting.finding_count, sizeof *linting.findings, compare_findings);
	for (size_t i = 0; i < linting.finding_count; i++) {
		const struct finding *finding = &linting.findings[i];
		diagnostics_warning(list, finding->span, "%s", finding->message);
		diagnostics_rule(list, finding->rule);
		diagnostics_help(list, "%s; where it is meant: `lint: {off: [%s]}`", finding->help,
				 lints[finding->rule - DIAGNOSTIC_LINTS].name);
	}
}
