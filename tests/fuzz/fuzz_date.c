#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "codec/text.h"

static const int64_t year_10000_s = 253402300800;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read, written as signatures write it and read again in the form
 * they do not write, is the same. */
static void
check_moment(int64_t unix_s)
{
	char basic[TEXT_BASIC_SIZE], iso[32];
	int64_t again = -1;

	MUST(unix_s >= 0 && unix_s < year_10000_s);
	text_basic_moment(basic, unix_s);
	MUST(strlen(basic) == TEXT_BASIC_SIZE - 1);
	(void)snprintf(iso, sizeof iso, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", basic,
	    basic + 4, basic + 6, basic + 9, basic + 11, basic + 13);
	MUST(text_moment_s(view_str(iso), &again) && again == unix_s);
}

/* Any number is written in the same form, and in the same order. */
static void
check_number(int64_t a, int64_t b)
{
	char first[TEXT_BASIC_SIZE], second[TEXT_BASIC_SIZE];

	text_basic_moment(first, a);
	text_basic_moment(second, b);
	MUST(first[8] == 'T' && first[15] == 'Z' && first[16] == '\0');
	MUST(a <= b ? strcmp(first, second) <= 0 : strcmp(first, second) >= 0);
	if (a >= 0 && a < year_10000_s)
		check_moment(a);
}

/* The dates of replies: of their headers, and of their documents. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view in = { (const char *)data, size };
	int64_t moment_s = -1, http_s = -1, ms = -1, numbers[2];
	const bool is_moment = text_moment_s(in, &moment_s);
	const bool is_http = text_http_date_s(in, &http_s);

	MUST(is_moment || moment_s == -1);
	MUST(is_http || http_s == -1);
	MUST(!is_moment || !is_http);
	if (is_moment)
		check_moment(moment_s);
	if (is_http) {
		check_moment(http_s);
		MUST(text_retry_after_ms(in, 0, &ms) && ms == http_s * 1000);
	}
	if (size >= sizeof numbers) {
		memcpy(numbers, data, sizeof numbers);
		check_number(numbers[0], numbers[1]);
	}
	return 0;
}
