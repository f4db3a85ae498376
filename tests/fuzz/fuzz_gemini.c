/* The body of any reply to :generateContent, as a 200 and as a refusal. */
#include "gen/gen_gemini.h"

#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_reply(&gen_gemini, data, size);
	return 0;
}
