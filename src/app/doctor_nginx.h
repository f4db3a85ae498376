/*
 * doctor_nginx - may nginx's workers read the images, and connect to ours?
 */
#ifndef APP_DOCTOR_NGINX_H
#define APP_DOCTOR_NGINX_H

#include "app/patient.h"

patient_check doctor_nginx_reads, doctor_nginx_connects;

#endif
