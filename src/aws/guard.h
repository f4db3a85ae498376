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
 * A key that is to be replaced and is gone is written as a new one.  A HEAD
 * refused with 403 counts as nothing, as in a lookup (who may not list is
 * told so of a missing key), but never for a write without its condition.
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

/* Does each attempt of it begin with a HEAD? */
bool guard_looks(const struct errand *e);

/* After errand_read of an errand whose operation is guarded.  GUARD_OVER:
 * the errand's verdict and its op are as the caller is to see them. */
enum guard_next guard_judge(struct errand *e);

/* The same when GUARD_AGAIN was the answer and nothing is to be sent again. */
enum guard_next guard_give_up(struct errand *e);

#endif
