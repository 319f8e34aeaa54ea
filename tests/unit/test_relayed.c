/* Which netlink messages the keeper sends for others: every kind is tried. */
#include "enforcer/keeper/relayed.h"

#include <ringfence/ruleset.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <string.h>

struct messages {
	_Alignas(struct nlmsghdr) char bytes[1024];
	size_t length;
};

static struct nlmsghdr *add(struct messages *messages, uint16_t type, uint16_t res_id)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(messages->bytes + messages->length);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST;
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
	header->res_id = htons(res_id);
	messages->length += message->nlmsg_len;
	return message;
}

static int check(enum keeper_channel channel, const struct messages *messages)
{
	return relayed_check(channel, messages->bytes, messages->length);
}

static int check_one(enum keeper_channel channel, uint16_t type)
{
	struct messages messages = {.length = 0};
	add(&messages, type, 0);
	return check(channel, &messages);
}

static bool is_question(unsigned type)
{
	static const uint8_t questions[] = {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN,	   NFT_MSG_GETRULE,
					    NFT_MSG_GETSET,   NFT_MSG_GETSETELEM,  NFT_MSG_GETGEN,
					    NFT_MSG_GETOBJ,   NFT_MSG_GETFLOWTABLE};
	return type >> 8 == NFNL_SUBSYS_NFTABLES && memchr(questions, (int)(type & 0xff), sizeof questions) != NULL;
}

static void only_questions_are_sent(void **state)
{
	(void)state;
	for (unsigned type = 0; type <= UINT16_MAX; type++)
		assert_int_equal(check_one(KEEPER_TABLES, (uint16_t)type), is_question(type) ? 0 : -EPERM);
}

static void nothing_hides_behind_a_question(void **state)
{
	struct messages messages = {.length = 0};
	(void)state;
	add(&messages, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSET, 0);
	add(&messages, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, 0);
	assert_int_equal(check(KEEPER_TABLES, &messages), 0);
	add(&messages, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, 0);
	assert_int_equal(check(KEEPER_TABLES, &messages), -EPERM);
}

static void lengths_are_true(void **state)
{
	struct messages messages = {.length = 0};
	struct nlmsghdr *message = add(&messages, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSET, 0);
	const uint32_t lengths[] = {0, 1, 16, 19, 21, 0x7fffffff, 0x80000000, 0xffffffff};
	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		message->nlmsg_len = lengths[i];
		assert_int_equal(check(KEEPER_TABLES, &messages), -EPERM);
	}
	message->nlmsg_len = 20;
	for (size_t length = 0; length < 20; length++)
		assert_int_equal(relayed_check(KEEPER_TABLES, messages.bytes, length), -EPERM);
	assert_int_equal(relayed_check(KEEPER_TABLES, messages.bytes, 20), 0);
	assert_int_equal(relayed_check(KEEPER_TABLES, messages.bytes, 24), -EPERM);
}

static void a_transaction_is_empty(void **state)
{
	struct messages empty = {.length = 0}, full = {.length = 0}, open = {.length = 0}, more;
	(void)state;
	add(&empty, NFNL_MSG_BATCH_BEGIN, NFNL_SUBSYS_NFTABLES);
	open = empty;
	add(&empty, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES);
	assert_int_equal(check(KEEPER_TABLES, &empty), 0);
	assert_int_equal(check(KEEPER_TABLES, &open), -EPERM);
	more = empty;
	add(&more, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSET, 0);
	assert_int_equal(check(KEEPER_TABLES, &more), -EPERM);
	add(&full, NFNL_MSG_BATCH_BEGIN, NFNL_SUBSYS_NFTABLES);
	add(&full, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, 0);
	add(&full, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES);
	assert_int_equal(check(KEEPER_TABLES, &full), -EPERM);
}

/* For another the kernel would load the module (nfnetlink_rcv_batch). */
static void a_transaction_is_of_nf_tables(void **state)
{
	(void)state;
	for (uint16_t subsystem = 0; subsystem < 64; subsystem++) {
		struct messages messages = {.length = 0};
		add(&messages, NFNL_MSG_BATCH_BEGIN, subsystem);
		add(&messages, NFNL_MSG_BATCH_END, subsystem);
		assert_int_equal(check(KEEPER_TABLES, &messages), subsystem == NFNL_SUBSYS_NFTABLES ? 0 : -EPERM);
	}
}

static int check_bind(uint16_t group, uint8_t first, int second)
{
	struct messages messages = {.length = 0};
	struct nlmsghdr *message = add(&messages, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, group);
	const struct nfulnl_msg_config_cmd one = {.command = first}, two = {.command = (uint8_t)second};
	mnl_attr_put(message, NFULA_CFG_CMD, sizeof one, &one);
	if (second >= 0)
		mnl_attr_put(message, NFULA_CFG_CMD, sizeof two, &two);
	messages.length = message->nlmsg_len;
	assert_int_equal(check(KEEPER_TABLES, &messages), -EPERM);
	return check(KEEPER_LOG, &messages);
}

static void only_our_log_group_is_bound(void **state)
{
	(void)state;
	assert_int_equal(check_bind(RULESET_LOG_GROUP, NFULNL_CFG_CMD_BIND, -1), 0);
	assert_int_equal(check_bind(RULESET_LOG_GROUP + 1, NFULNL_CFG_CMD_BIND, -1), -EPERM);
	for (int command = 0; command < 256; command++)
		if (command != NFULNL_CFG_CMD_BIND)
			assert_int_equal(check_bind(RULESET_LOG_GROUP, (uint8_t)command, -1), -EPERM);
	assert_int_equal(check_bind(RULESET_LOG_GROUP, NFULNL_CFG_CMD_BIND, NFULNL_CFG_CMD_PF_UNBIND), -EPERM);
	for (unsigned type = 0; type <= UINT16_MAX; type++)
		assert_int_equal(check_one(KEEPER_LOG, (uint16_t)type), -EPERM);
}

static int check_dump(uint16_t type, uint16_t flags, uint8_t family, size_t more)
{
	struct messages messages = {.length = 0};
	struct nlmsghdr *message = add(&messages, type, 0);
	struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	message->nlmsg_flags = flags;
	header->nfgen_family = family;
	if (more > 0)
		mnl_attr_put_u32(message, CTA_MARK, 0);
	messages.length = message->nlmsg_len;
	if (type >> 8 == NFNL_SUBSYS_CTNETLINK) {
		assert_int_equal(check(KEEPER_TABLES, &messages), check(KEEPER_CONNECTIONS, &messages));
		assert_int_equal(check(KEEPER_USAGE, &messages), -EPERM);
	}
	assert_int_equal(check(KEEPER_LOG, &messages), -EPERM);
	return check(KEEPER_CONNECTIONS, &messages);
}

static void connections_are_dumped_and_nothing_else(void **state)
{
	const uint16_t get = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, dump = NLM_F_REQUEST | NLM_F_DUMP;
	struct messages two = {.length = 0};
	(void)state;
	assert_int_equal(check_dump(get, dump, AF_UNSPEC, 0), 0);
	assert_int_equal(check_dump(get, NLM_F_REQUEST, AF_UNSPEC, 0), -EPERM);
	assert_int_equal(check_dump(get, dump | NLM_F_ACK, AF_UNSPEC, 0), -EPERM);
	assert_int_equal(check_dump(get, dump, AF_INET, 0), -EPERM);
	assert_int_equal(check_dump(get, dump, AF_UNSPEC, 1), -EPERM);
	for (unsigned type = 0; type <= UINT16_MAX; type++)
		if (type != get)
			assert_int_equal(check_dump((uint16_t)type, dump, AF_UNSPEC, 0), -EPERM);
	for (size_t i = 0; i < 2; i++)
		add(&two, get, 0)->nlmsg_flags = dump;
	assert_int_equal(check(KEEPER_CONNECTIONS, &two), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_questions_are_sent),
	    cmocka_unit_test(nothing_hides_behind_a_question),
	    cmocka_unit_test(lengths_are_true),
	    cmocka_unit_test(a_transaction_is_empty),
	    cmocka_unit_test(a_transaction_is_of_nf_tables),
	    cmocka_unit_test(connections_are_dumped_and_nothing_else),
	    cmocka_unit_test(only_our_log_group_is_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
