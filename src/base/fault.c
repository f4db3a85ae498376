#include "base/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
	const char *word;
	int http;
	bool shown;
};

#define FAULT(kind, word, http, shown) { word, http, shown },
static const struct row rows[] = {
	{ "none", 200, false },
#include "base/fault.tbl.h"
};
#undef FAULT

static const struct row *
row_of(enum fault_kind kind)
{
	MUST((size_t)kind < sizeof rows / sizeof rows[0]);
	return &rows[kind];
}

static void print(char *out, size_t room, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

static void
print(char *out, size_t room, const char *fmt, va_list ap)
{
	if (vsnprintf(out, room, fmt, ap) < 0)
		out[0] = '\0';
}

/* The first fault wins: false when one stands already. */
static bool
begin(struct fault *f, enum fault_kind kind)
{
	MUST(kind != FAULT_NONE);
	if (f->kind != FAULT_NONE)
		return false;
	f->kind = kind;
	return true;
}

int(fault_set)(struct fault *f, enum fault_kind kind, const char *fmt, ...)
{
	va_list ap;

	if (!begin(f, kind))
		return -1;
	va_start(ap, fmt);
	print(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
	return -1;
}

int(fault_sys)(struct fault *f, enum fault_kind kind, const char *fmt, ...)
{
	const int saved = errno;
	va_list ap;
	size_t n;

	if (!begin(f, kind))
		return -1;
	va_start(ap, fmt);
	print(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
	n = strlen(f->text);
	(void)snprintf(
	    f->text + n, sizeof f->text - n, ": %s", strerror(saved));
	return -1;
}

bool
fault_is_full(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

int(fault_disk)(struct fault *f, const char *doing, const char *name)
{
	if (fault_is_full(errno))
		return fault_sys(f, FAULT_FULL, "%s", doing);
	return fault_sys(f, FAULT_DISK, "%s %s", doing, name);
}

int(fault_in)(struct fault *f, enum fault_kind kind, const char *field,
    const char *fmt, ...)
{
	va_list ap;

	if (!begin(f, kind))
		return -1;
	f->field = field;
	va_start(ap, fmt);
	print(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
	return -1;
}

int(fault_while)(struct fault *f, const char *fmt, ...)
{
	char inner[sizeof f->text];
	va_list ap;
	size_t n;

	MUST(f->kind != FAULT_NONE);
	memcpy(inner, f->text, sizeof inner);
	va_start(ap, fmt);
	print(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
	n = strlen(f->text);
	(void)snprintf(f->text + n, sizeof f->text - n, ": %s", inner);
	return -1;
}

int(fault_details)(struct fault *f, const char *fmt, ...)
{
	va_list ap;

	MUST(f->kind != FAULT_NONE);
	if (f->details[0] != '\0')
		return -1;
	va_start(ap, fmt);
	print(f->details, sizeof f->details, fmt, ap);
	va_end(ap);
	return -1;
}

int(fault_remedy)(struct fault *f, const char *remedy)
{
	const size_t n = strlen(f->text);

	MUST(f->kind != FAULT_NONE);
	if (remedy == NULL || f->remedy != NULL)
		return -1;
	f->remedy = remedy;
	(void)snprintf(f->text + n, sizeof f->text - n, ": %s", remedy);
	return -1;
}

const char *
fault_word(enum fault_kind kind)
{
	return row_of(kind)->word;
}

int
fault_http(enum fault_kind kind)
{
	return row_of(kind)->http;
}

bool
fault_public(enum fault_kind kind)
{
	return row_of(kind)->shown;
}
