"""Every claim of the study that can be tested, and its test."""

from __future__ import annotations

from hwnas.report.claims.cache_claims import CACHE_CLAIMS
from hwnas.report.claims.depth_claims import DEPTH_CLAIMS
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import Claim, ClaimVerdict, Finding
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.network_claims import NETWORK_CLAIMS
from hwnas.report.claims.width_claims import WIDTH_CLAIMS

CLAIMS: tuple[Claim, ...] = (*DEPTH_CLAIMS, *WIDTH_CLAIMS, *CACHE_CLAIMS, *NETWORK_CLAIMS)


def judge(evidence: Evidence) -> list[tuple[Claim, Finding]]:
    """Every claim with what the measurements say of it."""
    return [(claim, _judge(claim, evidence)) for claim in CLAIMS]


def _judge(claim: Claim, evidence: Evidence) -> Finding:
    try:
        return claim.judge(evidence)
    except MissingEvidence as missing:
        return Finding(ClaimVerdict.NOT_MEASURED, note=str(missing))
