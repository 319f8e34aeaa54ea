/* From a record to what people ask: who is that, why, and which allow would it take?
 *
 * All answers are of the policy at hand: the verdict that the record tells of may be older by a moment. */
#include "enforcer/observe/event.h"

#include "compiler/ruleset/netlink.h"
#include "compiler/ruleset/rules.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <string.h>

enum { PREFIX_NAME = 20 }; /* what a prefix holds of a namespace, and of a name */

/* Copies a text and cuts it at `size`. */
static void put(char *to, size_t size, const char *text)
{
	size_t length = strnlen(text, size - 1);
	memcpy(to, text, length);
	to[length] = 0;
}

/* The same of a path, whose end says more. */
static void put_path(char *to, size_t size, const char *path)
{
	size_t length = strlen(path);
	put(to, size, length < size ? path : path + length - (size - 1));
}

/* ---- ends ---- */

static void add_name(struct event_end *end, const char *name_space, const char *name)
{
	size_t used = strlen(end->names), need = strlen(name_space) + strlen(name) + 2;
	if (used + need >= sizeof end->names) {
		end->more = true;
		return;
	}
	snprintf(end->names + used, sizeof end->names - used, "%s%s/%s", used > 0 ? " " : "", name_space, name);
}

static void name_workload(struct event_end *end, const struct world *world, const struct workload *workload)
{
	end->kind = END_WORKLOAD;
	snprintf(end->name, sizeof end->name, "%s/%s", workload->name_space, workload->name);
	for (size_t i = 0; i < world->policy->service_count; i++) {
		const struct service *service = world->policy->services[i];
		if (strcmp(service->name_space, workload->name_space) == 0 &&
		    selector_matches(&service->workloads, &workload->labels))
			add_name(end, service->name_space, service->name);
	}
}

/* A network that stands inline has no name. */
static void name_address(struct event_end *end, const struct world *world)
{
	const struct node *node = inventory_node_at(world->inventory, &end->address);
	if (node != NULL) {
		end->kind = END_NODE;
		put(end->name, sizeof end->name, node->name);
	} else if (inventory_in_pool(world->inventory, &end->address)) {
		end->kind = END_NOBODY;
	}
	for (size_t i = 0; i < world->policy->network_count; i++) {
		const struct network *network = world->policy->networks[i];
		if (network->name_space != NULL && network->name != NULL && network_contains(network, &end->address))
			add_name(end, network->name_space, network->name);
	}
}

static void name_end(struct event_end *end, const struct world *world)
{
	const struct workload *workload = inventory_at(world->inventory, &end->address);
	if (workload != NULL)
		name_workload(end, world, workload);
	else
		name_address(end, world);
}

/* Whether a name as a prefix has it is that of a service or a NetworkPolicy that isolates the workload at this end. */
static bool isolates(const struct world *world, const char *owner, const struct event_end *end)
{
	char cut[LOG_PREFIX_SIZE];
	const struct workload *workload = inventory_at(world->inventory, &end->address);
	for (size_t i = 0; workload != NULL && i < world->policy->isolation_count; i++) {
		const struct isolation *isolation = world->policy->isolations[i];
		snprintf(cut, sizeof cut, "%.*s/%.*s", PREFIX_NAME, isolation->name_space, PREFIX_NAME,
			 isolation->name);
		if (strcmp(cut, owner) == 0 && strcmp(isolation->name_space, workload->name_space) == 0 &&
		    selector_matches(&isolation->workloads, &workload->labels))
			return true;
	}
	return false;
}

/* An answer is judged as the flow that it belongs to (dataplane.md): who was denied as a source is then the packet's
 * destination. Where both ends may be meant, it is taken for a request. */
static bool is_reply(const struct event *event, const struct world *world)
{
	const struct log_reason *reason = &event->reason;
	if (reason->cause != CAUSE_NO_ALLOW || !reason->has_direction)
		return false;
	const struct event_end *judged = &event->ends[reason->direction], *other = &event->ends[!reason->direction];
	return !isolates(world, reason->owner, judged) && isolates(world, reason->owner, other);
}

bool event_is_icmp(const struct event *event)
{
	return event->key.packet.protocol == PROTOCOL_ICMP || event->key.packet.protocol == PROTOCOL_ICMPV6;
}

uint16_t event_flow_port(const struct event *event)
{
	return event->reply && !event_is_icmp(event) ? event->source_port : event->key.packet.port;
}

/* ---- the statement ---- */

static struct endpoint endpoint_of(const struct event_end *end, const struct world *world)
{
	return (struct endpoint){
	    .workload = inventory_at(world->inventory, &end->address), .has_address = true, .address = end->address};
}

struct flow event_flow(const struct event *event, const struct world *world)
{
	return (struct flow){.from = endpoint_of(&event->ends[EGRESS], world),
			     .to = endpoint_of(&event->ends[INGRESS], world),
			     .protocol = event->key.packet.protocol,
			     .port = event_flow_port(event)};
}

/* Whether a prefix names this place: it has the end of the path, in letters that nft takes. */
static bool is_place(const struct log_reason *reason, const struct span *span)
{
	char safe[NETLINK_TEXT_MAX];
	return span->file != NULL && span->line == reason->line &&
	       strcmp(netlink_text(safe, path_end(span->file)), reason->file) == 0;
}

/* The prefix has the end of the path; the statement that decides now is most often the one that did. */
static void find_file(struct event *event, const struct world *world)
{
	const struct flow flow = event_flow(event, world);
	const struct verdict verdict = verdict_of(world, &flow);
	const struct side *side = event->reason.direction == EGRESS ? &verdict.egress : &verdict.ingress;
	struct span span;
	side_text(side, &span);
	if (is_place(&event->reason, &span))
		put_path(event->file, sizeof event->file, span.file);
}

void event_name(struct event *event, const struct world *world)
{
	const struct packet *packet = &event->key.packet;
	event->ends[EGRESS].address = packet->source;
	event->ends[INGRESS].address = packet->destination;
	put(event->file, sizeof event->file, event->reason.file);
	if (world->policy == NULL)
		return;
	event->reply = is_reply(event, world);
	if (event->reply) {
		event->ends[EGRESS].address = packet->destination;
		event->ends[INGRESS].address = packet->source;
	}
	name_end(&event->ends[EGRESS], world);
	name_end(&event->ends[INGRESS], world);
	if (event->reason.line > 0)
		find_file(event, world);
}

/* ---- the nearest allow ---- */

static void put_nearest(struct event_nearest *to, const struct nearest *nearest)
{
	for (size_t i = 0; i < 2; i++)
		put(to->unnamed[i], sizeof to->unnamed[i], nearest->unnamed[i] != NULL ? nearest->unnamed[i] : "");
	if (nearest->count == 0)
		return;
	const struct near_allow *near = &nearest->items[0];
	to->found = true;
	to->line = near->allow->span.line;
	put_path(to->file, sizeof to->file, near->allow->span.file != NULL ? near->allow->span.file : "");
	put(to->text, sizeof to->text, near->text);
	for (; to->miss_count < near->miss_count && to->miss_count < EVENT_MISSES; to->miss_count++) {
		to->misses[to->miss_count].kind = near->misses[to->miss_count].kind;
		put(to->misses[to->miss_count].text, sizeof to->misses->text, near->misses[to->miss_count].text);
	}
}

/* Whether the record says which flow was denied: an ICMP error does not, nor does a packet that was cut before its
 * ports. */
static bool says_flow(const struct packet *packet)
{
	static const uint8_t ported[] = {PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP, PROTOCOL_ICMP, PROTOCOL_ICMPV6};
	return packet->has_port ? !packet_is_error(packet)
				: !packet->later && memchr(ported, packet->protocol, sizeof ported) == NULL;
}

void event_find_nearest(struct event *event, const struct world *world)
{
	bool could_open = event->reason.cause == CAUSE_NO_ALLOW || event->reason.cause == CAUSE_UNMATCHED;
	if (world->policy == NULL || !could_open || !says_flow(&event->key.packet))
		return;
	struct arena *arena = arena_create();
	const struct flow flow = event_flow(event, world);
	const struct verdict verdict = verdict_of(world, &flow);
	const struct nearest nearest = nearest_find(arena, world, &flow, &verdict, 1);
	put_nearest(&event->nearest, &nearest);
	arena_free(arena);
}
