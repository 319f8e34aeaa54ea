/* No packet meets half of a change: full load through a router while its rules change over and over, by the code that
 * the daemon runs and by the daemon itself. Packets that both worlds of a change allow must all arrive, and none may
 * that both deny. What both mean, verdict_of says. Prints TAP.
 *
 * That the counts can tell is shown first: transactions that are known to let packets meet a mix must be seen. */
#include "tests/unit/follow.h"
#include "tests/atomic/kinds.h"
#include "tests/lab/load.h"

#include <ringfence/arena.h>
#include <ringfence/frontend.h>
#include <ringfence/reconcile.h>

#include <libmnl/libmnl.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NODE "node-a"

enum {
	HOSTS = 5,
	MARK = 4, /* the host that no place is at */
	SENDERS = 2,
	STILL_WINDOWS = 10,  /* of each sender, while nothing changes */
	SWEEP_EVERY = 7,     /* changes */
	NAIVE_BETWEEN = 200, /* rules that keep a packet busy from one look to the next */
	NAIVE_MOST = 20000,  /* changes after which a mix must have been seen */
	DAEMON_FIRST = 5000, /* milliseconds until it must have made a change */
	DAEMON_QUIET = 3,    /* milliseconds without a commit, when it is idle as well */
	DAEMON_MAYBE = 300,  /* milliseconds until it has, or there was none to make */
	TEXT_ROOM = 1 << 17,
	PATH_ROOM = 512,
};

/* A world of a kind, read. */
struct scene {
	struct frontend frontend;
	struct diagnostics diagnostics;
	struct world world;
	const char *policy, *workloads; /* as written */
};

/* What has the rules of the moment in force: this process, or a daemon. */
struct enforcer {
	struct lab *lab;
	struct kernel *kernel;
	struct lowering *enforced;
	struct inventory live; /* that it is made of */
	size_t changes;
	/* The daemon's. */
	pid_t daemon;
	const char *directory;
	struct mnl_socket *commits;
	const char *policy, *workloads; /* what its files say */
};

/* What a step from one world to the next has cost. */
struct tally {
	uint64_t changes, spoilt, lost, leaked;
};

static int result_count, failures;

static void result(bool good, const char *name, const char *text)
{
	failures += !good;
	printf("%sok %d - %s%s\n", good ? "" : "not ", ++result_count, name, text);
	fflush(stdout);
}

static _Noreturn void give_up(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- worlds and flows ---- */

static void read_scene(struct arena *arena, struct scene *scene, const struct kind_world *text)
{
	scene->policy = text->policy;
	const char *workloads = text->workloads;
	for (size_t i = 1; i <= text->crowd; i++)
		workloads = arena_printf(arena,
					 "%s  - {name: crowd-%zu, namespace: shop, node: node-b, labels: {app: web}, "
					 "addresses: [10.9.0.%zu, \"fd00:9::%zx\"]}\n",
					 workloads, i, i, i);
	scene->workloads = workloads;
	diagnostics_init(&scene->diagnostics, arena);
	frontend_init(&scene->frontend, arena, &scene->diagnostics);
	frontend_add_text(&scene->frontend, "policy.yaml", scene->policy, strlen(scene->policy));
	frontend_add_text(&scene->frontend, "workloads.yaml", workloads, strlen(workloads));
	frontend_finish(&scene->frontend);
	if (scene->diagnostics.errors > 0) {
		diagnostics_print(&scene->diagnostics, stdout, false);
		errno = EINVAL;
		give_up("a world of this test does not check");
	}
	scene->world = (struct world){&scene->frontend.policy, &scene->frontend.inventory, (int64_t)time(NULL)};
}

static const struct kind_place *place_of(const char *name, size_t length)
{
	for (size_t i = 0; i < PLACE_COUNT; i++)
		if (strlen(kind_places[i].name) == length && strncmp(kind_places[i].name, name, length) == 0)
			return &kind_places[i];
	errno = EINVAL;
	give_up(name);
}

static struct address address(const char *text)
{
	struct address parsed;
	if (address_parse(&parsed, text) != NULL)
		abort();
	return parsed;
}

/* FROM>TO:PORT ..., each in both families. */
static size_t read_flows(struct load_flow *flows, const char *text)
{
	size_t count = 0;
	for (const char *at = text; *at != 0 && count + 2 <= LOAD_FLOWS_MAX; at += strspn(at, " ")) {
		size_t from = strcspn(at, ">"), to = strcspn(at + from + 1, ":");
		const struct kind_place *source = place_of(at, from), *destination = place_of(at + from + 1, to);
		char *end = NULL;
		uint16_t port = (uint16_t)strtoul(at + from + to + 2, &end, 10);
		at = end;
		for (size_t family = 0; family < 2; family++)
			flows[count++] = (struct load_flow){.from = source->host,
							    .to = destination->host,
							    .source = address(source->addresses[family]),
							    .destination = address(destination->addresses[family]),
							    .port = port};
	}
	return count;
}

static bool allows(const struct world *world, const struct load_flow *flow)
{
	const struct flow asked = {.from = {.workload = inventory_at(world->inventory, &flow->source),
					    .has_address = true,
					    .address = flow->source},
				   .to = {.workload = inventory_at(world->inventory, &flow->destination),
					  .has_address = true,
					  .address = flow->destination},
				   .protocol = PROTOCOL_UDP,
				   .port = flow->port};
	return verdict_of(world, &asked).allowed;
}

/* What holds for a flow in all of these worlds. */
static void expect(struct load_flow *flows, size_t count, const struct scene *scenes, size_t scene_count)
{
	for (size_t i = 0; i < count; i++) {
		flows[i].must_pass = flows[i].must_not_pass = true;
		for (size_t j = 0; j < scene_count; j++) {
			bool allowed = allows(&scenes[j].world, &flows[i]);
			flows[i].must_pass = flows[i].must_pass && allowed;
			flows[i].must_not_pass = flows[i].must_not_pass && !allowed;
		}
		flows[i].replies = flows[i].must_pass;
	}
}

/* The plan from what is in force to `new`: element by element or class by class where it can be, else as a whole.
 * `*made` is the lowering to be in force then. */
static struct plan *plan_change(struct enforcer *enforcer, const struct scene *old, struct scene *new,
				struct arena *arena, struct lowering **made)
{
	struct plan *plan = NULL;
	struct diagnostics diagnostics;
	struct ruleset *actual = NULL;
	const struct world world = {new->world.policy, &enforcer->live, new->world.at};
	*made = enforcer->enforced;
	if (old != NULL && strcmp(old->policy, new->policy) == 0)
		plan = follow_inventory(enforcer->enforced, &enforcer->live, new->world.inventory, arena);
	else if (old != NULL && strcmp(old->workloads, new->workloads) == 0)
		*made = reconcile_policy(arena, enforcer->enforced, &world, NODE, &plan);
	if (plan != NULL)
		return plan;
	diagnostics_init(&diagnostics, arena);
	if (enforcer->enforced != NULL && kernel_read(enforcer->kernel, arena, new->world.at, &actual) !=
					      0) /* what it should be by now is not there */
		give_up("kernel_read");
	enforcer->live = *new->world.inventory;
	*made = reconcile_lowering(arena, &world, NODE, actual, CHANGE_ANY, &plan, &diagnostics);
	return plan;
}

/* Brings what is in force from `old` (NULL: nothing is known of it) to `new`. This is what the daemon does when it has
 * read a file. */
static void make_change(struct enforcer *enforcer, const struct scene *old, struct scene *new)
{
	struct arena *arena = arena_create();
	struct lowering *made = NULL;
	new->world.at = (int64_t)time(NULL);
	struct plan *plan = plan_change(enforcer, old, new, arena, &made);
	if (made == NULL)
		give_up("reconcile");
	errno = EINVAL;
	if (old != NULL && plan->count == 0)
		give_up("a change of this test changes nothing");
	struct answer answer = kernel_apply(enforcer->kernel, plan, new->world.at);
	if (answer.error != 0) {
		errno = -answer.error;
		give_up(answer.object);
	}
	if (made != enforcer->enforced)
		lowering_destroy(enforcer->enforced);
	enforcer->enforced = made;
	if (++enforcer->changes % SWEEP_EVERY == 0)
		answer = kernel_apply(enforcer->kernel, lowering_sweep(made, arena), new->world.at);
	errno = -answer.error;
	if (answer.error != 0)
		give_up(answer.object);
	arena_free(arena);
}

/* ---- changes by a daemon that reads files ---- */

static void write_file(const struct enforcer *enforcer, const char *name, const char *text)
{
	char path[PATH_ROOM], hidden[PATH_ROOM];
	snprintf(path, sizeof path, "%s/%s", enforcer->directory, name);
	snprintf(hidden, sizeof hidden, "%s/.new", enforcer->directory);
	FILE *file = fopen(hidden, "we");
	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 || rename(hidden, path) != 0)
		give_up(path);
}

/* Whether the daemon waits for events: proc(5), the state of the process behind its name. */
static bool is_idle(pid_t daemon)
{
	char path[64], text[256] = "";
	snprintf(path, sizeof path, "/proc/%d/stat", (int)daemon);
	FILE *file = fopen(path, "re");
	if (file == NULL || fgets(text, sizeof text, file) == NULL)
		give_up("the daemon is gone");
	fclose(file);
	const char *name_end = strrchr(text, ')');
	return name_end != NULL && strncmp(name_end, ") S", 3) == 0;
}

/* Waits so many milliseconds for a commit, and then until the daemon has done with all. */
static bool await_commits(struct enforcer *enforcer, int milliseconds)
{
	static char buffer[TEXT_ROOM];
	struct pollfd commits = {mnl_socket_get_fd(enforcer->commits), POLLIN, 0};
	bool came = false;
	for (;;) {
		if (poll(&commits, 1, came ? DAEMON_QUIET : milliseconds) == 0 && (!came || is_idle(enforcer->daemon)))
			return came;
		while (recv(commits.fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0)
			came = true;
	}
}

/* How many policies the daemon said to be in force. */
static size_t policies_in_force(const struct enforcer *enforcer)
{
	char path[PATH_ROOM], line[PATH_ROOM];
	size_t count = 0;
	snprintf(path, sizeof path, "%s/log", enforcer->directory);
	FILE *log = fopen(path, "re");
	while (log != NULL && fgets(line, sizeof line, log) != NULL)
		count += strstr(line, " is in force") != NULL;
	if (log != NULL)
		fclose(log);
	return count;
}

/* Waits until it says so once more. A commit alone does not tell: the last one of the policy before may come late, and
 * a file that is written then would be replaced before it is read. */
static bool await_policy(struct enforcer *enforcer, size_t before)
{
	for (int waited = 0; policies_in_force(enforcer) == before; waited++)
		if (waited == DAEMON_FIRST || usleep(1000) != 0)
			return false;
	await_commits(enforcer, DAEMON_QUIET);
	return true;
}

/* Writes what differs from what the files say. Workloads that are new to a policy which does not speak of their labels
 * may change nothing, before the policy of a kind is there. */
static void make_change_of_files(struct enforcer *enforcer, const struct scene *old, struct scene *new)
{
	bool other_workloads = enforcer->workloads == NULL || strcmp(enforcer->workloads, new->workloads) != 0;
	bool other_policy = enforcer->policy == NULL || strcmp(enforcer->policy, new->policy) != 0;
	enforcer->workloads = new->workloads;
	enforcer->policy = new->policy;
	errno = ETIMEDOUT;
	if (other_workloads)
		write_file(enforcer, "workloads/workloads.yaml", new->workloads);
	if (other_workloads && !await_commits(enforcer, old != NULL ? DAEMON_FIRST : DAEMON_MAYBE) && old != NULL)
		give_up("the daemon makes no change of workloads");
	size_t before = policies_in_force(enforcer);
	if (other_policy)
		write_file(enforcer, "policy/policy.yaml", new->policy);
	if (other_policy && !await_policy(enforcer, before))
		give_up("the daemon makes no change of policy");
}

/* The daemon, with the files that it reads in `directory`; it ends with this process. */
static void start_daemon(struct enforcer *enforcer, const char *program, const char *directory)
{
	char path[PATH_ROOM], text[4 * PATH_ROOM];
	static const char *const names[] = {"policy", "workloads"};
	enforcer->directory = directory;
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", enforcer->directory, names[i]);
		if (mkdir(path, 0755) != 0)
			give_up(path);
	}
	snprintf(text, sizeof text,
		 "node: " NODE "\nuser: root\npolicy: {directory: %s/policy}\nworkloads:\n  - {source: files, directory: "
		 "%s/workloads}\ncontrol: {socket: %s/control.sock}\n",
		 enforcer->directory, enforcer->directory, enforcer->directory);
	write_file(enforcer, "ringfenced.yaml", text);
	lab_enter_router(enforcer->lab);
	enforcer->commits = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int group = NFNLGRP_NFTABLES;
	if (enforcer->commits == NULL || mnl_socket_bind(enforcer->commits, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(enforcer->commits, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
		give_up("netlink");
	snprintf(path, sizeof path, "%s/ringfenced.yaml", enforcer->directory);
	enforcer->daemon = fork();
	if (enforcer->daemon == 0) {
		snprintf(text, sizeof text, "%s/log", enforcer->directory);
		int log = open(text, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		dup2(log, 1);
		dup2(log, 2);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(program, program, "--config", path, (char *)NULL);
		_exit(127);
	}
	lab_leave(enforcer->lab);
}

/* ---- load and counts ---- */

static void add_addresses(struct lab *lab)
{
	for (size_t i = 0; i < PLACE_COUNT; i++)
		for (size_t family = 0; family < 2; family++) {
			struct address one = address(kind_places[i].addresses[family]);
			if (lab_add_address(lab, kind_places[i].host, &one) != 0)
				give_up("addresses");
		}
}

static struct load *start(struct lab *lab, struct load_flow *flows, size_t count)
{
	lab_forget_connections(lab);
	struct load *load = load_start(lab, flows, count, SENDERS, MARK);
	if (load == NULL)
		give_up("load");
	load_wait(load);
	return load;
}

static void print_flow(const char *what, const struct load_flow *flow)
{
	char source[ADDRESS_TEXT_SIZE], destination[ADDRESS_TEXT_SIZE];
	printf("# %s %s > %s : %u, %" PRIu64 " of %" PRIu64 " arrived\n", what, address_format(&flow->source, source),
	       address_format(&flow->destination, destination), flow->port, flow->arrived, flow->sent);
}

/* Whether a load without changes loses nothing that is allowed, and gets nothing through that is not. */
static bool is_exact(struct lab *lab, struct load_flow *flows, size_t count, const struct scene *scene)
{
	expect(flows, count, scene, 1);
	struct load *load = start(lab, flows, count);
	for (size_t i = 0; i < STILL_WINDOWS; i++)
		load_wait(load);
	struct load_counts counts = load_stop(load);
	for (size_t i = 0; i < count; i++)
		if (flows[i].must_pass ? flows[i].arrived != flows[i].sent : flows[i].arrived != 0)
			print_flow(flows[i].must_pass ? "must pass:" : "must not pass:", &flows[i]);
	return counts.lost + counts.leaked + counts.marks_lost == 0;
}

static void note(struct tally *tally, const struct load_counts *before, const struct load_counts *after)
{
	uint64_t lost = after->lost + after->marks_lost - before->lost - before->marks_lost;
	uint64_t leaked = after->leaked - before->leaked;
	tally->changes++;
	tally->lost += lost;
	tally->leaked += leaked;
	tally->spoilt += lost + leaked > 0;
}

typedef void change_maker(struct enforcer *enforcer, const struct scene *old, struct scene *new);

static void run_kind(struct enforcer *enforcer, const struct kind *kind, struct arena *arena, change_maker *change,
		     const char *by, size_t changes)
{
	struct scene scenes[WORLDS_MAX] = {0};
	struct load_flow flows[LOAD_FLOWS_MAX];
	struct tally tallies[WORLDS_MAX] = {0};
	size_t count = read_flows(flows, kind->flows), worlds = kind->world_count;
	bool exact = true;
	for (size_t i = 0; i < worlds; i++)
		read_scene(arena, &scenes[i], &kind->worlds[i]);
	for (size_t i = 0; i < worlds; i++) {
		change(enforcer, i > 0 ? &scenes[i - 1] : NULL, &scenes[i]);
		exact = is_exact(enforcer->lab, flows, count, &scenes[i]) && exact;
	}
	result(exact, kind->name, arena_printf(arena, ", %s: exact in each world while nothing changes", by));
	expect(flows, count, scenes, worlds);
	size_t pass = 0, deny = 0;
	for (size_t i = 0; i < count; i++) {
		pass += flows[i].must_pass;
		deny += flows[i].must_not_pass;
	}
	struct load *load = start(enforcer->lab, flows, count);
	uint64_t spoilt = 0;
	for (size_t i = 0; i < changes * worlds; i++) {
		size_t old = (worlds - 1 + i) % worlds, new = (old + 1) % worlds;
		struct load_counts before = load_counts(load);
		change(enforcer, &scenes[old], &scenes[new]);
		load_wait(load);
		struct load_counts after = load_counts(load);
		note(&tallies[old], &before, &after);
	}
	struct load_counts counts = load_stop(load);
	for (size_t i = 0; i < worlds; i++)
		spoilt += tallies[i].spoilt;
	result(spoilt == 0 && pass > 0 && deny > 0, kind->name,
	       arena_printf(arena,
			    ", %s: no packet meets half of %zu changes (%zu flows always pass, %zu never, %zu change; "
			    "%" PRIu64 " packets, %" PRIu64 " dropped wrongly, %" PRIu64 " passed wrongly)",
			    by, changes * worlds, pass, deny, count - pass - deny, counts.sent,
			    counts.lost + counts.marks_lost, counts.leaked));
	for (size_t i = 0; i < worlds; i++)
		if (tallies[i].spoilt > 0)
			printf("# from world %zu to %zu: %" PRIu64 " of %" PRIu64 " changes, %" PRIu64
			       " packets dropped wrongly, %" PRIu64 " passed wrongly\n",
			       i + 1, (i + 1) % worlds + 1, tallies[i].spoilt, tallies[i].changes, tallies[i].lost,
			       tallies[i].leaked);
	for (size_t i = 0; i < count; i++)
		if (flows[i].must_pass ? flows[i].arrived != flows[i].sent : flows[i].must_not_pass && flows[i].arrived)
			print_flow(flows[i].must_pass ? "must pass:" : "must not pass:", &flows[i]);
}

static struct enforcer start_enforcer(void)
{
	struct enforcer enforcer = {.lab = lab_create(HOSTS)};
	if (enforcer.lab == NULL)
		give_up("lab");
	add_addresses(enforcer.lab);
	lab_enter_router(enforcer.lab);
	int error = kernel_open(&enforcer.kernel);
	lab_leave(enforcer.lab);
	if (error != 0) {
		errno = -error;
		give_up("nf_tables");
	}
	return enforcer;
}

static void stop_enforcer(struct enforcer *enforcer)
{
	lowering_destroy(enforcer->enforced);
	kernel_close(enforcer->kernel);
	lab_destroy(enforcer->lab);
}

/* ---- what must be seen ---- */

/* Two pairs of sets that a chain looks at one after the other: the web passes when it is in one of the first pair, the
 * job is stopped when it is in one of the second. */
static struct statement source_in(const char *set)
{
	struct statement statement = {.kind = STATEMENT_IN, .fields = {FIELD_IP_SADDR}, .field_count = 1};
	snprintf(statement.set, sizeof statement.set, "%s", set);
	return statement;
}

static struct rule rule_of(struct arena *arena, struct statement match, enum statement_kind verdict)
{
	struct rule rule = {0};
	*arena_push(arena, rule.statements, rule.statement_count) = match;
	arena_push(arena, rule.statements, rule.statement_count)->kind = verdict;
	return rule;
}

static const char *const naive_sets[] = {"open_1", "open_2", "closed_1", "closed_2"};

static struct ruleset *naive_ruleset(struct arena *arena, struct element *web, struct element *job)
{
	struct ruleset *ruleset = arena_alloc(arena, sizeof *ruleset);
	struct chain *chain = arena_alloc(arena, sizeof *chain);
	*chain = (struct chain){.name = "forward", .base = true, .hook = NF_INET_FORWARD, .fixed = true};
	for (size_t i = 0; i < 4; i++) {
		struct set *set = arena_alloc(arena, sizeof *set);
		*set = (struct set){.key = KEY_ADDRESS4, .size = 64};
		snprintf(set->name, sizeof set->name, "%s", naive_sets[i]);
		if (i % 2 == 0)
			*arena_push(arena, set->elements, set->element_count) = i == 0 ? *web : *job;
		*arena_push(arena, ruleset->sets, ruleset->set_count) = set;
		*arena_push(arena, chain->rules, chain->rule_count) =
		    rule_of(arena, source_in(set->name), i < 2 ? STATEMENT_ACCEPT : STATEMENT_DROP);
		for (size_t j = 0; i % 2 == 0 && j < NAIVE_BETWEEN; j++) {
			struct rule *rule = arena_push(arena, chain->rules, chain->rule_count);
			arena_push(arena, rule->statements, rule->statement_count)->kind = STATEMENT_COUNTER;
		}
	}
	struct statement from_web = {.kind = STATEMENT_EQUAL, .fields = {FIELD_IP_SADDR}, .field_count = 1};
	memcpy(from_web.value, web->key, 4);
	*arena_push(arena, chain->rules, chain->rule_count) = rule_of(arena, from_web, STATEMENT_DROP);
	*arena_push(arena, ruleset->chains, ruleset->chain_count) = chain;
	return ruleset;
}

static struct operation move(const struct ruleset *ruleset, size_t set, bool add, const struct element *element)
{
	struct operation operation = {.kind = add ? OPERATION_ADD_ELEMENTS : OPERATION_DELETE_ELEMENTS,
				      .set = ruleset->sets[set],
				      .elements = element,
				      .element_count = 1};
	snprintf(operation.name, sizeof operation.name, "%s", naive_sets[set]);
	return operation;
}

static void apply_or_give_up(struct enforcer *enforcer, const struct plan *plan)
{
	struct answer answer = kernel_apply(enforcer->kernel, plan, 0);
	errno = -answer.error;
	if (answer.error != 0)
		give_up(answer.object);
}

/* An element that moves from a set to another in one transaction: a packet that looked at the second before, and looks
 * at the first after, finds it in neither. */
static void see_mixes(void)
{
	struct enforcer enforcer = start_enforcer();
	struct arena *arena = arena_create();
	struct load_flow flows[LOAD_FLOWS_MAX];
	size_t count = read_flows(flows, "web>api:8080 job>api:8080"), changes = 0;
	struct element web = {0}, job = {0};
	memcpy(web.key, flows[0].source.bytes, 4);
	memcpy(job.key, flows[2].source.bytes, 4);
	memcpy(web.end, web.key, sizeof web.end);
	memcpy(job.end, job.key, sizeof job.end);
	struct ruleset *ruleset = naive_ruleset(arena, &web, &job);
	apply_or_give_up(&enforcer, plan_make(arena, NULL, ruleset));
	for (size_t i = 0; i < count; i++) { /* the rules are about IPv4 */
		flows[i].must_pass = i == 0;
		flows[i].must_not_pass = i == 2;
	}
	struct load *load = start(enforcer.lab, flows, count);
	for (size_t i = 0; i < STILL_WINDOWS; i++)
		load_wait(load);
	struct load_counts counts = load_counts(load);
	result(counts.lost + counts.leaked + counts.marks_lost == 0, "still rules: no packet is miscounted", "");
	for (; changes < NAIVE_MOST && (counts.lost == 0 || counts.leaked == 0); changes++) {
		size_t from = changes % 2, to = 1 - from;
		struct operation operations[] = {
		    move(ruleset, from, false, &web),
		    move(ruleset, to, true, &web),
		    move(ruleset, 2 + from, false, &job),
		    move(ruleset, 2 + to, true, &job),
		};
		const struct plan plan = {.transactions = {{.operations = operations, .count = 4}}, .count = 1};
		apply_or_give_up(&enforcer, &plan);
		load_wait(load);
		counts = load_counts(load);
	}
	load_stop(load);
	result(counts.lost > 0 && counts.leaked > 0, "a change that is known to be mixed is seen",
	       arena_printf(arena, " (%" PRIu64 " dropped wrongly, %" PRIu64 " passed wrongly after %zu changes)",
			    counts.lost, counts.leaked, changes));
	arena_free(arena);
	stop_enforcer(&enforcer);
}

/* ---- all kinds ---- */

static void change_by_library(const char *only, size_t changes)
{
	if (changes == 0)
		return;
	struct enforcer enforcer = start_enforcer();
	struct arena *arena = arena_create();
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (strstr(kinds[i].name, only) != NULL)
			run_kind(&enforcer, &kinds[i], arena, make_change, "by the library", changes);
	stop_enforcer(&enforcer);
	arena_free(arena);
}

static void change_by_daemon(const char *only, size_t changes, const char *program, const char *directory)
{
	if (changes == 0)
		return;
	struct enforcer enforcer = start_enforcer();
	struct arena *arena = arena_create();
	int status = 0;
	start_daemon(&enforcer, program, directory);
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (strstr(kinds[i].name, only) != NULL)
			run_kind(&enforcer, &kinds[i], arena, make_change_of_files, "by the daemon", changes);
	kill(enforcer.daemon, SIGTERM);
	waitpid(enforcer.daemon, &status, 0);
	result(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the daemon ends well", "");
	mnl_socket_close(enforcer.commits);
	stop_enforcer(&enforcer);
	arena_free(arena);
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: atomic CHANGES CHANGES_BY_DAEMON RINGFENCED EMPTY_DIRECTORY [PART_OF_KIND]\n"
				"Makes so many changes of each step of each kind under full load; prints TAP.\n");
		return 2;
	}
	const char *only = argc > 5 ? argv[5] : "";
	see_mixes();
	change_by_library(only, strtoul(argv[1], NULL, 10));
	change_by_daemon(only, strtoul(argv[2], NULL, 10), argv[3], argv[4]);
	printf("1..%d\n", result_count);
	return failures > 0;
}
