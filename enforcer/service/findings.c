/* The two readings, of neighbours and of other tables, in slices behind everything that enforces.
 *
 * Behind an interface are the workloads that have it as `interface`; behind a bridge, those of its ports. An address is
 * where workloads are when it is behind such an interface, or in the node's workload networks. */
#include "enforcer/service/findings.h"

#include "enforcer/service/bypasses.h"
#include "enforcer/service/sources.h"
#include "enforcer/service/strangers.h"

#include <ringfence/arena.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	SLICE = 1000,	 /* microseconds */
	PERIOD = 60,	 /* seconds from one reading to the next */
	REST = 20,	 /* times as long as a reading of other tables took nothing is read for changes of theirs */
	POLICY_WHY = 512 /* bytes */
};

/* A link with whether workloads are behind it. */
struct watched {
	struct link link;
	bool guarded; /* it is the interface of a workload, or a bridge with such a port */
	bool pooled;  /* it has an address in the node's workload networks */
};

/* A reading of the neighbours. */
struct around {
	bool due, going;
	struct arena *arena;
	struct world world;	 /* at the slice that goes on */
	const char **interfaces; /* of workloads of this node, sorted */
	size_t interface_count;
	struct watched *links;
	size_t link_count;
	struct own_address *own; /* sorted by address */
	size_t own_count;
	bool ready; /* all of these are there */
};

struct findings {
	struct daemon *daemon;
	sd_event_source *slice;
	struct neighbours *neighbours;
	struct around around;
	struct strangers strangers;
	struct bypass *bypass;			/* that is being read, or NULL */
	bool bypass_due, bypass_again;		/* again: something changed while it was read */
	double bypass_begun, bypass_not_before; /* monotonic seconds */
	struct bypassing bridges[2];		/* what was found of bridges, by family */
	size_t bridge_count;
	struct bypasses bypasses;
	unsigned ticks;
};

/* ---- who is around ---- */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_own(const void *a, const void *b)
{
	return address_compare(&((const struct own_address *)a)->address, &((const struct own_address *)b)->address);
}

static void around_begin(struct findings *findings)
{
	struct around *around = &findings->around;
	const struct inventory *inventory = state_world(findings->daemon->state, 0).inventory;
	const char *node = findings->daemon->config.node;
	arena_free(around->arena);
	*around = (struct around){.due = true, .going = true, .arena = arena_create()};
	for (size_t i = 0; i < inventory->workload_count; i++) {
		const struct workload *workload = inventory->workloads[i];
		bool here = workload->node != NULL && strcmp(workload->node, node) == 0;
		for (size_t j = 0; here && j < workload->interface_count; j++)
			*arena_push(around->arena, around->interfaces, around->interface_count) =
			    arena_copy(around->arena, workload->interfaces[j],
				       strnlen(workload->interfaces[j], LINK_NAME_SIZE - 1));
	}
	if (around->interface_count > 1)
		qsort(around->interfaces, around->interface_count, sizeof *around->interfaces, compare_texts);
	neighbours_start(findings->neighbours);
	strangers_begin(&findings->strangers);
}

static bool in_pools(const struct findings *findings, const struct address *address)
{
	const struct node *node =
	    inventory_node(state_world(findings->daemon->state, 0).inventory, findings->daemon->config.node);
	bool found = false;
	for (size_t i = 0; node != NULL && i < node->pool_count && !found; i++)
		found = prefix_contains(&node->pools[i], address);
	return found;
}

static void on_link(void *context, const struct link *link)
{
	struct findings *findings = context;
	struct around *around = &findings->around;
	const char *name = link->name;
	struct watched *watched = arena_push(around->arena, around->links, around->link_count);
	watched->link = *link;
	watched->guarded = around->interface_count > 0 && bsearch(&name, around->interfaces, around->interface_count,
								  sizeof name, compare_texts) != NULL;
}

static struct watched *find_link(struct around *around, int index)
{
	for (size_t i = 0; i < around->link_count; i++)
		if (around->links[i].link.index == index)
			return &around->links[i];
	return NULL;
}

static void on_own(void *context, const struct own_address *own)
{
	struct findings *findings = context;
	struct around *around = &findings->around;
	*arena_push(around->arena, around->own, around->own_count) = *own;
	struct watched *watched = in_pools(findings, &own->address) ? find_link(around, own->link) : NULL;
	if (watched != NULL)
		watched->pooled = true;
}

/* Links and addresses are all there. */
static void around_sort(struct around *around)
{
	around->ready = true;
	for (size_t i = 0; i < around->link_count; i++) {
		const struct watched *port = &around->links[i];
		struct watched *bridge =
		    port->guarded && port->link.master != 0 ? find_link(around, port->link.master) : NULL;
		if (bridge != NULL && bridge->link.bridge)
			bridge->guarded = true;
	}
	if (around->own_count > 1)
		qsort(around->own, around->own_count, sizeof *around->own, compare_own);
}

/* Whether this node has the address, as far as it is known: from one reading to the next. */
static bool is_own(const struct around *around, const struct address *address)
{
	const struct own_address own = {.address = *address};
	return around->ready && around->own_count > 0 &&
	       bsearch(&own, around->own, around->own_count, sizeof own, compare_own) != NULL;
}

static void on_neighbour(void *context, const struct neighbour *neighbour)
{
	struct findings *findings = context;
	struct around *around = &findings->around;
	if (!around->ready)
		around_sort(around);
	if (!is_stranger(around->world.inventory, &neighbour->address) || is_own(around, &neighbour->address))
		return;
	const struct watched *link = find_link(around, neighbour->link);
	if (link != NULL && (link->guarded || in_pools(findings, &neighbour->address)))
		strangers_see(&findings->strangers, neighbour, link->link.name, around->world.at);
}

/* ---- bridges ---- */

/* What a setting is: 0 or 1, or -1 where there is none. */
static int read_setting(const char *path)
{
	char text[4] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	if (fd >= 0)
		close(fd);
	return got <= 0 ? -1 : text[0] != '0';
}

/* Packets that a bridge carries from port to port meet hooks of IP only where the namespace's setting, or the bridge's
 * own, says so (br_nf_pre_routing). That matters where a workload is behind a port, or the bridge has an address of
 * the node's workload networks; any other bridge is not our matter. */
static void judge_bridges(struct findings *findings)
{
	static const char *const names[] = {"net.bridge.bridge-nf-call-iptables",
					    "net.bridge.bridge-nf-call-ip6tables"};
	static const char *const paths[] = {"/proc/sys/net/bridge/bridge-nf-call-iptables",
					    "/proc/sys/net/bridge/bridge-nf-call-ip6tables"};
	struct around *around = &findings->around;
	findings->bridge_count = 0;
	for (size_t family = 0; family < 2; family++) {
		const struct link *first = NULL;
		size_t count = 0;
		for (size_t i = 0; i < around->link_count; i++) {
			const struct watched *bridge = &around->links[i];
			if (!bridge->link.bridge || bridge->link.calls[family] || (!bridge->guarded && !bridge->pooled))
				continue;
			first = first != NULL ? first : &bridge->link;
			count++;
		}
		int setting = count > 0 ? read_setting(paths[family]) : 1;
		if (setting == 1)
			continue;
		struct bypassing *item = &findings->bridges[findings->bridge_count++];
		char bridge[LINK_NAME_SIZE];
		*item = (struct bypassing){.found.kind = BYPASS_BRIDGE};
		name_print(bridge, sizeof bridge, first->name, strlen(first->name));
		snprintf(item->found.object, sizeof item->found.object, "%s", names[family]);
		snprintf(item->detail, sizeof item->detail, "%s; it concerns bridge %s%s",
			 setting == 0 ? "it is 0" : "it is not there, since br_netfilter is not loaded", bridge,
			 count > 1 ? " and others" : "");
	}
}

/* ---- readings ---- */

static void around_end(struct findings *findings)
{
	struct around *around = &findings->around;
	if (!around->ready)
		around_sort(around);
	judge_bridges(findings);
	/* Some were denied before it was known that this node has them. */
	for (size_t i = 0; i < findings->strangers.count; i++)
		if (is_own(around, &findings->strangers.items[i].address))
			findings->strangers.items[i].denied = 0;
	strangers_end(&findings->strangers, around->world.inventory, around->world.at);
	findings->daemon->counters.strangers = findings->strangers.count + findings->strangers.left_out;
	around->due = around->going = false;
}

/* Goes on with a reading of the neighbours. Returns 0 to go on, 1 at its end, or a negative errno. */
static int around_step(struct findings *findings, uint64_t budget)
{
	const struct neighbours_reader reader = {findings, on_link, on_own, on_neighbour};
	if (!findings->around.going)
		around_begin(findings);
	findings->around.world = state_world(findings->daemon->state, (int64_t)time(NULL));
	int step = neighbours_step(findings->neighbours, &reader, budget);
	if (step > 0)
		around_end(findings);
	if (step < 0)
		findings->around.due = findings->around.going = false; /* the next minute's is another */
	return step;
}

static void bypass_end(struct findings *findings)
{
	struct bypassing found[BYPASSES_MOST];
	size_t count = 0, left_out = 0;
	const struct bypass_finding *items = bypass_findings(findings->bypass, &count, &left_out);
	for (size_t i = 0; i < count; i++)
		found[i] = (struct bypassing){.found = items[i]};
	for (size_t i = 0; i < findings->bridge_count; i++)
		found[count++] = findings->bridges[i];
	bypasses_update(&findings->bypasses, found, count, left_out, (int64_t)time(NULL));
	for (int kind = 0; kind < BYPASS_KINDS; kind++)
		findings->daemon->counters.bypasses[kind] = bypasses_count(&findings->bypasses, (enum bypass_kind)kind);
}

/* The same with other tables. */
static int bypass_go(struct findings *findings, uint64_t budget)
{
	if (findings->bypass == NULL) {
		findings->bypass = bypass_start();
		findings->bypass_begun = monotonic_seconds();
	}
	int step = findings->bypass != NULL ? bypass_step(findings->bypass, findings->daemon->kernel, budget) : -ENOMEM;
	if (step == 0)
		return 0;
	if (step > 0)
		bypass_end(findings);
	else
		fprintf(stderr, "ringfenced: cannot read the tables of others: %s\n", strerror(-step));
	bypass_finish(findings->bypass);
	findings->bypass = NULL;
	findings->bypass_due = findings->bypass_again;
	findings->bypass_again = false;
	findings->bypass_not_before = monotonic_seconds() + REST * (monotonic_seconds() - findings->bypass_begun);
	return step;
}

/* A check reads over the same socket: it goes first. */
static bool may_read_tables(const struct findings *findings)
{
	return findings->bypass_due && findings->daemon->checking.check == NULL &&
	       (findings->bypass != NULL || monotonic_seconds() >= findings->bypass_not_before);
}

static int on_slice(sd_event_source *source, void *context)
{
	struct findings *findings = context;
	if (findings->around.due) /* first, for what it says of bridges */
		around_step(findings, SLICE);
	else if (may_read_tables(findings))
		bypass_go(findings, SLICE);
	else
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static void wake(struct findings *findings)
{
	if (findings->around.due || may_read_tables(findings))
		sd_event_source_set_enabled(findings->slice, SD_EVENT_ON);
}

/* ---- what is heard ---- */

void findings_hear_other(void *context, const struct monitor_other *other)
{
	struct findings *findings = context;
	bypasses_hear(&findings->bypasses, other, (int64_t)time(NULL));
	findings->bypass_again = findings->bypass != NULL;
	findings->bypass_due = true;
	wake(findings);
}

void findings_hear_denial(void *context, const struct event *event)
{
	struct findings *findings = context;
	const struct inventory *inventory = state_world(findings->daemon->state, 0).inventory;
	if (event->reason.cause != CAUSE_UNKNOWN && event->reason.cause != CAUSE_SPOOF)
		return;
	/* It is told of when it has one record, and again when all are counted. */
	uint64_t count = event->open ? 1 : event->count - 1;
	for (size_t i = 0; i < 2; i++) {
		const struct event_end *end = &event->ends[i];
		/* A spoofed source may be anything; what it speaks to is a workload, or none of our matter. */
		bool source = event->reason.cause == CAUSE_SPOOF && i == (event->reply ? INGRESS : EGRESS);
		if ((source || in_pools(findings, &end->address)) && is_stranger(inventory, &end->address) &&
		    !is_own(&findings->around, &end->address))
			strangers_deny(&findings->strangers, &end->address, count, event->last / 1000000);
	}
	findings->daemon->counters.strangers = findings->strangers.count + findings->strangers.left_out;
}

void findings_tick(struct findings *findings)
{
	daemon_note_stale(findings->daemon);
	if (findings->ticks++ % PERIOD == 0)
		findings->around.due = findings->bypass_due = true;
	wake(findings);
}

/* ---- answers ---- */

/* Each kind of drift, by the word that it has in answers. */
json_t *findings_kinds(const struct findings *findings)
{
	char why[1];
	json_t *kinds = json_array(), *unheard = sources_json(findings->daemon->sources, true);
	const struct {
		const char *word;
		bool there;
	} all[] = {{"table", findings->daemon->differs},
		   {"policy", daemon_is_stale(findings->daemon, why, sizeof why)},
		   {"sources", json_array_size(unheard) > 0},
		   {"workloads", findings->strangers.count > 0},
		   {"bypass", findings->bypasses.count > 0}};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i].there)
			json_array_append_new(kinds, json_string(all[i].word));
	json_decref(unheard);
	return kinds;
}

static json_t *policy_json(struct daemon *daemon)
{
	char why[POLICY_WHY], since[32], enforced[32];
	if (!daemon_is_stale(daemon, why, sizeof why))
		return json_null();
	daemon_note_stale(daemon);
	for (char *at = why; *at != 0; at++) /* JSON takes no broken UTF-8, and the cut may have made some */
		*at = (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x7f ? *at : '?';
	return json_pack("{s:s, s:s, s:s, s:i, s:s}", "since", time_print(daemon->stale_since, since), "why", why,
			 "revision", daemon->revision, "generation", (int)daemon->generation, "enforced_since",
			 time_print(daemon->since, enforced));
}

/* Reads everything now, to the end. */
static void look(struct findings *findings)
{
	int step = 0;
	findings->around.due = findings->bypass_due = true;
	findings->around.going = false;
	while (step == 0)
		step = around_step(findings, UINT64_MAX);
	bypass_finish(findings->bypass);
	findings->bypass = NULL;
	step = findings->daemon->checking.check == NULL ? 0 : -EBUSY;
	while (step == 0)
		step = bypass_go(findings, UINT64_MAX);
}

void findings_add_drift(struct findings *findings, json_t *answer, bool anew)
{
	if (anew)
		look(findings);
	json_t *kinds = findings_kinds(findings);
	json_object_set_new(answer, "drift", json_boolean(json_array_size(kinds) > 0));
	json_object_set_new(answer, "kinds", kinds);
	json_object_set_new(answer, "policy", policy_json(findings->daemon));
	json_object_set_new(answer, "sources", sources_json(findings->daemon->sources, true));
	json_object_set_new(answer, "workloads", strangers_json(&findings->strangers));
	json_object_set_new(answer, "workloads_left_out", json_integer((json_int_t)findings->strangers.left_out));
	json_object_set_new(answer, "bypass", bypasses_json(&findings->bypasses));
	json_object_set_new(answer, "bypass_left_out", json_integer((json_int_t)findings->bypasses.left_out));
}

void findings_add_status(const struct findings *findings, json_t *status)
{
	json_object_set_new(json_object_get(status, "drift"), "kinds", findings_kinds(findings));
}

/* ---- start and end ---- */

int findings_create(struct findings **findings, sd_event *events, struct daemon *daemon)
{
	struct findings *made = calloc(1, sizeof *made);
	*findings = NULL;
	if (made == NULL)
		return -ENOMEM;
	made->daemon = daemon;
	int error = neighbours_create(&made->neighbours);
	if (error == 0)
		error = sd_event_add_defer(events, &made->slice, on_slice, made);
	if (error >= 0)
		error = sd_event_source_set_enabled(made->slice, SD_EVENT_OFF);
	if (error >= 0)
		error = sd_event_source_set_priority(made->slice, SD_EVENT_PRIORITY_IDLE);
	if (error < 0) {
		findings_destroy(made);
		return error;
	}
	*findings = made;
	return 0;
}

void findings_destroy(struct findings *findings)
{
	if (findings == NULL)
		return;
	sd_event_source_disable_unref(findings->slice);
	neighbours_destroy(findings->neighbours);
	bypass_finish(findings->bypass);
	arena_free(findings->around.arena);
	free(findings);
}
