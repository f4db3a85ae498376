/*
 * pose - where the joints of a figure are.  Pure.
 *
 * Lengths are in units of which a grown figure is 200 tall, hat aside.
 * The floor is y = 0, up is negative, x = 0 is the middle.  Of a pair, 0
 * is at the viewer's left.
 */
#ifndef SKETCH_POSE_H
#define SKETCH_POSE_H

#include "sketch/brush.h"
#include "sketch/traits.h"

struct pose {
	struct point head; /* its middle */
	double head_rx, head_ry;
	double tilt; /* of the head, radians */
	double neck_y, shoulder_y, waist_y, hip_y;
	double shoulder_x, waist_x, hip_x; /* half widths */
	double limb;                       /* 1: arms and legs as they are */
	struct point shoulder[2], elbow[2], wrist[2];
	struct point hip[2], knee[2], ankle[2];
};

void pose_strike(struct pose *p, const struct traits *t);

/* -1 at the viewer's left, 1 at the right. */
double pose_side(int side);

#endif
