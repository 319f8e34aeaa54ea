/* Reads lists of elements attribute by attribute, without a table or an object for each: there may be a million. */
#include "enforcer/kernel/elements.h"

#include <libmnl/libmnl.h>

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <linux/netfilter/nfnetlink.h>

/* Attributes that stand side by side: of a message, or in a nest. */
struct attributes {
	const char *at, *end;
};

static struct attributes within(const struct nlattr *nest)
{
	const char *begin = mnl_attr_get_payload(nest);
	return (struct attributes){begin, begin + mnl_attr_get_payload_len(nest)};
}

/* Returns the next attribute, or NULL at the end: then `at` is `end` unless what is left is none. */
static const struct nlattr *next(struct attributes *attributes)
{
	const struct nlattr *attribute = (const void *)attributes->at;
	ptrdiff_t left = attributes->end - attributes->at;
	if (left < (ptrdiff_t)sizeof *attribute || attribute->nla_len < sizeof *attribute || attribute->nla_len > left)
		return NULL;
	attributes->at += MNL_ALIGN(attribute->nla_len) < left ? MNL_ALIGN(attribute->nla_len) : left;
	return attribute;
}

/* Returns the attribute of `type` in `nest`, or NULL. */
static const struct nlattr *find(const struct nlattr *nest, uint16_t type)
{
	struct attributes attributes = within(nest);
	const struct nlattr *attribute;
	while ((attribute = next(&attributes)) != NULL)
		if (mnl_attr_get_type(attribute) == type)
			break;
	return attribute;
}

static int read_key(uint8_t *key, size_t size, const struct nlattr *nest)
{
	const struct nlattr *value = find(nest, NFTA_DATA_VALUE);
	if (value == NULL || mnl_attr_get_payload_len(value) != size)
		return -EBADMSG;
	memcpy(key, mnl_attr_get_payload(value), size);
	return 0;
}

static const char *read_goto(const struct nlattr *nest)
{
	const struct nlattr *verdict = find(nest, NFTA_DATA_VERDICT);
	const struct nlattr *code = verdict != NULL ? find(verdict, NFTA_VERDICT_CODE) : NULL;
	const struct nlattr *chain = verdict != NULL ? find(verdict, NFTA_VERDICT_CHAIN) : NULL;
	if (chain == NULL || code == NULL || mnl_attr_get_payload_len(code) != sizeof(uint32_t) ||
	    (int)ntohl(mnl_attr_get_u32(code)) != NFT_GOTO)
		return "";
	size_t size = mnl_attr_get_payload_len(chain);
	return strnlen(mnl_attr_get_str(chain), size) < size ? mnl_attr_get_str(chain) : "";
}

static const char *read_counter(const struct nlattr *name)
{
	size_t size = mnl_attr_get_payload_len(name);
	return strnlen(mnl_attr_get_str(name), size) < size ? mnl_attr_get_str(name) : "";
}

static int read_attribute(struct told *told, size_t key_bytes, int64_t at, const struct nlattr *attribute)
{
	struct element *element = &told->element;
	uint16_t size = mnl_attr_get_payload_len(attribute);
	uint32_t flags;
	switch (mnl_attr_get_type(attribute)) {
	case NFTA_SET_ELEM_KEY:
		told->catch_all = false;
		return read_key(element->key, key_bytes, attribute);
	case NFTA_SET_ELEM_KEY_END:
		return read_key(element->end, key_bytes, attribute);
	case NFTA_SET_ELEM_DATA:
		element->chain = read_goto(attribute);
		return 0;
	case NFTA_SET_ELEM_OBJREF:
		element->chain = read_counter(attribute);
		return 0;
	case NFTA_SET_ELEM_EXPIRATION:
		if (size != sizeof(uint64_t))
			return -EBADMSG;
		element->expires = at + (int64_t)((be64toh(mnl_attr_get_u64(attribute)) + 999) / 1000);
		return 0;
	case NFTA_SET_ELEM_FLAGS:
		if (size != sizeof flags)
			return -EBADMSG;
		flags = ntohl(mnl_attr_get_u32(attribute));
		told->end = (flags & NFT_SET_ELEM_INTERVAL_END) != 0;
		return 0;
	default: /* comments: nothing of ours */
		return 0;
	}
}

static int read_element(struct told *told, size_t key_bytes, int64_t at, const struct nlattr *item)
{
	struct attributes attributes = within(item);
	const struct nlattr *attribute;
	bool ranged = false;
	*told = (struct told){.catch_all = true};
	while ((attribute = next(&attributes)) != NULL) {
		int error = read_attribute(told, key_bytes, at, attribute);
		if (error != 0)
			return error;
		ranged = ranged || mnl_attr_get_type(attribute) == NFTA_SET_ELEM_KEY_END;
	}
	if (!ranged)
		memcpy(told->element.end, told->element.key, sizeof told->element.end);
	return attributes.at == attributes.end ? 0 : -EBADMSG;
}

int elements_read(const struct nlmsghdr *message, const struct set *set, int64_t at,
		  int (*call)(void *context, const struct told *told), void *context)
{
	const char *payload = mnl_nlmsg_get_payload(message);
	struct attributes attributes = {payload + MNL_ALIGN(sizeof(struct nfgenmsg)),
					(const char *)message + message->nlmsg_len};
	const struct nlattr *attribute, *item;
	size_t key_bytes = key_size(set->key);
	struct told told;
	while ((attribute = next(&attributes)) != NULL) {
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		struct attributes items = within(attribute);
		while ((item = next(&items)) != NULL) {
			int error = read_element(&told, key_bytes, at, item);
			if (error == 0)
				error = call(context, &told);
			if (error != 0)
				return error;
		}
		if (items.at != items.end)
			return -EBADMSG;
	}
	return attributes.at == attributes.end ? 0 : -EBADMSG;
}
