"""The walk down a ranking for thousands of permuted labels at once, compiled.

Each inner loop touches few arrays, so that the compiler can work on several permutations per instruction.
"""

from typing import no_type_check

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
@no_type_check  # the suite's argument checks cannot go into compiled code
def walk(labels, order, ends, above, false_share, counts):
    """Fill ``counts`` (8, permutations) from ``labels`` (n_subjects, permutations): 0 absent, 1 control, 2 patient.

    ``order`` has the subjects from the highest score, ``ends`` whether a score is the last of its ties, ``above``
    how many scores are above the two cut-offs. The rows: patients; controls; twice Mann-Whitney's U; best of
    patients above x controls not above a cut-off; patients, then controls above the first cut-off; patients above
    the second; patients above the lowest cut-off that at most a share ``false_share`` of the controls exceeds.
    """
    width = labels.shape[1]
    hit, false = np.zeros(width, np.int32), np.zeros(width, np.int32)
    for subject in order:
        tally(labels[subject], hit, false)
    counts[0], counts[1] = hit, false
    controls, allowed = false.copy(), np.floor(false_share * false + 1e-9).astype(np.int32)
    hit[:] = 0
    false[:] = 0
    hit_before, false_before = np.zeros(width, np.int32), np.zeros(width, np.int32)
    pairs, best, at_high = np.zeros(width, np.int32), np.zeros(width, np.int32), np.zeros(width, np.int32)
    for place in range(len(order)):
        tally(labels[order[place]], hit, false)
        if place + 1 == above[0]:
            counts[4], counts[5] = hit, false
        if place + 1 == above[1]:
            counts[6] = hit
        if ends[place]:
            add_pairs(pairs, hit, false, hit_before, false_before)
            keep_best(best, hit, false, controls)
            keep_allowed(at_high, hit, false, allowed)
            hit_before[:] = hit
            false_before[:] = false
    counts[2], counts[3], counts[7] = pairs, best, at_high


@numba.njit(nogil=True, cache=True)
@no_type_check
def tally(labels, hit, false):
    """Count one subject as what it is in each permutation."""
    for j in range(len(labels)):
        hit[j] += np.int32(labels[j] >> 1)
        false[j] += np.int32(labels[j] & 1)


@numba.njit(nogil=True, cache=True)
@no_type_check
def add_pairs(pairs, hit, false, hit_before, false_before):
    """Pairs of a patient with a control of a lower score count twice, of the same score once."""
    for j in range(len(pairs)):
        pairs[j] += np.int32(false[j] - false_before[j]) * np.int32(hit[j] + hit_before[j])


@numba.njit(nogil=True, cache=True)
@no_type_check
def keep_best(best, hit, false, controls):
    """Sensitivity x specificity, in pairs."""
    for j in range(len(best)):
        best[j] = max(best[j], np.int32(hit[j] * np.int32(controls[j] - false[j])))


@numba.njit(nogil=True, cache=True)
@no_type_check
def keep_allowed(at_high, hit, false, allowed):
    """Patients found while no more controls than allowed are."""
    for j in range(len(at_high)):
        at_high[j] = hit[j] if false[j] <= allowed[j] else at_high[j]
