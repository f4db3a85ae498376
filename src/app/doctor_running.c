#include "app/doctor_running.h"

#include "app/running.h"

enum { LINE_MAX_SIZE = 512 };

static void
add_differences(const struct running_report *r, struct finding *it)
{
	/* Protected by the files alone, the service is open: no warning. */
	const enum finding_state state =
	    running_is_open(r) ? FINDING_FAILED : FINDING_WARNING;
	struct buf line = BUF_INIT(LINE_MAX_SIZE);
	int i;

	for (i = 0; i < CONF_COUNT; i++) {
		if (r->settings[i].change == RUNNING_SAME)
			continue;
		buf_clear(&line);
		running_describe(r, (enum conf_key)i, &line);
		finding_add(it, state, "%s", buf_str(&line));
	}
	buf_fini(&line);
}

static void
advise(const struct running_report *r, struct finding *it)
{
	struct fault why = FAULT_INIT;

	if (running_may_replace(r, &why) == 0) {
		finding_advise(it, RUNNING_HELP);
		return;
	}
	finding_advise(it, "%s", why.text);
	finding_advise(it,
	    "put it back; or, if that is meant, restart: systemctl restart "
	    "'charref-pool@*'");
}

void
doctor_running(struct patient *p, struct finding *it)
{
	struct running_report report;
	struct fault f = FAULT_INIT;

	if (running_compare(p->conf, NULL, &report, &f) == -1) {
		finding_say(it, FINDING_WARNING, "%s", f.text);
		finding_advise(
		    it, "run this as the service's user, or as root");
	} else if (report.processes == 0) {
		finding_say(it, FINDING_SKIPPED,
		    "no process runs that says with which settings");
	} else if (running_differences(&report) == 0) {
		finding_say(it, FINDING_OK,
		    "same as in the %zu running processes", report.processes);
	} else {
		add_differences(&report, it);
		advise(&report, it);
	}
}
