/* ringfenced: the event loop. Sources, the kernel's notifications, timers, the control socket and HTTP meet here.
 *
 * Ending the daemon, in whatever way, leaves the table in force. */
#include "enforcer/keeper/keeper.h"
#include "enforcer/kernel/monitor.h"
#include "enforcer/kernel/probe.h"
#include "enforcer/sandbox/sanitized.h"
#include "enforcer/service/confinement.h"
#include "enforcer/service/audit.h"
#include "enforcer/service/boot.h"
#include "enforcer/service/bundles.h"
#include "enforcer/service/commands.h"
#include "enforcer/service/confirming.h"
#include "enforcer/service/findings.h"
#include "enforcer/service/fleet.h"
#include "enforcer/service/incident.h"
#include "enforcer/service/inputs.h"
#include "enforcer/service/pages.h"
#include "enforcer/service/removal.h"
#include "enforcer/service/saved_ruleset.h"
#include "enforcer/service/sources.h"

#include <ringfence/arena.h>
#include <ringfence/first_load.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

enum {
	POLICY_QUIET_MS = 100, /* a checkout writes many files: read when they have been quiet for so long */
	POLICY_WAIT_MS = 2000, /* but never wait longer */
	CHECK_SECONDS = 60,    /* the whole table is compared even when nobody told of a change */
	REOPEN_SECONDS = 1,    /* directories that went away, or were swapped by a link */
};

struct loop {
	struct daemon daemon;
	struct arena *arena;
	sd_event *events;
	struct keeper *keeper;
	struct monitor *monitor;
	struct control *control;
	struct pages *pages;
	struct observing *observing;
	struct commands commands;
	struct audit *audit;
	struct state_directory directory; /* of what must outlive the daemon */
	char *directory_problem;	  /* why it is not open; NULL: it is, or there is none */
	struct keeping *keeping;
	struct confirming *confirming;
	struct findings *findings;
	struct usage_following *usage;
	struct watching *watching;
	struct sources *sources;
	struct fleet *fleet;
	struct inputs *inputs;
	sd_event_source *policy_timer, *expiry_timer, *incident_timer, *tick, *check;
	uint64_t policy_first; /* monotonic microseconds of the first change not yet read; 0: none */
	unsigned ticks;
	unsigned retry_in, retry_after; /* ticks until what failed is tried again, and of the wait after that */
	bool told_ready, told_differs, told_idle;
	char told_policy[17];
	uint32_t told_generation;
	int64_t told_expiry;
};

/* Tells systemd, and sets the timer of the next expiry. */
static void tell(struct loop *loop)
{
	const struct daemon *daemon = &loop->daemon;
	if (daemon->checking.due)
		sd_event_source_set_enabled(loop->check, SD_EVENT_ON);
	int64_t next = daemon->next_expiry;
	bool ahead = next > 0 && (next > (int64_t)time(NULL) || daemon->error == NULL); /* else on_tick tries again */
	sd_event_source_set_time(loop->expiry_timer, (uint64_t)next * 1000000);
	sd_event_source_set_enabled(loop->expiry_timer, ahead ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	if (daemon->generation == 0)
		return;
	sd_notifyf(0, "%sSTATUS=generation %u, %zu workloads%s", daemon->ready && !loop->told_ready ? "READY=1\n" : "",
		   daemon->generation, state_world(daemon->state, 0).inventory->workload_count,
		   daemon->differs ? ", the table differs from the policy" : "");
	loop->told_ready = loop->told_ready || daemon->ready;
}

/* The same where something but a workload may have changed: each tick tells how many there are. */
static void after_change(struct loop *loop)
{
	const struct daemon *daemon = &loop->daemon;
	fleet_follow(loop->fleet);
	if (daemon->checking.due)
		sd_event_source_set_enabled(loop->check, SD_EVENT_ON);
	if (daemon->generation == loop->told_generation && daemon->differs == loop->told_differs &&
	    daemon->next_expiry == loop->told_expiry && loop->told_ready)
		return;
	loop->told_generation = daemon->generation;
	loop->told_differs = daemon->differs;
	loop->told_expiry = daemon->next_expiry;
	tell(loop);
}

/* The same where another policy may be in force. */
static void after_policy(void *context)
{
	struct loop *loop = context;
	keeping_follow(loop->keeping);
	confirming_follow(loop->confirming);
	watching_follow(loop->watching);
	fleet_follow(loop->fleet);
	tell(loop);
}

static void read_policy(struct loop *loop)
{
	loop->policy_first = 0;
	daemon_read_policy(&loop->daemon);
	bool idle = loop->daemon.config.units.root == NULL && state_knows_idle_hosts(loop->daemon.state);
	if (idle && !loop->told_idle)
		fputs("ringfenced: workloads with a `cgroup` are not enforced: the configuration has no source "
		      "`systemd`\n",
		      stderr);
	loop->told_idle = idle;
	after_policy(loop);
}

static int on_policy_timer(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source;
	(void)usec;
	read_policy(context);
	return 0;
}

/* Reads the policy when it has been quiet for a moment. */
static void policy_changed(void *context)
{
	struct loop *loop = context;
	uint64_t now = 0;
	sd_event_now(loop->events, CLOCK_MONOTONIC, &now);
	if (loop->policy_first == 0)
		loop->policy_first = now;
	uint64_t quiet = now + POLICY_QUIET_MS * 1000, latest = loop->policy_first + POLICY_WAIT_MS * 1000;
	sd_event_source_set_time(loop->policy_timer, quiet < latest ? quiet : latest);
	sd_event_source_set_enabled(loop->policy_timer, SD_EVENT_ONESHOT);
}

/* ---- sources of workloads ---- */

static void inputs_changed(void *context)
{
	after_change(context);
}

static void note_sources(struct loop *loop)
{
	loop->daemon.sources_read =
	    loop->inputs != NULL && inputs_are_read(loop->inputs) && sources_have_told(loop->sources);
}

/* A source that is no directory told something, which is enforced where there was something to follow; it may be a
 * policy. */
static void after_source(void *context)
{
	struct loop *loop = context;
	const struct state *state = loop->daemon.state;
	bool read = loop->daemon.sources_read && strcmp(loop->told_policy, state_revision(state)) == 0;
	snprintf(loop->told_policy, sizeof loop->told_policy, "%s", state_revision(state));
	note_sources(loop);
	if (loop->daemon.enforced == NULL)
		daemon_enforce(&loop->daemon);
	if (read)
		after_change(loop);
	else
		after_policy(loop);
}

/* ---- the kernel ---- */

struct foreign {
	struct loop *loop;
	size_t count;
	double received;
};

static void on_change(void *context, const struct monitor_change *change)
{
	struct foreign *foreign = context;
	struct daemon *daemon = &foreign->loop->daemon;
	if (change->port_id == kernel_port(daemon->kernel) || daemon->generation == 0)
		return;
	foreign->count++;
	drift_log_add(&daemon->drift, change, foreign->received);
}

static int on_monitor(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct loop *loop = context;
	struct foreign foreign = {.loop = loop, .received = monotonic_seconds()};
	(void)source;
	(void)fd;
	(void)revents;
	int error = monitor_read(loop->monitor, on_change, &foreign);
	if (error == -ENOBUFS)
		loop->daemon.resyncs++;
	if (error < 0 && error != -ENOBUFS)
		fprintf(stderr, "ringfenced: cannot read the kernel's notifications: %s\n", strerror(-error));
	if (foreign.count > 0 || error < 0) {
		loop->daemon.checking.asked = true;
		daemon_check(&loop->daemon);
		after_change(loop);
	}
	return 0;
}

/* A slice of a check; other sources have their turn in between. */
static int on_check(sd_event_source *source, void *context)
{
	struct loop *loop = context;
	if (!loop->daemon.checking.due || daemon_check_step(&loop->daemon)) {
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
		tell(loop);
	}
	return 0;
}

/* ---- timers, signals, control ---- */

static int on_expiry(sd_event_source *source, uint64_t usec, void *context)
{
	struct loop *loop = context;
	const struct changes none = {0};
	(void)source;
	(void)usec;
	daemon_follow_policy(&loop->daemon, &none);
	after_change(loop);
	return 0;
}

/* What failed is tried again, each time after twice as long, up to a minute. */
static void try_again(struct loop *loop)
{
	if (loop->retry_in > 0) {
		loop->retry_in--;
		return;
	}
	daemon_enforce(&loop->daemon);
	loop->retry_after = loop->retry_after == 0 ? 1 : loop->retry_after < 60 ? 2 * loop->retry_after : 60;
	loop->retry_in = loop->daemon.error != NULL ? loop->retry_after : 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *context)
{
	struct loop *loop = context;
	inputs_tick(loop->inputs);
	note_sources(loop);
	if (loop->ticks == 0)
		usage_read(loop->usage); /* what is watched is watched from now on */
	if (++loop->ticks % CHECK_SECONDS == 0) {
		usage_sweep(loop->usage);
		daemon_check(&loop->daemon);
	}
	findings_tick(loop->findings);
	if (loop->daemon.enforced == NULL || loop->daemon.error != NULL)
		try_again(loop);
	else
		loop->retry_after = 0;
	after_policy(loop);
	keeping_tick(loop->keeping);
	sd_event_source_set_time(source, usec + REOPEN_SECONDS * 1000000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	struct loop *loop = context;
	(void)source;
	(void)info;
	read_policy(loop);
	sources_reread(loop->sources);
	return 0;
}

static struct world world_of(void *context)
{
	const struct state *state = ((struct loop *)context)->daemon.state;
	return state_has_policy(state) ? state_world(state, (int64_t)time(NULL)) : (struct world){0};
}

/* Sets the timer of the first quarantine of an operator that ends by itself. */
static void await_incident(struct loop *loop)
{
	int64_t next = incidents_next_expiry(state_incidents(loop->daemon.state));
	sd_event_source_set_time(loop->incident_timer, (uint64_t)next * 1000000);
	sd_event_source_set_enabled(loop->incident_timer, next > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void after_command(void *context)
{
	keeping_hurry(((struct loop *)context)->keeping); /* a boot that knows of no quarantine would open it */
	after_policy(context);
	await_incident(context);
}

static int on_incident(sd_event_source *source, uint64_t usec, void *context)
{
	struct loop *loop = context;
	(void)source;
	(void)usec;
	incident_expire(&loop->daemon, loop->commands.directory);
	after_command(loop);
	return 0;
}

/* Nothing can be applied any more: whoever started us shall start both again. Replies are read where they are waited
 * for, so there are none here. */
static int on_keeper_gone(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct loop *loop = context;
	(void)source;
	(void)fd;
	(void)revents;
	fprintf(stderr, "ringfenced: the keeper has ended; the rules that were in force still are\n");
	return sd_event_exit(loop->events, EXIT_FAILURE);
}

static void hear_record(void *context, const struct event *event)
{
	struct loop *loop = context;
	confirming_hear(loop->confirming, event);
	watching_hear(loop->watching, event);
}

/* ---- start and end ---- */

static int fail(const char *what, int error)
{
	fprintf(stderr, "ringfenced: %s: %s\n", what, strerror(-error));
	return error;
}

static int open_loop(struct loop *loop)
{
	sigset_t signals;
	uint64_t now = 0;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	int error = sd_event_new(&loop->events);
	if (error < 0)
		return error;
	sd_event_now(loop->events, CLOCK_MONOTONIC, &now);
	const int results[] = {
	    sd_event_add_signal(loop->events, NULL, SIGTERM, NULL, NULL),
	    sd_event_add_signal(loop->events, NULL, SIGINT, NULL, NULL),
	    sd_event_add_signal(loop->events, NULL, SIGHUP, on_hangup, loop),
	    sd_event_add_time(loop->events, &loop->policy_timer, CLOCK_MONOTONIC, UINT64_MAX, 0, on_policy_timer, loop),
	    sd_event_add_time(loop->events, &loop->expiry_timer, CLOCK_REALTIME, UINT64_MAX, 1, on_expiry, loop),
	    sd_event_add_time(loop->events, &loop->incident_timer, CLOCK_REALTIME, UINT64_MAX, 1, on_incident, loop),
	    sd_event_add_time(loop->events, &loop->tick, CLOCK_MONOTONIC, now + REOPEN_SECONDS * 1000000, 0, on_tick,
			      loop),
	    sd_event_add_io(loop->events, NULL, monitor_fd(loop->monitor), EPOLLIN, on_monitor, loop),
	    sd_event_add_io(loop->events, NULL, keeper_fd(loop->keeper), EPOLLIN, on_keeper_gone, loop),
	    sd_event_add_defer(loop->events, &loop->check, on_check, loop),
	};
	for (size_t i = 0; i < sizeof results / sizeof *results && error >= 0; i++)
		error = results[i];
	return error < 0 ? error : 0;
}

/* Says what of the kernel is missing, if anything is: then nothing is tried, and what the kernel holds stays.
 * `*tracked` is how conntrack was before. */
static int probe(bool *tracked)
{
	struct kernel *kernel;
	int error = kernel_open(&kernel);
	if (error < 0)
		return fail("cannot reach nf_tables", error);
	*tracked = conntrack_is_used(kernel);
	const char *missing = kernel_probe(kernel, &error);
	kernel_close(kernel);
	if (missing == NULL)
		return 0;
	if (error == -EPERM)
		return fail(
		    "cannot use nf_tables (CAP_NET_ADMIN is needed, or another process owns table inet ringfence)",
		    error);
	fprintf(stderr, "ringfenced: this kernel lacks %s: %s\n", missing, strerror(-error));
	return error;
}

/* What only root, or CAP_NET_ADMIN, can open; then the process that goes on holding it is split off. */
static int open_privileged(struct loop *loop, const struct user *user)
{
	int error = probe(&loop->daemon.tracked);
	if (error < 0)
		return error;
	usage_read_boot();
	if ((error = monitor_create(&loop->monitor)) < 0)
		return fail("cannot subscribe to nf_tables", error);
	if ((error = keeper_start(&loop->keeper, user)) < 0)
		return fail("cannot start the keeper", error);
	if ((error = confinement_become(&loop->daemon.config, user)) < 0)
		return fail("cannot give up privileges", error);
	return 0;
}

/* Who is in quarantine cannot be known. Where the kernel has a table, it stays as it is, quarantines included; where it
 * had none, the saved ruleset is in force by now. With neither, a policy without quarantines is better than nothing. */
static bool go_on_without(struct loop *loop, char *problem)
{
	char *error;
	enum saved_outcome outcome =
	    saved_ruleset_enforce(&loop->directory, loop->daemon.kernel, loop->daemon.tracked, &error);
	bool nothing = outcome == SAVED_NOTHING || outcome == SAVED_FAILED;
	if (error != NULL)
		fprintf(stderr, "ringfenced: %s\n", error);
	fprintf(
	    stderr, "ringfenced: %s; workloads in quarantine would be opened%s\n", problem,
	    nothing
		? ", but there is no table that could stay: the policy is enforced without them"
		: ", so nothing is enforced and the table stays as it is: repair it, or remove it and quarantine anew");
	free(error);
	free(problem);
	return nothing;
}

/* What operators asked for before. */
static int start_commands(struct loop *loop)
{
	struct daemon *daemon = &loop->daemon;
	char *problem = NULL;
	loop->commands = (struct commands){
	    .daemon = daemon, .directory = &loop->directory, .changed = after_command, .context = loop};
	if (daemon->config.state_directory != NULL)
		problem = state_directory_open(&loop->directory, daemon->config.state_directory, true);
	if (problem != NULL)
		loop->directory_problem = strdup(problem);
	if (problem == NULL && loop->directory.fd >= 0)
		problem = incident_load(daemon, &loop->directory);
	if (problem != NULL && !go_on_without(loop, problem))
		return -EINVAL;
	if (config_has_bundles(&daemon->config))
		daemon->bundles = bundles_create(&daemon->config, &loop->directory, loop->directory_problem);
	int error = audit_open(&loop->audit, loop->directory.fd);
	if (error < 0) {
		fprintf(stderr, "ringfenced: cannot write %s/" AUDIT_FILE ": %s\n", daemon->config.state_directory,
			strerror(-error));
		return error;
	}
	await_incident(loop);
	return 0;
}

static int open_sockets(struct loop *loop)
{
	struct daemon *daemon = &loop->daemon;
	int error;
	if ((error = keeper_open(loop->keeper, KEEPER_TABLES, &daemon->kernel)) < 0)
		return fail("cannot reach nf_tables", error);
	if ((error = open_loop(loop)) < 0)
		return fail("cannot make the event loop", error);
	daemon->state = state_create(daemon->config.node);
	if (daemon->config.mode == MODE_AUDIT)
		state_audit(daemon->state);
	if ((error = start_commands(loop)) < 0)
		return error;
	const struct control_setup setup = {.path = daemon->config.control_socket,
					    .commands = control_commands,
					    .command_count = control_command_count,
					    .rules = &daemon->config.access,
					    .audit = loop->audit,
					    .context = &loop->commands};
	if ((error = control_create(&loop->control, loop->events, &setup)) < 0)
		return fail(daemon->config.control_socket, error);
	if ((error = findings_create(&loop->findings, loop->events, daemon)) < 0)
		return fail("cannot look at the neighbours", error);
	monitor_hear_others(loop->monitor, findings_hear_other, loop->findings);
	return 0;
}

static int start_following_usage(struct loop *loop)
{
	struct kernel *kernel;
	int error = keeper_open(loop->keeper, KEEPER_USAGE, &kernel);
	if (error == 0)
		error = usage_create(&loop->usage, loop->events, &loop->daemon, kernel, &loop->directory);
	return error < 0 ? fail("cannot follow the use of allows", error) : 0;
}

static int start_pages(struct loop *loop)
{
	int error = pages_create(&loop->pages, loop->events, &loop->daemon, loop->usage);
	if (error < 0)
		fprintf(stderr, "ringfenced: cannot listen for metrics at %s: %s\n", loop->daemon.config.metrics.text,
			strerror(-error));
	return error;
}

static int start_observing(struct loop *loop)
{
	struct kernel *kernel;
	int error = keeper_open(loop->keeper, KEEPER_LOG, &kernel);
	if (error == 0)
		error = observing_create(&loop->observing, kernel, loop->events, &loop->daemon.config, world_of,
					 loop->daemon.revision, loop);
	return error < 0 ? fail("cannot observe denied connections", error) : 0;
}

static int start_watching(struct loop *loop)
{
	struct kernel *kernel;
	int error = keeper_open(loop->keeper, KEEPER_CONNECTIONS, &kernel);
	if (error == 0)
		error = watching_create(&loop->watching, kernel, loop->events, &loop->daemon, &loop->directory);
	return error < 0 ? fail("cannot watch connections", error) : 0;
}

static int start(struct loop *loop)
{
	struct daemon *daemon = &loop->daemon;
	struct user user;
	int error;
	if (!confinement_user(&daemon->config, &user))
		return -ENOENT;
	if ((error = open_privileged(loop, &user)) < 0 || (error = open_sockets(loop)) < 0)
		return error;
	if ((error = start_observing(loop)) < 0 || (error = start_following_usage(loop)) < 0 ||
	    (error = start_pages(loop)) < 0)
		return error;
	if ((error = keeping_create(&loop->keeping, loop->events, daemon, &loop->directory, loop->directory_problem)) <
	    0)
		return fail(daemon->config.state_directory, error);
	if ((error = confirming_create(&loop->confirming, loop->events, daemon, loop->keeping, after_policy, loop)) < 0)
		return fail("cannot make the event loop", error);
	if ((error = start_watching(loop)) < 0)
		return error;
	loop->commands.observing = loop->observing;
	loop->commands.keeping = loop->keeping;
	loop->commands.confirming = loop->confirming;
	loop->commands.findings = loop->findings;
	loop->commands.usage = loop->usage;
	loop->commands.watching = loop->watching;
	if ((error = sources_create(&loop->sources, loop->events, daemon, &loop->directory, after_source, loop)) < 0)
		return fail("cannot make the event loop", error);
	daemon->sources = loop->sources;
	if ((error = fleet_create(&loop->fleet, loop->events, daemon, loop->findings, loop->usage, &loop->directory)) <
	    0)
		return error;
	daemon->fleet = loop->fleet;
	observing_tell_records(loop->observing, hear_record, loop);
	observing_hear(loop->observing, findings_hear_denial, loop->findings);
	if ((error = confinement_close(&daemon->config)) < 0)
		return fail("cannot confine itself", error);
	keeping_start(loop->keeping);
	const char *root = daemon->config.units.root;
	if (root != NULL && (error = units_check_root(root)) < 0)
		return fail(arena_printf(loop->arena, "%s is no mount of cgroup2 (`cgroup` names it)", root), error);
	loop->inputs =
	    inputs_create(loop->events, daemon,
			  &(struct input_calls){.policy = policy_changed, .changed = inputs_changed, .context = loop});
	if ((error = sources_start(loop->sources)) < 0)
		return error;
	note_sources(loop);
	read_policy(loop);
	if (daemon->enforced == NULL) { /* the directory's is refused, or the one that was kept */
		daemon_enforce(daemon);
		after_policy(loop);
	}
	return 0;
}

static void finish(struct loop *loop)
{
	struct daemon *daemon = &loop->daemon;
	inputs_destroy(loop->inputs);
	fleet_destroy(loop->fleet);
	daemon->fleet = NULL;
	sources_destroy(loop->sources);
	daemon->sources = NULL;
	watching_destroy(loop->watching);
	confirming_destroy(loop->confirming);
	pages_destroy(loop->pages);
	usage_destroy(loop->usage);
	keeping_destroy(loop->keeping);
	control_destroy(loop->control);
	observing_destroy(loop->observing);
	audit_close(loop->audit);
	state_directory_close(&loop->directory);
	findings_destroy(loop->findings);
	sd_event_source_unref(loop->policy_timer);
	sd_event_source_unref(loop->expiry_timer);
	sd_event_source_unref(loop->incident_timer);
	sd_event_source_unref(loop->tick);
	sd_event_source_unref(loop->check);
	sd_event_unref(loop->events);
	monitor_destroy(loop->monitor);
	daemon_finish(daemon);
	kernel_close(daemon->kernel);
	keeper_stop(loop->keeper);
	state_destroy(daemon->state);
	bundles_destroy(daemon->bundles);
	arena_free(loop->arena);
}

/* LeakSanitizer looks at the process by /proc, which is closed to one that is not dumpable. */
static void open_to_sanitizer(void)
{
	if (SANITIZED)
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int config_is_sound(const struct config *config)
{
	(void)config; /* it was read */
	return EXIT_SUCCESS;
}

static int usage(FILE *stream)
{
	fputs("usage: ringfenced [--config FILE] [--node NAME] [--check | --enforce-saved | --remove-enforcement]\n\n"
	      "  -c, --config FILE         the configuration (/etc/ringfence/ringfenced.yaml)\n"
	      "      --node NAME           which node this is, in place of what the configuration says\n"
	      "      --check               say whether the configuration is sound, and end\n"
	      "      --enforce-saved       put the ruleset in force that was so last, where the kernel has none, and "
	      "end:\n"
	      "                            for boot. Exit status 1: nothing is saved\n"
	      "      --remove-enforcement  delete the kernel's table and the saved ruleset, after asking twice\n"
	      "      --version             the version\n",
	      stream);
	return stream == stdout ? EXIT_SUCCESS : 2;
}

/* What is done instead of running, by its option's letter. */
static const struct {
	int letter;
	int (*run)(const struct config *config);
} tasks[] = {{'k', config_is_sound}, {'e', boot_enforce_saved}, {'r', removal_run}};

int main(int count, char **words)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"node", required_argument, NULL, 'n'},
						{"check", no_argument, NULL, 'k'},
						{"enforce-saved", no_argument, NULL, 'e'},
						{"remove-enforcement", no_argument, NULL, 'r'},
						{"version", no_argument, NULL, 'V'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	const char *path = "/etc/ringfence/ringfenced.yaml", *node = NULL;
	int (*task)(const struct config *config) = NULL;
	int letter;
	while ((letter = getopt_long(count, words, "c:h", options, NULL)) != -1) {
		if (letter == 'h')
			return usage(stdout);
		if (letter == 'V')
			return puts("ringfenced " RINGFENCE_VERSION) < 0;
		if (letter == '?')
			return usage(stderr);
		if (letter == 'c')
			path = optarg;
		if (letter == 'n')
			node = optarg;
		for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
			if (letter != tasks[i].letter)
				continue;
			if (task != NULL && task != tasks[i].run)
				return usage(stderr);
			task = tasks[i].run;
		}
	}
	if (optind < count || (node != NULL && node[0] == 0))
		return usage(stderr);
	static struct loop loop = {.directory = {.fd = -1}};
	loop.arena = arena_create();
	int status = 2;
	if (config_read(&loop.daemon.config, loop.arena, path)) {
		if (node != NULL)
			loop.daemon.config.node = node;
		if (task != NULL)
			status = task(&loop.daemon.config);
		else if (start(&loop) == 0)
			status = sd_event_loop(loop.events) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	finish(&loop);
	open_to_sanitizer();
	return status;
}
