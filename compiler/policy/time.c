/* Times of `until`: an RFC 3339 time, or a date that is valid to its end in UTC; for commands also a duration. */
#include <ringfence/policy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Reads `digits` digits into `*value`, which must lie in [least, most], and moves `*at` behind them. */
static bool number(const char **at, int digits, int least, int most, int *value)
{
	*value = 0;
	for (int i = 0; i < digits; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		*value = *value * 10 + (**at - '0');
	}
	return *value >= least && *value <= most;
}

static bool mark(const char **at, const char *allowed)
{
	if (**at == 0 || strchr(allowed, **at) == NULL)
		return false;
	(*at)++;
	return true;
}

static int days_in(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

/* Reads Z, +HH:MM or -HH:MM as seconds east of UTC. */
static bool zone(const char **at, int *seconds)
{
	*seconds = 0;
	if (mark(at, "Zz"))
		return true;
	int sign = **at == '-' ? -1 : 1, hours, minutes;
	if (!mark(at, "+-") || !number(at, 2, 0, 23, &hours) || !mark(at, ":") || !number(at, 2, 0, 59, &minutes))
		return false;
	*seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

const char *time_parse(int64_t *seconds, const char *text)
{
	static const char expected[] = "expected a date such as 2027-03-31, or a time such as 2027-03-31T06:00:00Z";
	const char *at = text;
	int year, month, day, hour = 0, minute = 0, second = 0, east = 0;
	if (!number(&at, 4, 1970, 9999, &year) || !mark(&at, "-") || !number(&at, 2, 1, 12, &month) ||
	    !mark(&at, "-") || !number(&at, 2, 1, 31, &day))
		return expected;
	if (day > days_in(year, month))
		return "there is no such day";
	bool date = *at == 0;
	if (!date) {
		if (!mark(&at, "Tt ") || !number(&at, 2, 0, 23, &hour) || !mark(&at, ":") ||
		    !number(&at, 2, 0, 59, &minute) || !mark(&at, ":") || !number(&at, 2, 0, 60, &second))
			return expected;
		if (*at == '.') {
			size_t digits = strspn(++at, "0123456789");
			if (digits == 0)
				return expected;
			at += digits;
		}
		if (!zone(&at, &east) || *at != 0)
			return expected;
	}
	struct tm tm = {.tm_year = year - 1900,
			.tm_mon = month - 1,
			.tm_mday = day,
			.tm_hour = hour,
			.tm_min = minute,
			.tm_sec = second};
	*seconds = (int64_t)timegm(&tm) - east + (date ? 24 * 3600 : 0);
	return NULL;
}

const char *moment_parse(int64_t *seconds, const char *text, int64_t now)
{
	static const char units[] = "smhd";
	static const int64_t lengths[] = {1, 60, 3600, 24 * 3600};
	size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] != 0 ? strchr(units, text[digits]) : NULL;
	if (unit == NULL || digits == 0 || text[digits + 1] != 0) {
		const char *problem = time_parse(seconds, text);
		return problem == NULL || digits == 4 ? problem
						      : "expected 30m, 2h, 1d, a date such as 2027-03-31, or a time "
							"such as 2027-03-31T06:00:00Z";
	}
	if (digits > 6)
		return "that is too far off";
	*seconds = now + strtoll(text, NULL, 10) * lengths[unit - units];
	return NULL;
}

char *time_print(int64_t seconds, char *text)
{
	time_t moment = (time_t)seconds;
	struct tm tm;
	if (gmtime_r(&moment, &tm) == NULL || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(text, 32, "%lld", (long long)seconds);
	return text;
}
