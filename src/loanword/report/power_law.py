"""A power law with an offset, y = E + A n^-alpha, fitted in logarithms to many resampled curves at once.

Four amounts leave one degree of freedom to say how far a run may lie off the law. Of three, a law without an offset
could be had; it goes on falling where the curve ends, and its intervals say next to nothing.

Shapes: R resamples, B amounts, S starts, M curves that are fitted together, P parameters (log A, log E, alpha).

Source: Hoffmann et al. 2022, section 3.3 and appendix D.2: Huber's loss of the difference of logarithms, several
starts; in place of L-BFGS, Gauss and Newton's steps as damped by Levenberg and Marquardt.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from loanword.report.statistics import Floats

NUM_PARAMETERS = 3
FEWEST = 4
"""Amounts that a law takes."""
HUBER = 1.345
"""Standard deviations from which a residual counts by its size; Huber 1964: 95 % as good as squares on normal ones."""
SMALLEST_HUBER = 1e-3
"""Hoffmann et al.'s own."""
LARGEST_EXPONENT = 4.0
LOWEST_OFFSET = -12.0
"""Logarithm of the smallest offset beside the smallest value: as good as none."""
MOST_STEPS = 60


@dataclass(frozen=True)
class PowerLaw:
    """Parameters of R curves, [R, 3], at amounts in units of `unit`."""

    unit: float
    parameters_RP: Floats

    @property
    def exponent_R(self) -> Floats:
        return self.parameters_RP[:, 2]

    @property
    def offset_R(self) -> Floats:
        return np.exp(self.parameters_RP[:, 1])

    def logs_at(self, amounts: Floats) -> Floats:
        """Logarithms of y at each of some amounts, [R, amounts]."""
        return _model(np.log(amounts / self.unit), self.parameters_RP)[0]

    def at(self, amounts: Floats) -> Floats:
        """y at each of some amounts, [R, amounts]."""
        return np.exp(self.logs_at(amounts))


def fit(amounts_B: Floats, values_RB: Floats, huber: float, start: PowerLaw | None = None) -> PowerLaw:
    """The law of each of R curves over at least four amounts; from many starts, or beside another law from that."""
    unit = float(np.exp(np.log(amounts_B).mean()))
    x_B, y_RB = np.log(amounts_B / unit), np.log(values_RB)
    starts = list(_starts(x_B, y_RB)) if start is None else [np.tile(start.parameters_RP, (len(y_RB), 1))]
    theta_MP, loss_M = _descended(x_B, np.tile(y_RB, (len(starts), 1)), np.concatenate(starts), huber)
    theta_SRP = theta_MP.reshape(len(starts), len(y_RB), NUM_PARAMETERS)
    best_R = loss_M.reshape(len(starts), -1).argmin(axis=0)
    return PowerLaw(unit, theta_SRP[best_R, np.arange(len(y_RB))])


def huber_scale(values_RB: Floats) -> float:
    """How far a logarithm may lie off a law before it counts as an outlier: what resamples move one against another."""
    logs_RB = np.log(values_RB)
    apart_RB = logs_RB - logs_RB.mean(axis=1, keepdims=True)
    return max(SMALLEST_HUBER, HUBER * float(np.median(apart_RB.std(axis=0))))


def _starts(x_B: Floats, y_RB: Floats) -> Iterator[Floats]:
    """Laws that meet the first value of a curve, of several exponents and offsets."""
    lowest_R, first_R = y_RB.min(axis=1), y_RB[:, 0]
    for exponent in (0.1, 0.3, 0.7, 1.5):
        for share in (1e-4, 0.3, 0.6, 0.9, 0.99):
            rest_R = np.maximum(np.exp(first_R) - share * np.exp(lowest_R), 1e-3 * np.exp(first_R))
            exponents_R = np.full_like(rest_R, exponent)
            yield np.stack([np.log(rest_R) + exponent * x_B[0], lowest_R + np.log(share), exponents_R], axis=1)


def _model(x_B: Floats, theta_MP: Floats) -> tuple[Floats, Floats]:
    """Logarithms of the laws, [M, B], and the share of their power part in them."""
    power_MB = theta_MP[:, :1] - theta_MP[:, 2:] * x_B
    logs_MB = np.logaddexp(power_MB, theta_MP[:, 1:2])
    return logs_MB, np.exp(power_MB - logs_MB)


def _descended(x_B: Floats, y_MB: Floats, theta_MP: Floats, huber: float) -> tuple[Floats, Floats]:
    """Parameters after damped steps, each taken where it lowers the loss, and that loss, [M]."""
    lowest_M = y_MB.min(axis=1) + LOWEST_OFFSET
    damping_M = np.full(len(y_MB), 1e-2)
    logs_MB, share_MB = _model(x_B, theta_MP)
    loss_M = _loss(logs_MB - y_MB, huber)
    for _ in range(MOST_STEPS):
        off_MB = logs_MB - y_MB
        weights_MB = np.minimum(1.0, huber / np.maximum(np.abs(off_MB), 1e-300))
        slopes_MBP = np.stack([share_MB, 1 - share_MB, -x_B * share_MB], axis=2)
        weighted_MPB = (slopes_MBP * weights_MB[:, :, None]).transpose(0, 2, 1)
        curvature_MPP = weighted_MPB @ slopes_MBP
        diagonal_MP = np.einsum("mpp->mp", curvature_MPP)
        # A parameter that moves nothing, as the offset far below all values, stays where it is.
        curvature_MPP += np.eye(NUM_PARAMETERS) * (damping_M[:, None] * diagonal_MP + 1e-12)[:, :, None]
        solved_MP1 = np.asarray(np.linalg.solve(curvature_MPP, weighted_MPB @ off_MB[:, :, None]), dtype=np.float64)
        steps_MP = -solved_MP1[:, :, 0]
        tried_MP: Floats = theta_MP + np.clip(steps_MP, -2.0, 2.0)
        tried_MP[:, 1] = np.maximum(tried_MP[:, 1], lowest_M)
        tried_MP[:, 2] = np.clip(tried_MP[:, 2], 0.0, LARGEST_EXPONENT)
        tried_logs_MB, tried_share_MB = _model(x_B, tried_MP)
        tried_M = _loss(tried_logs_MB - y_MB, huber)
        better_M = tried_M < loss_M
        if not better_M.any() and damping_M.min() > 1e6:
            break
        damping_M = np.where(better_M, damping_M / 4, damping_M * 6)
        theta_MP = np.where(better_M[:, None], tried_MP, theta_MP)
        logs_MB = np.where(better_M[:, None], tried_logs_MB, logs_MB)
        share_MB = np.where(better_M[:, None], tried_share_MB, share_MB)
        loss_M = np.where(better_M, tried_M, loss_M)
    return theta_MP, loss_M


def _loss(off_MB: Floats, huber: float) -> Floats:
    size_MB = np.abs(off_MB)
    return np.where(size_MB <= huber, size_MB**2 / 2, huber * (size_MB - huber / 2)).sum(axis=1)
