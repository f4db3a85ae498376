/*
 * doctor_running - the check whether what runs was started with the settings
 * that the doctor was given.
 */
#ifndef APP_DOCTOR_RUNNING_H
#define APP_DOCTOR_RUNNING_H

#include "app/patient.h"

patient_check doctor_running;

#endif
