/* The lab: namespaces, wires and routes, and the exchange of packets over them.
 *
 * Hosts have no address of their own: this process speaks for them, frame by frame, through a packet socket in each
 * namespace, so that every protocol and family is handled alike and thousands of connections cost no sockets. The
 * router is the kernel, and all it does is real. */
#include "tests/lab/lab.h"

#include "tests/lab/packet.h"

#include <libmnl/libmnl.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PROTOCOLS = 4, RECEIVE_BUFFER = 1 << 23, SEND_BETWEEN_READS = 32, FIRST_KEY = 20000, LAST_KEY = 64000 };

static const uint8_t router_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t raw_protocols[2][PROTOCOLS] = {{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP},
						    {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMPV6}};

struct host {
	int name_space, packets; /* fds */
	int index, router_index; /* of its interface, and of the router's end */
	uint8_t mac[6];
};

/* An address that a host was given. */
struct given {
	size_t host;
	struct address address;
};

struct lab {
	int home, router; /* namespaces */
	struct host *hosts;
	size_t host_count; /* the last is outside */
	struct mnl_socket *routes, *connections;
	int raw_out[2], raw_in[2][PROTOCOLS]; /* of the router, by family */
	struct given *given;
	size_t given_count, given_room;
	struct lab_probe *by_key[65536];
	uint16_t next_key;
	bool again;	/* the packets of the running exchange belong to connections that are there */
	size_t missing; /* answers */
};

static int complain(const char *what)
{
	fprintf(stderr, "lab: %s: %s\n", what, strerror(errno));
	return -1;
}

/* ---- namespaces and wires ---- */

static int enter(int name_space)
{
	return setns(name_space, CLONE_NEWNET);
}

int lab_enter_router(struct lab *lab)
{
	return enter(lab->router) == 0 ? 0 : -errno;
}

void lab_leave(struct lab *lab)
{
	if (enter(lab->home) != 0)
		abort(); /* everything after would go to the wrong place */
}

static int open_current(void)
{
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

static void set_key(const char *key, const char *value)
{
	char path[256];
	snprintf(path, sizeof path, "/proc/sys/net/%s", key);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* not every kernel has every key */
	if (write(fd, value, strlen(value)) < 0)
		complain(path);
	close(fd);
}

static int set_up(const char *interface)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
	int result = ioctl(fd, SIOCGIFFLAGS, &request);
	request.ifr_flags |= IFF_UP;
	if (result == 0)
		result = ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return result;
}

/* Makes a namespace and stays in it. */
static int make_namespace(void)
{
	return unshare(CLONE_NEWNET) == 0 && set_up("lo") == 0 ? open_current() : -1;
}

static int make_router(struct lab *lab)
{
	static const char *const keys[][2] = {
	    {"ipv4/ip_forward", "1"},
	    {"ipv6/conf/all/forwarding", "1"},
	    {"ipv4/conf/all/rp_filter", "0"},
	    {"ipv4/conf/default/rp_filter", "0"},
	    {"ipv4/conf/all/send_redirects", "0"},
	    {"ipv4/conf/default/send_redirects", "0"},
	    {"ipv6/conf/default/accept_dad", "0"},
	    {"ipv6/conf/default/router_solicitations", "0"},
	    {"ipv4/icmp_ratelimit", "0"},
	    {"ipv6/icmp/ratelimit", "0"},
	    {"ipv4/icmp_msgs_per_sec", "1000000"},
	    {"ipv4/icmp_msgs_burst", "1000000"},
	};
	lab->router = make_namespace();
	for (size_t i = 0; i < sizeof keys / sizeof *keys && lab->router >= 0; i++)
		set_key(keys[i][0], keys[i][1]);
	return lab->router;
}

/* Runs `ip` on what is written; both in the namespace at hand. */
static int make_wires(struct lab *lab)
{
	FILE *ip = popen("ip -batch -", "we");
	if (ip == NULL)
		return complain("ip");
	for (size_t i = 0; i < lab->host_count; i++) {
		const uint8_t *mac = lab->hosts[i].mac;
		fprintf(ip,
			"link add v%zu address 02:00:00:00:00:01 type veth peer name eth0 address "
			"%02x:%02x:%02x:%02x:%02x:%02x netns /proc/%d/fd/%d\nlink set v%zu up\n",
			i, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], (int)getpid(), lab->hosts[i].name_space, i);
	}
	return pclose(ip) == 0 ? 0 : complain("ip -batch");
}

static void enlarge(int fd)
{
	const int size = RECEIVE_BUFFER;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
}

/* In the namespace of the host. Returns a socket, or -1. */
static int open_packets(const struct host *host)
{
	const int yes = 1;
	const struct sockaddr_ll here = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = host->index};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	enlarge(fd);
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
	if (bind(fd, (const struct sockaddr *)&here, sizeof here) == 0)
		return fd;
	close(fd);
	return -1;
}

static int start_host(struct host *host)
{
	if (enter(host->name_space) != 0 || set_up("eth0") != 0)
		return -1;
	host->index = (int)if_nametoindex("eth0");
	host->packets = open_packets(host);
	return host->packets;
}

static int make_hosts(struct lab *lab)
{
	for (size_t i = 0; i < lab->host_count; i++) {
		struct host *host = &lab->hosts[i];
		const uint8_t mac[6] = {2, 0, 0, 0, 1, (uint8_t)i};
		memcpy(host->mac, mac, sizeof mac);
		host->name_space = make_namespace();
		if (host->name_space < 0)
			return -1;
		set_key("ipv6/conf/all/disable_ipv6", "1"); /* its kernel has nothing to say */
		set_key("ipv6/conf/default/disable_ipv6", "1");
	}
	if (enter(lab->router) != 0 || make_wires(lab) != 0)
		return -1;
	for (size_t i = 0; i < lab->host_count; i++) {
		char name[32];
		snprintf(name, sizeof name, "v%zu", i);
		lab->hosts[i].router_index = (int)if_nametoindex(name);
	}
	for (size_t i = 0; i < lab->host_count; i++)
		if (start_host(&lab->hosts[i]) < 0)
			return -1;
	return 0;
}

static struct mnl_socket *open_netlink(int bus)
{
	struct mnl_socket *netlink = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (netlink != NULL && mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) == 0)
		return netlink;
	if (netlink != NULL)
		mnl_socket_close(netlink);
	return NULL;
}

/* The router's own packets go through its stack, and so through its output and input hooks. */
static int open_router_sockets(struct lab *lab)
{
	const int yes = 1;
	if (enter(lab->router) != 0)
		return -1;
	lab->routes = open_netlink(NETLINK_ROUTE);
	lab->connections = open_netlink(NETLINK_NETFILTER);
	for (size_t family = 0; family < 2; family++) {
		int domain = family == 0 ? AF_INET : AF_INET6;
		lab->raw_out[family] = socket(domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
		for (size_t i = 0; i < PROTOCOLS; i++) {
			int fd = socket(domain, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, raw_protocols[family][i]);
			enlarge(fd);
			if (family == 1)
				setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes);
			lab->raw_in[family][i] = fd;
			if (fd < 0)
				return -1;
		}
	}
	return lab->routes != NULL && lab->connections != NULL && lab->raw_out[0] >= 0 && lab->raw_out[1] >= 0 ? 0 : -1;
}

struct lab *lab_create(size_t hosts)
{
	struct lab *lab = calloc(1, sizeof *lab);
	if (lab == NULL || (lab->hosts = calloc(hosts + 1, sizeof *lab->hosts)) == NULL)
		abort();
	lab->host_count = hosts + 1;
	lab->next_key = FIRST_KEY;
	lab->home = open_current();
	bool made = lab->home >= 0 && make_router(lab) >= 0 && make_hosts(lab) == 0 && open_router_sockets(lab) == 0;
	if (!made)
		complain("cannot make the network");
	lab_leave(lab);
	if (made)
		return lab;
	lab_destroy(lab);
	return NULL;
}

void lab_destroy(struct lab *lab)
{
	if (lab == NULL)
		return;
	for (size_t i = 0; i < lab->host_count; i++) {
		close(lab->hosts[i].packets);
		close(lab->hosts[i].name_space);
	}
	for (size_t family = 0; family < 2; family++) {
		close(lab->raw_out[family]);
		for (size_t i = 0; i < PROTOCOLS; i++)
			close(lab->raw_in[family][i]);
	}
	if (lab->routes != NULL)
		mnl_socket_close(lab->routes);
	if (lab->connections != NULL)
		mnl_socket_close(lab->connections);
	close(lab->router);
	close(lab->home);
	free(lab->hosts);
	free(lab->given);
	free(lab);
}

/* ---- addresses ---- */

/* Sends a request and waits for its acknowledgement. Returns 0 or a negative errno. */
static int request(struct mnl_socket *netlink, struct nlmsghdr *message)
{
	static uint32_t sequence;
	char answer[8192];
	message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = ++sequence;
	if (mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0)
		return -errno;
	ssize_t got = mnl_socket_recvfrom(netlink, answer, sizeof answer);
	if (got < 0)
		return -errno;
	return mnl_cb_run(answer, (size_t)got, sequence, mnl_socket_get_portid(netlink), NULL, NULL) < 0 ? -errno : 0;
}

static size_t host_index(const struct lab *lab, size_t host)
{
	return host == LAB_OUTSIDE ? lab->host_count - 1 : host;
}

static uint8_t domain_of(const struct address *address)
{
	return address->family == 4 ? AF_INET : AF_INET6;
}

static int set_route(struct lab *lab, bool add, const struct host *host, const struct address *address)
{
	char buffer[512];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
	message->nlmsg_flags = add ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	struct rtmsg *route = mnl_nlmsg_put_extra_header(message, sizeof *route);
	*route = (struct rtmsg){.rtm_family = domain_of(address),
				.rtm_dst_len = (unsigned char)(8 * address_size(address->family)),
				.rtm_table = RT_TABLE_MAIN,
				.rtm_protocol = RTPROT_STATIC,
				.rtm_scope = address->family == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
				.rtm_type = RTN_UNICAST};
	mnl_attr_put(message, RTA_DST, address_size(address->family), address->bytes);
	mnl_attr_put_u32(message, RTA_OIF, (uint32_t)host->router_index);
	return request(lab->routes, message);
}

static int set_neighbour(struct lab *lab, bool add, const struct host *host, const struct address *address)
{
	char buffer[512];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = add ? RTM_NEWNEIGH : RTM_DELNEIGH;
	message->nlmsg_flags = add ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	struct ndmsg *neighbour = mnl_nlmsg_put_extra_header(message, sizeof *neighbour);
	*neighbour = (struct ndmsg){
	    .ndm_family = domain_of(address), .ndm_ifindex = host->router_index, .ndm_state = NUD_PERMANENT};
	mnl_attr_put(message, NDA_DST, address_size(address->family), address->bytes);
	mnl_attr_put(message, NDA_LLADDR, sizeof host->mac, host->mac);
	return request(lab->routes, message);
}

/* On the router's lo. */
static int set_own(struct lab *lab, bool add, const struct address *address)
{
	char buffer[512];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR;
	message->nlmsg_flags = add ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	struct ifaddrmsg *own = mnl_nlmsg_put_extra_header(message, sizeof *own);
	*own = (struct ifaddrmsg){.ifa_family = domain_of(address),
				  .ifa_prefixlen = (unsigned char)(8 * address_size(address->family)),
				  .ifa_flags = IFA_F_NODAD,
				  .ifa_index = 1};
	mnl_attr_put(message, IFA_LOCAL, address_size(address->family), address->bytes);
	mnl_attr_put(message, IFA_ADDRESS, address_size(address->family), address->bytes);
	return request(lab->routes, message);
}

static int set_address(struct lab *lab, bool add, size_t host, const struct address *address)
{
	if (host == LAB_ROUTER)
		return set_own(lab, add, address);
	const struct host *to = &lab->hosts[host_index(lab, host)];
	int error = set_route(lab, add, to, address);
	int second = set_neighbour(lab, add, to, address);
	return error != 0 ? error : second;
}

int lab_add_address(struct lab *lab, size_t host, const struct address *address)
{
	for (size_t i = 0; i < lab->given_count; i++)
		if (lab->given[i].host == host && address_compare(&lab->given[i].address, address) == 0)
			return 0;
	if (lab->given_count == lab->given_room) {
		lab->given_room = 2 * lab->given_room + 16;
		lab->given = realloc(lab->given, lab->given_room * sizeof *lab->given);
		if (lab->given == NULL)
			abort();
	}
	lab->given[lab->given_count++] = (struct given){host, *address};
	return set_address(lab, true, host, address);
}

int lab_forget_connections(struct lab *lab)
{
	char buffer[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
	struct nfgenmsg *general = mnl_nlmsg_put_extra_header(message, sizeof *general);
	*general = (struct nfgenmsg){.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0};
	return request(lab->connections, message);
}

int lab_reset(struct lab *lab)
{
	int error = 0;
	for (size_t i = 0; i < lab->given_count; i++) {
		int one = set_address(lab, false, lab->given[i].host, &lab->given[i].address);
		error = error != 0 ? error : one;
	}
	lab->given_count = 0;
	int last = lab_forget_connections(lab);
	return error != 0 ? error : last;
}

/* ---- packets ---- */

static struct sockaddr_ll to_router(const struct host *from)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = from->index, .sll_halen = sizeof router_mac};
	memcpy(to.sll_addr, router_mac, sizeof router_mac);
	return to;
}

int lab_open(struct lab *lab, size_t host, struct sockaddr_ll *router)
{
	const struct host *from = &lab->hosts[host_index(lab, host)];
	*router = to_router(from);
	int fd = enter(from->name_space) == 0 ? open_packets(from) : -1;
	int error = -errno;
	lab_leave(lab);
	return fd >= 0 ? fd : error;
}

static int send_from(struct lab *lab, size_t host, const uint8_t *bytes, size_t length)
{
	size_t family = bytes[0] >> 4 == 6;
	ssize_t sent;
	if (host == LAB_ROUTER) {
		struct sockaddr_in to4 = {.sin_family = AF_INET};
		struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
		memcpy(&to4.sin_addr, bytes + 16, 4);
		memcpy(&to6.sin6_addr, bytes + 24, 16);
		sent = family == 0 ? sendto(lab->raw_out[0], bytes, length, 0, (struct sockaddr *)&to4, sizeof to4)
				   : sendto(lab->raw_out[1], bytes, length, 0, (struct sockaddr *)&to6, sizeof to6);
		return sent < 0 && errno != EPERM ? -errno : 0; /* EPERM: the output hook dropped it */
	}
	const struct host *from = &lab->hosts[host_index(lab, host)];
	struct sockaddr_ll to = to_router(from);
	to.sll_protocol = htons(family == 0 ? ETH_P_IP : ETH_P_IPV6);
	sent = sendto(from->packets, bytes, length, 0, (struct sockaddr *)&to, sizeof to);
	return sent < 0 ? -errno : 0;
}

static bool is_icmp(uint16_t protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

/* Sends one packet of a probe's connection, forwards or backwards. */
static int send_packet(struct lab *lab, const struct lab_probe *probe, enum packet_kind kind)
{
	uint8_t bytes[PACKET_ROOM];
	bool backwards = kind == PACKET_ANSWER || kind == PACKET_DATA_ANSWER || kind == PACKET_PUSH;
	bool icmp = is_icmp(probe->protocol);
	struct packet packet = {
	    .source = backwards ? probe->destination : probe->source,
	    .destination = backwards ? probe->source : probe->destination,
	    .protocol = (uint8_t)probe->protocol,
	    .source_port = backwards && !icmp ? probe->port : probe->key,
	    .destination_port = backwards && !icmp ? probe->key : probe->port,
	};
	size_t length = packet_write(bytes, kind, &packet);
	return send_from(lab, backwards ? probe->to : probe->from, bytes, length);
}

static bool same_ends(const struct packet *packet, const struct address *source, const struct address *destination)
{
	return address_compare(&packet->source, source) == 0 && address_compare(&packet->destination, destination) == 0;
}

static void on_request(struct lab *lab, struct lab_probe *probe, const struct packet *packet)
{
	bool tcp = probe->protocol == IPPROTO_TCP;
	if (tcp && (lab->again ? !packet->carries_data : !packet->opens))
		return; /* the end of a handshake */
	probe->request_arrived = true;
	bool kernel_answers = probe->to == LAB_ROUTER && (tcp || is_icmp(probe->protocol));
	if (!kernel_answers)
		send_packet(lab, probe, lab->again ? PACKET_DATA_ANSWER : PACKET_ANSWER);
}

static void on_answer(struct lab *lab, struct lab_probe *probe, const struct packet *packet)
{
	lab->missing -= !probe->answer_arrived;
	probe->answer_arrived = true;
	if (probe->protocol == IPPROTO_TCP && packet->opens && packet->acknowledges && probe->from != LAB_ROUTER)
		send_packet(lab, probe, PACKET_FINISH);
}

/* A packet arrived at `host`: whose is it? */
static void on_packet(struct lab *lab, size_t host, const struct packet *packet)
{
	bool icmp = is_icmp(packet->protocol);
	struct lab_probe *there = lab->by_key[packet->source_port];
	struct lab_probe *back = lab->by_key[icmp ? packet->source_port : packet->destination_port];
	if (there != NULL && there->protocol == packet->protocol && host == host_index(lab, there->to) &&
	    same_ends(packet, &there->source, &there->destination) && (!icmp || packet->opens))
		on_request(lab, there, packet);
	else if (back != NULL && back->protocol == packet->protocol && host == host_index(lab, back->from) &&
		 same_ends(packet, &back->destination, &back->source) && (!icmp || !packet->opens))
		on_answer(lab, back, packet);
}

/* Takes everything that has arrived at a host. Returns how many packets. */
static size_t read_host(struct lab *lab, size_t host)
{
	uint8_t bytes[2048];
	struct packet packet;
	size_t count = 0;
	ssize_t got;
	while ((got = recv(lab->hosts[host].packets, bytes, sizeof bytes, 0)) > 0) {
		count++;
		if (packet_read(&packet, bytes, (size_t)got))
			on_packet(lab, host, &packet);
	}
	return count;
}

/* An IPv6 raw socket gives no header: the ends come beside the payload. */
static bool read_raw6(int fd, uint8_t protocol, struct packet *packet, bool *more)
{
	uint8_t bytes[2048], control[256];
	struct sockaddr_in6 from;
	struct iovec part = {bytes, sizeof bytes};
	struct msghdr message = {.msg_name = &from,
				 .msg_namelen = sizeof from,
				 .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof control};
	ssize_t got = recvmsg(fd, &message, 0);
	*more = got > 0;
	*packet = (struct packet){.protocol = protocol, .source = {.family = 6}, .destination = {.family = 6}};
	for (struct cmsghdr *c = *more ? CMSG_FIRSTHDR(&message) : NULL; c != NULL; c = CMSG_NXTHDR(&message, c))
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			memcpy(packet->destination.bytes, CMSG_DATA(c), 16); /* struct in6_pktinfo begins with it */
	if (*more)
		memcpy(packet->source.bytes, &from.sin6_addr, 16);
	return *more && packet_read_payload(packet, bytes, (size_t)got);
}

static size_t read_router(struct lab *lab)
{
	uint8_t bytes[2048];
	struct packet packet;
	size_t count = 0;
	for (size_t i = 0; i < PROTOCOLS; i++) {
		ssize_t got;
		bool more = true;
		while ((got = recv(lab->raw_in[0][i], bytes, sizeof bytes, 0)) > 0) {
			count++;
			if (packet_read(&packet, bytes, (size_t)got))
				on_packet(lab, LAB_ROUTER, &packet);
		}
		while (more) {
			if (read_raw6(lab->raw_in[1][i], raw_protocols[1][i], &packet, &more))
				on_packet(lab, LAB_ROUTER, &packet);
			count += more;
		}
	}
	return count;
}

/* Takes what has arrived anywhere, until nothing more comes of it. Returns how many packets. */
static size_t read_all(struct lab *lab)
{
	size_t all = 0, count;
	do {
		count = read_router(lab);
		for (size_t i = 0; i < lab->host_count; i++)
			count += read_host(lab, i);
		all += count;
	} while (count > 0);
	return all;
}

/* Waits for news as long as answers are missing and news came in the last `milliseconds`. */
static void wait_for_answers(struct lab *lab, int milliseconds)
{
	struct pollfd fds[64];
	size_t count = 0;
	for (size_t i = 0; i < lab->host_count && count < 48; i++)
		fds[count++] = (struct pollfd){lab->hosts[i].packets, POLLIN, 0};
	for (size_t family = 0; family < 2; family++)
		for (size_t i = 0; i < PROTOCOLS; i++)
			fds[count++] = (struct pollfd){lab->raw_in[family][i], POLLIN, 0};
	read_all(lab);
	while (lab->missing > 0 && poll(fds, count, milliseconds) > 0)
		read_all(lab);
}

/* Sends a packet for each probe that has no answer yet, and takes what comes of it. */
static int send_all(struct lab *lab, struct lab_probe *probes, size_t count, enum packet_kind kind, int milliseconds)
{
	int error = 0;
	for (size_t i = 0; i < count && error == 0; i++) {
		if (!probes[i].answer_arrived)
			error = send_packet(lab, &probes[i], kind);
		if (i % SEND_BETWEEN_READS == 0)
			read_all(lab);
	}
	if (error == 0)
		wait_for_answers(lab, milliseconds);
	return error;
}

static int exchange(struct lab *lab, struct lab_probe *probes, size_t count, enum packet_kind kind, int milliseconds)
{
	int error = 0;
	lab->missing = count;
	for (size_t i = 0; i < count; i++) {
		probes[i].request_arrived = probes[i].answer_arrived = false;
		lab->by_key[probes[i].key] = &probes[i];
	}
	error = send_all(lab, probes, count, kind, milliseconds);
	if (error == 0 && lab->again && lab->missing > 0)
		error = send_all(lab, probes, count, PACKET_PUSH, milliseconds);
	for (size_t i = 0; i < count; i++)
		lab->by_key[probes[i].key] = NULL;
	return error;
}

int lab_probe(struct lab *lab, struct lab_probe *probes, size_t count, int milliseconds)
{
	if (count > LAST_KEY - FIRST_KEY)
		return -E2BIG;
	for (size_t i = 0; i < count; i++) {
		probes[i].key = lab->next_key;
		lab->next_key = lab->next_key == LAST_KEY ? FIRST_KEY : (uint16_t)(lab->next_key + 1);
	}
	read_all(lab); /* what is left of before */
	lab->again = false;
	return exchange(lab, probes, count, PACKET_OPEN, milliseconds);
}

int lab_probe_again(struct lab *lab, struct lab_probe *probes, size_t count, int milliseconds)
{
	read_all(lab);
	lab->again = true;
	return exchange(lab, probes, count, PACKET_DATA, milliseconds);
}
