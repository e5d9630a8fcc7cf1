"""Every claim of the study that can be tested, and its test."""

from __future__ import annotations

from hwnas.report.claims.arm_claims import ARM_CLAIMS
from hwnas.report.claims.batch_claims import BATCH_CLAIMS
from hwnas.report.claims.bounds import ClaimVerdict
from hwnas.report.claims.darts_claims import DARTS_CLAIMS
from hwnas.report.claims.depth_claims import DEPTH_CLAIMS
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import Claim, Finding
from hwnas.report.claims.mac_claims import MAC_CLAIMS
from hwnas.report.claims.miss_claims import MISS_CLAIMS
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.network_claims import NETWORK_CLAIMS
from hwnas.report.claims.width_claims import WIDTH_CLAIMS

CLAIMS: tuple[Claim, ...] = (
    *DEPTH_CLAIMS,
    *BATCH_CLAIMS,
    *WIDTH_CLAIMS,
    *ARM_CLAIMS,
    *MISS_CLAIMS,
    *MAC_CLAIMS,
    *NETWORK_CLAIMS,
    *DARTS_CLAIMS,
)


def judge(evidence: Evidence) -> list[tuple[Claim, Finding]]:
    """Every claim with what the measurements say of it."""
    return [(claim, judge_claim(claim, evidence)) for claim in CLAIMS]


def judge_claim(claim: Claim, evidence: Evidence) -> Finding:
    """What the measurements say of one claim; where they say nothing, what is missing."""
    try:
        return claim.judge(evidence)
    except MissingEvidence as missing:
        return Finding(ClaimVerdict.NOT_MEASURED, note=str(missing))
