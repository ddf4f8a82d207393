/* Where a training's model goes, and whether what is there already may stay. */
#ifndef KD_CMD_PLACES_H
#define KD_CMD_PLACES_H
#include "kd/train/experiment.h"
#include "kd/train/training.h"
#include "program.h"

struct place_wishes { /* of the command line */
    bool resume, overwrite;
    bool update; /* what is there and was made otherwise may go, and what is current stays */
};
/* A model that was made otherwise stays, unless the command says that it may go. 1: there is
 * nothing to do; 0; or -1. */
int place_spare(struct kd_invocation *inv, const struct place_wishes *how, struct kd_training *t,
                struct kd_err *err);

/* What is made on the spot gets a place of its own: folder, as runs/quick, or the first of
 * runs/quick-2 ... that is free, or holds what is asked for. It becomes t->output. *place is the
 * caller's, to be freed behind t. */
int place_find_quick(const char *folder, bool resume, struct kd_training *t, char **place,
                     struct kd_err *err);

/* runs/latest names the run of this place, for whoever goes on with what was just made. A folder
 * without links is no reason to fail. */
int place_name_latest(const struct kd_experiment *x, const char *place, struct kd_err *err);
#endif
