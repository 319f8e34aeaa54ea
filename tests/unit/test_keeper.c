/* The keeper and the process that plans, as in the daemon: two processes, an ordinary user, a network namespace. Each
 * case runs in a child of its own, which then cannot get back what it gave up. */
#include "enforcer/keeper/keeper.h"
#include "enforcer/kernel/encoding.h"
#include "enforcer/kernel/socket.h"
#include "tests/unit/random_policy.h"
#include "tests/unit/reading.h"

#include <ringfence/reconcile.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLICY                                                                                                 \
	"ringfence: v1\nnamespace: shop\nservices:\n  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n" \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\nallow:\n  - {from: web, to: db}\n"              \
	"---\nringfence: v1\nworkloads:\n"                                                                     \
	"  - {name: web-1, namespace: shop, labels: {app: web}, addresses: [10.0.1.11]}\n"                     \
	"  - {name: db-1, namespace: shop, labels: {app: db}, addresses: [10.0.1.13]}\n"

/* What a case has: in the process that plans, without any capability. */
struct pair {
	struct keeper *keeper;
	struct kernel *kernel;
	struct arena *arena;
	struct ruleset *ruleset;
};

static struct ruleset *lower(struct arena *arena)
{
	struct reading reading;
	struct world world = read_policy(&reading, "shop.yaml", POLICY);
	struct ruleset *ruleset = ruleset_lower(arena, &world, NULL, 1, &reading.diagnostics);
	arena_pass(reading.arena, arena);
	return ruleset;
}

/* Runs a case, and returns its status: 0, or the number of what went wrong; 250 and above: it did not come to that. */
static int run(int (*test)(struct pair *pair))
{
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct user user;
		struct pair pair = {.arena = arena_create()};
		if (unshare(CLONE_NEWNET) != 0 || user_find("nobody", &user) != 0)
			_exit(250);
		pair.ruleset = lower(pair.arena);
		if (keeper_start(&pair.keeper, &user) != 0 || privileges_drop(&user, false) != 0)
			_exit(251);
		if (keeper_open(pair.keeper, KEEPER_TABLES, &pair.kernel) != 0)
			_exit(252);
		_exit(test(&pair));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool is_root(void)
{
	if (geteuid() == 0)
		return true;
	print_message("skipped: only root can make a network namespace\n");
	return false;
}

static struct answer apply(struct pair *pair, const struct ruleset *actual)
{
	return kernel_apply(pair->kernel, plan_make(pair->arena, actual, pair->ruleset), time(NULL));
}

/* Whether the kernel holds the ruleset. */
static bool is_in_force(struct pair *pair)
{
	struct ruleset *actual;
	if (kernel_read(pair->kernel, pair->arena, time(NULL), &actual) != 0)
		return false;
	return plan_make(pair->arena, actual, pair->ruleset)->count == 0;
}

static bool is_gone(const struct pair *pair)
{
	struct pollfd gone = {.fd = keeper_fd(pair->keeper), .events = POLLIN};
	char byte;
	return poll(&gone, 1, 5000) == 1 && read(gone.fd, &byte, 1) <= 0;
}

/* ---- what works ---- */

static int apply_and_read(struct pair *pair)
{
	struct ruleset *actual;
	if (apply(pair, NULL).error != 0)
		return 1;
	if (!is_in_force(pair))
		return 2;
	if (kernel_reopen(pair->kernel) != 0 || !is_in_force(pair))
		return 3;
	if (kernel_read(pair->kernel, pair->arena, time(NULL), &actual) != 0 || apply(pair, actual).error != 0)
		return 4;
	return kernel_port(pair->kernel) != 0 ? 0 : 5;
}

static void plans_are_applied_and_the_table_is_read(void **state)
{
	(void)state;
	if (!is_root())
		skip();
	assert_int_equal(run(apply_and_read), 0);
}

/* What the kernel refuses is told in the same words as without a keeper. */
static int apply_twice(struct pair *pair)
{
	apply(pair, NULL);
	struct answer answer = apply(pair, pair->ruleset);
	if (answer.error != 0) /* nothing to do */
		return 1;
	struct operation operation = {.kind = OPERATION_DELETE_CHAIN, .name = "g7_missing"};
	struct plan plan = {.count = 1, .transactions = {{.operations = &operation, .count = 1}}};
	answer = kernel_apply(pair->kernel, &plan, time(NULL));
	return answer.error == -ENOENT && strcmp(answer.object, "the deletion of chain g7_missing") == 0 ? 0 : 2;
}

static void refusals_say_what_was_refused(void **state)
{
	(void)state;
	if (!is_root())
		skip();
	assert_int_equal(run(apply_twice), 0);
}

/* ---- what must fail ---- */

/* A transaction that deletes our table, over the socket that the process reads from. */
static int delete_table(struct pair *pair)
{
	_Alignas(struct nlmsghdr) char room[512];
	char *to = room;
	static const uint16_t types[] = {NFNL_MSG_BATCH_BEGIN, NFT_MSG_DELTABLE, NFNL_MSG_BATCH_END};
	if (apply(pair, NULL).error != 0)
		return 1;
	for (size_t i = 0; i < 3; i++) {
		struct nlmsghdr *message =
		    nftnl_nlmsg_build_hdr(to, types[i], i == 1 ? NFPROTO_INET : AF_UNSPEC, 0, 77);
		if (i == 1)
			mnl_attr_put_strz(message, NFTA_TABLE_NAME, RULESET_TABLE);
		else
			message->nlmsg_type = types[i];
		if (i != 1)
			((struct nfgenmsg *)mnl_nlmsg_get_payload(message))->res_id = htons(NFNL_SUBSYS_NFTABLES);
		to += message->nlmsg_len;
	}
	size_t length = (size_t)(to - room);
	struct iovec whole = {room, length};
	mnl_socket_sendto(pair->kernel->socket, room, length); /* the kernel says no in its answer */
	if (kernel_reopen(pair->kernel) != 0 || !is_in_force(pair))
		return 2;
	if (kernel_send(pair->kernel, &whole, 1) != -EPERM)
		return 3;
	struct kernel *own;
	if (kernel_open(&own) != 0 ||
	    kernel_apply(own, plan_make(pair->arena, pair->ruleset, &(struct ruleset){0}), 0).error == 0)
		return 4;
	return is_in_force(pair) ? 0 : 5;
}

static void the_planner_cannot_change_a_rule_itself(void **state)
{
	(void)state;
	if (!is_root())
		skip();
	assert_int_equal(run(delete_table), 0);
}

/* Returns what the keeper answers; 1: nothing. */
static int ask(const struct pair *pair, enum keeper_kind kind, const void *bytes, size_t length)
{
	struct keeper_request request = {.kind = kind, .length = (uint32_t)length};
	struct iovec whole[] = {{&request, sizeof request}, {(void *)bytes, length}};
	struct keeper_reply reply;
	int passed;
	if (wire_send(keeper_fd(pair->keeper), whole, 2) != 0 ||
	    wire_take_reply(keeper_fd(pair->keeper), &reply, &passed) != 0)
		return 1;
	return reply.error;
}

static int apply_bytes(struct pair *pair, const uint8_t *bytes, size_t length)
{
	return ask(pair, KEEPER_APPLY, bytes, length);
}

/* Plans with something in them that no plan of ours has; the keeper goes on after each. */
static int apply_wrong_plans(struct pair *pair)
{
	struct encoded bytes = {0};
	plan_encode(&bytes, plan_make(pair->arena, NULL, pair->ruleset), time(NULL));
	for (size_t i = 0; i < 200; i++) {
		size_t at = 13 + i * 31 % (bytes.length - 13);
		uint8_t was = bytes.bytes[at];
		bytes.bytes[at] ^= 0xff;
		if (apply_bytes(pair, bytes.bytes, bytes.length - 1) != -EPERM || apply_bytes(pair, NULL, 0) != -EPERM)
			return 1;
		bytes.bytes[at] = was;
	}
	if (apply_bytes(pair, bytes.bytes, bytes.length) != 0)
		return 2;
	encoded_finish(&bytes);
	return is_in_force(pair) ? 0 : 3;
}

static void wrong_plans_change_nothing(void **state)
{
	(void)state;
	if (!is_root())
		skip();
	assert_int_equal(run(apply_wrong_plans), 0);
}

/* ---- a planner that was taken over ---- */

/* Asks for all of a kind that there is in the namespace, and calls `see` for each; false where there is no answer. */
static bool dump(struct pair *pair, uint16_t type, int (*see)(const struct nlmsghdr *message, void *context),
		 void *context)
{
	_Alignas(struct nlmsghdr) char room[256], answer[1 << 16];
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(room, type, NFPROTO_UNSPEC, NLM_F_DUMP, 4711);
	struct iovec whole = {room, message->nlmsg_len};
	if (kernel_send(pair->kernel, &whole, 1) != 0)
		return false;
	for (int step = MNL_CB_OK; step > MNL_CB_STOP;) {
		ssize_t got = kernel_receive(pair->kernel, answer, sizeof answer);
		if (got < 0)
			return false;
		step = mnl_cb_run(answer, (size_t)got, 4711, 0, see, context);
		if (step < 0)
			return false;
	}
	return true;
}

/* The attribute of a message, or of a nest in it; NULL: it has none. */
static const struct nlattr *find(const struct nlmsghdr *message, const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attribute, *found = NULL;
	if (nest == NULL) {
		mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) found =
		    mnl_attr_get_type(attribute) == type ? attribute : found;
	} else {
		mnl_attr_for_each_nested(attribute, nest) found =
		    mnl_attr_get_type(attribute) == type ? attribute : found;
	}
	return found;
}

/* A table's or a chain's: NFTA_*_TABLE, and the table's own name, are 1. */
static bool is_of_our_table(const struct nlmsghdr *message)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *table = find(message, NULL, NFTA_CHAIN_TABLE);
	return header->nfgen_family == NFPROTO_INET && table != NULL &&
	       strcmp(mnl_attr_get_str(table), RULESET_TABLE) == 0;
}

static int see_table(const struct nlmsghdr *message, void *context)
{
	*(bool *)context = *(bool *)context && is_of_our_table(message);
	return MNL_CB_OK;
}

/* Where a chain hangs: at a hook of ours, where ours do. */
static int see_chain(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *hook = find(message, NULL, NFTA_CHAIN_HOOK),
			    *policy = find(message, NULL, NFTA_CHAIN_POLICY);
	bool good = is_of_our_table(message);
	if (good && hook != NULL) {
		uint32_t number = ntohl(mnl_attr_get_u32(find(NULL, hook, NFTA_HOOK_HOOKNUM)));
		good = number >= NF_INET_LOCAL_IN && number <= NF_INET_LOCAL_OUT && policy != NULL &&
		       ntohl(mnl_attr_get_u32(policy)) == NF_ACCEPT &&
		       mnl_attr_get_u32(find(NULL, hook, NFTA_HOOK_PRIORITY)) == 0;
	}
	*(bool *)context = *(bool *)context && good;
	return MNL_CB_OK;
}

static bool is_confined(struct pair *pair)
{
	bool confined = true;
	return dump(pair, NFT_MSG_GETTABLE, see_table, &confined) &&
	       dump(pair, NFT_MSG_GETCHAIN, see_chain, &confined) && confined;
}

/* Writes another value over a byte or two, or now and then over many what stands elsewhere in the plan. */
static void mutate(uint8_t *bytes, size_t length, uint32_t *seed)
{
	for (uint32_t i = random_next(seed) % 2; i < 2; i++) {
		size_t to = 13 + random_next(seed) % (length - 13), from = random_next(seed) % length,
		       most = length - (to > from ? to : from), many = random_next(seed) % 64;
		if (random_next(seed) % 8 == 0)
			memmove(bytes + to, bytes + from, many < most ? many : most);
		else
			bytes[to] = (uint8_t)(bytes[to] ^ (many % 2 == 0 ? 1U << many % 8 : random_next(seed)));
	}
}

/* Whatever a plan says, the keeper lives on, and nothing but our table is there; a plan of ours then puts it right. */
static int apply_mutants(struct pair *pair)
{
	enum { MUTANTS = 600, LOOK = 20 };
	struct encoded bytes = {0};
	uint32_t seed = 20261127;
	size_t taken = 0;
	plan_encode(&bytes, plan_make(pair->arena, NULL, pair->ruleset), time(NULL));
	uint8_t *mutant = malloc(bytes.length);
	for (size_t i = 0; i < MUTANTS; i++) {
		memcpy(mutant, bytes.bytes, bytes.length);
		mutate(mutant, bytes.length, &seed);
		int error = apply_bytes(pair, mutant, bytes.length);
		if (error > 0)
			return 1; /* the keeper is gone */
		taken += error != -EPERM;
		if (i % LOOK == 0 && !is_confined(pair))
			return 2;
	}
	free(mutant);
	encoded_finish(&bytes);
	if (taken < MUTANTS / 20 || !is_confined(pair)) /* else it says little */
		return 3;
	struct ruleset *actual;
	if (kernel_read(pair->kernel, pair->arena, time(NULL), &actual) != 0 || apply(pair, actual).error != 0)
		return 4;
	return is_in_force(pair) ? 0 : 5;
}

static void mutants_of_a_plan_touch_our_table_only(void **state)
{
	(void)state;
	if (!is_root())
		skip();
	assert_int_equal(run(apply_mutants), 0);
}

/* Connections that no message can name, half of one, and those that are not there; the keeper goes on after each. */
static int turn_wrong_ones(struct pair *pair)
{
	static struct turning many[TURNINGS_MOST];
	struct turning good = {.kind = TURNING_TURN,
			       .source = {.family = 6, .bytes = {0xfd}},
			       .destination = {.family = 6, .bytes = {0xfd, 1}},
			       .protocol = PROTOCOL_TCP,
			       .source_port = 80,
			       .port = 40000};
	struct turning bad[5] = {good, good, good, good, good};
	bad[0].source.family = 255;
	bad[1].destination.family = 4;
	bad[2].protocol = PROTOCOL_ICMP;
	bad[3].protocol = PROTOCOL_UDP + 256;
	bad[4].kind = (enum turning_kind)2;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const struct turning two[] = {good, bad[i]};
		if (ask(pair, KEEPER_TURN, two, sizeof two) != -EPERM)
			return 2;
	}
	if (ask(pair, KEEPER_TURN, &good, sizeof good - 1) != -EPERM)
		return 3;
	for (size_t i = 0; i < TURNINGS_MOST; i++) {
		many[i] = good;
		many[i].kind = i % 2 == 0 ? TURNING_TURN : TURNING_FORGET;
		many[i].port = (uint16_t)i;
	}
	return ask(pair, KEEPER_TURN, many, sizeof many) == 0 && ask(pair, KEEPER_TURN, NULL, 0) == 0 ? 0 : 4;
}

static void connections_are_not_turned_that_are_none(void **state)
{
	(void)state;
	if (!is_root())
		skip();
	assert_int_equal(run(turn_wrong_ones), 0);
}

static int send_request(const struct pair *pair, struct keeper_request request)
{
	struct iovec whole = {&request, sizeof request};
	return wire_send(keeper_fd(pair->keeper), &whole, 1) != 0 ? 1 : is_gone(pair) ? 0 : 2;
}

static int send_unknown_kind(struct pair *pair)
{
	return send_request(pair, (struct keeper_request){.kind = KEEPER_KINDS});
}

static int send_unknown_channel(struct pair *pair)
{
	return send_request(pair, (struct keeper_request){.kind = KEEPER_OPEN, .channel = KEEPER_CHANNELS});
}

static int send_too_much(struct pair *pair)
{
	return send_request(pair, (struct keeper_request){.kind = KEEPER_APPLY, .length = UINT32_MAX});
}

static int send_too_many(struct pair *pair)
{
	const uint32_t length = (TURNINGS_MOST + 1) * sizeof(struct turning);
	return send_request(pair, (struct keeper_request){.kind = KEEPER_TURN, .length = length});
}

static int send_half(struct pair *pair)
{
	uint8_t byte = 0;
	struct iovec whole = {&byte, 1};
	if (wire_send(keeper_fd(pair->keeper), &whole, 1) != 0)
		return 1;
	keeper_stop(pair->keeper); /* it waits for the end of the keeper */
	return 0;
}

static void the_keeper_ends_where_the_protocol_is_broken(void **state)
{
	(void)state;
	if (!is_root())
		skip();
	assert_int_equal(run(send_unknown_kind), 0);
	assert_int_equal(run(send_unknown_channel), 0);
	assert_int_equal(run(send_too_much), 0);
	assert_int_equal(run(send_too_many), 0);
	assert_int_equal(run(send_half), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plans_are_applied_and_the_table_is_read),
	    cmocka_unit_test(refusals_say_what_was_refused),
	    cmocka_unit_test(the_planner_cannot_change_a_rule_itself),
	    cmocka_unit_test(wrong_plans_change_nothing),
	    cmocka_unit_test(mutants_of_a_plan_touch_our_table_only),
	    cmocka_unit_test(connections_are_not_turned_that_are_none),
	    cmocka_unit_test(the_keeper_ends_where_the_protocol_is_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
