#include "app/doctor_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/doctor_cloud.h"
#include "codec/text.h"
#include "gen/gen_gemini.h"
#include "gen/gen_imagen.h"
#include "gen/models.h"

#define KEY_HEADER "x-goog-api-key: "

enum { REPLY_MAX = 256 << 10, URL_MAX = 4096, HEADER_MAX = 8192 };

static bool
is_socket(const struct patient *p)
{
	return conf_text(p->conf, CONF_IMAGE_SOCKET)[0] != '\0';
}

void
doctor_model_host(struct patient *p, struct finding *it)
{
	const struct probe_ask ask = {
		.origin = conf_text(p->conf, CONF_IMAGE_BASE_URL),
		.unix_socket = conf_text(p->conf, CONF_IMAGE_SOCKET),
		.deadline_ms = patient_until_ms(p),
		.stop_fd = p->stop_fd,
	};
	struct fault f = FAULT_INIT;

	if (probe_run(&p->model_host, &ask, &f) == -1)
		finding_say(it, FINDING_FAILED, "%s", f.text);
	else
		doctor_say_probe(it, &p->model_host, ask.origin,
		    is_socket(p) ? "IMAGE_SOCKET" : "IMAGE_BASE_URL");
}

/* --- asking --- */

bool
doctor_model_does(const struct json_value *model, const char *verb)
{
	const struct json_value *all =
	    json_member(model, "supportedGenerationMethods");
	size_t i;

	for (i = 0; i < json_count(all); i++)
		if (view_is(json_text(json_item(all, i)), verb))
			return true;
	return false;
}

static int
list_models(struct patient *p, struct fault *f)
{
	struct view list = view_str(conf_text(p->conf, CONF_IMAGE_MODELS));
	struct patient_model *m;
	struct view name;

	p->models = calloc(MODELS_MAX, sizeof *p->models);
	if (p->models == NULL)
		return fault_set(f, FAULT_MEMORY, "list the models");
	while (text_split(&list, ',', &name)) {
		name = text_trim(name);
		if (name.n == 0)
			continue;
		MUST(p->models_n < MODELS_MAX); /* the settings are good */
		m = &p->models[p->models_n++];
		(void)snprintf(
		    m->name, sizeof m->name, "%.*s", (int)name.n, name.p);
		m->verb = view_begins(name, gen_imagen.prefix)
			      ? gen_imagen.verb
			      : gen_gemini.verb;
	}
	return 0;
}

static void
read_reply(struct patient_model *m, const struct http_call *call)
{
	struct fault f = FAULT_INIT;
	struct json_doc *doc = NULL;
	const struct json_value *root = NULL;

	m->fault = call->fault;
	if (call->fault.kind != FAULT_NONE)
		return;
	if (json_open(&doc, buf_view(&call->reply), GEN_JSON_DEPTH_MAX, &f) ==
	    0)
		root = json_root(doc);
	if (call->status != 200)
		(void)gen_refusal(call->status, root, &m->fault);
	else if (root == NULL)
		(void)fault_set(
		    &m->fault, FAULT_REMOTE, "the reply is not JSON");
	else
		m->does_it = doctor_model_does(root, m->verb);
	json_close(&doc);
}

static int
ask_one(struct patient *p, struct patient_model *m, const char *header,
    int64_t until_ms, struct fault *f)
{
	struct http_call call = HTTP_CALL_INIT(REPLY_MAX);
	struct buf url = BUF_INIT(URL_MAX);
	int rc;

	buf_fmt(&url, "%s" MODELS_PATH "%s",
	    conf_text(p->conf, CONF_IMAGE_BASE_URL), m->name);
	rc = buf_done(&url, f);
	if (rc == 0) {
		call.method = HTTP_GET;
		call.url = buf_str(&url);
		call.headers[0] = header;
		rc = patient_fetch(p, conf_text(p->conf, CONF_IMAGE_SOCKET),
		    NULL, &call, until_ms, f);
	}
	if (rc == 0)
		read_reply(m, &call);
	buf_fini(&call.reply);
	buf_fini(&url);
	return rc;
}

static int
ask_all(struct patient *p, struct view key, struct fault *f)
{
	const int64_t until_ms = patient_until_ms(p);
	struct buf header = BUF_INIT(HEADER_MAX);
	size_t i;
	int rc;

	/* Room at once: what a buf grows out of is not wiped. */
	(void)buf_room(&header, sizeof KEY_HEADER + key.n);
	buf_clear(&header);
	buf_add(&header, VIEW(KEY_HEADER));
	buf_add(&header, key);
	rc = buf_done(&header, f);
	for (i = 0; i < p->models_n && rc == 0; i++)
		rc = ask_one(p, &p->models[i],
		    key.n > 0 ? buf_str(&header) : NULL, until_ms, f);
	secret_buf_fini(&header);
	return rc;
}

/* --- the key --- */

/* What was said of a key is said of all models: the first will do. */
static void
judge_key(struct finding *it, const struct patient_model *m, bool has_key)
{
	const enum fault_kind kind = m->fault.kind;

	if (kind == FAULT_NONE || kind == FAULT_ABSENT) {
		finding_say(it, FINDING_OK, "%s",
		    has_key ? "it is taken" : "none is set, none is asked for");
		return;
	}
	finding_say(it,
	    kind == FAULT_BUSY || kind == FAULT_SLOW ? FINDING_WARNING
						     : FINDING_FAILED,
	    "%s", m->fault.text);
	if (it->state == FINDING_WARNING)
		finding_advise(it, "the model host is busy: ask again later");
	else
		finding_advise(it, "%s",
		    m->fault.remedy != NULL
			? m->fault.remedy
			: "correct GEMINI_API_KEY (or GOOGLE_API_KEY), and see "
			  "that the Gemini API is enabled for it");
}

void
doctor_model_key(struct patient *p, struct finding *it)
{
	const char *url = conf_text(p->conf, CONF_IMAGE_BASE_URL);
	const struct view key =
	    text_trim(secret_reveal(conf_model_key(p->conf)));
	struct fault f = FAULT_INIT;

	if (key.n == 0 && !is_socket(p) && strncmp(url, "http://", 7) != 0) {
		finding_say(it, FINDING_WARNING,
		    "none is set: nothing can be generated");
		finding_advise(it, "set GEMINI_API_KEY");
		return;
	}
	if (p->model_host.stage != PROBE_DONE) {
		finding_say(it, FINDING_SKIPPED, "it needs: model host");
		return;
	}
	if (list_models(p, &f) == -1 || ask_all(p, key, &f) == -1) {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		return;
	}
	judge_key(it, &p->models[0], key.n > 0);
}

/* --- the models --- */

static bool
say_model(struct finding *it, const struct patient_model *m)
{
	if (m->fault.kind == FAULT_NONE && m->does_it) {
		finding_add(
		    it, FINDING_OK, "%s: there, with %s", m->name, m->verb);
		return true;
	}
	if (m->fault.kind == FAULT_NONE)
		finding_add(it, FINDING_WARNING, "%s: there, without %s",
		    m->name, m->verb);
	else
		finding_add(
		    it, FINDING_WARNING, "%s: %s", m->name, m->fault.text);
	return false;
}

void
doctor_models(struct patient *p, struct finding *it)
{
	size_t i, well = 0;

	if (p->models_n == 0) {
		finding_say(it, FINDING_SKIPPED, "no key is set");
		return;
	}
	for (i = 0; i < p->models_n; i++)
		well += say_model(it, &p->models[i]);
	if (well == p->models_n)
		return;
	if (well == 0)
		it->state = FINDING_FAILED;
	finding_advise(it,
	    "take what is gone out of IMAGE_MODELS%s; GET "
	    "IMAGE_BASE_URL" MODELS_PATH " with the key lists what there is",
	    well == 0 ? ", and name one that is there" : "");
}

void
doctor_model_end(struct patient *p)
{
	free(p->models);
	p->models = NULL;
	p->models_n = 0;
}
