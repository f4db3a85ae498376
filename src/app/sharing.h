/*
 * sharing - makes a folder of jobs one that service and pipeline share, and
 * with it all that is there already.
 *
 * The modes and ACLs are set through descriptors: no link is followed, so
 * root may do it in folders that other users write to.
 */
#ifndef APP_SHARING_H
#define APP_SHARING_H

#include "app/verbs.h"

/* The verb `jobs-folder`. */
verbs_function sharing_verb;

/*
 * Has an open folder a default ACL that lets its group write what anyone makes
 * in it?  SHARING_UNABLE: its file system has no ACLs.
 */
enum sharing_acl { SHARING_ACL, SHARING_NO_ACL, SHARING_UNABLE };
enum sharing_acl sharing_acl_of(int dir);

#endif
