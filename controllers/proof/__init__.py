"""Proof of an event (响应证明): requested, promised and delivered, against settlement baselines, plan and meters. Pure."""

from controllers.proof.build import prove
from controllers.proof.evidence import AssetEvidence, Call, Evidence, Steps
from controllers.proof.facts import Proof
from controllers.proof.page import proof_html
from controllers.proof.source import evidence_of

__all__ = ["AssetEvidence", "Call", "Evidence", "Proof", "Steps", "evidence_of", "proof_html", "prove"]
