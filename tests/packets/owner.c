/* owner [owner] [persist] [dormant]: makes table inet ringfence with these flags, or takes it over where it is an
 * orphan, and holds its socket. Then each line of stdin is done over the same socket: "chain NAME" adds a chain,
 * "again" asks for the same table again, "flags WORD..." for other flags. Prints ok or the error of each.
 *
 * nft 1.0.6 knows neither owner nor persist, so what the kernel makes of them is tried by hand. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 0x2
#endif
#ifndef NFT_TABLE_F_PERSIST /* Linux 6.9 */
#define NFT_TABLE_F_PERSIST 0x4
#endif

static struct mnl_socket *kernel;
static char room[4096];

/* Sends what `fill` puts between the ends of a batch, and returns 0 or a negative errno. */
static int transact(uint16_t type, void (*fill)(struct nlmsghdr *message, const void *what), const void *what)
{
	static uint32_t sequence = 1;
	struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(room, sizeof room);
	nftnl_batch_begin(mnl_nlmsg_batch_current(batch), sequence++);
	mnl_nlmsg_batch_next(batch);
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch), type, NFPROTO_INET,
							 NLM_F_CREATE | NLM_F_ACK, sequence++);
	fill(message, what);
	mnl_nlmsg_batch_next(batch);
	nftnl_batch_end(mnl_nlmsg_batch_current(batch), sequence++);
	mnl_nlmsg_batch_next(batch);
	if (mnl_socket_sendto(kernel, mnl_nlmsg_batch_head(batch), mnl_nlmsg_batch_size(batch)) < 0)
		return -errno;
	mnl_nlmsg_batch_stop(batch);
	ssize_t got = mnl_socket_recvfrom(kernel, room, sizeof room);
	const struct nlmsghdr *answer = (const void *)room;
	if (got < 0 || !mnl_nlmsg_ok(answer, (int)got) || answer->nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return *(const int *)mnl_nlmsg_get_payload(answer);
}

static void fill_table(struct nlmsghdr *message, const void *what)
{
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, "ringfence");
	mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(*(const uint32_t *)what));
}

static void fill_chain(struct nlmsghdr *message, const void *what)
{
	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, "ringfence");
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, what);
}

static void say(int error)
{
	printf("%s\n", error == 0 ? "ok" : strerror(-error));
	fflush(stdout);
}

static uint32_t read_flags(const char *words)
{
	return (strstr(words, "owner") != NULL ? NFT_TABLE_F_OWNER : 0) |
	       (strstr(words, "persist") != NULL ? NFT_TABLE_F_PERSIST : 0) |
	       (strstr(words, "dormant") != NULL ? NFT_TABLE_F_DORMANT : 0);
}

int main(int count, char **words)
{
	char line[128], name[64];
	uint32_t flags = 0;
	for (int i = 1; i < count; i++)
		flags |= read_flags(words[i]);
	kernel = mnl_socket_open(NETLINK_NETFILTER);
	if (kernel == NULL || mnl_socket_bind(kernel, 0, MNL_SOCKET_AUTOPID) < 0)
		return EXIT_FAILURE;
	say(transact(NFT_MSG_NEWTABLE, fill_table, &flags));
	while (fgets(line, sizeof line, stdin) != NULL) {
		if (sscanf(line, "chain %63s", name) == 1)
			say(transact(NFT_MSG_NEWCHAIN, fill_chain, name));
		else if (strncmp(line, "flags", 5) == 0)
			flags = read_flags(line), say(transact(NFT_MSG_NEWTABLE, fill_table, &flags));
		else
			say(transact(NFT_MSG_NEWTABLE, fill_table, &flags));
	}
	return EXIT_SUCCESS;
}
