/*
 * palette - colours as light, and how they go together.  Pure.
 */
#ifndef SKETCH_PALETTE_H
#define SKETCH_PALETTE_H

struct colour {
	double r, g, b; /* 0 to 1 */
};

struct colour colour_hex(int rgb); /* 0xRRGGBB */

/* part is how much of b: 0 gives a, 1 gives b. */
struct colour colour_mix(struct colour a, struct colour b, double part);

/* The same surface turned from the light (cooler), and towards it. */
struct colour colour_shade(struct colour c);
struct colour colour_light(struct colour c);

/* How bright the eye finds it, 0 to 1 (ITU-R BT.709 weights). */
double colour_brightness(struct colour c);

/* The hue turned by so many degrees, at the same brightness or nearly. */
struct colour colour_turn(struct colour c, double degrees);

/* A cloth colour and one that suits it; any n. */
struct colour palette_main(unsigned int n);
struct colour palette_accent(unsigned int n);
struct colour palette_skin(unsigned int n);
struct colour palette_hair(unsigned int n);
struct colour palette_fur(unsigned int n);
struct colour palette_iris(unsigned int n);
struct colour palette_wall(unsigned int n); /* of the room behind */

#endif
