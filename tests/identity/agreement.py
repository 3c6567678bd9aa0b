"""Our evaluator beside MiniStack's, an independent one, on generated policies.

    python -m tests.identity.agreement --count 2000

Each case is asked twice: of a running MiniStack, by SimulateCustomPolicy (each tenth by
SimulatePrincipalPolicy, of a user with these policies), and of the evaluator behind it. The simulator takes
no notice of ContextEntries and boundaries: it evaluates with a context of its own, which ours gets too; the
evaluator gets all of the case. Ends with `iam agreement: K of N agree ..., E differ for a known reason, U
unexplained`; the exit code is 1 when anything is unexplained.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator

from tests.identity.generated import ACCOUNT, CONDITION_KEYS, Case, case
from tests.ministack import ministack
from tinsmith.identity.access import Principal, decide
from tinsmith.identity.policy import Effect, Request, parse

MANY = {key.name: key.many for key in CONDITION_KEYS}
EMULATED = "000000000000"
"""MiniStack's account."""
DECISIONS = {"Allow": "allowed", "Deny": "explicitDeny", "ImplicitDeny": "implicitDeny"}


@dataclass(frozen=True)
class Difference:
    """A case on which the two do not agree."""

    number: int
    case: Case
    ours: str
    theirs: str
    simulated: bool

    def explanation(self) -> str | None:
        """Why MiniStack is known to answer otherwise here; None when it is not known."""
        return next((reason for reason, applies in EXPLANATIONS.items() if applies(self)), None)


def _has_no_tag_keys(difference: Difference) -> bool:
    tested = json.dumps(difference.case.policies).lower()
    return difference.simulated and "aws:tagkeys" in tested and "aws:TagKeys" not in difference.case.context


EXPLANATIONS: Mapping[str, Callable[[Difference], bool]] = {
    "MiniStack's simulator has aws:TagKeys in every request, without values: Null and IfExists see a key": (
        _has_no_tag_keys
    ),
}


def ours(case: Case) -> str:
    """What this project's evaluator says."""
    principal = Principal(
        ACCOUNT,
        f"arn:aws:iam::{ACCOUNT}:user/x",
        "AIDAX",
        tuple(parse(policy) for policy in case.policies),
        boundary=parse(case.boundary) if case.boundary else None,
    )
    context = {name.lower(): values for name, values in case.context.items()}
    return decide(principal, Request(case.action, case.resource, context)).effect.value


def of_evaluator(case: Case) -> str:
    """What MiniStack's evaluator says, with the whole context and boundary."""
    context = {
        name.lower(): list(values) if MANY[name] else values[0] for name, values in case.context.items()
    }
    asked = iam_evaluator.EvalContext(
        principal_arn=context.pop("aws:principalarn", None),
        principal_type="User",
        principal_account=ACCOUNT,
        action=case.action,
        resource_arn=case.resource,
        region="us-east-1",
        source_ip=context.pop("aws:sourceip", None),
        secure_transport=context.pop("aws:securetransport", None),
        service_context=context,
        tag_keys=None,
    )
    policies = [iam_evaluator.parse_policy_document(policy) for policy in case.policies]
    limits = [iam_evaluator.parse_policy_document(case.boundary)] if case.boundary else []
    answers = [iam_evaluator.evaluate(asked, layer).decision for layer in (policies, limits) if layer]
    for answer in ("Deny", "ImplicitDeny"):
        if answer in answers:
            return DECISIONS[answer]
    return DECISIONS["Allow"]


def of_simulator(iam: Any, case: Case) -> str:
    """What SimulateCustomPolicy says."""
    documents = [json.dumps(policy) for policy in case.policies]
    asked = {"ActionNames": [case.action], "ResourceArns": [case.resource]}
    reply = iam.simulate_custom_policy(PolicyInputList=documents, **asked)
    return str(reply["EvaluationResults"][0]["EvalDecision"])


def of_user(iam: Any, case: Case, name: str) -> str:
    """What SimulatePrincipalPolicy says of a user with these policies."""
    iam.create_user(UserName=name)
    for number, policy in enumerate(case.policies):
        iam.put_user_policy(UserName=name, PolicyName=str(number), PolicyDocument=json.dumps(policy))
    asked = {"ActionNames": [case.action], "ResourceArns": [case.resource]}
    reply = iam.simulate_principal_policy(PolicySourceArn=_user_arn(name), **asked)
    return str(reply["EvaluationResults"][0]["EvalDecision"])


def as_evaluated(case: Case) -> Case:
    """`case` with what MiniStack's evaluator takes from nowhere else: the time, and whether there is TLS."""
    context = {"aws:SecureTransport": ("false",), **case.context, "aws:CurrentTime": (_time(),)}
    return replace(case, context=context)


def as_simulated(case: Case, principal_arn: str) -> Case:
    """`case` with the context that MiniStack's simulator has."""
    context = {
        "aws:PrincipalArn": (principal_arn,),
        "aws:CurrentTime": (_time(),),
        "aws:SourceIp": ("127.0.0.1",),
        "aws:SecureTransport": ("false",),
    }
    return replace(case, boundary=None, context=context)


def compare(iam: Any, numbers: Sequence[int]) -> tuple[int, list[Difference]]:
    """The comparisons made over the cases of these numbers, and those that differ."""
    asked: list[tuple[int, Case, str, bool]] = []
    for number in numbers:
        generated = as_evaluated(case(number))
        asked.append((number, generated, of_evaluator(generated), False))
        if number % 10:
            simulated = as_simulated(generated, f"arn:aws:iam::{EMULATED}:root")
            asked.append((number, simulated, of_simulator(iam, simulated), True))
        else:
            simulated = as_simulated(generated, _user_arn(f"u{number}"))
            asked.append((number, simulated, of_user(iam, simulated, f"u{number}"), True))
    answers = [Difference(number, case, ours(case), theirs, api) for number, case, theirs, api in asked]
    return len(asked), [answer for answer in answers if answer.ours != answer.theirs]


def _time() -> str:
    return datetime.now(UTC).isoformat()


def _user_arn(name: str) -> str:
    return f"arn:aws:iam::{EMULATED}:user/{name}"


def main() -> int:
    """Prints the count and every kind of difference."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ministack(Path(folder)) as server:
        made, differences = compare(server.client("iam"), range(options.first, options.first + options.count))
    reasons = Counter(difference.explanation() for difference in differences)
    unexplained = reasons.pop(None, 0)
    for reason, count in reasons.most_common():
        print(f"{count:6d}  {reason}")
    for difference in [each for each in differences if each.explanation() is None][:5]:
        print(
            f"case {difference.number}: ours {difference.ours}, theirs {difference.theirs}: {difference.case}"
        )
    effects = Counter(ours(case(number)) for number in range(options.first, options.first + options.count))
    print(", ".join(f"{effect.value} {effects[effect.value]}" for effect in Effect))
    agree = made - len(differences)
    print(
        f"iam agreement: {agree} of {made} agree over {options.count} generated policies, "
        f"{len(differences) - unexplained} differ for a known reason, {unexplained} unexplained"
    )
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
