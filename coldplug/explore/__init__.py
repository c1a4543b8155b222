"""Exploring: policies that know how likely they were to show what they showed, estimates from logs, onboarding quizzes."""

from coldplug.explore.choosing import Choice, choose
from coldplug.explore.evidence import Question, Quiz, evidence
from coldplug.explore.offpolicy import Estimate, doubly_robust, ips, matched, snips
from coldplug.explore.policies import POLICIES, Belief, Policy, draw, policy_of

__all__ = [
    "POLICIES",
    "Belief",
    "Choice",
    "Estimate",
    "Policy",
    "Question",
    "Quiz",
    "choose",
    "doubly_robust",
    "draw",
    "evidence",
    "ips",
    "matched",
    "policy_of",
    "snips",
]
