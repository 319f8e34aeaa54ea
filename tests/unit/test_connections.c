/* What ctnetlink says of a connection: the ends that the rules judge, how far it has come and what it carried. Nothing
 * is believed. */
#include <ringfence/connections.h>

#include <ringfence/policy.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

enum { ROOM = 1024 };

/* What a message says; texts that are NULL and numbers that are 0 are left out. */
struct said {
	const char *source, *destination, *reply_source, *reply_destination;
	uint8_t protocol;
	uint16_t port, reply_port; /* of the destination, as each direction has it; of ICMP type << 8 | code */
	uint32_t status;
	uint8_t tcp, sctp;   /* states */
	uint8_t there, back; /* flags of TCP, of each direction */
	uint64_t sent, received;
	uint32_t id, mark;
	uint16_t trace; /* an attribute that somebody else's use leaves */
};

static const struct said web_to_db = {.source = "10.0.1.11",
				      .destination = "10.96.0.7", /* of a service, before destination NAT */
				      .reply_source = "10.0.1.13",
				      .reply_destination = "10.0.1.11",
				      .protocol = PROTOCOL_TCP,
				      .port = 80,
				      .reply_port = 5432,
				      .status = IPS_CONFIRMED | IPS_SEEN_REPLY,
				      .tcp = TCP_CONNTRACK_ESTABLISHED,
				      .sent = 1200,
				      .received = 34};

static void put_address(struct nlmsghdr *message, uint16_t four, uint16_t six, const char *text)
{
	struct address address;
	if (text == NULL)
		return;
	assert_null(address_parse(&address, text));
	mnl_attr_put(message, address.family == 4 ? four : six, address_size(address.family), address.bytes);
}

static void put_tuple(struct nlmsghdr *message, uint16_t type, const char *source, const char *destination,
		      const struct said *said, uint16_t from, uint16_t to)
{
	struct nlattr *tuple = mnl_attr_nest_start(message, type);
	struct nlattr *ends = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	put_address(message, CTA_IP_V4_SRC, CTA_IP_V6_SRC, source);
	put_address(message, CTA_IP_V4_DST, CTA_IP_V6_DST, destination);
	mnl_attr_nest_end(message, ends);
	struct nlattr *ports = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(message, CTA_PROTO_NUM, said->protocol);
	if (said->protocol == PROTOCOL_ICMP || said->protocol == PROTOCOL_ICMPV6) {
		bool six = said->protocol == PROTOCOL_ICMPV6;
		mnl_attr_put_u8(message, six ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE, (uint8_t)(to >> 8));
		mnl_attr_put_u8(message, six ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE, (uint8_t)to);
	} else if (said->port != 0) {
		mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(from));
		mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(to));
	}
	mnl_attr_nest_end(message, ports);
	mnl_attr_nest_end(message, tuple);
}

static void put_state(struct nlmsghdr *message, const struct said *said, uint16_t protocol, uint16_t type,
		      uint8_t state)
{
	struct nlattr *info = mnl_attr_nest_start(message, CTA_PROTOINFO);
	struct nlattr *nest = mnl_attr_nest_start(message, protocol);
	mnl_attr_put_u8(message, type, state);
	if (protocol == CTA_PROTOINFO_TCP) {
		mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, 2, (const uint8_t[]){said->there, 0});
		mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, 2, (const uint8_t[]){said->back, 0});
	}
	mnl_attr_nest_end(message, nest);
	mnl_attr_nest_end(message, info);
}

static void put_counters(struct nlmsghdr *message, uint16_t type, uint64_t bytes)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);
	mnl_attr_put_u64(message, CTA_COUNTERS_PACKETS, htobe64(1));
	mnl_attr_put_u64(message, CTA_COUNTERS_BYTES, htobe64(bytes));
	mnl_attr_nest_end(message, nest);
}

static struct nlmsghdr *message_of(const struct said *said, char *room)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	mnl_nlmsg_put_extra_header(message, sizeof(struct nfgenmsg));
	put_tuple(message, CTA_TUPLE_ORIG, said->source, said->destination, said, 40000, said->port);
	put_tuple(message, CTA_TUPLE_REPLY, said->reply_source, said->reply_destination, said, said->reply_port, 40000);
	mnl_attr_put_u32(message, CTA_STATUS, htonl(said->status));
	if (said->tcp != 0)
		put_state(message, said, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE, said->tcp);
	if (said->sctp != 0)
		put_state(message, said, CTA_PROTOINFO_SCTP, CTA_PROTOINFO_SCTP_STATE, said->sctp);
	if (said->sent != 0)
		put_counters(message, CTA_COUNTERS_ORIG, said->sent);
	if (said->received != 0)
		put_counters(message, CTA_COUNTERS_REPLY, said->received);
	mnl_attr_put_u32(message, CTA_ID, htonl(said->id));
	mnl_attr_put_u32(message, CTA_MARK, htonl(said->mark));
	if (said->trace != 0)
		mnl_attr_put_u32(message, said->trace, 0);
	return message;
}

struct heard {
	struct connection last;
	size_t count;
};

static void hear(void *context, const struct connection *connection)
{
	struct heard *heard = context;
	heard->last = *connection;
	heard->count++;
}

static struct heard take(const struct said *said)
{
	_Alignas(struct nlmsghdr) char room[ROOM];
	struct heard heard = {.count = 0};
	const struct connections_reader reader = {&heard, hear};
	connections_take(message_of(said, room), &reader);
	return heard;
}

static void assert_address(const struct address *address, const char *want)
{
	char text[ADDRESS_TEXT_SIZE];
	assert_string_equal(address_format(address, text), want);
}

static void the_destination_is_who_answers(void **state)
{
	struct said six = web_to_db;
	(void)state;
	const struct heard heard = take(&web_to_db);
	assert_int_equal(heard.count, 1);
	assert_address(&heard.last.source, "10.0.1.11");
	assert_address(&heard.last.destination, "10.0.1.13");
	assert_int_equal(heard.last.protocol, PROTOCOL_TCP);
	assert_int_equal(heard.last.source_port, 40000);
	assert_int_equal(heard.last.port, 5432);
	assert_int_equal(heard.last.stage, CONNECTION_OPEN);
	assert_true(heard.last.counted);
	assert_int_equal(heard.last.sent, 1200);
	assert_int_equal(heard.last.received, 34);
	six.source = six.reply_destination = "fd00:1::11";
	six.destination = six.reply_source = "fd00:1::13";
	six.protocol = PROTOCOL_UDP;
	six.tcp = 0;
	six.sent = six.received = 0;
	const struct heard other = take(&six);
	assert_int_equal(other.count, 1);
	assert_address(&other.last.destination, "fd00:1::13");
	assert_int_equal(other.last.stage, CONNECTION_OPEN);
	assert_false(other.last.counted);
}

/* In the middle is what conntrack expects nothing of, in both directions. */
static void who_was_picked_up_in_the_middle(void **state)
{
	const uint8_t liberal = IP_CT_TCP_FLAG_BE_LIBERAL | IP_CT_TCP_FLAG_SACK_PERM, other = IP_CT_TCP_FLAG_SACK_PERM;
	struct said said = web_to_db;
	(void)state;
	assert_false(take(&said).last.picked_up);
	said.there = liberal;
	said.back = other;
	assert_false(take(&said).last.picked_up);
	said.back = liberal;
	said.id = 4711;
	assert_true(take(&said).last.picked_up);
	assert_int_equal(take(&said).last.tcp_state, TCP_CONNTRACK_ESTABLISHED);
	assert_int_equal(take(&said).last.id, 4711);
	said.tcp = 0;
	assert_false(take(&said).last.picked_up);
}

/* No NAT, and nothing that somebody else left. */
static void who_is_plain(void **state)
{
	static const uint16_t traces[] = {CTA_HELP,	     CTA_SECCTX, CTA_TUPLE_MASTER, CTA_SEQ_ADJ_ORIG,
					  CTA_SEQ_ADJ_REPLY, CTA_LABELS, CTA_ZONE};
	struct said plain = web_to_db, said;
	(void)state;
	assert_false(take(&plain).last.plain); /* its destination is another behind NAT */
	plain.destination = plain.reply_source;
	assert_false(take(&plain).last.plain); /* its port as well */
	plain.port = plain.reply_port;
	assert_true(take(&plain).last.plain);
	plain.status |= IPS_ASSURED | IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE; /* NAT was asked, and did nothing */
	assert_true(take(&plain).last.plain);
	said = plain;
	said.reply_destination = "192.0.2.1"; /* source NAT */
	assert_false(take(&said).last.plain);
	said = plain;
	said.mark = 1;
	assert_false(take(&said).last.plain);
	for (size_t i = 0; i < sizeof traces / sizeof *traces; i++) {
		said = plain;
		said.trace = traces[i];
		assert_false(take(&said).last.plain);
	}
	for (uint32_t bit = 1; bit != 0; bit <<= 1) {
		const uint32_t own =
		    IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED | IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE | IPS_DYING;
		said = plain;
		said.status |= bit;
		assert_int_equal(take(&said).last.plain, (bit & own) != 0);
	}
	said = plain;
	said.protocol = PROTOCOL_ICMP;
	assert_false(take(&said).last.plain);
}

static void icmp_has_the_request_for_a_port(void **state)
{
	struct said ping = web_to_db;
	(void)state;
	ping.protocol = PROTOCOL_ICMP;
	ping.port = 8 << 8;
	ping.tcp = 0;
	assert_int_equal(take(&ping).last.port, 8 << 8);
	assert_int_equal(take(&ping).last.source_port, 0);
	ping.protocol = PROTOCOL_ICMPV6;
	ping.port = 128 << 8;
	assert_int_equal(take(&ping).last.port, 128 << 8);
	ping.protocol = 47; /* GRE: whatever it has, it has no ports of ours */
	ping.port = 0;
	assert_int_equal(take(&ping).count, 1);
	assert_false(take(&ping).last.has_port);
}

static void what_is_over_is_not_open(void **state)
{
	static const struct {
		uint32_t status;
		uint8_t tcp, sctp;
		enum connection_stage stage;
	} cases[] = {
	    {IPS_CONFIRMED, TCP_CONNTRACK_SYN_SENT, 0, CONNECTION_UNANSWERED},
	    {IPS_CONFIRMED | IPS_SEEN_REPLY, TCP_CONNTRACK_SYN_RECV, 0, CONNECTION_OPEN},
	    {IPS_CONFIRMED | IPS_SEEN_REPLY, TCP_CONNTRACK_FIN_WAIT, 0, CONNECTION_OPEN},
	    {IPS_CONFIRMED | IPS_SEEN_REPLY, TCP_CONNTRACK_CLOSE_WAIT, 0, CONNECTION_OPEN},
	    {IPS_CONFIRMED | IPS_SEEN_REPLY, TCP_CONNTRACK_LAST_ACK, 0, CONNECTION_OVER},
	    {IPS_CONFIRMED | IPS_SEEN_REPLY, TCP_CONNTRACK_TIME_WAIT, 0, CONNECTION_OVER},
	    {IPS_CONFIRMED | IPS_SEEN_REPLY, TCP_CONNTRACK_CLOSE, 0, CONNECTION_OVER},
	    {IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_DYING, TCP_CONNTRACK_ESTABLISHED, 0, CONNECTION_OVER},
	    {IPS_CONFIRMED | IPS_SEEN_REPLY, 0, SCTP_CONNTRACK_ESTABLISHED, CONNECTION_OPEN},
	    {IPS_CONFIRMED | IPS_SEEN_REPLY, 0, SCTP_CONNTRACK_CLOSED, CONNECTION_OVER},
	    {IPS_CONFIRMED, 0, 0, CONNECTION_UNANSWERED},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct said said = web_to_db;
		said.status = cases[i].status;
		said.tcp = cases[i].tcp;
		said.sctp = cases[i].sctp;
		assert_int_equal(take(&said).last.stage, cases[i].stage);
	}
}

static void what_is_not_whole_is_passed_over(void **state)
{
	struct said said = web_to_db;
	(void)state;
	said.reply_source = NULL;
	assert_int_equal(take(&said).count, 0);
	said = web_to_db;
	said.reply_source = "fd00:1::13"; /* the other family */
	assert_int_equal(take(&said).count, 0);
	said = web_to_db;
	said.received = 0; /* half of the counters */
	assert_false(take(&said).last.counted);
}

/* Every byte of a message, and its length, as anybody might send it. Sanitizers see what is read. */
static void no_message_does_harm(void **state)
{
	uint32_t seed = 1;
	size_t heard = 0;
	(void)state;
	for (size_t i = 0; i < 200000; i++) {
		_Alignas(struct nlmsghdr) char room[ROOM];
		struct heard one = {.count = 0};
		const struct connections_reader reader = {&one, hear};
		uint32_t length = message_of(&web_to_db, room)->nlmsg_len;
		char *copy = malloc(length); /* of the exact size */
		assert_non_null(copy);
		memcpy(copy, room, length);
		for (size_t j = 0; j < 3; j++) {
			seed = seed * 1664525 + 1013904223;
			copy[sizeof(struct nlmsghdr) + (seed >> 8) % (length - sizeof(struct nlmsghdr))] =
			    (char)(seed >> 16);
		}
		((struct nlmsghdr *)(void *)copy)->nlmsg_len = length - (seed >> 20) % 64;
		connections_take((const struct nlmsghdr *)(const void *)copy, &reader);
		heard += one.count;
		free(copy);
	}
	assert_in_range(heard, 1, 199999); /* some are still whole, some are not */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_destination_is_who_answers),
	    cmocka_unit_test(icmp_has_the_request_for_a_port),
	    cmocka_unit_test(who_was_picked_up_in_the_middle),
	    cmocka_unit_test(who_is_plain),
	    cmocka_unit_test(what_is_over_is_not_open),
	    cmocka_unit_test(what_is_not_whole_is_passed_over),
	    cmocka_unit_test(no_message_does_harm),
	};
	return cmocka_run_group_tests_name("connections", tests, NULL, NULL);
}
