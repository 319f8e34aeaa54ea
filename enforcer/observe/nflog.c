/* Reads a log group of netfilter (net/netfilter/nfnetlink_log.c, linux/netfilter/nfnetlink_log.h).
 *
 * The kernel gathers records for a moment and sends them together. What finds no room in our buffer is dropped there,
 * at no cost to us: that is how a flood that we do not read stays cheap. Each record carries its number
 * (NFULNL_CFG_F_SEQ), which tells how many were dropped. */
#include "enforcer/observe/nflog.h"

#include "enforcer/kernel/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	/* Some 2,000 records. Once it is full the kernel drops whatever comes until all of it is read (af_netlink.c,
	 * NETLINK_S_CONGESTED), so it holds fewer than are read in a second: what is told is not stale. */
	RECEIVE_BUFFER = 1 << 18,
	READ_SIZE = 1 << 17, /* the most that the kernel gathers (NFULNL_NLBUFSIZ_MAX) */
	TOGETHER = 16,	     /* records that are sent together */
	WAIT = 2,	     /* hundredths of a second until they are, even when they are fewer */
	ANSWERS_MOST = 1024  /* datagrams that may come ahead of an answer */
};

struct nflog {
	struct kernel *kernel;
	uint16_t group;
	uint32_t request; /* number of the last one */
	uint32_t next;	  /* number of the record that should come */
	uint64_t lost;
	union {
		char bytes[READ_SIZE];
		struct nlmsghdr aligned;
	} buffer;
};

int nflog_fd(const struct nflog *nflog)
{
	return mnl_socket_get_fd(nflog->kernel->socket);
}

uint64_t nflog_lost(const struct nflog *nflog)
{
	return nflog->lost;
}

int nflog_create(struct nflog **nflog, struct kernel *kernel, uint16_t group)
{
	const int size = RECEIVE_BUFFER; /* cut to net.core.rmem_max */
	struct nflog *made = calloc(1, sizeof *made);
	*nflog = NULL;
	if (made == NULL ||
	    setsockopt(mnl_socket_get_fd(kernel->socket), SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0) {
		int error = made == NULL ? -ENOMEM : -errno;
		free(made);
		kernel_close(kernel);
		return error;
	}
	made->kernel = kernel;
	made->group = group;
	*nflog = made;
	return 0;
}

void nflog_destroy(struct nflog *nflog)
{
	if (nflog == NULL)
		return;
	kernel_close(nflog->kernel);
	free(nflog);
}

/* ---- taking the group ---- */

static struct nlmsghdr *write_request(struct nflog *nflog, char *buffer)
{
	const struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
	const struct nfulnl_msg_config_mode mode = {.copy_range = htonl(NFLOG_COPIED), .copy_mode = NFULNL_COPY_PACKET};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = ++nflog->request;
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
	header->nfgen_family = AF_UNSPEC;
	header->version = NFNETLINK_V0;
	header->res_id = htons(nflog->group);
	mnl_attr_put(message, NFULA_CFG_CMD, sizeof command, &command);
	mnl_attr_put(message, NFULA_CFG_MODE, sizeof mode, &mode);
	mnl_attr_put_u32(message, NFULA_CFG_QTHRESH, htonl(TOGETHER));
	mnl_attr_put_u32(message, NFULA_CFG_TIMEOUT, htonl(WAIT));
	mnl_attr_put_u16(message, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
	return message;
}

/* mnl_nlmsg_ok takes a length of 2^31 and above for a negative one, and so for one that fits. */
static bool is_whole(const struct nlmsghdr *message, int left)
{
	return mnl_nlmsg_ok(message, left) && message->nlmsg_len <= (unsigned)left;
}

/* Whether the datagram holds the answer to the last request: 0 or a negative errno in `*result`. */
static bool find_answer(const struct nflog *nflog, int length, int *result)
{
	const struct nlmsghdr *message = &nflog->buffer.aligned;
	for (; is_whole(message, length); message = mnl_nlmsg_next(message, &length)) {
		const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);
		if (message->nlmsg_type != NLMSG_ERROR || message->nlmsg_seq != nflog->request ||
		    mnl_nlmsg_get_payload_len(message) < sizeof answer->error)
			continue;
		*result = answer->error;
		return true;
	}
	return false;
}

/* The kernel has answered before sendto returns. A record that comes ahead of the answer is missed, and so counted. */
int nflog_bind(struct nflog *nflog)
{
	char buffer[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message = write_request(nflog, buffer);
	struct iovec whole = {message, message->nlmsg_len};
	int result = kernel_send(nflog->kernel, &whole, 1);
	if (result != 0)
		return result;
	result = -EAGAIN;
	for (size_t i = 0; i < ANSWERS_MOST; i++) {
		ssize_t length = kernel_receive(nflog->kernel, nflog->buffer.bytes, sizeof nflog->buffer.bytes);
		if (length < 0 && length != -ENOBUFS)
			return (int)length;
		if (length > 0 && find_answer(nflog, (int)length, &result))
			break;
	}
	if (result == 0)
		nflog->next = 0;
	/* The kernel says EBUSY where the group is ours already, and EPERM where it is another's; whoever asks has
	 * CAP_NET_ADMIN. */
	return result == -EBUSY ? 0 : result == -EPERM ? -EBUSY : result;
}

/* ---- records ---- */

static void read_header(struct nflog_record *record, uint8_t family, const struct nlattr *attr)
{
	const struct nfulnl_msg_packet_hdr *header = mnl_attr_get_payload(attr);
	if (mnl_attr_get_payload_len(attr) < sizeof *header)
		return;
	/* In the hooks of IP the family is what the kernel went by. */
	record->ethertype = family == NFPROTO_IPV4   ? ETH_P_IP
			    : family == NFPROTO_IPV6 ? ETH_P_IPV6
						     : ntohs(header->hw_protocol);
}

static void count_lost(struct nflog *nflog, const struct nlattr *attr)
{
	if (mnl_attr_get_payload_len(attr) < sizeof(uint32_t))
		return;
	uint32_t number = ntohl(mnl_attr_get_u32(attr));
	nflog->lost += number - nflog->next; /* modulo 2^32, as the kernel counts */
	nflog->next = number + 1;
}

static void read_record(struct nflog *nflog, struct nflog_record *record, const struct nlmsghdr *message)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;
	mnl_attr_for_each(attr, message, sizeof *header)
	{
		switch (mnl_attr_get_type(attr)) {
		case NFULA_PACKET_HDR:
			read_header(record, header->nfgen_family, attr);
			break;
		case NFULA_PAYLOAD:
			record->packet = mnl_attr_get_payload(attr);
			record->packet_length = mnl_attr_get_payload_len(attr);
			break;
		case NFULA_PREFIX:
			record->prefix = mnl_attr_get_payload(attr);
			record->prefix_length = mnl_attr_get_payload_len(attr);
			break;
		case NFULA_SEQ:
			count_lost(nflog, attr);
			break;
		default:
			break;
		}
	}
}

size_t nflog_take(struct nflog *nflog, const void *bytes, size_t length,
		  void (*call)(void *context, const struct nflog_record *record), void *context)
{
	const struct nlmsghdr *message = bytes;
	size_t count = 0;
	int left = (int)length;
	for (; is_whole(message, left); message = mnl_nlmsg_next(message, &left)) {
		struct nflog_record record = {.prefix = "", .packet_length = 0};
		if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
		    mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
			continue;
		read_record(nflog, &record, message);
		call(context, &record);
		count++;
	}
	return count;
}

int nflog_read(struct nflog *nflog, size_t most, void (*call)(void *context, const struct nflog_record *record),
	       void *context)
{
	for (size_t count = 0; count < most; count++) {
		ssize_t length = kernel_receive(nflog->kernel, nflog->buffer.bytes, sizeof nflog->buffer.bytes);
		if (length == -EAGAIN)
			return 0;
		if (length < 0 && length != -ENOBUFS)
			return (int)length;
		if (length > 0)
			count += nflog_take(nflog, nflog->buffer.bytes, (size_t)length, call, context);
	}
	return 1;
}
