/* Dumps of links, addresses and neighbours, a datagram at a time. Each is a request of its own (rtnetlink(7));
 * AF_UNSPEC would give the forwarding tables of bridges among the neighbours, too. */
#include "enforcer/kernel/neighbours.h"

#include "enforcer/kernel/socket.h"

#include <libmnl/libmnl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

enum { ANSWER_SIZE = 1 << 16, TRIES = 3 };

/* In this order. */
static const struct {
	uint16_t type;
	uint8_t family;
} requests[] = {{RTM_GETLINK, AF_UNSPEC}, {RTM_GETADDR, AF_UNSPEC}, {RTM_GETNEIGH, AF_INET}, {RTM_GETNEIGH, AF_INET6}};
enum { REQUESTS = sizeof requests / sizeof *requests };

struct neighbours {
	struct mnl_socket *socket;
	size_t request; /* that is being answered */
	bool sent;	/* it was sent */
	unsigned tries; /* since it changed while it was answered */
	bool changed;
	uint32_t sequence;
	_Alignas(struct nlmsghdr) char answer[ANSWER_SIZE];
};

static int open_socket(struct neighbours *neighbours)
{
	neighbours->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (neighbours->socket == NULL || mnl_socket_bind(neighbours->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return 0;
}

int neighbours_create(struct neighbours **neighbours)
{
	struct neighbours *made = calloc(1, sizeof *made);
	*neighbours = NULL;
	if (made == NULL)
		return -ENOMEM;
	int error = open_socket(made);
	if (error != 0) {
		neighbours_destroy(made);
		return error;
	}
	made->sequence = 1;
	*neighbours = made;
	return 0;
}

void neighbours_destroy(struct neighbours *neighbours)
{
	if (neighbours == NULL)
		return;
	if (neighbours->socket != NULL)
		mnl_socket_close(neighbours->socket);
	free(neighbours);
}

/* ---- messages ---- */

struct found {
	const struct nlattr *items[64];
};

static void find_all(struct found *found, const struct nlmsghdr *message, unsigned offset)
{
	const struct nlattr *attribute;
	*found = (struct found){0};
	mnl_attr_for_each(attribute, message,
			  offset) if (mnl_attr_get_type(attribute) < sizeof found->items / sizeof *found->items)
	    found->items[mnl_attr_get_type(attribute)] = attribute;
}

static bool read_address(const struct nlattr *attribute, uint8_t family, struct address *address)
{
	*address = (struct address){.family = family == AF_INET ? 4 : 6};
	if ((family != AF_INET && family != AF_INET6) || attribute == NULL ||
	    mnl_attr_get_payload_len(attribute) != address_size(address->family))
		return false;
	memcpy(address->bytes, mnl_attr_get_payload(attribute), address_size(address->family));
	return true;
}

static bool read_flag(const struct nlattr *attribute)
{
	return mnl_attr_get_payload_len(attribute) >= 1 && mnl_attr_get_u8(attribute) != 0;
}

/* What kind of link it is: IFLA_LINKINFO { IFLA_INFO_KIND, IFLA_INFO_DATA { ... } }. */
static void read_kind(const struct nlattr *info, struct link *link)
{
	static const char bridge[] = "bridge";
	const struct nlattr *attribute, *data = NULL;
	mnl_attr_for_each_nested(attribute, info)
	{
		uint16_t type = mnl_attr_get_type(attribute), length = mnl_attr_get_payload_len(attribute);
		if (type == IFLA_INFO_KIND && length >= sizeof bridge - 1)
			link->bridge = memcmp(mnl_attr_get_payload(attribute), bridge, sizeof bridge - 1) == 0;
		if (type == IFLA_INFO_DATA)
			data = attribute;
	}
	if (!link->bridge || data == NULL)
		return;
	mnl_attr_for_each_nested(attribute, data)
	{
		if (mnl_attr_get_type(attribute) == IFLA_BR_NF_CALL_IPTABLES)
			link->calls[0] = read_flag(attribute);
		if (mnl_attr_get_type(attribute) == IFLA_BR_NF_CALL_IP6TABLES)
			link->calls[1] = read_flag(attribute);
	}
}

static void take_link(const struct nlmsghdr *message, const struct neighbours_reader *reader)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct found found;
	find_all(&found, message, sizeof *header);
	const struct nlattr *name = found.items[IFLA_IFNAME], *master = found.items[IFLA_MASTER];
	struct link link = {.index = header->ifi_index, .space = -1};
	const struct nlattr *space = found.items[IFLA_LINK_NETNSID];
	if (name == NULL)
		return;
	if (found.items[IFLA_LINKINFO] != NULL)
		read_kind(found.items[IFLA_LINKINFO], &link);
	strncpy(link.name, mnl_attr_get_payload(name),
		mnl_attr_get_payload_len(name) < sizeof link.name ? mnl_attr_get_payload_len(name)
								  : sizeof link.name - 1);
	if (master != NULL && mnl_attr_get_payload_len(master) >= sizeof(uint32_t))
		link.master = (int)mnl_attr_get_u32(master);
	if (space != NULL && mnl_attr_get_payload_len(space) >= sizeof(uint32_t))
		link.space = (int)mnl_attr_get_u32(space);
	reader->link(reader->context, &link);
}

static void take_own(const struct nlmsghdr *message, const struct neighbours_reader *reader)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct found found;
	find_all(&found, message, sizeof *header);
	struct own_address own = {.link = (int)header->ifa_index, .length = header->ifa_prefixlen};
	const struct nlattr *local = found.items[IFA_LOCAL] != NULL ? found.items[IFA_LOCAL] : found.items[IFA_ADDRESS];
	if (read_address(local, header->ifa_family, &own.address))
		reader->own(reader->context, &own);
}

/* Those that have answered. */
static void take_neighbour(const struct nlmsghdr *message, const struct neighbours_reader *reader)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	const uint16_t heard = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
	struct found found;
	find_all(&found, message, sizeof *header);
	struct neighbour neighbour = {.link = header->ndm_ifindex};
	const struct nlattr *hardware = found.items[NDA_LLADDR], *cache = found.items[NDA_CACHEINFO];
	if ((header->ndm_state & heard) == 0 || (header->ndm_flags & NTF_PROXY) != 0 ||
	    !read_address(found.items[NDA_DST], header->ndm_family, &neighbour.address))
		return;
	neighbour.has_hardware = hardware != NULL && mnl_attr_get_payload_len(hardware) == sizeof neighbour.hardware;
	if (neighbour.has_hardware)
		memcpy(neighbour.hardware, mnl_attr_get_payload(hardware), sizeof neighbour.hardware);
	if (cache != NULL && mnl_attr_get_payload_len(cache) >= sizeof(struct nda_cacheinfo)) {
		struct nda_cacheinfo info;
		memcpy(&info, mnl_attr_get_payload(cache), sizeof info);
		/* One that has just come, by a request of its own, counts as confirmed a minute before (neigh_alloc).
		 */
		uint32_t ticks = info.ndm_confirmed < info.ndm_updated ? info.ndm_confirmed : info.ndm_updated;
		neighbour.age = ticks / (uint32_t)sysconf(_SC_CLK_TCK);
	}
	reader->neighbour(reader->context, &neighbour);
}

void neighbours_take(const struct nlmsghdr *message, const struct neighbours_reader *reader)
{
	static const struct {
		uint16_t type;
		size_t size;
		void (*take)(const struct nlmsghdr *message, const struct neighbours_reader *reader);
	} forms[] = {{RTM_NEWLINK, sizeof(struct ifinfomsg), take_link},
		     {RTM_NEWADDR, sizeof(struct ifaddrmsg), take_own},
		     {RTM_NEWNEIGH, sizeof(struct ndmsg), take_neighbour}};
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (message->nlmsg_type == forms[i].type && mnl_nlmsg_get_payload_len(message) >= forms[i].size)
			forms[i].take(message, reader);
}

/* ---- dumps ---- */

static int send_request(struct neighbours *neighbours)
{
	_Alignas(struct nlmsghdr) char room[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	message->nlmsg_type = requests[neighbours->request].type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = ++neighbours->sequence;
	/* The family is the first byte of each of these, and zeros are no filter. */
	size_t size = requests[neighbours->request].type == RTM_GETLINK	  ? sizeof(struct ifinfomsg)
		      : requests[neighbours->request].type == RTM_GETADDR ? sizeof(struct ifaddrmsg)
									  : sizeof(struct ndmsg);
	uint8_t *family = mnl_nlmsg_put_extra_header(message, size);
	*family = requests[neighbours->request].family;
	neighbours->sent = true;
	neighbours->changed = false;
	return mnl_socket_sendto(neighbours->socket, message, message->nlmsg_len) < 0 ? -errno : 0;
}

/* One answer has ended. */
static void end_answer(struct neighbours *neighbours)
{
	neighbours->sent = false;
	if (neighbours->changed && ++neighbours->tries < TRIES)
		return;
	neighbours->tries = 0;
	neighbours->request++;
}

static void take(void *context, const struct nlmsghdr *message)
{
	neighbours_take(message, context);
}

static int receive(struct neighbours *neighbours, const struct neighbours_reader *reader)
{
	struct sockaddr_nl from = {0};
	struct iovec space = {neighbours->answer, sizeof neighbours->answer};
	struct msghdr header = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &space, .msg_iovlen = 1};
	ssize_t got = recvmsg(mnl_socket_get_fd(neighbours->socket), &header, MSG_DONTWAIT);
	if (got < 0)
		return errno == EINTR ? 0 : errno == EAGAIN ? -EPROTO : -errno;
	if ((header.msg_flags & MSG_TRUNC) != 0)
		return -EMSGSIZE;
	if (from.nl_pid != 0)
		return 0;
	struct hearing hearing = {.sequence = neighbours->sequence, .context = (void *)reader, .take = take};
	int step = kernel_hear(&hearing, neighbours->answer, (size_t)got);
	neighbours->changed = neighbours->changed || hearing.changed;
	if (step == 1)
		end_answer(neighbours);
	return step < 0 ? step : 0;
}

/* Reads what is still to come of an answer that nobody wants. */
static void drain(struct neighbours *neighbours)
{
	ssize_t got;
	do
		got = recv(mnl_socket_get_fd(neighbours->socket), neighbours->answer, sizeof neighbours->answer,
			   MSG_DONTWAIT);
	while (got > 0 || (got < 0 && (errno == EINTR || errno == ENOBUFS)));
}

void neighbours_start(struct neighbours *neighbours)
{
	if (neighbours->sent)
		drain(neighbours);
	neighbours->request = 0;
	neighbours->sent = false;
	neighbours->tries = 0;
}

int neighbours_step(struct neighbours *neighbours, const struct neighbours_reader *reader, uint64_t budget)
{
	uint64_t begun = kernel_microseconds();
	int error = 0;
	do {
		if (neighbours->request < REQUESTS && !neighbours->sent)
			error = send_request(neighbours);
		if (error == 0 && neighbours->request < REQUESTS)
			error = receive(neighbours, reader);
	} while (error == 0 && neighbours->request < REQUESTS && kernel_microseconds() - begun < budget);
	return error != 0 ? error : neighbours->request == REQUESTS;
}
