/*
 * operations - whole jobs over HTTP: asked for here, worked through by the
 * uploader, looked at here again.
 */
#ifndef APP_OPERATIONS_H
#define APP_OPERATIONS_H

#include "app/service.h"

#define OPERATIONS_PATH "/api/mv/operations/"

service_handler operations_persist, operations_download, operations_get;

#endif
