/* How the ten digits are written: ways of writing, each with its share and its strokes. A joint
 * holds how the pen passes it, then x, y in pose a and x, y in pose b. */
#include "digits_parts.h"

enum { PUT = KD_DIGITS_PUT, BEND = KD_DIGITS_BEND, TURN = KD_DIGITS_TURN };

/* clang-format off */
const struct kd_digits_skeleton kd_digits_skeletons[] = {
    /* 0: narrow to wide, closed at the top */
    {0, 4, {{PUT, 40, 3, 42, 3}, {BEND, 20, 15, 14, 13}, {BEND, 13, 50, 2, 50},
            {BEND, 20, 86, 16, 88}, {BEND, 38, 98, 38, 98}, {BEND, 54, 84, 64, 84},
            {BEND, 58, 50, 74, 48}, {BEND, 52, 15, 62, 14}, {BEND, 38, 3, 38, 3},
            {BEND, 31, 6, 26, 4}}},
    /* 0: ends that miss each other or cross */
    {0, 2, {{PUT, 50, 12, 40, 14}, {BEND, 34, 3, 24, 8}, {BEND, 12, 26, 8, 32},
            {BEND, 8, 62, 10, 68}, {BEND, 28, 97, 32, 97}, {BEND, 56, 84, 60, 82},
            {BEND, 65, 48, 64, 42}, {BEND, 56, 16, 50, 10}, {BEND, 40, 6, 28, 1},
            {BEND, 34, 12, 12, 6}}},
    /* 0: begun high, the end swung in; in pose b almost a 6 */
    {0, 1, {{PUT, 52, 2, 54, 0}, {BEND, 28, 12, 30, 14}, {BEND, 9, 50, 10, 52},
            {BEND, 16, 86, 16, 88}, {BEND, 40, 98, 38, 98}, {BEND, 62, 76, 60, 78},
            {BEND, 66, 40, 62, 46}, {BEND, 52, 12, 46, 24}, {BEND, 36, 10, 22, 32}}},
    /* 1: one stroke */
    {1, 4, {{PUT, 36, 0, 40, 0}, {BEND, 35, 50, 33, 50}, {BEND, 35, 100, 32, 100}}},
    /* 1: with a serif, long in pose b */
    {1, 3, {{PUT, 26, 20, 14, 34}, {BEND, 32, 12, 28, 20}, {TURN, 38, 1, 40, 2},
            {BEND, 37, 50, 39, 50}, {BEND, 36, 100, 36, 100}}},
    /* 1: with serif and foot */
    {1, 2, {{PUT, 20, 18, 12, 24}, {TURN, 36, 1, 38, 1}, {BEND, 36, 50, 37, 50},
            {BEND, 36, 99, 36, 97}, {PUT, 18, 99, 8, 98}, {BEND, 36, 99, 36, 98},
            {BEND, 56, 98, 66, 97}}},
    /* 1: drawn from below, hooked like a flag */
    {1, 1, {{PUT, 18, 34, 22, 22}, {BEND, 30, 18, 32, 9}, {BEND, 40, 1, 39, 2},
            {TURN, 41, 3, 40, 3}, {BEND, 39, 50, 37, 50}, {BEND, 40, 92, 36, 90},
            {BEND, 46, 99, 44, 98}}},
    /* 2: corner at the foot */
    {2, 4, {{PUT, 8, 24, 16, 16}, {BEND, 18, 7, 24, 5}, {BEND, 40, 1, 42, 1},
            {BEND, 60, 14, 58, 14}, {BEND, 58, 36, 56, 34}, {BEND, 38, 64, 36, 62},
            {TURN, 6, 97, 10, 96}, {BEND, 36, 96, 34, 98}, {BEND, 70, 96, 64, 98}}},
    /* 2: loop at the foot, flat in pose a */
    {2, 3, {{PUT, 10, 22, 14, 14}, {BEND, 24, 4, 28, 3}, {BEND, 50, 6, 52, 6},
            {BEND, 60, 26, 62, 26}, {BEND, 46, 56, 48, 54}, {BEND, 22, 88, 26, 84},
            {BEND, 6, 94, 10, 97}, {BEND, 5, 84, 2, 84}, {BEND, 22, 82, 20, 76},
            {BEND, 44, 92, 44, 92}, {BEND, 70, 90, 72, 94}}},
    /* 2: angular, towards Z and 7 */
    {2, 1, {{PUT, 10, 12, 8, 8}, {BEND, 34, 3, 34, 4}, {BEND, 54, 5, 58, 4}, {BEND, 56, 24, 60, 10},
            {BEND, 36, 56, 38, 46}, {TURN, 8, 95, 12, 96}, {BEND, 34, 98, 34, 95},
            {BEND, 62, 97, 54, 93}}},
    /* 2: round back, the foot swung up */
    {2, 2, {{PUT, 16, 22, 8, 32}, {BEND, 28, 3, 20, 8}, {BEND, 50, 4, 44, 2},
            {BEND, 58, 24, 58, 18}, {BEND, 46, 52, 50, 46}, {BEND, 24, 78, 24, 76},
            {BEND, 10, 95, 14, 96}, {BEND, 32, 92, 36, 98}, {BEND, 52, 98, 60, 94},
            {BEND, 66, 90, 70, 82}}},
    /* 3: round, sharp waist */
    {3, 4, {{PUT, 12, 14, 14, 10}, {BEND, 32, 2, 34, 1}, {BEND, 56, 10, 54, 12},
            {BEND, 56, 32, 50, 34}, {TURN, 28, 46, 34, 46}, {BEND, 54, 54, 58, 54},
            {BEND, 64, 76, 64, 74}, {BEND, 40, 97, 42, 98}, {BEND, 18, 96, 20, 94},
            {BEND, 5, 86, 8, 82}}},
    /* 3: flat-topped */
    {3, 2, {{PUT, 10, 6, 8, 4}, {BEND, 34, 3, 34, 3}, {TURN, 58, 4, 60, 3}, {TURN, 32, 40, 28, 38},
            {BEND, 52, 46, 50, 46}, {BEND, 64, 70, 64, 66}, {BEND, 50, 92, 48, 94},
            {BEND, 26, 99, 26, 98}, {BEND, 6, 90, 4, 90}}},
    /* 3: the waist a smooth wave or a little loop */
    {3, 2, {{PUT, 10, 16, 14, 14}, {BEND, 30, 2, 32, 1}, {BEND, 54, 8, 54, 8},
            {BEND, 52, 32, 52, 32}, {BEND, 36, 44, 30, 48}, {BEND, 34, 48, 24, 44},
            {BEND, 46, 50, 34, 42}, {BEND, 62, 66, 60, 58}, {BEND, 56, 90, 58, 86},
            {BEND, 30, 99, 30, 98}, {BEND, 6, 88, 8, 90}}},
    /* 3: small head drawn to the left; in pose b almost a 5 */
    {3, 1, {{PUT, 20, 8, 22, 8}, {BEND, 38, 2, 40, 2}, {BEND, 52, 10, 50, 8},
            {BEND, 46, 28, 36, 24}, {BEND, 30, 40, 24, 40}, {BEND, 48, 46, 44, 42},
            {BEND, 62, 64, 62, 60}, {BEND, 54, 90, 54, 88}, {BEND, 28, 98, 30, 99},
            {BEND, 6, 88, 8, 90}}},
    /* 4: open, two strokes */
    {4, 4, {{PUT, 20, 4, 10, 10}, {BEND, 14, 30, 8, 32}, {TURN, 8, 54, 12, 54},
            {BEND, 40, 53, 40, 52}, {BEND, 70, 50, 66, 48}, {PUT, 54, 6, 52, 22},
            {BEND, 50, 50, 48, 58}, {BEND, 46, 100, 46, 100}}},
    /* 4: closed triangle */
    {4, 2, {{PUT, 50, 2, 44, 2}, {BEND, 28, 32, 26, 34}, {TURN, 4, 64, 8, 66},
            {BEND, 36, 64, 36, 64}, {BEND, 70, 62, 66, 62}, {PUT, 50, 3, 46, 4},
            {BEND, 49, 50, 48, 50}, {BEND, 47, 100, 50, 100}}},
    /* 4: a cup and a leg, in one stroke; nearly closed in pose b, towards 9 */
    {4, 3, {{PUT, 12, 6, 23, 7}, {BEND, 8, 30, 11, 27}, {BEND, 16, 50, 18, 46},
            {BEND, 38, 52, 38, 50}, {BEND, 54, 34, 54, 30}, {TURN, 60, 4, 58, 6},
            {BEND, 54, 50, 54, 50}, {BEND, 50, 100, 48, 100}}},
    /* 4: rounded head, closed by the leg; towards 9 */
    {4, 1, {{PUT, 47, 3, 45, 6}, {BEND, 24, 32, 22, 28}, {TURN, 6, 56, 11, 52},
            {BEND, 34, 56, 34, 53}, {BEND, 58, 48, 56, 44}, {PUT, 52, 4, 50, 4},
            {BEND, 53, 50, 53, 50}, {BEND, 50, 100, 50, 100}}},
    /* 5: one stroke, cornered */
    {5, 3, {{PUT, 62, 4, 54, 2}, {BEND, 40, 4, 36, 4}, {TURN, 18, 5, 18, 6}, {BEND, 16, 26, 15, 24},
            {TURN, 13, 44, 14, 42}, {BEND, 38, 38, 36, 36}, {BEND, 60, 54, 60, 54},
            {BEND, 56, 84, 58, 82}, {BEND, 30, 98, 32, 98}, {BEND, 6, 88, 8, 92}}},
    /* 5: the bar apart */
    {5, 3, {{PUT, 20, 8, 22, 14}, {BEND, 17, 26, 18, 28}, {TURN, 14, 44, 14, 46},
            {BEND, 36, 40, 36, 40}, {BEND, 58, 54, 60, 60}, {BEND, 54, 86, 54, 88},
            {BEND, 30, 98, 30, 98}, {BEND, 6, 90, 8, 88}, {PUT, 20, 6, 26, 8}, {BEND, 40, 4, 48, 5},
            {BEND, 64, 3, 70, 1}}},
    /* 5: no corners, as an S; narrow waist in pose b, towards 3 */
    {5, 2, {{PUT, 60, 4, 54, 6}, {BEND, 38, 3, 36, 4}, {BEND, 20, 12, 24, 16},
            {BEND, 18, 32, 26, 34}, {BEND, 36, 42, 38, 44}, {BEND, 56, 56, 56, 54},
            {BEND, 60, 78, 60, 76}, {BEND, 40, 97, 40, 98}, {BEND, 8, 90, 8, 88}}},
    /* 6: swung back, small to large belly */
    {6, 4, {{PUT, 52, 2, 46, 4}, {BEND, 28, 22, 24, 24}, {BEND, 12, 56, 8, 56},
            {BEND, 14, 86, 16, 88}, {BEND, 36, 98, 40, 98}, {BEND, 56, 84, 62, 78},
            {BEND, 52, 62, 56, 52}, {BEND, 34, 58, 34, 46}, {BEND, 15, 72, 12, 62}}},
    /* 6: straight back, the loop closed inside */
    {6, 2, {{PUT, 34, 0, 26, 0}, {BEND, 22, 32, 16, 32}, {BEND, 11, 68, 10, 66},
            {BEND, 16, 92, 18, 94}, {BEND, 40, 96, 42, 96}, {BEND, 58, 76, 60, 74},
            {BEND, 48, 56, 48, 52}, {BEND, 28, 62, 26, 60}, {BEND, 20, 78, 22, 84}}},
    /* 6: hardly a neck; in pose b almost a 0 */
    {6, 1, {{PUT, 54, 8, 48, 6}, {BEND, 32, 10, 28, 8}, {BEND, 12, 44, 10, 38},
            {BEND, 12, 80, 12, 78}, {BEND, 36, 98, 36, 98}, {BEND, 60, 82, 60, 78},
            {BEND, 58, 52, 58, 47}, {BEND, 38, 44, 38, 34}, {BEND, 14, 58, 13, 50}}},
    /* 7: plain */
    {7, 4, {{PUT, 6, 8, 10, 4}, {BEND, 34, 5, 36, 4}, {TURN, 62, 4, 60, 3}, {BEND, 44, 48, 46, 50},
            {BEND, 30, 100, 36, 100}}},
    /* 7: with a bar */
    {7, 3, {{PUT, 6, 10, 10, 6}, {BEND, 34, 6, 36, 5}, {TURN, 62, 4, 62, 5}, {BEND, 44, 48, 42, 46},
            {BEND, 30, 100, 26, 100}, {PUT, 20, 52, 24, 46}, {BEND, 42, 49, 42, 46},
            {BEND, 62, 47, 58, 46}}},
    /* 7: the stroke begins with a drop; the top waved */
    {7, 2, {{PUT, 8, 24, 4, 18}, {BEND, 9, 14, 8, 8}, {TURN, 12, 5, 12, 6}, {BEND, 34, 9, 34, 10},
            {TURN, 64, 3, 62, 4}, {BEND, 48, 40, 50, 36}, {BEND, 36, 70, 38, 66},
            {BEND, 32, 100, 34, 100}}},
    /* 7: rounded shoulder */
    {7, 2, {{PUT, 6, 14, 10, 10}, {BEND, 24, 5, 28, 4}, {BEND, 46, 5, 48, 5},
            {BEND, 58, 14, 56, 20}, {BEND, 46, 50, 48, 56}, {BEND, 32, 100, 38, 100}}},
    /* 7: short top; in pose b almost a 1 */
    {7, 1, {{PUT, 6, 8, 16, 12}, {BEND, 30, 6, 32, 8}, {TURN, 50, 3, 46, 2}, {BEND, 42, 50, 42, 50},
            {BEND, 36, 100, 38, 100}}},
    /* 8: one stroke, an S and back; open at the top in pose b */
    {8, 4, {{PUT, 52, 14, 58, 16}, {BEND, 34, 2, 38, 2}, {BEND, 14, 16, 14, 14},
            {BEND, 24, 40, 22, 38}, {BEND, 48, 58, 48, 56}, {BEND, 58, 80, 58, 82},
            {BEND, 34, 98, 34, 98}, {BEND, 10, 82, 10, 80}, {BEND, 22, 58, 22, 58},
            {BEND, 46, 38, 50, 38}, {BEND, 56, 20, 64, 14}, {BEND, 50, 10, 62, 2}}},
    /* 8: two rings */
    {8, 2, {{PUT, 36, 2, 36, 4}, {BEND, 16, 13, 18, 14}, {BEND, 16, 35, 20, 34},
            {BEND, 36, 46, 36, 44}, {BEND, 54, 34, 50, 34}, {BEND, 54, 12, 52, 14},
            {BEND, 36, 2, 34, 4}, {PUT, 36, 47, 35, 44}, {BEND, 12, 60, 8, 56},
            {BEND, 12, 88, 8, 86}, {BEND, 36, 98, 36, 98}, {BEND, 60, 86, 62, 84},
            {BEND, 58, 60, 62, 56}, {BEND, 36, 47, 36, 45}}},
    /* 8: begun in the middle, narrow; the small ring below or above */
    {8, 2, {{PUT, 38, 50, 36, 42}, {BEND, 18, 32, 20, 24}, {BEND, 22, 8, 24, 6},
            {BEND, 40, 2, 40, 2}, {BEND, 54, 16, 50, 14}, {BEND, 46, 38, 44, 32},
            {BEND, 28, 58, 24, 50}, {BEND, 18, 80, 12, 78}, {BEND, 34, 98, 34, 98},
            {BEND, 52, 82, 58, 80}, {BEND, 46, 62, 50, 54}, {BEND, 34, 46, 30, 38}}},
    /* 9: straight leg */
    {9, 4, {{PUT, 54, 16, 52, 10}, {BEND, 36, 2, 34, 2}, {BEND, 12, 16, 12, 20},
            {BEND, 14, 42, 14, 44}, {BEND, 36, 50, 34, 52}, {BEND, 54, 30, 54, 34},
            {TURN, 57, 8, 56, 8}, {BEND, 54, 50, 55, 50}, {BEND, 48, 100, 54, 100}}},
    /* 9: curved leg */
    {9, 3, {{PUT, 54, 14, 56, 18}, {BEND, 34, 2, 36, 2}, {BEND, 12, 18, 12, 22},
            {BEND, 18, 46, 18, 46}, {BEND, 42, 46, 44, 44}, {BEND, 56, 26, 58, 24},
            {TURN, 58, 12, 59, 16}, {BEND, 60, 50, 60, 56}, {BEND, 48, 88, 46, 90},
            {BEND, 20, 98, 18, 92}}},
    /* 9: in one swing, as a bent q */
    {9, 2, {{PUT, 50, 24, 58, 20}, {BEND, 42, 5, 42, 3}, {BEND, 18, 10, 18, 10},
            {BEND, 12, 34, 12, 36}, {BEND, 32, 50, 32, 52}, {BEND, 50, 34, 52, 38},
            {BEND, 55, 16, 59, 18}, {BEND, 54, 50, 54, 52}, {BEND, 40, 100, 34, 100}}},
    /* 9: flat head not quite closed; in pose b almost a 4 */
    {9, 1, {{PUT, 44, 6, 37, 5}, {BEND, 22, 12, 18, 16}, {BEND, 10, 36, 10, 38},
            {BEND, 24, 50, 20, 50}, {BEND, 46, 44, 42, 48}, {TURN, 56, 6, 56, 6},
            {BEND, 54, 50, 54, 50}, {BEND, 50, 100, 50, 100}}},
};
/* clang-format on */

const unsigned kd_digits_skeleton_count = sizeof kd_digits_skeletons / sizeof *kd_digits_skeletons;
