/*
 * doctor_catalogue - the checks of the catalogue: is it whole, do its rows
 * have their files, and is what waits on its way?
 */
#ifndef APP_DOCTOR_CATALOGUE_H
#define APP_DOCTOR_CATALOGUE_H

#include "app/patient.h"

/* The first opens it for the others. */
patient_check doctor_catalogue, doctor_rows, doctor_queue;

#endif
