/* The table of metrics. Names and units are as prometheus.io/docs/practices/naming has it; labels have few values,
 * which are known beforehand, revision, key and version apart. A thing that never happened has time 0. */
#include "enforcer/service/metrics.h"

#include "enforcer/service/bundles.h"
#include "enforcer/service/fleet.h"
#include "enforcer/service/process.h"
#include "enforcer/service/sources.h"

/* ---- what is in force ---- */

static void build_info(const struct exposition *to, const struct daemon *daemon)
{
	(void)daemon;
	exposition_sample(to, &(struct sample_label){"version", RINGFENCE_VERSION}, 1);
}

static double ready(const struct daemon *daemon)
{
	return daemon->ready;
}

static double generation(const struct daemon *daemon)
{
	return daemon->generation;
}

static void policy_info(const struct exposition *to, const struct daemon *daemon)
{
	if (daemon->revision[0] != 0)
		exposition_sample(to, &(struct sample_label){"revision", daemon->revision}, 1);
}

static double policy_since(const struct daemon *daemon)
{
	return (double)daemon->since;
}

static double policy_ok(const struct daemon *daemon)
{
	char why[1];
	return !daemon_lacks(daemon, why, sizeof why);
}

static double policy_stale_since(const struct daemon *daemon)
{
	return (double)daemon->stale_since;
}

static double policy_refused_at(const struct daemon *daemon)
{
	return (double)daemon->counters.policy_refused_at;
}

static void bundle_info(const struct exposition *to, const struct daemon *daemon)
{
	const char *revision, *key;
	json_t *status = daemon->bundles != NULL ? bundles_status(daemon->bundles, daemon->revision) : NULL;
	if (json_unpack(status, "{s:s, s:s}", "revision", &revision, "key", &key) == 0)
		exposition_sample_of(to, (const struct sample_label[]){{"revision", revision}, {"key", key}}, 2, 1);
	json_decref(status);
}

static double bundle_waits(const struct daemon *daemon)
{
	return daemon->bundles != NULL && bundles_wait(daemon->bundles);
}

static double unpublished_since(const struct daemon *daemon)
{
	return (double)fleet_unpublished_since(daemon->fleet);
}

static double workloads(const struct daemon *daemon)
{
	return (double)state_world(daemon->state, 0).inventory->workload_count;
}

static double conflicts(const struct daemon *daemon)
{
	return (double)state_conflict_count(daemon->state);
}

static double file_errors(const struct daemon *daemon)
{
	return (double)state_file_error_count(daemon->state);
}

static double elements(const struct daemon *daemon)
{
	return (double)daemon_elements(daemon);
}

static double state_problems(const struct daemon *daemon)
{
	return (double)daemon->state_problems;
}

static void print_stale(void *context, const struct source_view *view)
{
	exposition_sample(context, &(struct sample_label){"source", view->name}, (double)view->since);
}

static void sources_stale(const struct exposition *to, const struct daemon *daemon)
{
	sources_view(daemon->sources, print_stale, (void *)to);
}

static void print_refused(void *context, const struct source_view *view)
{
	exposition_sample(context, &(struct sample_label){"source", view->name}, (double)view->refused_count);
}

static void sources_refused(const struct exposition *to, const struct daemon *daemon)
{
	sources_view(daemon->sources, print_refused, (void *)to);
}

/* ---- what was done ---- */

static const char *const kind_names[APPLY_KINDS] = {[APPLY_WORKLOADS] = "workloads",
						    [APPLY_POLICY] = "policy",
						    [APPLY_GENERATION] = "generation",
						    [APPLY_REPAIR] = "repair",
						    [APPLY_SWEEP] = "sweep"};

static double changes(const struct daemon *daemon)
{
	return (double)daemon->changes;
}

static double generations(const struct daemon *daemon)
{
	return (double)daemon->counters.generations;
}

static void policy_changes(const struct exposition *to, const struct daemon *daemon)
{
	const struct counters *counters = &daemon->counters;
	exposition_sample(to, &(struct sample_label){"result", "in_place"}, (double)counters->policies_in_place);
	exposition_sample(to, &(struct sample_label){"result", "generation"}, (double)counters->policies_by_generation);
	exposition_sample(to, &(struct sample_label){"result", "refused"}, (double)counters->policies_refused);
}

static void apply_durations(const struct exposition *to, const struct daemon *daemon)
{
	for (size_t i = 0; i < APPLY_KINDS; i++)
		exposition_histogram(to, &(struct sample_label){"kind", kind_names[i]}, &daemon->counters.applied[i]);
}

static void apply_errors(const struct exposition *to, const struct daemon *daemon)
{
	for (size_t i = 0; i < APPLY_KINDS; i++)
		exposition_sample(to, &(struct sample_label){"kind", kind_names[i]},
				  (double)daemon->counters.failed[i]);
}

static double bytes(const struct daemon *daemon)
{
	return (double)daemon->bytes;
}

/* ---- whether the table is whole ---- */

static double differs(const struct daemon *daemon)
{
	return daemon->differs;
}

static double drift_events(const struct daemon *daemon)
{
	return (double)daemon->drift.next;
}

static double drift_repaired(const struct daemon *daemon)
{
	return (double)daemon->drift.repaired;
}

static void checks(const struct exposition *to, const struct daemon *daemon)
{
	const struct counters *counters = &daemon->counters;
	exposition_sample(to, &(struct sample_label){"result", "whole"}, (double)counters->checks_whole);
	exposition_sample(to, &(struct sample_label){"result", "differs"}, (double)counters->checks_differing);
	exposition_sample(to, &(struct sample_label){"result", "unfinished"}, (double)counters->checks_unfinished);
}

static double check_duration(const struct daemon *daemon)
{
	return daemon->counters.check_duration;
}

static double strangers(const struct daemon *daemon)
{
	return (double)daemon->counters.strangers;
}

static void bypasses(const struct exposition *to, const struct daemon *daemon)
{
	for (size_t i = 0; i < BYPASS_KINDS; i++)
		exposition_sample(to, &(struct sample_label){"kind", bypass_words[i]},
				  (double)daemon->counters.bypasses[i]);
}

static double checked_at(const struct daemon *daemon)
{
	return (double)daemon->counters.checked_at;
}

static double resyncs(const struct daemon *daemon)
{
	return (double)daemon->resyncs;
}

/* ---- what it denies ---- */

static double denied(const struct daemon *daemon)
{
	return (double)daemon->counters.denials[DENIAL_DENIED];
}

static double logged(const struct daemon *daemon)
{
	return (double)daemon->counters.denials[DENIAL_LOGGED];
}

static double audited(const struct daemon *daemon)
{
	return (double)daemon->counters.denials[DENIAL_AUDITED];
}

/* ---- the process, by the names that every exporter uses ---- */

static double cpu_seconds(const struct daemon *daemon)
{
	(void)daemon;
	return process_cpu_seconds();
}

static double resident_bytes(const struct daemon *daemon)
{
	(void)daemon;
	return process_resident_bytes();
}

static double open_fds(const struct daemon *daemon)
{
	(void)daemon;
	return process_open_fds();
}

static double start_time(const struct daemon *daemon)
{
	(void)daemon;
	return process_start_time();
}

#define VALUE(type, name, get, help)                 \
	{                                            \
		name, help, METRIC_##type, get, NULL \
	}
#define SAMPLES(type, name, print, help)               \
	{                                              \
		name, help, METRIC_##type, NULL, print \
	}

const struct metric metrics[] = {
    SAMPLES(GAUGE, "ringfence_build_info", build_info, "1, with the version of ringfenced."),
    VALUE(GAUGE, "ringfence_ready", ready, "1 when an apply was read back and found whole; 0 before."),
    VALUE(GAUGE, "ringfence_generation", generation,
	  "Number of the generation of rules in force; 0 when there is none."),
    SAMPLES(GAUGE, "ringfence_policy_info", policy_info, "1, with the revision of the policy in force."),
    VALUE(GAUGE, "ringfence_policy_since_timestamp_seconds", policy_since,
	  "Unix time since which this revision and generation are in force."),
    VALUE(GAUGE, "ringfence_policy_ok", policy_ok,
	  "1 when the newest policy that was read is in force; 0 when it was refused, rolled back, or could not be "
	  "enforced."),
    VALUE(GAUGE, "ringfence_policy_stale_since_timestamp_seconds", policy_stale_since,
	  "Unix time since which an older policy is enforced than was given; 0 when the newest is in force."),
    VALUE(GAUGE, "ringfence_policy_last_refused_timestamp_seconds", policy_refused_at,
	  "Unix time when a policy was refused last; 0 when none was."),
    SAMPLES(GAUGE, "ringfence_bundle_info", bundle_info,
	    "1, with the revision of the newest bundle that was taken, and the id of the key that signed it."),
    VALUE(GAUGE, "ringfence_bundle_waiting", bundle_waits,
	  "1 while a staged bundle waits for a release that selects this node."),
    VALUE(GAUGE, "ringfence_fleet_unpublished_since_timestamp_seconds", unpublished_since,
	  "Unix time since which this node cannot tell the fleet of its workloads; 0 when it can, or tells none."),
    VALUE(GAUGE, "ringfence_workloads", workloads, "Workloads known, on every node."),
    VALUE(GAUGE, "ringfence_workload_conflicts", conflicts,
	  "Workloads that are closed since another has their name or address."),
    VALUE(GAUGE, "ringfence_workload_files_with_errors", file_errors,
	  "Workload files that do not parse; what they said before holds."),
    SAMPLES(GAUGE, "ringfence_source_stale_since_timestamp_seconds", sources_stale,
	    "Unix time since which a source of workloads cannot be heard, so that its last word holds; 0 when it can."),
    SAMPLES(GAUGE, "ringfence_source_refused_things", sources_refused,
	    "Things that a source tells of and that are not enforced, as they make no sense; `status` names them."),
    VALUE(GAUGE, "ringfence_state_problems", state_problems,
	  "Files that must outlive the daemon and are damaged, or cannot be written; `status` names them."),
    VALUE(GAUGE, "ringfence_table_elements", elements, "Elements that the sets of the table should have."),
    VALUE(GAUGE, "ringfence_table_differs", differs,
	  "1 when the table in the kernel is not as it should be, found by the last check and not repaired."),
    VALUE(GAUGE, "ringfence_unknown_workloads", strangers,
	  "Addresses that were seen where workloads are, and that no source of workloads names."),
    SAMPLES(
	GAUGE, "ringfence_bypass_findings", bypasses,
	"What would defeat the table without touching it, by how: rules of others, flowtables, settings of bridges."),
    VALUE(COUNTER, "ringfence_workload_changes_total", changes, "Changes of workloads that were followed by elements."),
    VALUE(COUNTER, "ringfence_generations_total", generations, "Generations of rules that were made."),
    SAMPLES(COUNTER, "ringfence_policy_changes_total", policy_changes,
	    "Policies that came in place or by a generation, or were refused; the first after a start is one."),
    SAMPLES(HISTOGRAM, "ringfence_apply_duration_seconds", apply_durations,
	    "Time from the beginning of a change to the kernel's last answer, by how it was made."),
    SAMPLES(COUNTER, "ringfence_apply_errors_total", apply_errors,
	    "Tries to change the table that failed, by how it was to be made."),
    VALUE(COUNTER, "ringfence_netlink_sent_bytes_total", bytes, "Bytes of netlink batches sent to the kernel."),
    VALUE(COUNTER, "ringfence_netlink_resyncs_total", resyncs,
	  "Times that notifications of the kernel were lost, and the table was read whole."),
    VALUE(COUNTER, "ringfence_drift_events_total", drift_events, "Transactions of other processes in our table."),
    VALUE(COUNTER, "ringfence_drift_repaired_total", drift_repaired,
	  "Of the drift events that are kept, those after which the table was whole again."),
    SAMPLES(COUNTER, "ringfence_checks_total", checks,
	    "Times that the table was read back: whole, differs, or unfinished since it could not be read or changed."),
    VALUE(GAUGE, "ringfence_last_check_duration_seconds", check_duration,
	  "Time that the last finished check took, other work in between included."),
    VALUE(GAUGE, "ringfence_last_check_timestamp_seconds", checked_at,
	  "Unix time when the table was last compared with what it should be; 0 when it never was."),
    VALUE(COUNTER, "ringfence_denied_packets_total", denied, "Packets that the rules denied."),
    VALUE(COUNTER, "ringfence_denied_packets_logged_total", logged,
	  "Denied packets that the rules logged; each rule leaves out what is over its limit."),
    VALUE(COUNTER, "ringfence_audited_packets_total", audited,
	  "Packets that would be denied and were let through, in audit mode; where both ends would deny one, it counts "
	  "twice."),
    VALUE(COUNTER, "process_cpu_seconds_total", cpu_seconds, "User and system processor time in seconds."),
    VALUE(GAUGE, "process_resident_memory_bytes", resident_bytes, "Resident memory size in bytes."),
    VALUE(GAUGE, "process_open_fds", open_fds, "Number of open file descriptors."),
    VALUE(GAUGE, "process_start_time_seconds", start_time, "Unix time when the process started."),
};
const size_t metric_count = sizeof metrics / sizeof *metrics;

void metrics_print(FILE *stream, const struct daemon *daemon)
{
	struct exposition to = {.stream = stream};
	for (size_t i = 0; i < metric_count; i++) {
		exposition_metric(&to, metrics[i].name, metrics[i].type, metrics[i].help);
		if (metrics[i].value != NULL)
			exposition_sample(&to, NULL, metrics[i].value(daemon));
		else
			metrics[i].samples(&to, daemon);
	}
}
