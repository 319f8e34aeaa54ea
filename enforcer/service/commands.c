/* The commands of the control socket: those that ask, then those that act. */
#include "enforcer/service/commands.h"

#include "enforcer/service/bundles.h"
#include "enforcer/service/fleet.h"
#include "enforcer/service/incident.h"
#include "enforcer/service/sources.h"
#include "enforcer/service/workload_status.h"

#include <ringfence/arena.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Between two looks at everything that a reader asks for: seconds at least, and times what the last took, with its
 * check in slices. */
enum { LOOK_SECONDS = 1, LOOK_REST = 20 };

static json_t *status(void *context, const struct access_peer *peer, json_t *request)
{
	struct commands *commands = context;
	(void)peer;
	(void)request;
	json_t *object = daemon_status(commands->daemon);
	json_object_set_new(object, "denied", usage_denials(commands->usage));
	json_object_set_new(object, "observe", observing_status(commands->observing));
	json_object_set_new(object, "state", keeping_status(commands->keeping));
	json_object_set_new(object, "rollback", keeping_rollback_status(commands->keeping));
	json_object_set_new(object, "confirm", confirming_status(commands->confirming));
	json_object_set_new(object, "sources", sources_json(commands->daemon->sources, false));
	json_object_set_new(object, "fleet", fleet_status(commands->daemon->fleet));
	json_object_set_new(object, "bundle",
			    commands->daemon->bundles != NULL
				? bundles_status(commands->daemon->bundles, commands->daemon->revision)
				: json_null());
	findings_add_status(commands->findings, object);
	incident_status(commands->daemon, object);
	return object;
}

static json_t *workloads(void *context, const struct access_peer *peer, json_t *request)
{
	(void)peer;
	return workload_status(((struct commands *)context)->daemon, request);
}

/* Who only asks must not keep the loop from what has to be enforced: what was found a moment ago is told again, and he
 * waits for no check of a large table. An operator has all looked at anew. */
static json_t *drift(void *context, const struct access_peer *peer, json_t *request)
{
	(void)request;
	struct commands *commands = context;
	bool operates = peer->access == ACCESS_OPERATOR;
	double started = monotonic_seconds();
	bool anew = operates || started >= commands->look_again;
	if (anew)
		daemon_look(commands->daemon, operates);
	json_t *object = daemon_drift(commands->daemon);
	findings_add_drift(commands->findings, object, anew);
	double now = monotonic_seconds(),
	       rest = LOOK_REST * (now - started + commands->daemon->counters.check_duration);
	if (anew)
		commands->look_again = now + (rest > LOOK_SECONDS ? rest : LOOK_SECONDS);
	return object;
}

static json_t *observe(void *context, const struct access_peer *peer, json_t *request)
{
	const struct commands *commands = context;
	(void)peer;
	json_t *answer = observing_answer(commands->observing, request);
	if (json_object_get(answer, "error") == NULL)
		json_object_set_new(answer, "denied", usage_denials(commands->usage));
	return answer;
}

static json_t *unused(void *context, const struct access_peer *peer, json_t *request)
{
	(void)peer;
	return usage_answer(((struct commands *)context)->usage, request);
}

/* ---- wait ---- */

/* What a gate waits for: a workload by its name, or where there is none those of a service. */
struct gate {
	const struct daemon *daemon;
	struct world world;
	const char *name_space, *name;
	char kind; /* as in incident_name_parse */
	size_t known;
	char why[320]; /* it is shut; empty: it is open */
};

static void shut(struct gate *gate, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void shut(struct gate *gate, const char *format, ...)
{
	va_list list;
	if (gate->why[0] != 0)
		return;
	va_start(list, format);
	vsnprintf(gate->why, sizeof gate->why, format, list);
	va_end(list);
}

static bool is_local(const struct gate *gate, const struct workload *workload)
{
	return workload->node != NULL && strcmp(workload->node, gate->daemon->config.node) == 0;
}

static void take_workload(struct gate *gate, const struct workload *workload)
{
	gate->known++;
	if (!is_local(gate, workload))
		shut(gate, "%s/%s runs on %s, and this is %s", workload->name_space, workload->name,
		     workload->node != NULL ? workload->node : "no node", gate->daemon->config.node);
	else if (workload->conflict)
		shut(gate, "%s/%s is in conflict: an older workload or a node has its name or an address of it",
		     workload->name_space, workload->name);
	else if (workload->address_count == 0)
		shut(gate, "%s/%s has no address yet", workload->name_space, workload->name);
}

/* Every local workload that the service selects now. */
static void take_service(struct gate *gate, const struct service *service)
{
	const struct inventory *inventory = gate->world.inventory;
	for (size_t i = 0; i < inventory->workload_count; i++) {
		const struct workload *workload = inventory->workloads[i];
		if (is_local(gate, workload) && strcmp(workload->name_space, service->name_space) == 0 &&
		    selector_matches(&service->workloads, &workload->labels))
			take_workload(gate, workload);
	}
}

static void take_services(struct gate *gate)
{
	const struct policy *policy = gate->world.policy;
	bool found = false;
	for (size_t i = 0; i < policy->service_count && !found; i++) {
		const struct service *service = policy->services[i];
		found = strcmp(service->name, gate->name) == 0 && strcmp(service->name_space, gate->name_space) == 0;
		if (found)
			take_service(gate, service);
	}
	if (found && gate->known == 0)
		shut(gate, "no workload of the service %s/%s runs on %s yet", gate->name_space, gate->name,
		     gate->daemon->config.node);
}

/* Changes are enforced as soon as they are read, so whoever is in the inventory while the lowering is in force is in
 * the kernel. */
static void take_rules(struct gate *gate)
{
	char lack[256];
	if (gate->daemon->enforced == NULL || gate->daemon->error != NULL) {
		if (!daemon_lacks(gate->daemon, lack, sizeof lack))
			snprintf(lack, sizeof lack, "the last change failed");
		shut(gate, "no rules are in force for it: %s", lack);
	} else if (gate->daemon->differs) {
		shut(gate, "somebody changed the table, and it is not repaired");
	}
}

static json_t *wait_for(void *context, const struct access_peer *peer, json_t *request)
{
	struct commands *commands = context;
	struct gate gate = {.daemon = commands->daemon, .world = state_world(commands->daemon->state, 0)};
	struct arena *arena = arena_create();
	const char *what = json_string_value(json_object_get(request, "for"));
	(void)peer;
	if (what == NULL || !incident_name_parse(arena, what, &gate.name_space, &gate.name, &gate.kind)) {
		arena_free(arena);
		return control_refusal("what is waited for is NAMESPACE/NAME of a workload or service");
	}
	const struct workload *workload =
	    gate.kind != 's' ? inventory_workload(gate.world.inventory, gate.name_space, gate.name) : NULL;
	take_rules(&gate);
	if (workload != NULL)
		take_workload(&gate, workload);
	else if (gate.kind != 'w')
		take_services(&gate);
	if (gate.known == 0)
		shut(&gate, "no %s is called %s/%s yet",
		     gate.kind == 'w'	? "workload"
		     : gate.kind == 's' ? "service"
					: "workload or service",
		     gate.name_space, gate.name);
	json_t *answer = json_pack("{s:i, s:b, s:I, s:s?}", "version", 1, "open", gate.why[0] == 0, "workloads",
				   (json_int_t)gate.known, "reason", gate.why[0] != 0 ? gate.why : NULL);
	arena_free(arena);
	return answer;
}

/* What is known of services in audit mode. */
static json_t *evidence(void *context, const struct access_peer *peer, json_t *request)
{
	const struct commands *commands = context;
	(void)peer;
	return watching_answer(commands->watching, request);
}

/* ---- what operators do ---- */

static json_t *tell(const struct commands *commands, json_t *answer)
{
	commands->changed(commands->context);
	return answer;
}

static json_t *quarantine(void *context, const struct access_peer *peer, json_t *request)
{
	const struct commands *commands = context;
	return tell(commands, incident_quarantine(commands->daemon, commands->directory, peer, request));
}

static json_t *release(void *context, const struct access_peer *peer, json_t *request)
{
	const struct commands *commands = context;
	(void)peer;
	return tell(commands, incident_release(commands->daemon, commands->directory, request));
}

static json_t *panic(void *context, const struct access_peer *peer, json_t *request)
{
	const struct commands *commands = context;
	return tell(commands, incident_panic(commands->daemon, commands->directory, peer, request));
}

/* Which policies there are to go back to. */
static json_t *policies(void *context, const struct access_peer *peer, json_t *request)
{
	const struct commands *commands = context;
	(void)peer;
	(void)request;
	return keeping_policies(commands->keeping);
}

static json_t *rollback(void *context, const struct access_peer *peer, json_t *request)
{
	const struct commands *commands = context;
	(void)peer;
	return tell(commands, keeping_answer_rollback(commands->keeping, request));
}

static json_t *confirm(void *context, const struct access_peer *peer, json_t *request)
{
	const struct commands *commands = context;
	(void)peer;
	(void)request;
	return tell(commands, confirming_answer(commands->confirming));
}

const struct control_command control_commands[] = {
    {"status", ACCESS_READER, status},		 {"workloads", ACCESS_READER, workloads},
    {"observe", ACCESS_READER, observe},	 {"drift", ACCESS_READER, drift},
    {"wait", ACCESS_READER, wait_for},		 {"unused", ACCESS_READER, unused},
    {"evidence", ACCESS_READER, evidence},	 {"policies", ACCESS_READER, policies},
    {"rollback", ACCESS_OPERATOR, rollback},	 {"confirm", ACCESS_OPERATOR, confirm},
    {"quarantine", ACCESS_OPERATOR, quarantine}, {"release", ACCESS_OPERATOR, release},
    {"panic", ACCESS_OPERATOR, panic},
};
const size_t control_command_count = sizeof control_commands / sizeof *control_commands;
