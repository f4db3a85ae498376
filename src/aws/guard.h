/*
 * guard - writes that replace only the version that the caller knows: what
 * comes after each attempt of a guarded PUT, COPY or COMPLETE.  Pure.
 *
 * A condition alone is not enough: some servers refuse it (501: Swift, AWS
 * in China for a COPY), some ignore it (Ceph 16 for COPY and COMPLETE), some
 * take no ETag for the right one.  So a HEAD of the key comes right before
 * every attempt of a COPY and COMPLETE, of a PUT that wants it
 * (looks_first), and of every write that goes without its condition because
 * S3 refuses that.  What a HEAD shows there decides: the version that is to
 * be replaced, or nothing, and the write follows on the same connection;
 * else the operation ends as CONFLICT, is_taken, found_ telling what is
 * there.  A write whose condition did not hold ends in the same way, after a
 * HEAD.  So a write of ours whose reply was lost is found again, by its
 * digest.
 *
 * What is left: on a server that does not keep the condition, what another
 * writer brings between the HEAD's reply and the write is replaced.  That
 * window is one round trip and the server's time to receive the body.
 *
 * A key that is to be replaced and is gone is written as a new one.  A write
 * leaves its condition out when S3 refuses conditions, or (412) says of one
 * that holds that it does not; never after a 409, which means another write
 * in progress.  A HEAD refused with 403 (a missing key looks so to those who
 * may not list) leaves the condition of a PUT as its guard; a COPY, a
 * COMPLETE and a write without its condition end with that refusal.
 */
#ifndef AWS_GUARD_H
#define AWS_GUARD_H

#include "aws/errand.h"

enum guard_next {
	GUARD_OVER,  /* the verdict stands                                */
	GUARD_AGAIN, /* as any request: by the verdict, see guard_first   */
	GUARD_LOOK,  /* a HEAD is next, at once                           */
	GUARD_WRITE  /* the write is next, at once                        */
};

/* Guards a write that is to replace the version of that ETag, which is lent;
 * NULL: there is to be none; "": a version whose ETag is not known, which is
 * what the first HEAD shows. */
void guard_version(struct s3_op *op, const char *etag);

/* Does each attempt of it begin with a HEAD? */
bool guard_looks(const struct errand *e);

/* After errand_read of an errand whose operation is guarded.  GUARD_OVER:
 * the errand's verdict and its op are as the caller is to see them. */
enum guard_next guard_judge(struct errand *e);

/* The same when GUARD_AGAIN was the answer and nothing is to be sent again. */
enum guard_next guard_give_up(struct errand *e);

#endif
