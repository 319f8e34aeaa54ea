/* A dump of the objects of our table, or questions for single ones. nf_tables works inside of sendmsg and recvmsg, so
 * there is always something to read until the request has been answered; counters that are being added or deleted mean
 * another try. */
#include "enforcer/kernel/allow_counters.h"

#include "enforcer/kernel/socket.h"

#include <libnftnl/common.h>

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

enum { TRIES = 5 };

struct reading {
	struct kernel *kernel;
	void (*call)(void *context, const struct allow_counter *counter);
	void *context;
	uint64_t table;
	bool interrupted;
};

/* The value of an attribute of 8 bytes in network order; 0: it is none. */
static uint64_t number(const struct nlattr *attribute)
{
	return mnl_attr_get_payload_len(attribute) == sizeof(uint64_t) ? be64toh(mnl_attr_get_u64(attribute)) : 0;
}

static bool is_counter_name(const char *name)
{
	for (size_t i = 0; i < DENIAL_COUNTS; i++)
		if (strcmp(name, denial_counters[i]) == 0)
			return true;
	return strlen(name) == COUNTER_NAME_SIZE - 1 && name[0] == 'a' &&
	       strspn(name + 1, "0123456789abcdef") == COUNTER_NAME_SIZE - 2;
}

static void read_values(struct allow_counter *counter, const struct nlattr *data)
{
	const struct nlattr *attribute;
	mnl_attr_for_each_nested(attribute, data)
	{
		if (mnl_attr_get_type(attribute) == NFTA_COUNTER_PACKETS)
			counter->packets = number(attribute);
		else if (mnl_attr_get_type(attribute) == NFTA_COUNTER_BYTES)
			counter->bytes = number(attribute);
	}
}

static void take_object(void *context, const struct nlmsghdr *message)
{
	struct reading *reading = context;
	struct allow_counter counter = {.table = reading->table};
	const struct nlattr *attribute;
	uint32_t type = NFT_OBJECT_UNSPEC;
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
	{
		const char *text = mnl_attr_get_payload(attribute);
		size_t size = mnl_attr_get_payload_len(attribute);
		switch (mnl_attr_get_type(attribute)) {
		case NFTA_OBJ_NAME:
			if (strnlen(text, size) < size && is_counter_name(text))
				memcpy(counter.name, text, strlen(text));
			break;
		case NFTA_OBJ_TYPE:
			type = size == sizeof type ? ntohl(mnl_attr_get_u32(attribute)) : type;
			break;
		case NFTA_OBJ_DATA:
			read_values(&counter, attribute);
			break;
		case NFTA_OBJ_HANDLE:
			counter.handle = number(attribute);
			break;
		default:
			break;
		}
	}
	if (type == NFT_OBJECT_COUNTER && counter.name[0] != 0)
		reading->call(reading->context, &counter);
}

static void take_table(void *context, const struct nlmsghdr *message)
{
	struct reading *reading = context;
	const struct nlattr *attribute;
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) == NFTA_TABLE_HANDLE)
			reading->table = number(attribute);
	}
}

/* Sends a question, about the counter `name` where it is not NULL, and calls for each message of the answer. Returns 0
 * or a negative errno. */
static int ask(struct reading *reading, uint16_t type, uint16_t flags, const char *name,
	       void (*take)(void *reading, const struct nlmsghdr *message))
{
	_Alignas(struct nlmsghdr) char room[256];
	struct hearing hearing = {.sequence = reading->kernel->sequence++, .context = reading, .take = take};
	struct nlmsghdr *question = nftnl_nlmsg_build_hdr(room, type, NFPROTO_INET, flags, hearing.sequence);
	mnl_attr_put_strz(question, NFTA_OBJ_TABLE, RULESET_TABLE); /* 1 in a question for a table, too */
	if (name != NULL) {
		mnl_attr_put_strz(question, NFTA_OBJ_NAME, name);
		mnl_attr_put_u32(question, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	}
	struct iovec whole = {question, question->nlmsg_len};
	int error = kernel_send(reading->kernel, &whole, 1);
	if (error == 0)
		error = kernel_hear_all(reading->kernel, &hearing);
	reading->interrupted = reading->interrupted || hearing.changed;
	return error;
}

int allow_counters_read(struct kernel *kernel, void (*call)(void *context, const struct allow_counter *counter),
			void *context)
{
	for (int i = 0; i < TRIES; i++) {
		struct reading reading = {.kernel = kernel, .call = call, .context = context};
		int error = ask(&reading, NFT_MSG_GETTABLE, NLM_F_ACK, NULL, take_table);
		if (error == 0)
			error = ask(&reading, NFT_MSG_GETOBJ, NLM_F_DUMP, NULL, take_object);
		if (error == -ENOENT)
			return 0;
		if (error != 0 || !reading.interrupted)
			return error;
	}
	return -EAGAIN;
}

int denial_counters_read(struct kernel *kernel, void (*call)(void *context, const struct allow_counter *counter),
			 void *context)
{
	struct reading reading = {.kernel = kernel, .call = call, .context = context};
	int error = ask(&reading, NFT_MSG_GETTABLE, NLM_F_ACK, NULL, take_table);
	for (size_t i = 0; i < DENIAL_COUNTS && (error == 0 || error == -ENOENT); i++)
		error = ask(&reading, NFT_MSG_GETOBJ, NLM_F_ACK, denial_counters[i], take_object);
	return error != -ENOENT ? error : 0;
}
