/* Judges netlink messages by what the kernel will make of them: it goes by the type of each, message after message
 * (nfnetlink_rcv in net/netfilter/nfnetlink.c), so each must be known, and nothing may be left behind the last. */
#include "enforcer/keeper/relayed.h"

#include <ringfence/ruleset.h>

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdbool.h>
#include <string.h>

/* Of the kinds that begin with NFT_MSG_GET, those that reset counters are left out. */
static bool is_question(const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE:
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN:
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE:
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSET:
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM:
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN:
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETOBJ:
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETFLOWTABLE:
		return true;
	default:
		return false;
	}
}

static const struct nlmsghdr *header_at(const char *bytes, size_t length, size_t at)
{
	const struct nlmsghdr *message = (const void *)(bytes + at);
	bool whole = length - at >= sizeof *message &&
		     message->nlmsg_len >= sizeof *message + sizeof(struct nfgenmsg) &&
		     message->nlmsg_len <= length - at;
	return whole ? message : NULL;
}

static size_t behind(const struct nlmsghdr *message, size_t at, size_t length)
{
	size_t next = at + MNL_ALIGN(message->nlmsg_len);
	return next < length ? next : length;
}

static bool are_questions(const char *bytes, size_t length)
{
	for (size_t at = 0; at < length;) {
		const struct nlmsghdr *message = header_at(bytes, length, at);
		if (message == NULL || !is_question(message))
			return false;
		at = behind(message, at, length);
	}
	return length > 0;
}

static bool is_empty_transaction(const char *bytes, size_t length)
{
	static const uint16_t types[] = {NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END};
	size_t at = 0;
	for (size_t i = 0; i < 2; i++) {
		const struct nlmsghdr *message = at < length ? header_at(bytes, length, at) : NULL;
		if (message == NULL || message->nlmsg_type != types[i])
			return false;
		const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
		if (header->res_id != htons(NFNL_SUBSYS_NFTABLES)) /* for another, a module would be loaded */
			return false;
		at = behind(message, at, length);
	}
	return at == length;
}

/* Other commands would change how all packets of a family are logged (nfulnl_recv_config). */
static bool is_bind(const char *bytes, size_t length)
{
	const struct nlmsghdr *message = header_at(bytes, length, 0);
	const struct nlattr *attribute;
	size_t binds = 0;
	if (message == NULL || behind(message, 0, length) != length ||
	    message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG))
		return false;
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	mnl_attr_for_each(attribute, message, sizeof *header)
	{
		const struct nfulnl_msg_config_cmd *command = mnl_attr_get_payload(attribute);
		if (mnl_attr_get_type(attribute) != NFULA_CFG_CMD)
			continue;
		if (mnl_attr_get_payload_len(attribute) != sizeof *command || command->command != NFULNL_CFG_CMD_BIND)
			return false;
		binds++;
	}
	return binds == 1 && header->res_id == htons(RULESET_LOG_GROUP);
}

/* Just the one that connections_start asks: the same kind without a dump, or with attributes, could ask for more, and
 * the one behind it sets counters to 0 (ctnetlink_get_conntrack). */
static bool is_dump_of_connections(const char *bytes, size_t length)
{
	const struct nlmsghdr *message = header_at(bytes, length, 0);
	if (message == NULL || message->nlmsg_len != length || length != sizeof *message + sizeof(struct nfgenmsg))
		return false;
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	return message->nlmsg_type == (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET) &&
	       message->nlmsg_flags == (NLM_F_REQUEST | NLM_F_DUMP) && header->nfgen_family == AF_UNSPEC &&
	       header->version == NFNETLINK_V0 && header->res_id == 0;
}

int relayed_check(enum keeper_channel channel, const void *bytes, size_t length)
{
	bool good = false;
	switch (channel) {
	case KEEPER_TABLES:
		good = are_questions(bytes, length) || is_empty_transaction(bytes, length) ||
		       is_dump_of_connections(bytes, length);
		break;
	case KEEPER_USAGE:
		good = are_questions(bytes, length);
		break;
	case KEEPER_LOG:
		good = is_bind(bytes, length);
		break;
	case KEEPER_CONNECTIONS:
		good = is_dump_of_connections(bytes, length);
		break;
	case KEEPER_CHANNELS:
		break;
	}
	return good ? 0 : -EPERM;
}
