/*
 * scrape - GET /metrics: how the whole host is, for Prometheus.
 *
 * Whichever worker answers, it is the same: what has been counted together
 * (base/metrics), and what the catalogue, the state file, the disk and the
 * locks of the living say now.  What cannot be measured is left out, and
 * logged.
 */
#ifndef APP_SCRAPE_H
#define APP_SCRAPE_H

#include "app/service.h"

service_handler scrape_answer;

#endif
