/* Which connections are turned around at a first load: by the judgement, and by what conntrack lets itself be told. */
#include "enforcer/kernel/socket.h"
#include "tests/unit/reading.h"

#include <ringfence/first_load.h>
#include <ringfence/lowering.h>
#include <ringfence/passage.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#define WEB "10.0.1.11"
#define DB "10.0.1.13"

/* web may ask db; each of a and b may ask the other; audited would deny. */
#define POLICY                                                                                                       \
	"ringfence: v1\nnamespace: shop\nservices:\n"                                                                \
	"  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n"                                                  \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp, fast: 5432/udp, both: 5432/sctp}}\n"                    \
	"  a: {workloads: {app: a}, ports: {http: 80/tcp}}\n  b: {workloads: {app: b}, ports: {http: 80/tcp}}\n"     \
	"  audited: {workloads: {app: audited}, ports: {http: 80/tcp}, mode: audit}\n"                               \
	"allow:\n  - {from: web, to: db}\n  - {from: a, to: b}\n  - {from: b, to: a}\n  - {from: audited, to: db}\n" \
	"---\nringfence: v1\nworkloads:\n"                                                                           \
	"  - {name: web-1, namespace: shop, labels: {app: web}, addresses: [" WEB ", \"fd00:1::11\"]}\n"             \
	"  - {name: db-1, namespace: shop, labels: {app: db}, addresses: [" DB ", \"fd00:1::13\"]}\n"                \
	"  - {name: a-1, namespace: shop, labels: {app: a}, addresses: [10.0.1.1]}\n"                                \
	"  - {name: b-1, namespace: shop, labels: {app: b}, addresses: [10.0.1.2]}\n"                                \
	"  - {name: audited-1, namespace: shop, labels: {app: audited}, addresses: [10.0.1.3]}\n"

/* One as conntrack may have it, from the end that it heard first. */
static struct connection connection(const char *source, uint16_t source_port, const char *destination, uint16_t port)
{
	struct connection made = {.protocol = PROTOCOL_TCP,
				  .source_port = source_port,
				  .port = port,
				  .has_port = true,
				  .stage = CONNECTION_OPEN,
				  .tcp_state = TCP_CONNTRACK_ESTABLISHED,
				  .picked_up = true,
				  .plain = true};
	assert_null(address_parse(&made.source, source));
	assert_null(address_parse(&made.destination, destination));
	return made;
}

struct fixture {
	struct reading reading;
	struct ruleset *ruleset;
	struct ruleset_index *index;
};

static enum pick_up judge(const struct fixture *f, const struct connection *connection)
{
	enum pick_up pick_up = pick_up_of(f->ruleset, f->index, connection, false);
	if (connection->protocol == PROTOCOL_TCP) /* which conntrack tells of by itself */
		assert_int_equal(pick_up_of(f->ruleset, f->index, connection, true), pick_up);
	return pick_up;
}

static int read_rules(void **state)
{
	static struct fixture fixture;
	struct world world = read_policy(&fixture.reading, "shop.yaml", POLICY);
	fixture.ruleset = ruleset_lower(fixture.reading.arena, &world, NULL, 1, &fixture.reading.diagnostics);
	fixture.index = ruleset_index(fixture.reading.arena, fixture.ruleset);
	*state = &fixture;
	return 0;
}

static int forget_rules(void **state)
{
	arena_free(((struct fixture *)*state)->reading.arena);
	return 0;
}

static void what_is_denied_as_it_stands_and_allowed_the_other_way_round_is_turned(void **state)
{
	struct connection reversed = connection(DB, 5432, WEB, 40000),
			  six = connection("fd00:1::13", 5432, "fd00:1::11", 40000);
	assert_int_equal(judge(*state, &reversed), PICK_UP_TURN);
	assert_int_equal(judge(*state, &six), PICK_UP_TURN);
	reversed.tcp_state = TCP_CONNTRACK_FIN_WAIT;
	assert_int_equal(judge(*state, &reversed), PICK_UP_TURN);
	reversed.stage = CONNECTION_UNANSWERED;
	assert_int_equal(judge(*state, &reversed), PICK_UP_UNANSWERED);
	reversed.stage = CONNECTION_OVER;
	assert_int_equal(judge(*state, &reversed), PICK_UP_RIGHT);
}

static void what_the_rules_judge_alike_either_way_stays(void **state)
{
	const struct connection right = connection(WEB, 40000, DB, 5432), denied = connection(DB, 5433, WEB, 40000),
				both = connection("10.0.1.1", 80, "10.0.1.2", 80),
				nobody = connection("192.0.2.1", 80, "192.0.2.2", 40000);
	assert_int_equal(judge(*state, &right), PICK_UP_RIGHT);
	assert_int_equal(judge(*state, &denied), PICK_UP_RIGHT);
	assert_int_equal(judge(*state, &both), PICK_UP_RIGHT);
	assert_int_equal(judge(*state, &nobody), PICK_UP_RIGHT);
	const struct connection one = connection("10.0.1.1", 80, "10.0.1.2", 40000); /* of the two that may both ask */
	assert_int_equal(judge(*state, &one), PICK_UP_TURN);
}

/* Audit lets it pass as it stands on that side, but db denies it on its own. */
static void audit_is_no_denial(void **state)
{
	const struct connection there = connection(WEB, 40000, "10.0.1.3", 81);
	const struct fixture *f = *state;
	assert_int_equal(passage_of(f->ruleset, f->index, &there), PASSAGE_CLOSED); /* by web, which is enforced */
	const struct connection outside = connection("192.0.2.1", 40000, "10.0.1.3", 81);
	assert_int_equal(passage_of(f->ruleset, f->index, &outside), PASSAGE_OPEN);
	assert_int_equal(judge(f, &outside), PICK_UP_RIGHT);
}

/* Whose beginning conntrack saw, or who somebody else knows. */
static void what_is_known_stays(void **state)
{
	struct connection known = connection(DB, 5432, WEB, 40000);
	known.picked_up = false;
	assert_int_equal(judge(*state, &known), PICK_UP_RIGHT);
	known = connection(DB, 5432, WEB, 40000);
	known.plain = false;
	assert_int_equal(judge(*state, &known), PICK_UP_RIGHT);
}

static void of_udp_conntrack_forgets_what_it_did_not_see_begin(void **state)
{
	const struct fixture *f = *state;
	struct connection udp = connection(DB, 5432, WEB, 40000);
	udp.protocol = PROTOCOL_UDP;
	udp.picked_up = false;
	assert_int_equal(pick_up_of(f->ruleset, f->index, &udp, false), PICK_UP_FORGET);
	assert_int_equal(pick_up_of(f->ruleset, f->index, &udp, true), PICK_UP_RIGHT);
	udp.stage = CONNECTION_UNANSWERED;
	assert_int_equal(pick_up_of(f->ruleset, f->index, &udp, false), PICK_UP_FORGET);
	udp.protocol = PROTOCOL_SCTP;
	assert_int_equal(pick_up_of(f->ruleset, f->index, &udp, false), PICK_UP_RIGHT);
}

/* ---- in the kernel's own table ---- */

enum { LIBERAL = IP_CT_TCP_FLAG_BE_LIBERAL };

/* An entry to make: from DB's port 5432 to WEB's port 40000. */
struct entry {
	uint8_t protocol, flags;
	uint32_t status, mark;
	bool nat; /* the source is another for WEB */
};

static void put_tuple(struct nlmsghdr *message, uint16_t type, const char *from, const char *to, uint8_t protocol,
		      uint16_t from_port, uint16_t to_port)
{
	struct nlattr *tuple = mnl_attr_nest_start(message, type), *nest = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	mnl_attr_put_u32(message, CTA_IP_V4_SRC, inet_addr(from));
	mnl_attr_put_u32(message, CTA_IP_V4_DST, inet_addr(to));
	mnl_attr_nest_end(message, nest);
	nest = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
	mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(from_port));
	mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(to_port));
	mnl_attr_nest_end(message, nest);
	mnl_attr_nest_end(message, tuple);
}

static struct nlmsghdr *begin(struct kernel *kernel, char *room, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	message->nlmsg_seq = kernel->sequence++;
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
	*header = (struct nfgenmsg){.nfgen_family = AF_INET};
	return message;
}

static void tell(struct kernel *kernel, struct nlmsghdr *message)
{
	_Alignas(struct nlmsghdr) char answer[1 << 13];
	assert_int_equal(kernel_send(kernel, &(struct iovec){message, message->nlmsg_len}, 1), 0);
	assert_true(kernel_receive(kernel, answer, sizeof answer) > 0);
	const struct nlmsghdr *said = (const void *)answer;
	assert_int_equal(said->nlmsg_type, NLMSG_ERROR);
	assert_int_equal(((const struct nlmsgerr *)mnl_nlmsg_get_payload(said))->error, 0);
}

static void make(struct kernel *kernel, const struct entry *entry)
{
	_Alignas(struct nlmsghdr) char room[1024];
	const struct nf_ct_tcp_flags flags = {entry->flags, 0xff};
	struct nlmsghdr *message = begin(kernel, room, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL);
	put_tuple(message, CTA_TUPLE_ORIG, DB, WEB, entry->protocol, 5432, 40000);
	put_tuple(message, CTA_TUPLE_REPLY, WEB, entry->nat ? "192.0.2.1" : DB, entry->protocol, 40000, 5432);
	mnl_attr_put_u32(message, CTA_STATUS, htonl(IPS_CONFIRMED | entry->status));
	mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(60));
	if (entry->mark != 0)
		mnl_attr_put_u32(message, CTA_MARK, htonl(entry->mark));
	if (entry->protocol == PROTOCOL_TCP) {
		struct nlattr *info = mnl_attr_nest_start(message, CTA_PROTOINFO),
			      *tcp = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);
		mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_CLOSE_WAIT);
		mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof flags, &flags);
		mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof flags, &flags);
		mnl_attr_nest_end(message, tcp);
		mnl_attr_nest_end(message, info);
	}
	tell(kernel, message);
}

struct seen {
	struct connection last;
	size_t count;
};

static void see(void *context, const struct connection *connection)
{
	struct seen *seen = context;
	seen->last = *connection;
	seen->count++;
}

static struct seen look(struct kernel *kernel)
{
	struct seen seen = {.count = 0};
	assert_int_equal(connections_start(kernel), 0);
	assert_int_equal(connections_step(kernel, &(struct connections_reader){&seen, see}, UINT64_MAX), 1);
	kernel->sequence++;
	return seen;
}

enum fate { STAYS, TURNED, GONE };

static enum fate fate_of(struct kernel *kernel, const struct connection *before)
{
	const struct seen after = look(kernel);
	if (after.count == 0)
		return GONE;
	assert_int_equal(after.count, 1);
	if (after.last.id == before->id) {
		assert_int_equal(after.last.source_port, 5432);
		return STAYS;
	}
	assert_int_equal(after.last.source_port, 40000);
	assert_int_equal(after.last.port, 5432);
	assert_int_equal(address_compare(&after.last.source, &before->destination), 0);
	assert_int_equal(address_compare(&after.last.destination, &before->source), 0);
	assert_int_equal(after.last.stage, CONNECTION_OPEN);
	assert_int_equal(after.last.tcp_state, before->tcp_state);
	assert_true(after.last.picked_up && after.last.plain);
	return TURNED;
}

static void conntrack_is_told_of_what_suits_and_of_nothing_else(void **state)
{
	static const struct {
		struct entry entry;
		enum turning_kind kind;
		bool other; /* another is asked for, which had the same ends */
		enum fate fate;
	} cases[] = {
	    {{PROTOCOL_TCP, LIBERAL, IPS_SEEN_REPLY | IPS_ASSURED, 0, false}, TURNING_TURN, false, TURNED},
	    {{PROTOCOL_TCP, LIBERAL, IPS_SEEN_REPLY, 0, false}, TURNING_TURN, false, TURNED},
	    {{PROTOCOL_TCP, LIBERAL, IPS_SEEN_REPLY, 0, false}, TURNING_FORGET, false, GONE},
	    {{PROTOCOL_TCP, LIBERAL, IPS_SEEN_REPLY, 0, false}, TURNING_TURN, true, STAYS},
	    {{PROTOCOL_TCP, LIBERAL, IPS_SEEN_REPLY, 0, false}, TURNING_FORGET, true, STAYS},
	    {{PROTOCOL_TCP, LIBERAL, 0, 0, false}, TURNING_TURN, false, STAYS},
	    {{PROTOCOL_TCP, LIBERAL, 0, 0, false}, TURNING_FORGET, false, GONE},
	    {{PROTOCOL_TCP, 0, IPS_SEEN_REPLY, 0, false}, TURNING_TURN, false, STAYS},
	    {{PROTOCOL_TCP, 0, IPS_SEEN_REPLY, 0, false}, TURNING_FORGET, false, STAYS},
	    {{PROTOCOL_TCP, LIBERAL, IPS_SEEN_REPLY, 7, false}, TURNING_TURN, false, STAYS},
	    {{PROTOCOL_TCP, LIBERAL, IPS_SEEN_REPLY, 7, false}, TURNING_FORGET, false, STAYS},
	    {{PROTOCOL_TCP, LIBERAL, IPS_SEEN_REPLY, 0, true}, TURNING_TURN, false, STAYS},
	    {{PROTOCOL_TCP, LIBERAL, IPS_SEEN_REPLY, 0, true}, TURNING_FORGET, false, STAYS},
	    {{PROTOCOL_UDP, 0, IPS_SEEN_REPLY, 0, false}, TURNING_TURN, false, STAYS},
	    {{PROTOCOL_UDP, 0, IPS_SEEN_REPLY, 0, false}, TURNING_FORGET, false, GONE},
	    {{PROTOCOL_UDP, 0, 0, 0, false}, TURNING_FORGET, false, GONE},
	    {{PROTOCOL_UDP, 0, IPS_SEEN_REPLY, 7, false}, TURNING_FORGET, false, STAYS},
	};
	struct kernel *kernel;
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(kernel_open(&kernel), 0);
	assert_false(conntrack_is_used(kernel));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		_Alignas(struct nlmsghdr) char room[256];
		make(kernel, &cases[i].entry);
		const struct seen before = look(kernel);
		assert_int_equal(before.count, 1);
		struct turning turning = turning_of(&before.last, cases[i].kind);
		turning.id ^= cases[i].other;
		assert_int_equal(connections_turn(kernel, &turning, 1), 0);
		assert_int_equal(fate_of(kernel, &before.last), cases[i].fate);
		assert_int_equal(conntrack_is_used(kernel), cases[i].fate != GONE);
		tell(kernel, begin(kernel, room, IPCTNL_MSG_CT_DELETE, 0)); /* all */
	}
	kernel_close(kernel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_denied_as_it_stands_and_allowed_the_other_way_round_is_turned),
	    cmocka_unit_test(what_the_rules_judge_alike_either_way_stays),
	    cmocka_unit_test(audit_is_no_denial),
	    cmocka_unit_test(what_is_known_stays),
	    cmocka_unit_test(of_udp_conntrack_forgets_what_it_did_not_see_begin),
	    cmocka_unit_test(conntrack_is_told_of_what_suits_and_of_nothing_else),
	};
	return cmocka_run_group_tests_name("first load", tests, read_rules, forget_rules);
}
