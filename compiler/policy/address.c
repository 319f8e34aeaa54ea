/* Addresses and prefixes: text to bytes and back, and the few questions asked of them.
 *
 * One address has one form here: forms that name an IPv4 address inside IPv6 are refused, since a set of one family
 * would miss the other. */
#include <ringfence/address.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ::ffff:0:0/96 (mapped) and ::/96 but for :: and ::1 (compatible, deprecated), RFC 4291 2.5.5. */
static bool embeds_ipv4(const uint8_t *bytes)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, zero[12] = {0};
	if (memcmp(bytes, mapped, sizeof mapped) == 0)
		return true;
	return memcmp(bytes, zero, sizeof zero) == 0 && (bytes[12] | bytes[13] | bytes[14] | (bytes[15] > 1)) != 0;
}

const char *address_parse(struct address *address, const char *text)
{
	*address = (struct address){0};
	if (strchr(text, '%') != NULL)
		return "an address with a zone means something else on each machine";
	if (inet_pton(AF_INET, text, address->bytes) == 1) {
		address->family = 4;
		return NULL;
	}
	if (inet_pton(AF_INET6, text, address->bytes) != 1)
		return "not an IPv4 or IPv6 address";
	address->family = 6;
	return embeds_ipv4(address->bytes) ? "an IPv4 address inside IPv6; write it as IPv4" : NULL;
}

/* Clears the bits behind the first `length`, or sets them. */
static struct address fill(struct address address, unsigned length, bool ones)
{
	for (unsigned i = 0; i < address_size(address.family); i++) {
		unsigned kept = length >= 8 * (i + 1) ? 8 : length > 8 * i ? length - 8 * i : 0;
		uint8_t mask = (uint8_t)(0xff00 >> kept);
		address.bytes[i] = ones ? address.bytes[i] | (uint8_t)~mask : address.bytes[i] & mask;
	}
	return address;
}

const char *prefix_parse_masked(struct prefix *prefix, const char *text)
{
	char copy[ADDRESS_TEXT_SIZE];
	const char *slash = strchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
	if (length >= sizeof copy)
		return "not an IPv4 or IPv6 address";
	memcpy(copy, text, length);
	copy[length] = 0;
	const char *problem = address_parse(&prefix->address, copy);
	if (problem != NULL)
		return problem;
	unsigned bits = 8 * (unsigned)address_size(prefix->address.family), value = 0;
	prefix->length = (uint8_t)bits;
	if (slash == NULL)
		return NULL;
	const char *digits = slash + 1;
	if (strlen(digits) == 0 || strlen(digits) > 3 || strspn(digits, "0123456789") != strlen(digits) ||
	    (digits[0] == '0' && digits[1] != 0))
		return "the prefix length is not a number";
	value = (unsigned)strtoul(digits, NULL, 10);
	if (value > bits)
		return bits == 32 ? "an IPv4 prefix has at most 32 bits" : "an IPv6 prefix has at most 128 bits";
	prefix->length = (uint8_t)value;
	prefix->address = fill(prefix->address, value, false);
	return NULL;
}

const char *prefix_parse(struct prefix *prefix, const char *text)
{
	char address_text[ADDRESS_TEXT_SIZE] = "";
	struct address address;
	const char *problem = prefix_parse_masked(prefix, text);
	if (problem != NULL)
		return problem;
	size_t length = strcspn(text, "/"); /* parsed already, and so short enough */
	memcpy(address_text, text, length);
	address_parse(&address, address_text);
	return address_compare(&address, &prefix->address) != 0 ? "bits behind the prefix are set" : NULL;
}

int address_compare(const struct address *a, const struct address *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

bool address_is_loopback(const struct address *address)
{
	static const uint8_t six[16] = {[15] = 1};
	return address->family == 4 ? address->bytes[0] == 127 : memcmp(address->bytes, six, sizeof six) == 0;
}

bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
	size_t whole = prefix->length / 8;
	uint8_t mask = (uint8_t)(0xff00 >> prefix->length % 8);
	if (prefix->address.family != address->family || memcmp(prefix->address.bytes, address->bytes, whole) != 0)
		return false;
	return mask == 0 || ((prefix->address.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

struct address_range prefix_range(const struct prefix *prefix)
{
	return (struct address_range){prefix->address, fill(prefix->address, prefix->length, true)};
}

bool address_next(struct address *address)
{
	for (size_t i = address_size(address->family); i > 0; i--)
		if (++address->bytes[i - 1] != 0)
			return true;
	return false;
}

bool address_previous(struct address *address)
{
	for (size_t i = address_size(address->family); i > 0; i--)
		if (address->bytes[i - 1]-- != 0)
			return true;
	return false;
}

char *address_format(const struct address *address, char *text)
{
	text[0] = 0;
	inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->bytes, text, ADDRESS_TEXT_SIZE);
	return text;
}

char *prefix_format(const struct prefix *prefix, char *text)
{
	address_format(&prefix->address, text);
	size_t length = strlen(text);
	snprintf(text + length, ADDRESS_TEXT_SIZE - length, "/%u", prefix->length);
	return text;
}
