/* A dump of the connection tracking table by ctnetlink, a datagram at a time. What the kernel says is nested three
 * deep:
 *
 *     CTA_TUPLE_ORIG, CTA_TUPLE_REPLY   { CTA_TUPLE_IP { source, destination } CTA_TUPLE_PROTO { protocol, ports } }
 *     CTA_PROTOINFO                     { CTA_PROTOINFO_TCP { CTA_PROTOINFO_TCP_STATE, _FLAGS_ORIGINAL, _FLAGS_REPLY }
 * } CTA_COUNTERS_ORIG, _REPLY         { CTA_COUNTERS_BYTES }, only where nf_conntrack_acct was on when it began
 *
 * The request is IPCTNL_MSG_CT_GET: IPCTNL_MSG_CT_GET_CTRZERO would set the counters to 0 for everybody. */
#include <ringfence/connections.h>

#include "enforcer/kernel/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

enum { ANSWER_SIZE = 1 << 16, TYPES_MOST = 32 };

/* ---- messages ---- */

/* The attributes of a message, or in another, by their type; of two of one type the last. */
struct found {
	const struct nlattr *items[TYPES_MOST];
};

static void find(struct found *found, const struct nlattr *attribute)
{
	if (mnl_attr_get_type(attribute) < TYPES_MOST)
		found->items[mnl_attr_get_type(attribute)] = attribute;
}

/* The attributes in one that may be absent: none then. */
static struct found find_in(const struct nlattr *nest)
{
	struct found found = {0};
	const struct nlattr *attribute;
	if (nest != NULL)
		mnl_attr_for_each_nested(attribute, nest) find(&found, attribute);
	return found;
}

/* A number of `size` bytes, in network order. */
static bool read_number(const struct nlattr *attribute, size_t size, uint64_t *number)
{
	if (attribute == NULL || mnl_attr_get_payload_len(attribute) != size)
		return false;
	const uint8_t *bytes = mnl_attr_get_payload(attribute);
	*number = 0;
	for (size_t i = 0; i < size; i++)
		*number = *number << 8 | bytes[i];
	return true;
}

/* What the packets of one direction have: its ends. */
struct tuple {
	struct found whole, ends, ports;
};

static struct tuple find_tuple(const struct nlattr *tuple)
{
	struct tuple found = {.whole = find_in(tuple)};
	found.ends = find_in(found.whole.items[CTA_TUPLE_IP]);
	found.ports = find_in(found.whole.items[CTA_TUPLE_PROTO]);
	return found;
}

/* An end of a direction: an address, as one family or the other has it. */
static bool read_end(const struct tuple *tuple, bool source, struct address *end)
{
	const struct nlattr *four = tuple->ends.items[source ? CTA_IP_V4_SRC : CTA_IP_V4_DST],
			    *six = tuple->ends.items[source ? CTA_IP_V6_SRC : CTA_IP_V6_DST];
	const struct nlattr *attribute = four != NULL ? four : six;
	*end = (struct address){.family = four != NULL ? 4 : 6};
	if (attribute == NULL || mnl_attr_get_payload_len(attribute) != address_size(end->family))
		return false;
	memcpy(end->bytes, mnl_attr_get_payload(attribute), address_size(end->family));
	return true;
}

static bool is_icmp(uint64_t protocol)
{
	return protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6;
}

/* The protocol, and the ports: the sender's of each direction, or the type and code of the request of ICMP. */
static bool read_ports(const struct tuple *original, const struct tuple *reply, struct connection *connection)
{
	const struct nlattr *const *out = original->ports.items, *const *in = reply->ports.items;
	uint64_t protocol, first = 0, second = 0;
	if (!read_number(out[CTA_PROTO_NUM], 1, &protocol))
		return false;
	connection->protocol = (uint16_t)protocol;
	if (is_icmp(protocol)) {
		bool six = protocol == PROTOCOL_ICMPV6;
		connection->has_port = read_number(out[six ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE], 1, &first) &&
				       read_number(out[six ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE], 1, &second);
		connection->port = (uint16_t)(first << 8 | second);
		return connection->has_port;
	}
	connection->has_port =
	    read_number(out[CTA_PROTO_SRC_PORT], 2, &first) && read_number(in[CTA_PROTO_SRC_PORT], 2, &second);
	connection->source_port = (uint16_t)first;
	connection->port = (uint16_t)second;
	return true;
}

/* Of TCP that begins in the middle nothing is expected of the windows, in either direction; of no other does conntrack
 * itself note that (tcp_new in net/netfilter/nf_conntrack_proto_tcp.c). */
static bool is_liberal(const struct nlattr *attribute)
{
	struct nf_ct_tcp_flags flags;
	if (attribute == NULL || mnl_attr_get_payload_len(attribute) != sizeof flags)
		return false;
	memcpy(&flags, mnl_attr_get_payload(attribute), sizeof flags);
	return (flags.flags & IP_CT_TCP_FLAG_BE_LIBERAL) != 0;
}

/* What the protocol itself says. Returns whether it has ended. */
static bool read_state(const struct nlattr *info, struct connection *connection)
{
	const struct found protocols = find_in(info);
	const struct found tcp = find_in(protocols.items[CTA_PROTOINFO_TCP]),
			   sctp = find_in(protocols.items[CTA_PROTOINFO_SCTP]);
	uint64_t state;
	if (read_number(tcp.items[CTA_PROTOINFO_TCP_STATE], 1, &state)) {
		connection->tcp_state = (uint8_t)state;
		connection->picked_up = is_liberal(tcp.items[CTA_PROTOINFO_TCP_FLAGS_ORIGINAL]) &&
					is_liberal(tcp.items[CTA_PROTOINFO_TCP_FLAGS_REPLY]);
		return state == TCP_CONNTRACK_LAST_ACK || state == TCP_CONNTRACK_TIME_WAIT ||
		       state == TCP_CONNTRACK_CLOSE;
	}
	return read_number(sctp.items[CTA_PROTOINFO_SCTP_STATE], 1, &state) &&
	       (state == SCTP_CONNTRACK_CLOSED || state == SCTP_CONNTRACK_SHUTDOWN_ACK_SENT);
}

/* Whether a direction goes from one end to the other, in no zone of its own. */
static bool goes(const struct tuple *tuple, const struct address *from, uint16_t from_port, const struct address *to,
		 uint16_t to_port)
{
	const struct nlattr *const *ports = tuple->ports.items;
	struct address source, destination;
	uint64_t source_port = 0, destination_port = 0;
	return tuple->whole.items[CTA_TUPLE_ZONE] == NULL && read_end(tuple, true, &source) &&
	       read_end(tuple, false, &destination) && address_compare(&source, from) == 0 &&
	       address_compare(&destination, to) == 0 && read_number(ports[CTA_PROTO_SRC_PORT], 2, &source_port) &&
	       read_number(ports[CTA_PROTO_DST_PORT], 2, &destination_port) && source_port == from_port &&
	       destination_port == to_port;
}

/* Whether its two directions are those of its ends, and nobody but conntrack has left a trace on it. */
static bool is_plain(const struct found *found, const struct tuple *original, const struct tuple *reply,
		     const struct connection *c, uint64_t status)
{
	static const uint16_t traces[] = {CTA_HELP,	     CTA_SECCTX, CTA_TUPLE_MASTER, CTA_SEQ_ADJ_ORIG,
					  CTA_SEQ_ADJ_REPLY, CTA_LABELS, CTA_ZONE};
	const uint64_t own =
	    IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED | IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE | IPS_DYING;
	uint64_t mark = 0;
	bool plain = c->has_port && (status & ~own) == 0;
	for (size_t i = 0; i < sizeof traces / sizeof *traces; i++)
		plain = plain && found->items[traces[i]] == NULL;
	if (found->items[CTA_MARK] != NULL)
		plain = plain && read_number(found->items[CTA_MARK], sizeof(uint32_t), &mark) && mark == 0;
	return plain && goes(original, &c->source, c->source_port, &c->destination, c->port) &&
	       goes(reply, &c->destination, c->port, &c->source, c->source_port);
}

static bool read_bytes(const struct nlattr *counters, uint64_t *bytes)
{
	const struct found found = find_in(counters);
	return read_number(found.items[CTA_COUNTERS_BYTES], sizeof *bytes, bytes);
}

void connections_take(const struct nlmsghdr *message, const struct connections_reader *reader)
{
	const uint16_t type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	struct connection connection = {0};
	struct found found = {0};
	const struct nlattr *attribute;
	uint64_t status = 0, id = 0;
	if (message->nlmsg_type != type || mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return;
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) find(&found, attribute);
	const struct tuple original = find_tuple(found.items[CTA_TUPLE_ORIG]),
			   reply = find_tuple(found.items[CTA_TUPLE_REPLY]);
	if (!read_end(&original, true, &connection.source) || !read_end(&reply, true, &connection.destination) ||
	    connection.source.family != connection.destination.family || !read_ports(&original, &reply, &connection))
		return;
	read_number(found.items[CTA_STATUS], sizeof(uint32_t), &status);
	read_number(found.items[CTA_ID], sizeof connection.id, &id);
	connection.id = (uint32_t)id;
	const bool over = read_state(found.items[CTA_PROTOINFO], &connection);
	connection.stage = (status & IPS_DYING) != 0 || over ? CONNECTION_OVER
			   : (status & IPS_SEEN_REPLY) != 0  ? CONNECTION_OPEN
							     : CONNECTION_UNANSWERED;
	connection.plain = is_plain(&found, &original, &reply, &connection, status);
	connection.counted = read_bytes(found.items[CTA_COUNTERS_ORIG], &connection.sent) &&
			     read_bytes(found.items[CTA_COUNTERS_REPLY], &connection.received);
	reader->take(reader->context, &connection);
}

/* ---- the dump ---- */

int connections_start(struct kernel *kernel)
{
	_Alignas(struct nlmsghdr) char room[64];
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = ++kernel->sequence;
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
	*header = (struct nfgenmsg){.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0};
	return kernel_send(kernel, &(struct iovec){message, message->nlmsg_len}, 1);
}

static void take(void *context, const struct nlmsghdr *message)
{
	connections_take(message, context);
}

int connections_step(struct kernel *kernel, const struct connections_reader *reader, uint64_t budget)
{
	uint64_t begun = kernel_microseconds();
	struct hearing hearing = {.sequence = kernel->sequence, .context = (void *)reader, .take = take};
	void *answer = malloc(ANSWER_SIZE);
	int result = answer == NULL ? -ENOMEM : 0;
	while (result == 0) {
		/* A piece of a dump is there as soon as the one before was read: nothing is waited for. */
		ssize_t got = kernel_receive(kernel, answer, ANSWER_SIZE);
		result = got == -EAGAIN ? -EPROTO : got < 0 ? (int)got : kernel_hear(&hearing, answer, (size_t)got);
		if (kernel_microseconds() - begun >= budget)
			break;
	}
	free(answer);
	return result;
}
