/*
 * doctor_jobs - the check of JOBS_DIR as a folder that service and pipeline
 * share: tried as each of them when root asks, else judged by the modes.
 */
#ifndef APP_DOCTOR_JOBS_H
#define APP_DOCTOR_JOBS_H

#include "app/patient.h"

patient_check doctor_shared_jobs;

#endif
