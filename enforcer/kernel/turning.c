/* Has conntrack turn connections around, or forget them, by ctnetlink. Each is looked up first: whoever asks may be
 * wrong about it, or lie.
 *
 *     IPCTNL_MSG_CT_GET     its tuple         the kernel tells what it is
 *     IPCTNL_MSG_CT_DELETE  its tuple, CTA_ID so that no other is hit
 *     IPCTNL_MSG_CT_NEW     the tuple, swapped, in the state that it was in
 *
 * The last two go in one datagram, which the kernel takes as one piece of work: the fewer packets come in between. */
#include <ringfence/turning.h>

#include "enforcer/kernel/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

/* The next packet gives it the time that its state has; this is what the kernel gives what is not acknowledged yet. */
enum { TIMEOUT_SECONDS = 300, MESSAGE_SIZE = 512 };

struct turning turning_of(const struct connection *connection, enum turning_kind kind)
{
	return (struct turning){.kind = kind,
				.source = connection->source,
				.destination = connection->destination,
				.protocol = connection->protocol,
				.source_port = connection->source_port,
				.port = connection->port,
				.id = connection->id};
}

bool turning_suits(const struct connection *connection, enum turning_kind kind)
{
	if (!connection->plain || connection->stage == CONNECTION_OVER)
		return false;
	if (connection->protocol == PROTOCOL_TCP)
		return connection->picked_up && (kind == TURNING_FORGET || connection->stage == CONNECTION_OPEN);
	return connection->protocol == PROTOCOL_UDP && kind == TURNING_FORGET;
}

/* ---- messages ---- */

static struct nlmsghdr *begin(struct kernel *kernel, char *room, uint16_t type, uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = kernel->sequence++;
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
	*header = (struct nfgenmsg){.nfgen_family = family == 4 ? AF_INET : AF_INET6, .version = NFNETLINK_V0};
	return message;
}

static void put_tuple(struct nlmsghdr *message, uint16_t type, const struct turning *item, bool there)
{
	const struct address *from = there ? &item->source : &item->destination,
			     *to = there ? &item->destination : &item->source;
	const bool four = from->family == 4;
	struct nlattr *tuple = mnl_attr_nest_start(message, type);
	struct nlattr *ends = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	mnl_attr_put(message, four ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, address_size(from->family), from->bytes);
	mnl_attr_put(message, four ? CTA_IP_V4_DST : CTA_IP_V6_DST, address_size(to->family), to->bytes);
	mnl_attr_nest_end(message, ends);
	struct nlattr *ports = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(message, CTA_PROTO_NUM, (uint8_t)item->protocol);
	mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(there ? item->source_port : item->port));
	mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(there ? item->port : item->source_port));
	mnl_attr_nest_end(message, ports);
	mnl_attr_nest_end(message, tuple);
}

static struct nlmsghdr *put_delete(struct kernel *kernel, char *room, const struct turning *item)
{
	struct nlmsghdr *message = begin(kernel, room, IPCTNL_MSG_CT_DELETE, item->source.family);
	put_tuple(message, CTA_TUPLE_ORIG, item, true);
	mnl_attr_put_u32(message, CTA_ID, htonl(item->id));
	return message;
}

/* As tcp_new makes what it picks up: in the middle, so nothing is known of the windows. */
static struct nlmsghdr *put_turned(struct kernel *kernel, char *room, const struct turning *item, uint8_t state)
{
	const struct nf_ct_tcp_flags flags = {IP_CT_TCP_FLAG_BE_LIBERAL | IP_CT_TCP_FLAG_SACK_PERM,
					      IP_CT_TCP_FLAG_BE_LIBERAL | IP_CT_TCP_FLAG_SACK_PERM};
	struct nlmsghdr *message = begin(kernel, room, IPCTNL_MSG_CT_NEW, item->source.family);
	message->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	put_tuple(message, CTA_TUPLE_ORIG, item, false);
	put_tuple(message, CTA_TUPLE_REPLY, item, true);
	mnl_attr_put_u32(message, CTA_STATUS, htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
	mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(TIMEOUT_SECONDS));
	struct nlattr *info = mnl_attr_nest_start(message, CTA_PROTOINFO);
	struct nlattr *tcp = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);
	mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, state);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof flags, &flags);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof flags, &flags);
	mnl_attr_nest_end(message, tcp);
	mnl_attr_nest_end(message, info);
	return message;
}

/* ---- the answers ---- */

static void keep(void *context, const struct connection *connection)
{
	*(struct connection *)context = *connection;
}

static void take(void *context, const struct nlmsghdr *message)
{
	connections_take(message, &(struct connections_reader){context, keep});
}

static int hear(struct kernel *kernel, const struct nlmsghdr *question, struct connection *found)
{
	return kernel_hear_all(kernel,
			       &(struct hearing){.sequence = question->nlmsg_seq, .context = found, .take = take});
}

/* What conntrack has under the tuple; one that `plain` does not hold of: nothing, or nothing of ours. */
static int find(struct kernel *kernel, const struct turning *item, struct connection *found)
{
	_Alignas(struct nlmsghdr) char room[MESSAGE_SIZE];
	*found = (struct connection){.plain = false};
	struct nlmsghdr *message = begin(kernel, room, IPCTNL_MSG_CT_GET, item->source.family);
	put_tuple(message, CTA_TUPLE_ORIG, item, true);
	int error = kernel_send(kernel, &(struct iovec){message, message->nlmsg_len}, 1);
	if (error == 0)
		error = hear(kernel, message, found);
	return error == -ENOENT ? 0 : error;
}

static bool is_the_same(const struct turning *item, const struct connection *c)
{
	return item->id == c->id && item->protocol == c->protocol && item->source_port == c->source_port &&
	       item->port == c->port && address_compare(&item->source, &c->source) == 0 &&
	       address_compare(&item->destination, &c->destination) == 0;
}

/* A packet may be faster: then the connection is another one, or the same again. */
static bool is_late(int error)
{
	return error == -ENOENT || error == -EEXIST;
}

static int turn(struct kernel *kernel, const struct turning *item)
{
	_Alignas(struct nlmsghdr) char rooms[2][MESSAGE_SIZE];
	struct connection found;
	struct iovec pieces[2];
	int error = find(kernel, item, &found);
	if (error != 0 || !is_the_same(item, &found) || !turning_suits(&found, item->kind))
		return error;
	const size_t count = item->kind == TURNING_TURN ? 2 : 1;
	const struct nlmsghdr *messages[2] = {put_delete(kernel, rooms[0], item), NULL};
	if (count == 2)
		messages[1] = put_turned(kernel, rooms[1], item, found.tcp_state);
	for (size_t i = 0; i < count; i++)
		pieces[i] = (struct iovec){rooms[i], messages[i]->nlmsg_len};
	error = kernel_send(kernel, pieces, count);
	for (size_t i = 0; i < count && (error == 0 || is_late(error)); i++)
		error = hear(kernel, messages[i], &found);
	return is_late(error) ? 0 : error;
}

int connections_turn(struct kernel *kernel, const struct turning *items, size_t count)
{
	int error = 0;
	if (kernel->agent != NULL)
		return kernel->agent->turn(kernel->agent->context, items, count);
	for (size_t i = 0; i < count && error == 0; i++)
		error = turn(kernel, &items[i]);
	return error;
}
