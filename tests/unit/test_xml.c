#include "codec/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LOG_MAX = 4096 };

/* What was handed over, one "path=text" a line; stops after `left`. */
struct log {
	struct buf text;
	int left;
};

static int
note(void *arg, const char *path, struct view text, struct fault *f)
{
	struct log *l = arg;

	buf_fmt(&l->text, "%s=", path);
	buf_add(&l->text, text);
	buf_add(&l->text, VIEW("\n"));
	if (--l->left == 0)
		return fault_set(f, FAULT_REMOTE, "enough of %s", path);
	return 0;
}

static void
assert_read(struct view document, const char *want)
{
	struct log l = { .text = BUF_INIT(LOG_MAX), .left = -1 };
	struct fault f = FAULT_INIT;

	if (xml_read(document, note, &l, &f) == -1)
		fail_msg("%s", f.text);
	assert_int_equal(f.kind, FAULT_NONE);
	assert_string_equal(buf_str(&l.text), want);
	buf_fini(&l.text);
}

/* Refused after `handed` elements, with these words in the fault. */
static void
refuse(struct view document, int handed, const char *words)
{
	struct log l = { .text = BUF_INIT(1 << 20), .left = -1 };
	struct fault f = FAULT_INIT;

	if (xml_read(document, note, &l, &f) == 0)
		fail_msg("took it, though: %s", words);
	assert_int_equal(f.kind, FAULT_INPUT);
	if (!view_has(view_str(f.text), words))
		fail_msg("\"%s\" has no \"%s\"", f.text, words);
	assert_int_equal(-1 - l.left, handed);
	buf_fini(&l.text);
}

static void
hands_over_each_element_when_it_ends(void **state)
{
	(void)state;
	assert_read(VIEW("<a><b>1</b><c><d>2</d><d/></c></a>"), "a/b=1\n"
								"a/c/d=2\n"
								"a/c/d=\n"
								"a/c=\n"
								"a=\n");
	assert_read(VIEW("<a/>"), "a=\n");
	assert_read(VIEW("<a> </a >\n"), "a= \n");
}

static void
reads_a_listing_as_s3_writes_it(void **state)
{
	(void)state;
	assert_read(
	    VIEW("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		 "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/"
		 "2006-03-01/\"><Name>pictures</Name><Prefix></Prefix>"
		 "<IsTruncated>false</IsTruncated><Contents>"
		 "<Key>a &amp; b/&#x20AC;.png</Key><ETag>&quot;9b2c&quot;"
		 "</ETag><Size>42</Size></Contents></ListBucketResult>"),
	    "ListBucketResult/Name=pictures\n"
	    "ListBucketResult/Prefix=\n"
	    "ListBucketResult/IsTruncated=false\n"
	    "ListBucketResult/Contents/Key=a & b/\xe2\x82\xac.png\n"
	    "ListBucketResult/Contents/ETag=\"9b2c\"\n"
	    "ListBucketResult/Contents/Size=42\n"
	    "ListBucketResult/Contents=\n"
	    "ListBucketResult=\n");
}

static void
accepts_what_keeps_a_connection_alive_before_a_document(void **state)
{
	(void)state;
	assert_read(VIEW(" \n\r\n\t<?xml version=\"1.0\"?><a>1</a>"), "a=1\n");
	assert_read(VIEW("\xef\xbb\xbf<?xml version=\"1.0\"?><a/>"), "a=\n");
	assert_read(
	    VIEW("\n\xef\xbb\xbf \n<?xml version=\"1.0\"?>\n<a/>\n\n"), "a=\n");
	refuse(VIEW("x<?xml version=\"1.0\"?><a/>"), 0, "not well-formed");
	refuse(VIEW(" \n "), 0, "no element found");
	refuse(VIEW("\xef\xbb"), 0, "not our XML");
}

static void
any_number_of_blanks_and_marks_is_read_without_recursion(void **state)
{
	struct buf b = BUF_INIT(XML_DOCUMENT_MAX);
	char *room = buf_room(&b, 3000000);
	size_t i;

	(void)state;
	assert_non_null(room);
	for (i = 0; i < 3000000; i++)
		room[i] = "\xef\xbb\xbf"[i % 3];
	refuse(buf_view(&b), 0, "not our XML");
	memset(room, '\n', 3000000);
	buf_add(&b, VIEW("<a/>"));
	assert_read(buf_view(&b), "a=\n");
	buf_fini(&b);
}

static void
takes_names_without_their_prefixes(void **state)
{
	(void)state;
	assert_read(VIEW("<x:a xmlns:x='urn:x' xmlns='urn:y'>"
			 "<b x:c='d'>1</b><x:b>2</x:b></x:a>"),
	    "a/b=1\na/b=2\na=\n");
	assert_read(VIEW("<x:y:a/>"), "a=\n");
	assert_read(VIEW("<:a/>"), "a=\n");
	refuse(VIEW("<a:/>"), 0, "without a local name");
	refuse(VIEW("<x:a></y:a>"), 0, "mismatched tag");
}

static void
text_is_what_stands_directly_inside(void **state)
{
	(void)state;
	assert_read(VIEW("<a>one<b>two</b>three<b/> </a>"),
	    "a/b=two\na/b=\na=onethree\n");
	assert_read(
	    VIEW("<a>1<!-- no -->2<?no?>3<![CDATA[<4>]]></a>"), "a=123<4>\n");
	assert_read(VIEW("<a>&lt;&gt;&amp;&apos;&quot;&#9;&#x10FFFF;</a>"),
	    "a=<>&'\"\t\xf4\x8f\xbf\xbf\n");
	assert_read(VIEW("<a>1\r\n2\r3</a>"), "a=1\n2\n3\n");
}

static void
white_space_between_tags_is_layout_and_inside_a_leaf_is_text(void **state)
{
	(void)state;
	assert_read(VIEW("<a>\n  <b> </b>\n  <b>\t1 </b>\r\n</a>"),
	    "a/b= \na/b=\t1 \na=\n");
	assert_read(VIEW("<a> x <b/> <b/> y <b/> </a>"),
	    "a/b=\na/b=\na/b=\na= x  y \n");
	/* Each element counts its own. */
	assert_read(VIEW("<a><b>xyz<c/></b><b>  <c/>\n</b><b> </b></a>"),
	    "a/b/c=\na/b=xyz\na/b/c=\na/b=\na/b= \na=\n");
}

/* More layout than any element may have text. */
static void
layout_of_a_long_listing_is_under_no_limit(void **state)
{
	struct buf b = BUF_INIT(XML_DOCUMENT_MAX);
	struct log l = { .text = BUF_INIT(1 << 20), .left = -1 };
	struct fault f = FAULT_INIT;
	int i;

	(void)state;
	buf_add(&b, VIEW("<a>"));
	for (i = 0; i < 2 * XML_TEXT_MAX; i++)
		buf_add(&b, VIEW("\n  <b/>"));
	buf_add(&b, VIEW("\n</a>"));
	assert_int_equal(xml_read(buf_view(&b), note, &l, &f), 0);
	assert_int_equal(-1 - l.left, 2 * XML_TEXT_MAX + 1);
	buf_fini(&b);
	buf_fini(&l.text);
}

static void
refuses_a_document_type_and_with_it_all_entities(void **state)
{
	(void)state;
	refuse(VIEW("<!DOCTYPE a><a/>"), 0, "a document type");
	refuse(VIEW("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"), 0,
	    "a document type");
	refuse(VIEW("<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
		    "<a>&e;</a>"),
	    0, "a document type");
	refuse(VIEW("<!DOCTYPE a [<!ENTITY x 'ha'><!ENTITY y '&x;&x;&x;'>]>"
		    "<a>&y;</a>"),
	    0, "a document type");
	refuse(VIEW("<a><b/>&e;</a>"), 1, "undefined entity");
	refuse(VIEW("<a b='&e;'/>"), 0, "undefined entity");
}

static void
refuses_what_is_not_whole_or_not_well_formed(void **state)
{
	(void)state;
	refuse(VIEW(""), 0, "no element found");
	refuse((struct view){ NULL, 0 }, 0, "no element found");
	refuse(VIEW("<a>"), 0, "no element found");
	refuse(VIEW("<a><b>1</b>"), 1, "no element found");
	refuse(VIEW("<a><b>1</b"), 0, "unclosed token");
	refuse(VIEW("<a><b>1</a></b>"), 0, "mismatched tag");
	refuse(VIEW("<a/><b/>"), 1, "junk after document element");
	refuse(VIEW("<a/>x"), 1, "junk after document element");
	refuse(VIEW("<a b='1' b='2'/>"), 0, "duplicate attribute");
	refuse(VIEW("<a b=1/>"), 0, "not well-formed");
	refuse(VIEW("<a>&</a>"), 0, "not well-formed");
	refuse(VIEW("<a><![CDATA[x</a>"), 0, "unclosed CDATA section");
	refuse(VIEW("{\"a\": 1}"), 0, "line 1, column 1: ");
	refuse(VIEW("<a>\n\n <b></c></a>"), 0, "line 3, column 7: ");
	refuse(VIEW("<a/>\n<?xml version=\"1.0\"?>"), 1, "line 2, column 1: ");
}

static void
every_prefix_of_a_document_is_refused(void **state)
{
	static const char whole[] = "<?xml version='1.0'?><a x='&lt;'>"
				    "<b>1&amp;</b><![CDATA[2]]><!--3--></a>";
	struct log l;
	struct fault f;
	size_t n;

	(void)state;
	for (n = 0; n < sizeof whole; n++) {
		char *copy = malloc(n + 1); /* what is beyond is not ours */
		int rc;

		memcpy(copy, whole, n);
		l = (struct log){ .text = BUF_INIT(LOG_MAX), .left = -1 };
		f = FAULT_INIT;
		rc = xml_read((struct view){ copy, n }, note, &l, &f);
		assert_int_equal(rc, n == sizeof whole - 1 ? 0 : -1);
		assert_int_equal(f.kind, rc == 0 ? FAULT_NONE : FAULT_INPUT);
		buf_fini(&l.text);
		free(copy);
	}
}

static void
refuses_nul_and_what_is_no_utf8(void **state)
{
	(void)state;
	refuse(VIEW("\0"), 0, "a NUL byte");
	refuse(VIEW("\0<a/>"), 0, "a NUL byte");
	refuse(VIEW("<a>1\0</a>"), 0, "a NUL byte");
	refuse(VIEW("<a\0/>"), 0, "a NUL byte");
	refuse(VIEW("<a b='\0'/>"), 0, "a NUL byte");
	refuse(VIEW("<a/>\0"), 0, "a NUL byte");
	refuse(VIEW("<a>&#0;</a>"), 0, "invalid character number");
	refuse(VIEW("<a>&#xD800;</a>"), 0, "invalid character number");
	refuse(VIEW("<a>&#x110000;</a>"), 0, "invalid character number");
	refuse(VIEW("<a>\x01</a>"), 0, "not well-formed");
	refuse(VIEW("<a>\x80</a>"), 0, "not well-formed");
	refuse(VIEW("<a>\xff</a>"), 0, "not well-formed");
	refuse(VIEW("<a>\xc0\xaf</a>"), 0, "not well-formed");
	refuse(VIEW("<a>\xed\xa0\x80</a>"), 0, "not well-formed");
	refuse(VIEW("<a>\xf4\x90\x80\x80</a>"), 0, "not well-formed");
	refuse(VIEW("<a>\xe2\x82</a>"), 0, "not well-formed");
	refuse(VIEW("<a>\xe2\x82"), 0, "not our XML");
	refuse(VIEW("<\xc3(/>"), 0, "not well-formed");
}

static void
reads_utf8_whatever_the_declaration_says(void **state)
{
	(void)state;
	assert_read(
	    VIEW("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xc3\xa9</a>"),
	    "a=\xc3\xa9\n");
	refuse(VIEW("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>"),
	    0, "not well-formed");
	refuse(VIEW("\xff\xfe<\0a\0/\0>\0"), 0, "a NUL byte");
	refuse(VIEW("\xfe\xff\0<\0a\0/\0>"), 0, "a NUL byte");
}

/* "<a>" so often, `inside`, and all the ends. */
static void
nest(struct buf *b, int levels, struct view inside)
{
	int i;

	buf_clear(b);
	for (i = 0; i < levels; i++)
		buf_add(b, VIEW("<a>"));
	buf_add(b, inside);
	for (i = 0; i < levels; i++)
		buf_add(b, VIEW("</a>"));
	assert_false(b->spoilt);
}

static void
counts_levels_up_to_the_limit_and_not_past_it(void **state)
{
	struct buf b = BUF_INIT(1 << 20);
	struct log l = { .text = BUF_INIT(LOG_MAX), .left = -1 };
	struct fault f = FAULT_INIT;

	(void)state;
	nest(&b, XML_DEPTH_MAX, VIEW("1"));
	assert_int_equal(xml_read(buf_view(&b), note, &l, &f), 0);
	assert_true(
	    view_begins(buf_view(&l.text), "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a=1\n"
					   "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a=\n"));
	nest(&b, XML_DEPTH_MAX, VIEW("<b/><b/>"));
	refuse(buf_view(&b), 0, "nested too deep");
	nest(&b, XML_DEPTH_MAX, VIEW("<b>1</b>"));
	refuse(buf_view(&b), 0, "nested too deep");
	nest(&b, 100000, VIEW(""));
	refuse(buf_view(&b), 0, "line 1, column 49: nested too deep");
	buf_fini(&b);
	buf_fini(&l.text);
}

static void
takes_a_path_up_to_the_limit_and_not_past_it(void **state)
{
	char name[XML_PATH_MAX + 1];
	struct buf b = BUF_INIT(LOG_MAX), want = BUF_INIT(LOG_MAX);

	(void)state;
	memset(name, 'n', sizeof name);
	name[XML_PATH_MAX] = '\0';
	buf_fmt(&b, "<r><%s>1</%s></r>", name + 2, name + 2);
	buf_fmt(&want, "r/%s=1\nr=\n", name + 2);
	assert_read(buf_view(&b), buf_str(&want));
	buf_clear(&b);
	buf_fmt(&b, "<r><x/><%s/></r>", name + 1);
	refuse(buf_view(&b), 1, "path of names is too long");
	/* A prefix is no part of the path. */
	buf_clear(&b);
	buf_fmt(&b, "<r><%s:x/></r>", name);
	assert_read(buf_view(&b), "r/x=\nr=\n");
	/* All of it in the name of the root. */
	buf_clear(&b);
	buf_clear(&want);
	buf_fmt(&b, "<%s/>", name);
	buf_fmt(&want, "%s=\n", name);
	assert_read(buf_view(&b), buf_str(&want));
	buf_clear(&b);
	buf_fmt(&b, "<%sn/>", name);
	refuse(buf_view(&b), 0, "path of names is too long");
	buf_fini(&b);
	buf_fini(&want);
}

/* One element with n bytes of text that come to us in many pieces. */
static void
long_text(struct buf *b, int n)
{
	int i;

	buf_clear(b);
	buf_add(b, VIEW("<a>"));
	for (i = 0; i < n; i++)
		buf_add(b, i % 2 == 0 ? VIEW("x") : VIEW("&lt;"));
	buf_add(b, VIEW("</a>"));
	assert_false(b->spoilt);
}

static void
takes_text_up_to_the_limit_and_not_past_it(void **state)
{
	struct buf b = BUF_INIT(XML_DOCUMENT_MAX);
	struct log l = { .text = BUF_INIT(2 * XML_TEXT_MAX), .left = -1 };
	struct fault f = FAULT_INIT;

	(void)state;
	long_text(&b, XML_TEXT_MAX);
	assert_int_equal(xml_read(buf_view(&b), note, &l, &f), 0);
	assert_int_equal(l.text.len, strlen("a=\n") + XML_TEXT_MAX);
	long_text(&b, XML_TEXT_MAX + 1);
	refuse(buf_view(&b), 0, "text of an element is too long");
	buf_fini(&b);
	buf_fini(&l.text);
}

static void
takes_a_document_up_to_the_limit_and_not_past_it(void **state)
{
	struct buf b = BUF_INIT(XML_DOCUMENT_MAX + 1);
	char *room = buf_room(&b, XML_DOCUMENT_MAX);

	(void)state;
	assert_non_null(room);
	memset(room, ' ', XML_DOCUMENT_MAX);
	memcpy(room, "<a/>", 4);
	assert_read(buf_view(&b), "a=\n");
	buf_add(&b, VIEW(" "));
	refuse(buf_view(&b), 0, "4194305 bytes of XML, at most 4194304");
	buf_fini(&b);
}

static void
stops_when_it_is_told_to(void **state)
{
	struct log l = { .text = BUF_INIT(LOG_MAX), .left = 2 };
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(
	    xml_read(VIEW("<a><b/><c/><d/><e></a>"), note, &l, &f), -1);
	assert_int_equal(f.kind, FAULT_REMOTE);
	assert_string_equal(f.text, "enough of a/c");
	assert_string_equal(buf_str(&l.text), "a/b=\na/c=\n");
	buf_fini(&l.text);
}

#ifndef __SANITIZE_ADDRESS__ /* its malloc would end the process */
/* In a process whose addresses are used up: 0 when it said so. */
static int
read_without_memory(struct view document)
{
	struct log l = { .text = BUF_INIT(1 << 20), .left = -1 };
	const struct rlimit none = { 0, 0 };
	struct fault f = FAULT_INIT;

	if (setrlimit(RLIMIT_AS, &none) == -1)
		return 2;
	return xml_read(document, note, &l, &f) == -1 && f.kind == FAULT_MEMORY
		   ? 0
		   : 1;
}

static void
tells_of_memory_that_is_not_there(void **state)
{
	struct buf b = BUF_INIT(XML_DOCUMENT_MAX);
	int status, i;
	pid_t child;

	(void)state;
	buf_add(&b, VIEW("<a>"));
	for (i = 0; i < 200000; i++)
		buf_fmt(&b, "<b%x/>", (unsigned)i); /* each name is kept */
	buf_add(&b, VIEW("</a>"));
	assert_false(b.spoilt);
	child = fork();
	if (child == 0)
		_exit(read_without_memory(buf_view(&b)));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	buf_fini(&b);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hands_over_each_element_when_it_ends),
		cmocka_unit_test(reads_a_listing_as_s3_writes_it),
		cmocka_unit_test(
		    accepts_what_keeps_a_connection_alive_before_a_document),
		cmocka_unit_test(
		    any_number_of_blanks_and_marks_is_read_without_recursion),
		cmocka_unit_test(takes_names_without_their_prefixes),
		cmocka_unit_test(text_is_what_stands_directly_inside),
		cmocka_unit_test(
		    white_space_between_tags_is_layout_and_inside_a_leaf_is_text),
		cmocka_unit_test(layout_of_a_long_listing_is_under_no_limit),
		cmocka_unit_test(
		    refuses_a_document_type_and_with_it_all_entities),
		cmocka_unit_test(refuses_what_is_not_whole_or_not_well_formed),
		cmocka_unit_test(every_prefix_of_a_document_is_refused),
		cmocka_unit_test(refuses_nul_and_what_is_no_utf8),
		cmocka_unit_test(reads_utf8_whatever_the_declaration_says),
		cmocka_unit_test(counts_levels_up_to_the_limit_and_not_past_it),
		cmocka_unit_test(takes_a_path_up_to_the_limit_and_not_past_it),
		cmocka_unit_test(takes_text_up_to_the_limit_and_not_past_it),
		cmocka_unit_test(
		    takes_a_document_up_to_the_limit_and_not_past_it),
		cmocka_unit_test(stops_when_it_is_told_to),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(tells_of_memory_that_is_not_there),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
