/*
 * doctor_service - the checks of what runs: the workers behind their sockets,
 * and the uploader.
 */
#ifndef APP_DOCTOR_SERVICE_H
#define APP_DOCTOR_SERVICE_H

#include "app/patient.h"

patient_check doctor_workers, doctor_uploader;

/* Appends the records of a FastCGI request for GET /healthz, as a responder
 * gets it from nginx (FastCGI spec 3.3, 3.4, 5). */
void doctor_healthz_request(struct buf *out);

/* The HTTP status that the records of a reply begin with; 0: none yet. */
int doctor_healthz_status(struct view records);

#endif
